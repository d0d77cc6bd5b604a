"""Figures: small ones made whole, redrawn from their results alone, and refused when they cannot be made."""

import json
import math
import os
import sys

import numpy as np
import pytest

from figures import __main__ as cli
from figures import common, density, table
from toy2d import pretrained

SMALL = {"fig1": dict(n=256, pixels=60), "fig2": dict(n=2**14, pixels=40), "fig9": dict(n=128, pixels=24)} | {
    "flow": dict(n=64, pixels=40),
    "table": dict(n=128, seeds=[0, 1]),
    "density": dict(n=32, pixels=12, seeds=[0, 1]),
}


@pytest.mark.parametrize("name", list(cli.FIGURES))
def test_made_and_redrawn(name, tmp_path, monkeypatch):
    module = cli.FIGURES[name]
    monkeypatch.setattr(density, "NORMALISER_PIXELS", 60)
    result = module.compute(**SMALL[name])
    common.save_result(name, result, tmp_path)
    assert json.loads((tmp_path / f"{name}.json").read_text())
    for forbidden in ("run", "paper_arms", "sample", "arms", "log_density", "models"):
        if hasattr(module, forbidden):
            monkeypatch.setattr(module, forbidden, None)  # drawing must not need them
    monkeypatch.setattr(pretrained, "load", None)
    cli.make(name, tmp_path, redraw=True)
    expected = {f"{name}{s}" for s in (".json", ".npz", ".png", ".pdf")}
    expected |= {"flow.gif"} if name == "flow" else {"table.md"} if name == "table" else set()
    assert {p.name for p in tmp_path.iterdir()} == expected
    assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert (
        b"/Font" in (tmp_path / f"{name}.pdf").read_bytes() and (tmp_path / f"{name}.pdf").read_bytes()[:4] == b"%PDF"
    )
    first = (tmp_path / f"{name}.png").read_bytes()
    cli.make(name, tmp_path, redraw=True)
    assert (tmp_path / f"{name}.png").read_bytes() == first


def test_table_is_paired():
    """Differences are taken seed by seed: their spread is not that of the arms."""
    runs = {"none": [{"a": 1.0}, {"a": 3.0}], "x": [{"a": 0.5}, {"a": 2.5}]}
    row = table.summary(runs["x"], runs["none"])
    assert row["mean"]["a"] == 1.5 and row["sd"]["a"] == pytest.approx(math.sqrt(2))
    assert row["difference"]["a"] == -0.5 and row["difference_sd"]["a"] == 0


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["figures", *map(str, words)])
    return cli.main()


def test_command_line(monkeypatch, tmp_path, capsys):
    assert call(monkeypatch, "list") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in cli.FIGURES)
    assert call(monkeypatch, "fig7", "--out", tmp_path) == 2
    assert "unknown figure 'fig7'" in capsys.readouterr().err
    assert call(monkeypatch, "fig1", "--redraw", "--out", tmp_path) == 2
    assert "run it without --redraw" in capsys.readouterr().err
    assert call(monkeypatch, "fig1", "--w", "inf", "--out", tmp_path) == 2
    assert "must be finite" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_unwritable_folder_is_refused_before_the_work(monkeypatch, tmp_path, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setattr(cli, "make", None)
    assert call(monkeypatch, "fig1", "--out", blocker / "sub") == 2
    assert "choose another folder with --out" in capsys.readouterr().err


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "x.json"
    target.write_text("old")

    def breaks(path):
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError):
        common.write(target, breaks)
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["x.json"]


def test_numbers_for_json():
    assert common.plain({"a": np.float64(1 / 3), "b": [np.int64(2), math.nan], 3: (True,)}) == {
        "a": 0.333333, "b": [2, None], "3": [True],
    }  # fmt: skip
