"""Results: where they go, what is known of how they came about."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from figures.engine import result
from figures.engine.result import Result, check_folder, facts, load_result, save_result

ROOT = Path(__file__).parents[3]


def test_of_a_checkout_they_go_into_its_folder():
    assert result.IN_CHECKOUT and ROOT / "figures" / "out" == result.OUT


def test_installed_they_go_into_the_current_folder(tmp_path):
    """As installed, the packages lie in a folder without a pyproject.toml."""
    site = tmp_path / "site"
    site.mkdir()
    for package in ("edm", "figures"):
        (site / package).mkdir()
    for path in ("edm/__init__.py", "edm/storage", "figures/__init__.py", "figures/engine"):
        (site / path).symlink_to(ROOT / path)
    # A link would lead back to the checkout, so what asks for its place is a copy.
    (site / "figures/engine").unlink()
    (site / "figures/engine").mkdir()
    for path in (ROOT / "figures/engine").glob("*.py"):
        (site / "figures/engine" / path.name).write_bytes(path.read_bytes())
    here = tmp_path / "here"
    here.mkdir()
    program = f"import sys; sys.path[:] = [{str(site)!r}, *sys.path]\nfrom figures.engine import result\n"
    program += "result.check_folder(result.OUT); print(result.__file__, result.OUT.resolve())"
    made = subprocess.run([sys.executable, "-c", program], cwd=here, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert made.stdout.split() == [str(site / "figures/engine/result.py"), str(here / "figures-out")]


def test_facts_name_versions_and_the_device():
    found = facts("a toaster")
    assert found["device"] == "a toaster" and found["torch"] == torch.__version__ and found["threads"] >= 1
    assert {"project", "python", "numpy", "machine"} <= found.keys() and "date" not in found


def test_results_are_rounded_when_they_are_written(tmp_path):
    made = Result({"third": 1 / 3, "n": 12345678, "yes": np.bool_(True)}, {"x": np.arange(3) / 3})
    save_result("a", made, tmp_path)
    assert made.numbers["third"] == 1 / 3
    read = load_result("a", tmp_path)
    assert read.numbers == {"third": 0.333333, "n": 12345678, "yes": True}
    np.testing.assert_array_equal(read.arrays["x"], made.arrays["x"])


def test_a_folder_is_tried_and_left_empty(tmp_path):
    check_folder(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="choose another folder with --out"):
        check_folder(tmp_path / "file" / "sub")
