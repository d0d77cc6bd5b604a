"""The proof that grading is fair: full marks for the instructor, none for the empty notebook, and exact losses for mistakes."""

import copy
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

from nbformat import NotebookNode

from grading import course, sources
from grading.sources import Mistake


def prove(name: str) -> dict:
    """Grade every kind of submission to a problem set in a course of its own.

    Returns name, points (automatic and by hand), seconds, students (submission -> seconds), mistakes (each with the points it
    cost) and problems: what is not as it should be, in words; empty if the grading is fair.
    """
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        root = course.make(folder, [name])
        empty, full = course.release(root, name), sources.instructor(name)
        tests, written = sources.points(full, "test"), sources.points(full, "written")
        report = dict(name=name, automatic=sum(tests.values()), by_hand=sum(written.values()), students={}, mistakes=[])
        problems = []

        def check(student: str, notebook: NotebookNode, lost: set[str], waits: set[str]) -> None:
            course.submit(root, student, name, notebook)
            begin = time.perf_counter()
            scores, waiting = course.grade(root, name, student)
            report["students"][student] = round(time.perf_counter() - begin, 1)
            for test, worth in tests.items():
                expected = 0 if test in lost else worth
                if scores[test] != expected:
                    problems.append(f"{student}: {test} got {scores[test]} of {worth} points, should get {expected}")
            if waiting != waits:
                problems.append(
                    f"{student}: a person should grade {sorted(waits)}, nbgrader asks for {sorted(waiting)}"
                )
            if sum(scores[cell] for cell in written):
                problems.append(f"{student}: points for words before a person read them")

        check("instructor", full, set(), set(written))
        check("empty", empty, set(tests), set())
        for number, answers in enumerate(wrong_submissions(sources.mistakes(name)), 1):
            check(f"wrong-{number}", answer(empty, full, answers), {t for a in answers for t in a.loses}, set())
            report["mistakes"] += [(a.task, a.mistake, sum(tests[t] for t in a.loses)) for a in answers]
    untested = set(tests) - {t for mistake in sources.mistakes(name) for t in mistake.loses}
    problems += [f"no typical mistake is caught by {test}" for test in sorted(untested)]
    return report | dict(seconds=round(time.perf_counter() - start, 1), problems=problems)


def wrong_submissions(mistakes: list[Mistake]) -> list[list[Mistake]]:
    """Share the mistakes out over as few submissions as possible, at most one a task in each: tasks are graded independently."""
    by_task: dict[str, list[Mistake]] = {}
    for mistake in mistakes:
        by_task.setdefault(mistake.task, []).append(mistake)
    return [[m for m in together if m] for together in zip_longest(*by_task.values())]


def answer(empty: NotebookNode, full: NotebookNode, mistakes: list[Mistake]) -> NotebookNode:
    """The released notebook filled in as a student would: the instructor's answers, but for these mistakes.

    Demonstrations, the cells that are neither given nor graded, are left empty to save time: the instructor's notebook runs them.
    """
    notebook, solutions = copy.deepcopy(empty), sources.cells(full, "task")
    for cell in notebook.cells:
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata:
            cell.source = ""
    wrong = {mistake.task: mistake.code for mistake in mistakes}
    for name, cell in sources.cells(notebook, "task").items():
        cell.source = wrong.get(name, solutions[name].source)
    return notebook


def prove_all(names: list[str], workers: int = 2) -> list[dict]:
    """`prove` for several problem sets, each in a process of its own, `workers` at a time."""
    build = Path(__file__).resolve().parents[1] / "build.py"

    def run(name: str) -> dict:
        done = subprocess.run([sys.executable, build, "prove", name, "--json"], capture_output=True, text=True)
        if done.returncode not in (0, 1) or not done.stdout:
            raise RuntimeError(f"grading {name} broke off:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, names))
