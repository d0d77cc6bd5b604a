"""The problem sets: grading is fair, the committed release is what the sources build, and nothing leaks into it."""

import csv
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("nbgrader", reason="needs the extra `grading`")
ASSIGNMENTS = Path(__file__).resolve().parents[2] / "notebooks" / "assignments"
sys.path.insert(0, str(ASSIGNMENTS))

import hidden_checks  # noqa: E402
import torch  # noqa: E402
from grading import course, handout, proof, sources  # noqa: E402

from edm.guidance import guide  # noqa: E402

NAMES = sources.names()


@pytest.fixture(scope="module")
def reports():
    return {report["name"]: report for report in proof.prove_all(NAMES)}


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A course with every problem set released, and the released notebooks' files."""
    root = course.make(tmp_path_factory.mktemp("course"), NAMES)
    for name in NAMES:
        course.release(root, name)
    return root, {name: root / "release" / name / f"{name}.ipynb" for name in NAMES}


def test_there_are_five_problem_sets_with_mistakes():
    assert len(NAMES) >= 5
    assert all(len(sources.mistakes(name)) >= 10 for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_grading_is_fair(reports, name):
    report = reports[name]
    assert report["problems"] == []
    assert {"instructor", "empty", "wrong-1", "wrong-2"} <= set(report["students"])
    assert all(lost > 0 for _, _, lost in report["mistakes"])


@pytest.mark.parametrize("name", NAMES)
def test_points_are_those_of_the_table(name):
    notebook = sources.instructor(name)
    automatic, by_hand = (sum(sources.points(notebook, role).values()) for role in sources.GRADED)
    total, page = automatic + by_hand, (ASSIGNMENTS / "README.md").read_text()
    assert f"**Points** {total:g}: {automatic:g} by tests, {by_hand:g} by a person" in notebook.cells[0].source
    assert f"| `{name}` |" in page and f"| {total:g} ({automatic:g} + {by_hand:g}) |" in page


@pytest.mark.parametrize("name", NAMES)
def test_committed_release_is_what_the_sources_build(released, name):
    committed = sources.RELEASE / f"{name}.ipynb"
    assert committed.exists(), "run python notebooks/assignments/build.py release"
    assert committed.read_bytes() == released[1][name].read_bytes(), (
        f"{committed} is stale: run python notebooks/assignments/build.py release"
    )


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaks_into_the_release(name):
    text = (sources.RELEASE / f"{name}.ipynb").read_text()
    for word in ("SOLUTION", "HIDDEN", "hidden_checks"):
        assert word not in text
    notebook = json.loads(text)
    shown = {line.strip() for cell in notebook["cells"] for line in "".join(cell["source"]).splitlines()}
    taken_out, visible, inside = [], set(), False
    for cell in sources.instructor(name).cells:
        answer = cell.metadata.get("nbgrader", {}).get("solution") and "BEGIN SOLUTION" not in cell.source
        for line in map(str.strip, cell.source.splitlines()):
            if "### " in line and ("BEGIN" in line or "END" in line):
                inside = "BEGIN" in line
            elif inside or answer:
                taken_out.append(line)
            else:
                visible.add(line)
    assert len(taken_out) > 20
    assert not {line for line in taken_out if line and line not in visible} & shown
    assert not any(cell.get("outputs") for cell in notebook["cells"])


def test_release_folder_holds_nothing_but_notebooks():
    assert sorted(p.name for p in sources.RELEASE.iterdir() if p.name != ".ipynb_checkpoints") == sorted(
        f"{name}.ipynb" for name in NAMES
    )


@pytest.mark.parametrize("name", NAMES)
def test_code_is_not_cut_on_a_students_screen(name):
    code = [c for c in json.loads((sources.RELEASE / f"{name}.ipynb").read_text())["cells"] if c["cell_type"] == "code"]
    assert not [line for cell in code for line in "".join(cell["source"]).splitlines() if len(line) > 110]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What the command of the page on teaching writes for a class."""
    folder = tmp_path_factory.mktemp("given") / "class"
    command = [sys.executable, ASSIGNMENTS / "build.py", "students", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_students_get_walkthroughs_problem_sets_and_the_package(given):
    assert {p.stem for p in given.glob("notebooks/*.ipynb")} == {
        p.stem for p in ASSIGNMENTS.parent.glob("[0-9]*.ipynb")
    }
    for name in NAMES:
        assert (given / f"problem_sets/{name}.ipynb").read_bytes() == (sources.RELEASE / f"{name}.ipynb").read_bytes()
    (wheel,) = given.glob("*.whl")
    assert f'pip install "./{wheel.name}[notebooks]"' in (given / "README.md").read_text()
    assert {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist() if ".dist-info" not in name} == {
        "edm",
        "toy2d",
        "figures",
    }
    packed = {name for name in zipfile.ZipFile(f"{given}.zip").namelist() if not name.endswith("/")}
    assert packed == {f"class/{p.relative_to(given)}" for p in given.rglob("*") if p.is_file()}


def test_students_get_no_answers_and_no_solutions(given):
    """Neither files nor lines of them: answers to the walkthroughs, model answers and solutions, hidden checks."""
    assert not [p for p in given.rglob("*") if {"answers", "source", "wrong", "hidden_checks"} & set(p.parts)]
    (wheel,), text = (
        given.glob("*.whl"),
        "\n".join(p.read_text() for p in given.rglob("*") if p.suffix in (".md", ".ipynb")),
    )
    package = zipfile.ZipFile(wheel)
    text += "\n".join(package.read(name).decode() for name in package.namelist() if name.endswith((".py", ".json")))
    for word in ("BEGIN SOLUTION", "HIDDEN TESTS", "hidden_checks", "answers/"):
        assert word not in text, word
    answers = [p.read_text() for p in (ASSIGNMENTS.parent / "answers").glob("*.md")]
    written = [c.source for name in NAMES for c in sources.cells(sources.instructor(name), "written").values()]
    lines = {line for page in answers for line in page.splitlines()[3:]}
    lines |= {line for cell in written for line in cell.splitlines()}
    assert len(answers) == 12 and len(lines := {line for line in lines if len(line) > 60}) > 100
    assert not [line for line in lines if line in text or json.dumps(line)[1:-1] in text]


def test_links_in_what_students_get_lead_somewhere(given):
    for page in [p for p in given.rglob("*") if p.suffix in (".md", ".ipynb")]:
        text = page.read_text()
        if page.suffix == ".ipynb":
            text = "\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")
        for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+\.\w+)[^)]*\)", text):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_a_class_folder_in_use_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="empty folder"):
        handout.write(tmp_path)


def test_foul_play_gets_nothing(released):
    """Shadowed builtins, patched comparisons, an edited and a deleted test, and files that pose as modules: nothing is gained."""
    root, name = released[0], "ps1_score"
    full, empty = sources.instructor(name), course.release(root, name)
    foul = {mistake.mistake: mistake for mistake in sources.mistakes(name)}
    wrong = [foul["the visible test's own values"], foul["sign"]]
    notebook = proof.answer(empty, full, wrong)
    tasks, tests = sources.cells(notebook, "task"), sources.cells(notebook, "test")
    tasks["log-density"].source += (
        "\nabs = all = float = isinstance = lambda *a, **k: 0\nmax = lambda *a: 0\n"
        "math.isclose = lambda *a, **k: True\ntorch.allclose = lambda *a, **k: True\n"
    )
    tests["score-values"].source = "pass"
    notebook.cells.remove(tests["posterior-mean-values"])  # the answer is right: put back, the test passes
    folder = course.submit(root, "foul", name, notebook)
    (folder / "hidden_checks.py").write_text(
        "class Friendly(type):\n    def __getattr__(cls, name):\n        return lambda answer: None\n"
        "class ps1(metaclass=Friendly):\n    pass\n"
    )
    (folder / "toy2d.py").write_text("raise RuntimeError('the wrong module')\n")
    scores, _ = course.grade(root, name, "foul")
    expected = sources.points(full, "test") | {test: 0 for mistake in wrong for test in mistake.loses}
    own = {test for test in expected if test.startswith("log-density")}  # whoever breaks builtins may fail with them
    assert {test: scores[test] for test in expected.keys() - own} == {
        test: expected[test] for test in expected.keys() - own
    }
    assert all(scores[test] <= expected[test] for test in own)


def test_the_commands_of_the_teachers_page(tmp_path):
    """As README.md says: set up a course, hand in, grade, give feedback, export. Without activating the environment."""
    name, root = "ps4_ema", tmp_path / "course"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def call(*command, cwd=tmp_path):
        done = subprocess.run([sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]

    call(ASSIGNMENTS / "build.py", "course", root, "--project", "git+https://example.org/us/project")
    call("-m", "nbgrader", "generate_assignment", name, cwd=root)
    release = root / "release" / name / f"{name}.ipynb"
    assert 'PROJECT = \\"git+https://example.org/us/project\\"' in release.read_text()
    submission = root / "submitted" / "ada" / name
    submission.mkdir(parents=True)
    (submission / f"{name}.ipynb").write_bytes((root / "source" / name / f"{name}.ipynb").read_bytes())
    call("-m", "nbgrader", "autograde", name, cwd=root)
    call("-m", "nbgrader", "generate_feedback", name, cwd=root)
    call("-m", "nbgrader", "export", cwd=root)
    assert (root / "feedback" / "ada" / name / f"{name}.html").stat().st_size > 10_000
    (row,) = csv.DictReader((root / "grades.csv").open())
    automatic = sum(sources.points(sources.instructor(name), "test").values())
    assert (row["student_id"], float(row["score"]), float(row["max_score"])) == ("ada", automatic, automatic + 3)


def test_sources_refuse_what_they_do_not_know(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SOURCE", tmp_path)
    for header in ('tset="a" points=1', 'test="a"', 'task="a" points=2', 'task="a"\n1\n# %% task="a"'):
        (tmp_path / "ps9.py").write_text(f"# %% [markdown]\n# title\n\n# %% {header}\n1\n")
        with pytest.raises(ValueError, match="ps9.py"):
            sources.instructor("ps9")
    with pytest.raises(FileNotFoundError, match="ps9"):
        sources.instructor("ps8")


def test_course_folder_in_use_is_refused(released):
    with pytest.raises(FileExistsError, match="empty folder"):
        course.make(released[0], NAMES)


@pytest.mark.parametrize(
    "got, message",
    [(None, "nothing"), ([1.0], "shape"), ([1.0, float("nan")], "off"), ([1.0, 2.1], "off"), ([[1.0, 2.0]], "shape")],
)
def test_agree_rejects(got, message):
    hidden_checks.agree("x", torch.tensor([1.0, 2.0]), [1.0, 2.0])
    with pytest.raises(AssertionError, match=message):
        hidden_checks.agree("x", got, [1.0, 2.0])


def test_library_functions_refuse_only_inside_without():
    main, weak = (lambda x, s, labels=None: 2 * x), (lambda x, s, labels=None: x)
    with hidden_checks.without(guide), pytest.raises(AssertionError, match="write this yourself"):
        guide(main, weak, 2.0)
    assert guide(main, weak, 2.0)(torch.ones(1), 1.0).item() == 3
