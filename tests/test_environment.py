"""environment.yml, CITATION.cff and the Makefile say what pyproject.toml says."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch"}  # where they differ from PyPI's


def split(requirement: str) -> tuple[str, str]:
    name, bound = re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", requirement).groups()
    return CONDA_NAMES.get(name, name), bound


def test_conda_environment_equals_pyproject():
    extras = PROJECT["optional-dependencies"]
    wanted = dict(split(r) for r in PROJECT["dependencies"] + extras["notebooks"] + extras["test"])
    wanted["python"] = PROJECT["requires-python"]
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = dict(split(r) for r in listed if isinstance(r, str))
    assert conda.pop("pip") == "" and {"pip": ["-e ."]} in listed
    assert conda == wanted


def test_citation_names_the_version_and_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]
    assert "2406.02507" in str(citation["references"])


def test_packages_import_only_downwards():
    """notebooks -> figures -> toy2d -> edm."""
    forbidden = {"edm": "toy2d|figures|notebooks", "toy2d": "figures|notebooks", "figures": "notebooks"}
    for package, above in forbidden.items():
        for file in (ROOT / package).rglob("*.py"):
            assert not re.search(rf"^\s*(from|import) ({above})\b", file.read_text(), re.M), file


def test_every_make_target_is_documented():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"\.PHONY: (.*)", makefile)[1].split())
    assert targets == set(re.findall(r"^([a-z]+):.*##", makefile, re.M))
