"""python -m toy2d, as a user types it."""

import json
import sys

import numpy as np

from edm.guidance import guide
from toy2d import pretrained
from toy2d.__main__ import main
from toy2d.fractal import fractal
from toy2d.paired import draw_start, run


def call(*words):
    return main([str(word) for word in words])


def test_train_sample_evaluate(tmp_path, capsys):
    model, samples = tmp_path / "tiny.safetensors", tmp_path / "tiny.npz"
    assert call("train", "--hidden", 8, "--iterations", 2, "--out", model) == 0
    assert call("sample", "--main", model, "--guide", "guide", "--weight", 1.5, "-n", 64, "--out", samples) == 0
    assert np.load(samples)["samples"].shape == (64, 2)
    assert call("sample", "--main", "exact", "-n", 512, "--out", samples) == 0
    capsys.readouterr()
    assert call("evaluate", samples, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["samples"]["outliers_99"] < 0.04 and printed["floor"].keys() == printed["samples"].keys()
    assert call("evaluate", samples) == 0
    assert "outliers_99" in capsys.readouterr().out


def test_a_file_is_named_as_asked_and_holds_points_of_any_folder(tmp_path):
    """numpy would add .npz to the name, and the folder need not be there."""
    assert call("sample", "--main", "exact", "-n", 8, "--out", tmp_path / "new/points") == 0
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["points"]


def test_sampling_is_the_library_s(tmp_path):
    """The weight and the interval reach the guide; the default weight is the paper's."""
    out = tmp_path / "points.npz"
    strong, weak = pretrained.load("main"), pretrained.load("guide")
    for words, weight, interval in ((["--weight", 2, "--interval", 0.01, 0.5], 2.0, (0.01, 0.5)), ([], 3.0, None)):
        assert call("sample", "--guide", "guide", *words, "-n", 16, "--out", out) == 0
        wanted = run(guide(strong, weak, weight, interval), draw_start(16))
        assert np.array_equal(np.load(out)["samples"], wanted.numpy())


def test_progress_shows_in_a_terminal_only(capsys, monkeypatch):
    """In a notebook its last erased line would stay as an empty red stripe."""
    run(fractal("A"), draw_start(2), progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run(fractal("A"), draw_start(2), progress=True, desc="two points")
    assert "two points" in capsys.readouterr().err
