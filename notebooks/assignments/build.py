"""Build the student release of the problem sets, prove that grading is fair, and set up a course.

python notebooks/assignments/build.py                 # release all problem sets, then prove all (about a minute)
python notebooks/assignments/build.py release         # only write release/*.ipynb
python notebooks/assignments/build.py prove ps3_guidance
python notebooks/assignments/build.py course ~/course # a course folder for nbgrader's commands, see README.md
python notebooks/assignments/build.py students ~/handout # what students get, without answers: a folder and a zip file
"""

import argparse
import json
import sys
import tempfile
import time

from grading import course, handout, proof, sources


def write_release(names: list[str]) -> None:
    """Write release/NAME.ipynb, the notebooks that students get."""
    with tempfile.TemporaryDirectory() as folder:
        root = course.make(folder, names)
        for name in names:
            course.write(course.release(root, name), sources.RELEASE / f"{name}.ipynb")
            print(f"wrote {sources.RELEASE / name}.ipynb")


def show(report: dict) -> None:
    """Print the outcome of a proof."""
    for task, mistake, lost in report["mistakes"]:
        print(f"  -{lost:g}  {task}: {mistake}")
    for problem in report["problems"]:
        print(f"  NOT FAIR: {problem}")
    verdict = "fair" if not report["problems"] else "NOT FAIR"
    print(
        f"{report['name']}: {verdict}; {report['automatic']:g} points by tests, {report['by_hand']:g} by hand; "
        f"{len(report['students'])} submissions, {len(report['mistakes'])} mistakes in {report['seconds']} s\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("release", help="write release/*.ipynb")
    prove = commands.add_parser("prove", help="grade instructor, empty and wrong answers, and compare")
    prove.add_argument("names", nargs="*", help="problem sets (default: all)")
    prove.add_argument("--json", action="store_true", help="one problem set, its report as a line of JSON")
    new = commands.add_parser("course", help="set up an nbgrader course in a folder")
    new.add_argument("folder")
    new.add_argument("--project", default="", help="address students install the project from, git+https://...")
    given = commands.add_parser("students", help="write what students get into a folder, and into FOLDER.zip")
    given.add_argument("folder")
    options = parser.parse_args()

    if options.command == "course":
        root = course.make(options.folder, sources.names(), options.project)
        print(
            f"course with {', '.join(sources.names())} in {root}; next: cd {root} && nbgrader generate_assignment NAME"
        )
        return 0
    if options.command == "students":
        folder = handout.write(options.folder)
        print(f"wrote {folder} and {folder}.zip: walkthroughs, problem sets and the package, without answers")
        return 0
    if options.command in (None, "release"):
        write_release(sources.names())
    if options.command == "release":
        return 0
    names = getattr(options, "names", None) or sources.names()
    start = time.perf_counter()
    reports = [proof.prove(names[0])] if len(names) == 1 else proof.prove_all(names)
    if getattr(options, "json", False):
        print(json.dumps(reports[0]))
    else:
        for report in reports:
            show(report)
        print(f"proved {len(reports)} problem sets in {time.perf_counter() - start:.0f} s")
    return int(any(report["problems"] for report in reports))


if __name__ == "__main__":
    sys.exit(main())
