"""The image study: settings and their rows, corruptions, the family of networks, floors; all with networks that know nothing."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

from edm import data, train
from edm.storage.atomic import plain
from figures import __main__ as cli
from figures.engine import registry
from figures.engine.result import load_result
from figures.images import measure, points, search, settings, study, table1
from figures.images.settings import arm
from figures.images.study import STUDIES, Net

TINY = STUDIES["tiny"]


@pytest.fixture(scope="module")
def runs():
    return measure.place("tiny")


def test_equal_settings_are_one_row():
    guide = Net("guide", 8)
    assert arm("autoguidance", 1, guide=guide) == arm("cfg", 1) == arm()
    assert arm("blend", 2, guide=guide, alpha=0) == arm("cfg", 2)
    assert arm("blend", 2, guide=guide, alpha=1) == arm("autoguidance", 2, guide=guide)
    assert arm("autoguidance", 2, guide=guide) != arm("autoguidance", 2, guide=Net("guide", 8, 0.05))
    assert arm(corrupt=("noise 0.1", "")) != arm()


def test_rows_are_kept_and_gathered_over_noise_and_seeds(runs, monkeypatch):
    arms = [arm(), arm("cfg", 2.0)]
    made = measure.measure_all("tiny", arms, (0, 50), workers=0)
    assert len(made) == 8 and {"study", "runs"}.isdisjoint(made[0])
    monkeypatch.setattr(measure, "measure", pytest.fail)
    assert measure.measure_all("tiny", arms, (0, 50), workers=0) == made
    assert str(runs) not in "".join(path.read_text() for path in runs.glob("*.rows.jsonl"))
    found = points.point(made, arms[1])
    assert len(found["values"]["recall"]) == len(TINY.seeds) == 2
    one = [r["recall"] for r in made if r["seed"] == 1 and r["kind"] == "cfg"]
    assert found["values"]["recall"][1] == pytest.approx(np.mean(one))
    apart = np.var(one, ddof=1), np.var([r["recall"] for r in made if r["seed"] == 0 and r["kind"] == "cfg"], ddof=1)
    assert found["noise"]["recall"] == pytest.approx(np.mean(apart) ** 0.5)
    assert "noise" not in points.point([r for r in made if r["first"] == 0], arms[1])
    assert points.setting_of(found) == plain(arms[1])
    with pytest.raises(ValueError, match="no row for"):
        points.point(made, arm("cfg", 3.0))


def test_a_row_does_not_depend_on_what_was_measured_before(runs):
    task = plain(arm(corrupt=("dropout 0.1", ""))) | dict(study="tiny", runs=str(runs), seed=0, first=0)
    one = measure.measure(**task)
    torch.randn(7)
    again = measure.measure(**task)
    assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in again.items() if k != "seconds"}


def test_raised_noise_has_the_level_that_the_denoiser_is_told():
    seen = []

    def spy(x, sigma, labels=None):
        seen.append((x, sigma))
        return x

    x = torch.zeros(4, 1, 64, 64)
    measure.raise_noise(spy, 0.2, torch.Generator().manual_seed(0))(x, 3.0)
    measure.raise_noise(spy, 0.0, torch.Generator())(x + 1, torch.tensor([1.0, 2.0, 3.0, 4.0]))
    added = seen[0][0].std().item()  # to the noise of level 3 that x would have
    assert (added**2 + 3.0**2) ** 0.5 == pytest.approx(1.2 * 3.0, rel=0.01)
    assert seen[0][1].tolist() == pytest.approx([3.6] * 4)
    assert torch.equal(seen[1][0], x + 1) and seen[1][1].tolist() == [1, 2, 3, 4]


def test_dropout_harms_a_copy_anew_in_every_call(runs):
    net = study.ready("tiny", 0, Net(), runs)
    x, labels = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 2, 3])
    whole = net(x, 1.0, labels)
    assert torch.equal(measure.drop_out(net, 0.0)(x, 1.0, labels), whole)
    harmed = measure.drop_out(net, 0.5)
    assert not torch.equal(harmed(x, 1.0, labels), harmed(x, 1.0, labels))
    assert torch.equal(net(x, 1.0, labels), whole)


def test_runs_of_a_study(runs):
    digits = STUDIES["digits"]
    seeds = [digits.run(size, seed).seed for size in study.SIZES for seed in digits.seeds]
    assert len(set(seeds)) == len(seeds) == 15  # no two runs share a seed
    assert digits.run("guide", 0).images == digits.config.images // 4
    assert digits.run("xs", 0).network["model_channels"] == 16
    assert study.parameters(digits, "main") == 722_539 and study.parameters(digits, "xs") == 181_115
    with pytest.raises(ValueError, match="unknown network 'xxl'"):
        digits.run("xxl", 0)
    assert not list(study.missing(TINY, runs)) and list(study.missing(digits, runs / "nothing"))
    early, late = study.load(TINY, 0, Net("xs", 8), runs), study.load(TINY, 0, Net("xs"), runs)
    assert any(not torch.equal(a, b) for a, b in zip(early.parameters(), late.parameters(), strict=True))
    other = study.load(TINY, 1, Net(), runs).state_dict()
    shifted = study.load(TINY, 0, Net(shift=1), runs).state_dict()
    assert all(torch.equal(value, shifted[name]) for name, value in other.items())
    with pytest.raises(ValueError, match="no snapshot after about"):
        study.load(TINY, 0, Net("guide", 1), runs)


def test_the_same_run_gives_the_same_weights():
    config = dataclasses.replace(TINY.config, images=4 * TINY.config.batch)

    def weights():
        training = train.Training(config, data.load("digits"))
        for _ in train.steps(training, data.load("digits")):
            pass
        return training.tensors()

    one, two = weights(), weights()
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_floors_are_real_images(runs):
    by = measure.yardstick("tiny", runs)
    found = points.floors(by, 30)
    assert len(found["train"]) == len(found["test"]) == 3
    assert all(row["nearest"] < 1e-3 and row["copies"] == 1 for row in found["train"])  # they are the training images
    assert found["test"][0]["nearest"] > 0.05 and found["test"][0]["copies"] < 0.1


def test_table_chooses_on_other_seeds_than_it_reports():
    sets = [set(range(f, f + STUDIES["digits"].count)) for f in (*settings.SELECT, *settings.REPORT)]
    assert sum(map(len, sets)) == len(set().union(*sets))
    arms = table1.candidates()
    assert all(task["w"] > 1 for name in ("CFG", "less training only") for task in arms[name])
    assert {task["guide"][0] for task in arms["less training only"]} == {"guide"}
    assert all(task["guide"][:2] == ["xs", 1] for task in arms["less capacity only"])
    assert all(a["main"][2] == a["guide"][2] for a in arms["same EMA for both"])
    harmed = {tuple(task["corrupt"]) for task in settings.corruptions() if task["w"] > 1}
    assert harmed == {(a[0], b[1]) for a in settings.KINDS.values() for b in settings.KINDS.values()}


def test_networks_that_are_missing_are_asked_for(tmp_path):
    with pytest.raises(ValueError, match="main-0 is not trained: run `python -m figures images --data digits` first"):
        measure.place("digits", tmp_path)
    with pytest.raises(ValueError, match="unknown study 'letters'"):
        measure.place("letters")


def test_time_limit(monkeypatch, tmp_path, capsys):
    with pytest.raises(study.Unfinished, match="the same command goes on"):
        study.train(TINY, tmp_path / "runs", minutes=0, workers=0)
    assert list((tmp_path / "runs" / "main-0").glob("checkpoint-*.json"))

    def stopped(*args, **options):
        raise study.Unfinished("4 of 9 rows: the same command goes on from here")

    monkeypatch.setattr(cli, "make", stopped)
    monkeypatch.setattr(sys, "argv", ["figures", "fig7", "--minutes", "1", "--out", str(tmp_path)])
    assert cli.main() == 3 and "4 of 9 rows" in capsys.readouterr().err


@pytest.mark.parametrize("name", registry.GROUPS["images"])
@pytest.mark.parametrize("study", ["digits", "fashion-16"])
def test_shipped_results_can_be_drawn(study, name):
    assert registry.load(name).draw(load_result(f"{study}/{name}")).axes


def test_search_finds_in_rows_what_successive_halving_would(runs):
    distances = [9.0, 3.0, 5.0, 4.0, 8.0, 7.0, 6.0, 3.5, 2.0, 1.0]
    few = [
        9.0,
        2.0,
        1.0,
        3.0,
        8.0,
        7.0,
        6.0,
        5.0,
        4.0,
        4.5,
    ]  # the two best of all are not among the first two on few images
    made = [
        arm("cfg", 1.1 + i) | {"frechet_distance": d, "few": {"2": f, "3": d}, "images": 12}
        for i, (d, f) in enumerate(zip(distances, few, strict=True))
    ]
    found = search.one_search(made, (2, 3))
    assert found["found"] == arm("cfg", 2.1) and found["grid_best"] == arm("cfg", 10.1)
    assert found["rank_in_grid"] == 3 and found["search_images"] == 10 * 2 + 2 * 1 and found["grid_images"] == 120


def test_few_images_are_the_first_of_a_row(runs):
    row = measure.measure_all("tiny", [arm()], workers=0)[0]
    by, seeds = measure.yardstick("tiny", runs), range(TINY.few[1])
    net = study.ready("tiny", 0, Net(), runs)
    made = measure.generate(net, seeds, (1, 8, 8), list(range(10)), sigmas=measure.sigma_steps(TINY.steps), batch=12)
    assert row["few"][str(TINY.few[1])] == pytest.approx(by.distance(next(iter(made)).images), rel=1e-4)
