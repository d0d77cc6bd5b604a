"""python -m toy2d, as a user types it."""

import json
import sys

import numpy as np
import pytest

from toy2d.__main__ import main


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["toy2d", *map(str, words)])
    return main()


def test_train_sample_evaluate(monkeypatch, tmp_path, capsys):
    model, samples = tmp_path / "tiny.safetensors", tmp_path / "tiny.npz"
    assert call(monkeypatch, "train", "--hidden", 8, "--iterations", 2, "--out", model) == 0
    assert call(monkeypatch, "sample", "--main", model, "--guide", "guide", "--w", 1.5, "-n", 64, "--out", samples) == 0
    assert np.load(samples)["samples"].shape == (64, 2)
    assert call(monkeypatch, "sample", "--main", "exact", "-n", 512, "--out", samples) == 0
    capsys.readouterr()
    assert call(monkeypatch, "evaluate", samples, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["samples"]["outliers_99"] < 0.04 and printed["floor"].keys() == printed["samples"].keys()
    assert call(monkeypatch, "evaluate", samples) == 0
    assert "outliers_99" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "sample", "evaluate"])
def test_help_shows_examples(monkeypatch, capsys, command):
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, command, "--help")
    assert stop.value.code == 0 and f"python -m toy2d {command}" in capsys.readouterr().out.split("examples:")[1]


@pytest.mark.parametrize(
    "words, message",
    [
        (["train", "--classes", "Z", "--iterations", "1"], "unknown class 'Z'"),
        (["sample", "--main", "nothing"], "unknown model 'nothing'"),
        (["sample", "--seed", "77"], "--seeds 77"),
        (["sample", "--guide", "guide", "--w", "nan", "-n", "8"], "must be finite"),
        (["evaluate", "no-such.npz"], "no-such.npz is not"),
        (["sample", "-n", "0"], "n=0"),
    ],
)
def test_errors_are_one_clear_line(monkeypatch, capsys, tmp_path, words, message):
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *words) == 2
    printed = capsys.readouterr().err.strip()
    assert message in printed.splitlines()[-1]
