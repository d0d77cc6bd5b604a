"""What README and the pages in docs show is what the code makes."""

import importlib.util
import re
from pathlib import Path

import pytest

from figures.engine import registry
from figures.engine.result import load_result

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GENERATED = {"command_line.md"}
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md") if p.name not in GENERATED)]
MORE = [ROOT / p for p in ("RESULTS.md", "CHANGELOG.md", "notebooks/README.md", "notebooks/assignments/README.md")]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs/tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_made_from_the_stored_results(tables):
    shown = {place: text for page in PAGES for place, text in tables.PLACE.findall(page.read_text())}
    assert {"findings", "seeds-short.md"} < set(shown)
    for place, text in shown.items():
        assert text == tables.table(place), f"{place}: run `python docs/tables.py`"


@pytest.mark.parametrize("page", [*PAGES, *MORE], ids=name)
def test_pictures_and_files_exist(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\((?!http|#)([^)#]+)\)", text):
        assert page.parent.joinpath(target).is_file() or Path(target).name in GENERATED, target


def test_every_notebook_is_in_the_tables():
    table = (ROOT / "notebooks/README.md").read_text()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"({path.name}) |" in table, path.name
        assert f"(notebooks/{path.name}) |" in README, path.name


def test_every_problem_set_is_named():
    for path in (ROOT / "notebooks/assignments/source").glob("*.py"):
        assert f"`{path.stem}`" in README and f"`{path.stem}`" in (ROOT / "docs/teaching.md").read_text()


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.S))
def test_code_runs(code, capsys):
    assert len(code.splitlines()) <= 12
    exec(code.replace("4096", "256"), {})
    assert capsys.readouterr().out.count("outliers") == 3


def test_the_readme_is_short():
    text = re.sub(r"```.*?```|<!--.*?-->", " ", README, flags=re.S)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("|", "#", "!["))]
    assert len(re.sub(r"\]\([^)]*\)", "]", " ".join(lines)).split()) <= 900


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist(page):
    makefile, text = (ROOT / "Makefile").read_text(), page.read_text()
    for target in re.findall(r"`make (\w+)`|^make (\w+)", text, re.M):
        assert re.search(rf"^{''.join(target)}:", makefile, re.M), target
    for wanted in re.findall(r"python -m figures ([a-z]\w*)", text):
        if wanted != "list":
            registry.names([wanted])
    for script in re.findall(r"python ((?:docs|notebooks)/[\w/]+\.py)", text):
        assert (ROOT / script).is_file(), script


def test_the_caption_of_figure_1_has_its_numbers():
    measured = load_result("fig1", ROOT / "figures/gallery").numbers["measured"]
    before, after = (100 * measured[arm]["outliers_99"] for arm in ("none", "autoguidance"))
    text = " ".join(README.split())
    assert f"from {before:.1f} to {after:.1f} %, and {measured['autoguidance']['leaves_lost']:.0f} of the 64" in text
