"""Figures: small ones made whole, redrawn from their results alone, and refused when they cannot be made."""

import json
import sys

import pytest

from edm.storage.rows import Store
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


@pytest.mark.parametrize("words, message", [
    ("seeds --seed 3", "seeds does not take --seed; these do: fig1, fig2, fig9, flow, density, fig4_8_grids"),
    ("fig1 seeds --noise-seed 1 --seed 0", "seeds does not take --seed"),
    ("fig7 --retrain", "fig7 does not take --retrain; these do: fig1, fig2, fig9, flow, density"),
    ("images --retrain", "images does not take --retrain"),
    ("seeds --retrain", "seeds does not take --retrain"),
    ("all --minutes 3", "all does not take --minutes; these do: convergence, networks"),
    ("experiments --weight 2", "experiments does not take --weight; these do: fig1, fig2, flow, density"),
    ("fig1 --workers 2", "fig1 does not take --workers; these do: seeds"),
    ("fig1 --adopt x.rows.jsonl", "fig1 does not take --adopt; these do: seeds"),
    ("pull --data digits", "pull does not take --data; these do: convergence"),
    ("fig1 --redraw --seed 0", "--redraw computes nothing: leave --seed out"),
    ("fig7 --fast --data digits", "--fast chooses --data itself: leave --data out"),
])  # fmt: skip
def test_an_option_that_would_not_be_heeded_is_refused(monkeypatch, tmp_path, capsys, words, message):
    for place in (cli, pretrained):
        monkeypatch.setattr(place, "make", None)
    assert call(monkeypatch, *words.split(), "--out", tmp_path) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not list(tmp_path.iterdir())


def test_members_of_a_group_get_the_options_that_they_take(monkeypatch, tmp_path):
    made, trained = {}, []
    monkeypatch.setattr(cli, "make", lambda name, out, redraw, fast, **options: made.update({name: options}))
    monkeypatch.setattr(pretrained, "make", lambda seed, folder: trained.append((seed, folder)))
    assert call(monkeypatch, "all", "--retrain", "--seed", 2, "--out", tmp_path) == 0
    assert trained == [(2, tmp_path / "checkpoints")]
    assert made["fig1"] == {"seed": 2, "folder": tmp_path / "checkpoints"}
    assert made["density"] == made["fig1"]


SMALL = dict(n=64, seeds=[0, 1], weights=(1 / 3,), workers=0)


def test_rows_stay_and_are_used_again(tmp_path, monkeypatch):
    """Beside the result, also when it is written; of another version in a file of their own."""
    module = registry.load("seeds")
    monkeypatch.setattr(module, "FAST", {})
    cli.make("seeds", tmp_path, **SMALL)
    (kept,) = tmp_path.glob("seeds-*.rows.jsonl")
    rows, numbers = kept.read_bytes(), json.loads((tmp_path / "seeds.json").read_text())
    assert str(pretrained.FOLDER) not in rows.decode() and '\\"weight\\": 0.3333333333333333}' in rows.decode()
    assert numbers["facts"]["version"] == module.VERSION and numbers["facts"]["row_seconds"] > 0
    monkeypatch.setattr(module, "run", None)  # nothing is sampled any more
    cli.make("seeds", tmp_path, **SMALL)
    again = json.loads((tmp_path / "seeds.json").read_text())
    assert again["facts"]["row_seconds"] == numbers["facts"]["row_seconds"]
    for one in (numbers, again):
        del one["facts"]["seconds"]
    assert again == numbers
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    with pytest.raises(TypeError):  # would sample
        cli.make("seeds", tmp_path, **SMALL)
    cli.make("seeds", tmp_path, adopt=kept, **SMALL)
    assert kept.read_bytes() == rows and len(list(tmp_path.glob("seeds-*.rows.jsonl"))) == 2


def test_rows_of_other_models_are_other_rows(tmp_path, monkeypatch):
    """Keys hold no folder, so the weights that lie in it are among the settings."""
    same, other = tmp_path / "same", tmp_path / "other"
    for kind in pretrained.RECIPES:
        for seed in (0, 1):
            for folder in (same, other):
                model = pretrained.load(kind, seed if folder is same else 1 - seed)
                pretrained.save(pretrained.path(kind, seed, folder), model, {"made": str(folder)})
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in same.iterdir():
        pretrained.save(copy / path.name, pretrained.load_file(path), {"made": "elsewhere"})
    assert pretrained.identity(same) == pretrained.identity(copy) != pretrained.identity(other)
    module, options = registry.load("seeds"), SMALL | dict(workers=0)
    first = module.compute(folder=same, store=Store(tmp_path / "seeds"), **options).numbers
    second = module.compute(folder=other, store=Store(tmp_path / "seeds"), **options).numbers
    assert first["runs"]["none"] != second["runs"]["none"]
    monkeypatch.setattr(module, "run", None)
    assert module.compute(folder=copy, store=Store(tmp_path / "seeds"), **options).numbers == first
