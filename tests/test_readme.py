"""What the README shows is what the code makes."""

import json
import re
from pathlib import Path

import pytest

from figures import seeds

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_table_is_the_gallery_s_and_that_is_its_json_s():
    shown = re.search(r"<!-- table: (\S+) -->\n(.*?)<!-- end of table -->", README, re.S)
    stored = (ROOT / shown[1]).read_text()
    assert shown[2] == stored
    assert stored == seeds.short(json.loads((ROOT / "figures/gallery/seeds.json").read_text()))


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
