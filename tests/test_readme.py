"""What README and the pages in docs show is what the code makes."""

import importlib.util
import re
from pathlib import Path

import pytest

from figures.engine import registry
from figures.engine.result import load_result
from figures.toy import findings
from toy2d.fractal import branch_depths, fractal
from toy2d.metrics import branch_weights

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


@pytest.mark.parametrize("page", [*PAGES, *MORE], ids=name)
def test_pages_read_well_as_plain_markdown_too(page):
    """GitHub and JupyterLab know no definition lists."""
    assert not re.search(r"^: ", page.read_text(), re.M)


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
    numbers, text = load_result("fig1", ROOT / "figures/gallery").numbers, " ".join(README.split())
    measured, weight = numbers["measured"], numbers["w"]
    before, after, cfg = (100 * measured[arm]["outliers_99"] for arm in ("none", "autoguidance", "cfg"))
    assert f"from {before:.1f} to {after:.1f} %, and {measured['autoguidance']['leaves_lost']:.0f} of the 64" in text
    assert f"(e, w = {weight['autoguidance']:g})" in text
    assert f"(c, w = {weight['cfg']:g}) there are more stray points, {cfg:.1f} %" in text and cfg > before
    assert f"{numbers['n']} points from the same noise, models of training seed {numbers['seed']}" in text
    assert (
        measured["truncation"]["leaves_lost"] == 64
        and measured["truncation"]["branch_tv"] < measured["cfg"]["branch_tv"]
    )
    share, depth = branch_weights(fractal("A")), branch_depths().flatten()
    leaves, trunk = (100 * share[depth == d].sum().item() for d in (depth.max(), 0))
    assert f"hold only {leaves:.0f} % of the truth, and CFG empties the trunk, which holds {trunk:.0f} %" in text


def test_findings_on_the_readme_are_the_first_of_the_page_of_results():
    """One list: what README shows stands word for word, and first, in RESULTS.md."""
    shown = findings.short().splitlines()
    assert len(shown) == 2 + findings.SHORT and 3 <= findings.SHORT <= 5
    assert "\n".join(shown) in (ROOT / "RESULTS.md").read_text()
    more = {5: "five"}[len(findings.FINDINGS) - findings.SHORT]
    assert f"[RESULTS.md](RESULTS.md) has {more} more findings" in README
    assert f"{load_result('seeds').numbers['n']} points each" in README


def table_of_times(page: str) -> dict[str, str]:
    return dict(re.findall(r"^\| `(make \w+)` \| ([^|]+) \|", (ROOT / page).read_text(), re.M))


def test_times_of_commands_are_those_of_the_page_on_installing():
    readme, installing = table_of_times("README.md"), table_of_times("docs/installing.md")
    assert readme and readme.items() <= installing.items()


def test_times_of_walkthroughs_are_those_of_their_first_cells():
    page = (ROOT / "notebooks/README.md").read_text()
    for script in sorted((ROOT / "notebooks").glob("[0-9]*.py")):
        first = " ".join(script.read_text().split("# %%")[1].replace("\n# ", " ").split())
        read, run = re.search(r"\*\*Time:\*\* (\d+) minutes to read, (.+?) to run\.", first).groups()
        row = next(line for line in page.splitlines() if f"({script.stem}.ipynb) |" in line)
        assert [cell.strip() for cell in row.split("|")[3:5]] == [f"{read} minutes", run], script.stem
