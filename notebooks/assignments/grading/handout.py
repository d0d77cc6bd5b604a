"""What a class is given: walkthroughs, released problem sets and the package as a wheel; no answers, sources or checks."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from grading import sources

ROOT = sources.HERE.parents[1]
LINKED = ("docs/glossary.md", "docs/playground/playground.png", "RESULTS.md", "LICENSE")  # mostly by walkthroughs
README = """# Diffusion guidance: walkthroughs and problem sets

## Install, once

You need Python 3.11 or later. Open a terminal in this folder:

```
python3 -m venv .venv
source .venv/bin/activate        # on Windows: .venv\\Scripts\\activate
pip install "./{wheel}[notebooks]"
```

This takes some minutes and up to 6 GB, most of it for PyTorch. PyTorch's build for the CPU is much smaller and enough for
everything here. To use it, install `torch` and `torchvision` first, as PyTorch's own page shows for the CPU.

## Start, every time

```
source .venv/bin/activate        # on Windows: .venv\\Scripts\\activate
jupyter lab
```

## Walkthroughs

Run the cells of a walkthrough from the top. Commit to your answer before you unfold the cell that gives it. Terms are
explained in the [glossary](docs/glossary.md).

{table}

## Problem sets

Write your answers into the notebook, run all cells, save it, and hand in the `.ipynb` file under the name it has.

{sets}
"""


def write(folder: Path | str) -> Path:
    """Write what a class is given into the empty folder `folder`, and beside it as FOLDER.zip. Returns the folder.

    Links to what students do not get become plain text. Raises FileExistsError for a folder in use, and RuntimeError if the
    wheel cannot be built.
    """
    folder = Path(folder).resolve()
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: give an empty folder")
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        copy(path, folder / "notebooks" / path.name)
    for name in sources.names():
        copy(sources.RELEASE / f"{name}.ipynb", folder / "problem_sets" / f"{name}.ipynb")
    for name in LINKED:
        copy(ROOT / name, folder / name)
    rows = [line for line in (ROOT / "notebooks/README.md").read_text().splitlines() if re.search(r"\.ipynb\) \|", line)]
    table = "\n".join(["| notebook | the question | read | run | better after |", "|---|---|---|---|---|", *rows])
    sets = "\n".join(f"- [{name}](problem_sets/{name}.ipynb)" for name in sources.names())
    page = README.format(wheel=wheel(folder).name, table=table.replace("](", "](notebooks/"), sets=sets)
    (folder / "README.md").write_text(page)
    for path in folder.rglob("*.md"):
        path.write_text(unlinked(path.read_text(), path.parent))
    for path in (folder / "notebooks").glob("*.ipynb"):
        walkthrough(path)
    shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    return folder


def copy(path: Path, to: Path) -> None:
    """Copy a file, making its folder."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)


def walkthrough(path: Path) -> None:
    """Make a walkthrough the student's: the table of walkthroughs is one folder up, and nothing points to answers."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"\n\nIf you learn alone:(?:(?!\n\n).)*", "", cell.source, flags=re.S)
            cell.source = unlinked(text.replace("](README.md)", "](../README.md)"), path.parent)
    nbformat.write(notebook, path)


def unlinked(text: str, folder: Path) -> str:
    """The text without links to files that are not there, seen from `folder`; their words stay."""

    def keep(link: re.Match) -> str:
        return link[0] if re.match(r"\w+:", link[2]) or (folder / link[2].split("#")[0]).exists() else link[1]

    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+\.\w+(?:#[\w-]+)?)\)", keep, text)


def wheel(folder: Path) -> Path:
    """Build the package into `folder`, from a copy: a build leaves its parts in the source tree. Returns the file."""
    with tempfile.TemporaryDirectory() as place:
        for name in ("edm", "toy2d", "figures"):
            shutil.copytree(ROOT / name, Path(place) / name, ignore=shutil.ignore_patterns("__pycache__", "out"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, place)
        options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder)]
        done = subprocess.run([sys.executable, "-m", "pip", "wheel", *options, place], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the wheel could not be built; `pip install 'setuptools>=70'` may help:\n{done.stderr[-2000:]}")
    return next(folder.glob("*.whl"))
