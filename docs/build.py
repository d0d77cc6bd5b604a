"""Build the site into a folder: `python docs/build.py [FOLDER]` (default: html). A warning is an error.

The playground and the slides lie beside the pages, as files of their own."""

import subprocess
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parents[1]
START = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=docs/index.html">\n'


def build(out: Path) -> int:
    """Build every page; the exit code is 0 when there was no warning."""
    code = build_main(["-W", "--keep-going", "-q", "-b", "html", "-c", str(ROOT / "docs"), str(ROOT), str(out)])
    (out / "index.html").write_text(START)  # the first page where one looks for it
    for name in ("playground", "slides"):
        command = [sys.executable, ROOT / "docs" / name / "build.py", "--out", out / f"{name}.html"]
        code = code or subprocess.run(command, cwd=ROOT, check=False).returncode
    return code


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "html").resolve()
    result = build(folder)
    print(f"{folder / 'index.html'}")
    sys.exit(result)
