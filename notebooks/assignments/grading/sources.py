"""From an instructor script to the notebook nbgrader understands.

A source in source/ is a jupytext percent script. What a cell is for stands in its header:

    # %%                                      shown as it is; the student may change it
    # %% given="NAME"                         shown, locked: restored before grading
    # %% task="NAME"                          the student's: what lies between BEGIN SOLUTION and END SOLUTION is taken out
    # %% test="NAME" points=4                 graded: all points or none; what lies between BEGIN and END HIDDEN TESTS is taken out
    # %% [markdown] written="NAME" points=3   answered in words, the model answer taken out; graded by a person

A script of the same name in wrong/ holds mistakes students make. Each cell replaces one task:

    # %% task="NAME" mistake="in words" loses=["TEST", ...]
"""

from pathlib import Path
from typing import NamedTuple

import jupytext
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parents[1]
SOURCE, WRONG, RELEASE = HERE / "source", HERE / "wrong", HERE / "release"

ROLES = {  # header key -> what nbgrader calls it
    "given": dict(grade=False, solution=False, locked=True),
    "task": dict(grade=False, solution=True, locked=False),
    "test": dict(grade=True, solution=False, locked=True),
    "written": dict(grade=True, solution=True, locked=False),
}
GRADED = ("test", "written")

INSTALL = """# Only where the project is not installed yet (a hosted notebook service): fetch it from here.
PROJECT = "{project}"

import importlib.util
import subprocess
import sys

if importlib.util.find_spec("toy2d") is None:
    if not PROJECT:
        how = "install the project, or set PROJECT to its address, such as git+https://HOST/OWNER/NAME"
        raise ModuleNotFoundError(how)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", PROJECT], check=True)"""


class Mistake(NamedTuple):
    """A typical wrong answer."""

    task: str
    mistake: str  # in words
    loses: frozenset[str]  # the tests that must fail, all others must pass
    code: str  # takes the place of the task's cell


def names() -> list[str]:
    """The problem sets, in order."""
    return sorted(path.stem for path in SOURCE.glob("ps*.py"))


def instructor(name: str, project: str = "") -> NotebookNode:
    """The instructor's notebook of a problem set, with nbgrader's metadata and cell ids that do not change.

    project: address the first cell installs from where the project is missing. Raises ValueError for a header that says
    nothing known, a name used twice, or points on a cell that is not graded (or the reverse).
    """
    path = SOURCE / f"{name}.py"
    if not path.exists():
        raise FileNotFoundError(f"no problem set {name!r}: choose one of {', '.join(names())} ({path} does not exist)")
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = NotebookNode(
        kernelspec=dict(name="python3", display_name="Python 3 (ipykernel)", language="python"),
        language_info=dict(name="python"),
    )
    install = NotebookNode(
        cell_type="code", metadata={"given": "install"}, source=INSTALL.format(project=project), outputs=[]
    )
    notebook.cells.insert(1, NotebookNode(install, execution_count=None))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    used = set()
    for number, cell in enumerate(notebook.cells):
        header = {key: value for key, value in cell.metadata.items() if key != "lines_to_next_cell"}  # jupytext's own
        points = header.pop("points", None)
        cell.metadata = NotebookNode()
        cell.id = f"cell-{number:02}"
        if not header:
            continue
        (role, cell_name), *rest = header.items()
        if rest or role not in ROLES or cell_name in used or (points is not None) != (role in GRADED):
            raise ValueError(
                f"{path}: cannot use the cell header {header | dict(points=points)}; see grading/sources.py"
            )
        used.add(cell_name)
        cell.id = cell_name
        cell.metadata.nbgrader = NotebookNode(ROLES[role], grade_id=cell_name, task=False, schema_version=3)
        if points is not None:
            cell.metadata.nbgrader.points = points
    return notebook


def mistakes(name: str) -> list[Mistake]:
    """The typical wrong answers to a problem set. Raises ValueError for one that names no task or test of the set."""
    path = WRONG / f"{name}.py"
    tasks, tests = cells(instructor(name), "task"), cells(instructor(name), "test")
    found = []
    for cell in jupytext.read(path, fmt="py:percent").cells:
        if cell.cell_type != "code":
            continue
        loses = frozenset(cell.metadata["loses"])
        if cell.metadata["task"] not in tasks or not loses or not loses <= set(tests):
            raise ValueError(f"{path}: {dict(cell.metadata)} names no task or test of {name}")
        found.append(Mistake(cell.metadata["task"], cell.metadata["mistake"], loses, cell.source))
    return found


def cells(notebook: NotebookNode, role: str) -> dict[str, NotebookNode]:
    """The cells of one role, by name."""
    return {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if "nbgrader" in cell.metadata and all(cell.metadata.nbgrader[k] == v for k, v in ROLES[role].items())
    }


def points(notebook: NotebookNode, role: str) -> dict[str, float]:
    """Points of the cells of a graded role, by name."""
    return {name: float(cell.metadata.nbgrader.points) for name, cell in cells(notebook, role).items()}
