"""The public address: one command writes it everywhere, and takes it away again without a trace."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("notebooks_address", ROOT / "notebooks" / "address.py")
address = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(address)
URL = "https://github.com/us/guidance"


@pytest.fixture
def copy(tmp_path):
    """A copy of the files that the address goes into, without one."""
    (tmp_path / "notebooks").mkdir()
    for path in [*ROOT.glob("notebooks/0[12]_*"), ROOT / "notebooks/README.md"]:
        shutil.copy(path, tmp_path / "notebooks")
    for name in ("pyproject.toml", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    address.write("", tmp_path)
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_set_and_taken_away(copy):
    before = texts(copy)
    assert address.current(copy) == "" and not any(URL in text for text in before.values())
    assert len(address.write(URL + ".git", copy)) == len(before) and address.current(copy) == URL
    for name, text in texts(copy).items():
        assert "us/guidance" in text, name
    assert not address.write(URL, copy)
    assert address.write("https://example.org/them/guidance", copy)
    assert "colab" not in (copy / "notebooks/README.md").read_text()  # which opens nothing but GitHub's
    address.write("", copy)
    assert texts(copy) == before


@pytest.mark.parametrize("bad", ["guidance", "http://example.org/us/guidance", 'https://example.org/"us"/x', "https://example.org"])
def test_what_is_no_address_is_refused(copy, bad):
    before = texts(copy)
    with pytest.raises(ValueError, match="such as https://example.org"):
        address.write(bad, copy)
    assert texts(copy) == before


def test_a_file_without_a_place_stops_all(copy):
    script = next(copy.glob("notebooks/02_*.py"))
    script.write_text(script.read_text().replace("REPOSITORY", "HOME"))
    before = texts(copy)
    with pytest.raises(ValueError, match="02_learning.py has 0 places"):
        address.write(URL, copy)
    assert texts(copy) == before


def test_the_project_points_to_no_invented_place():
    """Every file says the one address, or none."""
    folders = ("edm", "toy2d", "figures", "notebooks", "docs", "tests")
    files = [*ROOT.glob("*.*"), *(path for folder in folders for path in (ROOT / folder).rglob("*.*"))]
    for path in files:
        if path.suffix in (".py", ".ipynb", ".md", ".toml", ".cff", ".yml", ".html", ".js"):
            assert "your-" + "name" not in path.read_text(), path
    at_home = address.current()
    for script in ROOT.glob("notebooks/[0-9][0-9]_*.py"):
        assert f'REPOSITORY = "{at_home}"' in script.read_text()
    assert (f'repository-code: "{at_home}"' in (ROOT / "CITATION.cff").read_text()) == bool(at_home)
