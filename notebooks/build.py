"""Sync and execute the notebooks.

examples:
  python notebooks/build.py sync              bring scripts and notebooks together, the newer of each pair winning
  python notebooks/build.py run               execute all in full and store the outputs
  python notebooks/build.py run 04 05         two of them
"""

import argparse
import ast
import re
import subprocess
import sys
import time
import zlib
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from edm.storage.atomic import write_atomic

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
CELL_SECONDS = 180  # time limit of a cell
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


class NotebookError(Exception):
    """A notebook that does not run, or is not what it should be; the message says where."""


def scripts(wanted: list[str] | None = None, folder: Path = FOLDER) -> list[Path]:
    """The walkthrough's scripts in order; `wanted` holds beginnings of names, such as 04."""
    found = sorted(folder.glob("[0-9][0-9]_*.py"))
    for name in wanted or []:
        if not any(path.name.startswith(name) for path in found):
            raise NotebookError(f"no notebook {name!r} in {folder}: there are {', '.join(p.stem for p in found)}")
    return [path for path in found if not wanted or path.name.startswith(tuple(wanted))]


def sync(paths: list[Path]) -> None:
    """Bring pairs together, the newer file winning; unlike `jupytext --diff` it cannot miss a difference."""
    subprocess.run([sys.executable, "-m", "jupytext", "--quiet", "--sync", *map(str, paths)], check=True)
    for path in paths:
        notebook = path.with_suffix(".ipynb")
        if notebook.exists():
            old = notebook.read_text()
            fold(found := nbformat.reads(old, 4))
            if (new := nbformat.writes(found) + "\n") != old:
                write_atomic(notebook, new)


def fold(notebook) -> None:
    """Fold the code of cells tagged hide-input in JupyterLab, too, which has a word of its own for it; keep no other metadata."""
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        hidden = {"jupyter": {"source_hidden": True}} if "hide-input" in tags else {}
        cell.metadata = nbformat.from_dict(({"tags": tags} if tags else {}) | hidden)


def execute(script: Path, parameters: dict[str, object], cwd: Path | None = None, seconds: int = CELL_SECONDS):
    """The notebook of a py:percent script, executed in a fresh kernel with `parameters` set in its cell of that tag.

    Cell sources come back as they are in the script. Raises NotebookError that names the script, line and cell.
    """
    notebook = jupytext.read(script)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cell = parameter_cell(script, code, parameters)
    source = cell.source
    cell.source += "\n" + "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    client = NotebookClient(notebook, timeout=seconds, kernel_name=KERNEL["name"],
                            resources={"metadata": {"path": str(cwd or script.parent)}})  # fmt: skip
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(where(script, code, error, seconds)) from None
    finally:
        cell.source = source
    return notebook


def parameter_cell(script: Path, code: list, parameters: dict[str, object]):
    """The one cell tagged `parameters`, which must assign every parameter."""
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(f'{script}: {len(tagged)} cells are tagged "parameters", need 1 (# %% tags=["parameters"])')
    targets = [t for node in ast.parse(tagged[0].source).body if isinstance(node, ast.Assign) for t in node.targets]
    missing = parameters.keys() - {t.id for t in targets if isinstance(t, ast.Name)}
    if missing:
        raise NotebookError(f'{script}: the cell tagged "parameters" does not set {", ".join(sorted(missing))}')
    return tagged[0]


def where(script: Path, code: list, error: Exception, seconds: int) -> str:
    """Script, line and cell of an error, from what the cells put out."""
    if isinstance(error, CellExecutionError):
        number = next(i for i, c in enumerate(code) if any(o.output_type == "error" for o in c.outputs))
        what = f"{error.ename}: {error.evalue}"
        trace = next(o for o in code[number].outputs if o.output_type == "error").traceback
        found = re.search(r"Cell In\[\d+\], line (\d+)", re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(trace)))
        line = int(found[1]) if found else 1
    else:
        number = max((i for i, cell in enumerate(code) if cell.execution_count is not None), default=0)
        what, line = f"no answer within {seconds} s" if isinstance(error, CellTimeoutError) else "the kernel died", 1
    text, start = script.read_text(), 0
    for cell in code[: number + 1]:  # one after the other: cells may be alike
        first = start = max(text.find(cell.source, start), start)
        start += 1
    return f"{script}:{text[:first].count(chr(10)) + line} (code cell {number + 1}, line {line}): {what}"


def clean(notebook, old: Path) -> None:
    """Drop what differs from run to run without meaning; keep the cell ids of the notebook that lies there."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    fold(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]  # progress bars
    ids = {}
    if old.exists():
        for cell in nbformat.read(old, 4).cells:
            ids.setdefault((cell.cell_type, cell.source), cell.id)
    used = set()
    for i, cell in enumerate(notebook.cells):
        known = ids.get((cell.cell_type, cell.source))
        cell.id = known if known and known not in used else f"{i:02d}-{zlib.crc32(cell.source.encode()):08x}"
        used.add(cell.id)


def run(paths: list[Path]) -> None:
    for script in paths:
        begin = time.perf_counter()
        notebook = execute(script, {"FAST": False, "SLIDERS": False}, seconds=4 * CELL_SECONDS)
        out = script.with_suffix(".ipynb")
        clean(notebook, out)
        write_atomic(out, nbformat.writes(notebook) + "\n")
        print(f"{out.name}  {time.perf_counter() - begin:.0f} s, {out.stat().st_size // 1024} KB", flush=True)


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=("sync", "run"))
    p.add_argument("names", nargs="*", metavar="NAME", help="beginnings of names, such as 04 (default: all)")
    args = p.parse_args()
    try:
        paths = scripts(args.names)
        (sync if args.command == "sync" else run)(paths)
    except (NotebookError, OSError, subprocess.CalledProcessError) as error:
        print(f"notebooks: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
