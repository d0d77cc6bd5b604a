"""Write the public address of the repository into every place that needs it.

examples:
  python notebooks/address.py                                  say which address is set
  python notebooks/address.py https://example.org/us/guidance  set it
  python notebooks/address.py ""                               take it away again

Its one place is `[project.urls]` in pyproject.toml. From there it goes into the first cell of every notebook, which installs the
project where it is missing, into CITATION.cff, and for an address on GitHub into the line of notebooks/README.md that opens the
notebooks in a browser. While it is empty, nothing points anywhere.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
UNKNOWN = "# [project.urls]: the public address is not known yet; `python notebooks/address.py URL` writes it everywhere."


def current(root: Path = ROOT) -> str:
    """The address in pyproject.toml; empty while it is not known."""
    urls = tomllib.loads((root / "pyproject.toml").read_text())["project"].get("urls", {})
    return urls.get("Repository", "")


def write(address: str, root: Path = ROOT) -> list[Path]:
    """Write the address; the files that changed. Raises ValueError if it is none, or a file has no place for it."""
    if address and not re.fullmatch(r"https://[\w.-]+(/[\w.~-]+)+", address):
        raise ValueError(f"{address!r} is not an address of a repository, such as https://example.org/us/guidance")
    address = address.removesuffix(".git")
    table = f'[project.urls]\nRepository = "{address}"' if address else UNKNOWN
    cite = f'repository-code: "{address}"\n' if address else ""
    plans: dict[Path, tuple[str, str]] = {
        root / "pyproject.toml": (r'# \[project\.urls\]:.*|\[project\.urls\]\nRepository = ".*"', table),
        root / "CITATION.cff": (r'(?<=\nlicense: MIT\n)(?:repository-code: ".*"\n)?', cite),
        root / "notebooks/README.md": (
            r"(?s)(?<=<!-- launch -->\n).*(?=<!-- end of launch -->)",
            launch(address, root),
        ),
    }
    texts = {path: replaced(path, path.read_text(), *plan) for path, plan in plans.items()}
    for script in sorted((root / "notebooks").glob("[0-9][0-9]_*.py")):
        place = (r'(?m)^REPOSITORY = ".*?"', f'REPOSITORY = "{address}"')
        texts[script] = replaced(script, script.read_text(), *place)
        texts[script.with_suffix(".ipynb")] = in_setup(
            script.with_suffix(".ipynb"), lambda text, path: replaced(path, text, *place)
        )
    changed = [path for path, text in texts.items() if text != path.read_text()]
    for path in changed:  # all are known to have a place before the first is written
        path.write_text(texts[path])
    return changed


def launch(address: str, root: Path) -> str:
    """The line of links that open the notebooks in a browser, where that is possible: for repositories on GitHub."""
    if not address.startswith("https://github.com/"):
        return ""
    place = address.removeprefix("https://github.com/")
    names = [path.stem for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.py"))]
    colab = [
        f"[{n[:2]}](https://colab.research.google.com/github/{place}/blob/main/notebooks/{n}.ipynb)" for n in names
    ]
    binder = f"[in Binder](https://mybinder.org/v2/gh/{place}/main?urlpath=lab/tree/notebooks)"
    return f"Without installing anything: in Colab {' '.join(colab)}, or all {binder}.\n"


def replaced(path: Path, text: str, pattern: str, value: str) -> str:
    """The text with the one place that matches the pattern replaced."""
    out, count = re.subn(pattern, lambda _: value, text)
    if count != 1:
        raise ValueError(f"{path} has {count} places for the address instead of one")
    return out


def in_setup(path: Path, change: Callable[[str, Path], str]) -> str:
    """The text of a notebook with the source of its setup cell changed, its outputs and ids as they are."""
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        if "setup" in cell.metadata.get("tags", []):
            cell.source = change(cell.source, path)
    return nbformat.writes(notebook) + "\n"


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("address", nargs="?", metavar="URL", help="https://HOST/OWNER/NAME (default: say which is set)")
    args = p.parse_args(arguments)
    if args.address is None:
        print(current() or "the address is not known yet: python notebooks/address.py URL")
        return 0
    try:
        changed = write(args.address)
    except (ValueError, OSError) as error:
        print(f"address: error: {error}", file=sys.stderr)
        return 2
    print("\n".join(str(path.relative_to(ROOT)) for path in changed) or "nothing to change")
    return 0


if __name__ == "__main__":
    sys.exit(main())
