"""Runs of the image study: what is trained, in which order, and what is kept of it."""

import dataclasses
import json
import shutil
import sys

import pytest
import torch

from edm import data, network, train
from edm.storage.rows import Unfinished
from edm.training import snapshots
from edm.training.run import as_json
from figures import __main__ as cli
from figures.images import nets, settings, study
from figures.images.nets import Net
from figures.images.study import STUDIES


def same(a, b) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return all(torch.equal(value, b[name]) for name, value in a.items())


def test_runs_of_a_study_do_not_share_seeds_and_differ_as_the_table_says():
    fashion = STUDIES["fashion-16"]
    configs = [fashion.run(kind, seed) for kind, seed in fashion.order()]
    assert len({config.seed for config in configs}) == len(configs) == 28
    main, xs, guide, eighth = (fashion.run(kind, 3) for kind in study.KINDS)
    assert [c.images / fashion.T for c in (main, xs, guide, eighth)] == [4, 1, 0.5, 1]
    assert xs.network["model_channels"] == 8 and main.network == guide.network == eighth.network
    assert study.parameters(fashion, "xs") < study.parameters(fashion, "main") / 3
    with pytest.raises(ValueError, match="unknown run 'xxl'"):
        fashion.run("xxl", 0)
    with pytest.raises(ValueError, match="unknown study 'letters'"):
        study.study("letters")


def test_choosing_comes_first_and_its_noise_is_its_own():
    fashion = STUDIES["fashion-16"]
    order = fashion.order()
    assert {seed for _, seed in order[:8]} == set(fashion.choosing.seeds)
    assert [seed for _, seed in order[8:12]] == [fashion.reporting.seeds[0]] * 4
    assert not set(fashion.choosing.seeds) & set(fashion.reporting.seeds)
    blocks = [
        range(f, f + s.count) for s in (fashion.choosing, fashion.reporting) for x in s.seeds for f in s.firsts(x)
    ]
    assert len(set().union(*blocks)) == sum(map(len, blocks)) and min(map(min, blocks)) >= 500
    assert max(map(max, blocks)) < 10**9  # the seeds of added noise begin there


def test_an_eighth_of_the_data_has_every_class(tiny):
    part, whole = study.images_of(tiny, "eighth"), data.load("digits")
    assert len(part) == -(-len(whole) // 8) and set(part.labels) == set(whole.labels)
    assert study.images_of(tiny, "xs").fingerprint == whole.fingerprint


def test_a_run_taken_up_by_the_study_is_recognised_by_its_configuration(tiny, runs):
    stored = json.loads((runs / "main-0" / "config.json").read_text())
    assert stored == as_json(tiny.run("main", 0))
    assert not list(study.missing(tiny, runs)) and len(list(study.missing(STUDIES["digits"], runs / "nothing"))) == 20


def test_networks_are_those_of_the_snapshots_rounded_and_kept(tiny, runs, tmp_path):
    early, late = nets.load(tiny, 0, Net("xs", 1 / 8), runs), nets.load(tiny, 0, Net("xs"), runs)
    assert not same(early, late)
    direct = snapshots.reconstruct(runs / "xs-0", 0.10, tiny.T)
    for value, other in zip(late.parameters(), direct.parameters(), strict=True):
        assert torch.equal(value, other.half().float())
    kept = nets.path_of(tiny, 0, Net("xs"), runs)
    alone = tmp_path / "kept" / kept.name  # another machine has this file and no snapshots
    alone.parent.mkdir()
    shutil.copy(kept, alone)
    assert same(nets.load(tiny, 0, Net("xs"), tmp_path), late)
    with pytest.raises(FileNotFoundError, match="train first"):
        nets.load(tiny, 0, Net("xs", 1 / 8), tmp_path)
    with pytest.raises(ValueError, match="was trained otherwise"):
        nets.load(dataclasses.replace(tiny, config=dataclasses.replace(tiny.config, lr=1.0)), 0, Net("xs"), tmp_path)


def test_a_shift_counts_within_the_stage(tiny, runs):
    assert same(nets.load(tiny, 0, Net(shift=1), runs), nets.load(tiny, 1, Net(), runs))
    assert same(nets.load(tiny, 3, Net(shift=1), runs), nets.load(tiny, 2, Net(), runs))


def test_what_is_kept_is_all_that_the_grids_need(tiny, runs):
    wanted = settings.nets_of(tiny)
    made, lacking = nets.keep(tiny, wanted, [0], runs)
    assert not lacking and len(set(made)) == len(wanted)
    with pytest.raises(FileNotFoundError, match="no snapshot after about"):
        nets.load(tiny, 0, Net("guide", 2), runs)


def test_a_pair_is_shipped_as_it_was_trained(tiny, runs, tmp_path):
    for role, kind in (("main", "main"), ("guide", "xs")):
        shutil.copytree(runs / f"{kind}-0", tmp_path / "pair" / role)
    nets.ship_folder(tmp_path / "pair", "small", out=tmp_path)
    direct = snapshots.load(tmp_path / "pair" / "guide", 0.10)
    shipped = network.load(tmp_path / "small-guide.safetensors")
    assert all(torch.equal(a.half().float(), b) for a, b in zip(direct.parameters(), shipped.parameters(), strict=True))
    assert network.metadata(tmp_path / "small-main.safetensors")["extra"] == {"data": "digits", "std": 0.1}


def test_the_same_run_gives_the_same_weights(tiny):
    config = dataclasses.replace(tiny.config, images=4 * tiny.config.batch)

    def weights():
        training = train.Training(config, data.load("digits"))
        for _ in train.steps(training, data.load("digits")):
            pass
        return training.tensors()

    one, two = weights(), weights()
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_time_limit(monkeypatch, tmp_path, capsys, tiny):
    with pytest.raises(Unfinished, match="the same command goes on"):
        study.train(tiny, tmp_path / "runs", minutes=0, workers=0)
    assert list((tmp_path / "runs" / "main-0").glob("checkpoint-*.json"))

    def stopped(*args, **options):
        raise Unfinished("4 of 9 rows: the same command goes on from here")

    monkeypatch.setattr(cli, "make", stopped)
    monkeypatch.setattr(sys, "argv", ["figures", "fig7", "--minutes", "1", "--out", str(tmp_path)])
    assert cli.main() == 3 and "4 of 9 rows" in capsys.readouterr().err


def test_a_run_whose_last_average_is_kept_is_complete(tmp_path):
    """On another machine the snapshots are gone: what is kept must not be trained again."""
    plan = STUDIES["tiny"]
    (tmp_path / "kept").mkdir()
    early, last = (f"main-2-{n:010d}-0.100.safetensors" for n in (plan.T, max(plan.lengths) * plan.T))
    (tmp_path / "kept" / early).touch()
    assert not study.complete(plan, "main", 2, tmp_path)
    (tmp_path / "kept" / last).touch()
    assert study.complete(plan, "main", 2, tmp_path) and not study.complete(plan, "main", 3, tmp_path)
