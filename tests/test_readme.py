"""What the README shows is what the code makes."""

import re
from pathlib import Path

import pytest

from figures.engine.result import load_result
from figures.images import table1
from figures.toy import seeds

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


MAKERS = {"seeds": lambda r: seeds.short(r.numbers), "table1": table1.short}


@pytest.mark.parametrize("place, shown", re.findall(r"<!-- table: (\S+) -->\n(.*?)<!-- end of table -->", README, re.S))
def test_tables_are_the_gallery_s_and_those_are_their_json_s(place, shown):
    stored = ROOT / place
    assert shown == stored.read_text()
    name = stored.name.removesuffix("-short.md")
    assert shown == MAKERS[name](load_result(name, stored.parent))


@pytest.mark.parametrize("page", ["README.md", "RESULTS.md", "notebooks/README.md", "notebooks/assignments/README.md"])
def test_pictures_and_files_exist(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(target).is_file(), target


def test_every_notebook_is_in_the_teacher_s_table():
    table = (ROOT / "notebooks/README.md").read_text()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"({path.name}) |" in table, path.name


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.S))
def test_code_runs(code, capsys):
    exec(code.replace("4096", "256"), {})
    assert "outliers" in capsys.readouterr().out


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`make (\w+)`|^make (\w+)", README, re.M)):
        name = target[0] or target[1]
        assert re.search(rf"^{name}:", makefile, re.M), name
