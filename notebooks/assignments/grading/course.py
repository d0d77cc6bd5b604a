"""An nbgrader course in a folder: hand out, hand in, grade. All through nbgrader's Python API, with its SQLite gradebook."""

import io
import logging
import os
import warnings
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config.loader import Config, PyFileConfigLoader

from grading import sources

# The course's own configuration, which nbgrader's commands read as well. Kernels inherit the environment set here.
CONFIG = """# Written by notebooks/assignments/build.py
import os
import sys

os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]  # nbgrader calls `alembic`
os.environ["PYTHONPATH"] = {checks!r}  # where the hidden checks lie
os.environ["PYTHONSAFEPATH"] = "1"  # with ignore_cwd: files handed in beside a notebook take no module's place
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "diffusion-guidance"
c.CourseDirectory.root = {root!r}
c.Execute.timeout = 120  # seconds a cell
c.Execute.extra_arguments = [
    "--HistoryManager.hist_file=:memory:",
    "--InteractiveShellApp.ignore_cwd=True",
    "--IPKernelApp.log_level=40",
]
c.OverwriteCells.add_missing_cells = True  # a test the student deleted counts, and fails
"""


def make(root: Path | str, names: list[str], project: str = "") -> Path:
    """Write configuration and instructor notebooks of a course into the folder `root`. Raises FileExistsError for one in use."""
    root = Path(root).resolve()
    if (root / "nbgrader_config.py").exists():
        raise FileExistsError(f"{root} already holds a course: give an empty folder")
    for name in names:
        write(sources.instructor(name, project), root / "source" / name / f"{name}.ipynb")
    (root / "nbgrader_config.py").write_text(CONFIG.format(checks=str(sources.HERE), root=str(root)))
    return root


def release(root: Path, name: str) -> NotebookNode:
    """Make the student's notebook, enter the problem set in the gradebook, and return the notebook."""
    _convert(GenerateAssignment, root, name, ".")
    return nbformat.read(root / "release" / name / f"{name}.ipynb", as_version=4)


def submit(root: Path, student: str, name: str, notebook: NotebookNode) -> Path:
    """Hand in: put a notebook where nbgrader looks for this student's. Returns the folder."""
    folder = root / "submitted" / student / name
    write(notebook, folder / f"{name}.ipynb")
    return folder


def grade(root: Path, name: str, student: str) -> tuple[dict[str, float], set[str]]:
    """Grade a submission: points by graded cell, and the cells that wait for a person (these count 0 until then)."""
    _convert(Autograde, root, name, student)
    with Gradebook(f"sqlite:///{root}/gradebook.db", "diffusion-guidance") as gradebook:
        grades = gradebook.find_submission_notebook(name, name, student).grades
        return {g.name: g.score for g in grades}, {g.name for g in grades if g.needs_manual_grade}


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def _convert(converter, root: Path, name: str, student: str) -> None:
    """Run one of nbgrader's converters with the course's configuration; raises RuntimeError with all it said if it fails."""
    said = io.StringIO()
    environment = dict(os.environ)
    try:
        config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
        config.merge(Config(CourseDirectory=dict(assignment_id=name, student_id=student)))
        app = converter(coursedir=CourseDirectory(config=config), config=config, force=True)
        app.log = logging.Logger("nbgrader", logging.ERROR)
        app.log.addHandler(logging.StreamHandler(said))
        with warnings.catch_warnings(action="ignore"):  # nbgrader's own use of its libraries
            app.start()
    except NbGraderException as error:
        raise RuntimeError(f"nbgrader could not process {name} of {student}:\n{said.getvalue()}") from error
    finally:
        os.environ.clear()
        os.environ.update(environment)
