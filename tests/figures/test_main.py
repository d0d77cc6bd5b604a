"""Figures: small ones made whole, redrawn from their results alone, and refused when they cannot be made."""

import json
import math
import os
import sys

import numpy as np
import pytest

from edm.storage.atomic import plain, write_atomic
from figures import __main__ as cli
from figures.engine import registry
from toy2d import pretrained


@pytest.mark.parametrize("name", list(registry.MODULES))
def test_made_and_redrawn(name, tmp_path, monkeypatch):
    module = registry.load(name)
    assert module.COST and module.NEEDS
    cli.make(name, tmp_path, fast=True, workers=0)
    facts = json.loads((tmp_path / f"{name}.json").read_text())["facts"]
    assert {"torch", "device", "seconds"} <= facts.keys()
    made = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    (tmp_path / f"{name}.png").unlink()
    monkeypatch.setattr(module, "compute", None)
    for reader in ("load", "load_file", "make"):  # drawing must need nothing but the stored results
        monkeypatch.setattr(pretrained, reader, None)
    cli.make(name, tmp_path, redraw=True)
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == made.keys() > {f"{name}.json", f"{name}.pdf"}
    assert (tmp_path / f"{name}.png").read_bytes() == made[f"{name}.png"]
    assert made[f"{name}.png"][:4] == b"\x89PNG" and made[f"{name}.pdf"][:4] == b"%PDF"
    assert b"/Font" in made[f"{name}.pdf"]


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["figures", *map(str, words)])
    return cli.main()


def test_command_line(monkeypatch, tmp_path, capsys):
    assert call(monkeypatch, "list") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in registry.MODULES)
    assert call(monkeypatch, "fig6", "--out", tmp_path) == 2
    assert "unknown figure 'fig6'" in capsys.readouterr().err
    assert call(monkeypatch, "fig1", "--redraw", "--out", tmp_path) == 2
    assert "run it without --redraw" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_unwritable_folder_is_refused_before_the_work(monkeypatch, tmp_path, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setattr(cli, "make", None)
    assert call(monkeypatch, "fig1", "--out", blocker / "sub") == 2
    assert "choose another folder with --out" in capsys.readouterr().err


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "x.json"
    target.write_text("old")

    def breaks(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError):
        write_atomic(target, breaks)
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["x.json"]


def test_numbers_for_json():
    assert plain({"a": np.float64(1 / 3), "b": [np.int64(2), math.nan], 3: (True,)}) == {
        "a": 0.333333, "b": [2, None], "3": [True],
    }  # fmt: skip
