"""Rows of the image study, points gathered from them, floors, claims; all with networks that know nothing."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch

from edm import data
from edm.generate import generate
from edm.sampler import sigma_steps
from figures.engine import registry
from figures.engine.result import load_result
from figures.engine.verdicts import HOLDS, NOT, OPEN, PARTLY
from figures.images import claims, convergence, corruptions, length, measure, points, search, settings
from figures.images.arms import Harm, arm, as_dict
from figures.images.measure import Row
from figures.images.nets import Net, ready
from figures.images.study import Stage, study

STAGE = Stage((0, 1), 20, blocks=2)


@pytest.fixture(scope="module")
def rows(tiny, runs):
    return measure.measure_all(tiny, [arm(), arm("cfg", 2.0)], STAGE, runs=runs, workers=0)


def test_rows_are_made_once_and_gathered_over_noise_and_runs(tiny, runs, rows, monkeypatch):
    assert len(rows) == 8 and all(row.count == 20 for row in rows)
    monkeypatch.setattr(measure, "measure", pytest.fail)
    assert measure.measure_all(tiny, [arm(), arm("cfg", 2.0)], STAGE, runs=runs, workers=0) == rows
    assert str(runs) not in "".join(path.read_text() for path in runs.glob("*.rows.jsonl"))
    found = points.point(rows, arm("cfg", 2.0))
    assert len(found["values"]["recall"]) == 2
    blocks = {s: [r.numbers["recall"] for r in rows if r.seed == s and r.arm.kind == "cfg"] for s in (0, 1)}
    assert found["values"]["recall"][1] == pytest.approx(np.mean(blocks[1]))
    assert found["noise"]["recall"] == pytest.approx(np.mean([np.var(b, ddof=1) for b in blocks.values()]) ** 0.5)
    assert points.arm_of(found) == arm("cfg", 2.0)
    with pytest.raises(ValueError, match="no row for"):
        points.point(rows, arm("cfg", 3.0))


def test_a_row_is_what_its_denoiser_makes_measured_in_three_spaces(tiny, runs, rows):
    row = next(r for r in rows if r.arm == arm() and r.seed == 1)
    net, seeds = ready("tiny", 1, Net(), runs, tiny.arithmetic), range(row.first, row.first + 20)
    (made,) = generate(net, seeds, (1, 8, 8), range(10), sigmas=sigma_steps(tiny.steps), batch=20)
    by = measure.ruler(tiny, runs)
    for key, value in by.numbers(made.images, made.labels).items():
        assert row.numbers[key] == pytest.approx(value, rel=1e-4, abs=1e-6), key
    few = STAGE.few[1]
    assert row.numbers["of_first"][str(few)] == pytest.approx(by.distances(made.images[:few]), rel=1e-4)
    assert {"frechet_distance", "autoencoder/recall", "pixels/density", "unbiased"} - row.numbers.keys() <= {"unbiased"}


def test_evaluations_are_counted_for_each_network(tiny, runs):
    calls = 2 * tiny.steps - 1
    levels = sigma_steps(tiny.steps)
    part = (float(levels[1]) - 1e-3, 90.0)  # the first two of the levels at which networks are asked
    arms = {arm(): (calls, 0), arm("cfg", 2.0): (calls, calls), arm("truncation", 1.03): (calls, 0)}
    for made, (main, guide) in arms.items():
        counted: Counter = Counter()
        list(measure.images_of(tiny, 0, made, range(100_000, 100_005), runs, counted))
        assert (counted["main"], counted["guide"]) == (main, guide)
    counted = Counter()
    list(measure.images_of(tiny, 0, arm("cfg", 2.0, interval=part), range(100_000, 100_005), runs, counted))
    assert counted["main"] == calls and 0 < counted["guide"] < calls


def test_images_do_not_depend_on_the_batch(tiny, runs):
    made = arm(harm=Harm("dropout", 0.2), arithmetic="float32")
    seeds = range(100_000, 100_012)
    (whole,) = measure.images_of(tiny, 0, made, seeds, runs, Counter())
    parts = list(measure.images_of(dataclasses.replace(tiny, batch=5), 0, made, seeds, runs, Counter()))
    assert (whole.images.int() - torch.cat([p.images for p in parts]).int()).abs().max() <= 1


def test_narrowed_images_keep_their_class_means():
    digits = data.load("digits")
    images, labels = torch.from_numpy(digits.images), torch.from_numpy(digits.labels)
    found = measure.narrowed(images, labels, digits, 2.0)
    for k in (0, 7):
        a, b = (x[labels == k].float() for x in (images, found))
        assert (a.mean(0) - b.mean(0)).abs().max() < 1
        assert float(b.std(0).mean()) == pytest.approx(float(a.std(0).mean()) / 2, rel=0.02)
    assert torch.equal(measure.narrowed(images, labels, digits, 1.0), images)


def test_networks_that_are_missing_are_asked_for(tiny, tmp_path, runs):
    with pytest.raises(FileNotFoundError, match="train first"):
        measure.measure_all(tiny, [arm(main=Net(length=4))], Stage((0,), 20), runs=runs, workers=0)


def test_floors_are_real_images(tiny, runs):
    found = points.floors(measure.ruler(tiny, runs), 40)
    assert len(found["train"]) == len(found["test"]) == 3
    assert all(row["nearest"] < 1e-3 and row["copies"] == 1 for row in found["train"])  # they are the training images
    assert found["test"][0]["nearest"] > 0.05 and found["test"][0]["copies"] < 0.1


def test_every_row_of_the_table_is_chosen_among_arms_of_its_kind(tiny):
    arms = settings.candidates(tiny)
    guides = {name: {made.guide and made.guide.kind for made in some} for name, some in arms.items()}
    assert (
        guides[settings.TRAINING] == {"guide"}
        and guides[settings.DATA] == {"eighth"}
        and guides[settings.AUTO] == {"xs"}
    )
    assert {made.guide.length for made in arms[settings.CAPACITY]} == {1.0}
    assert all(made.main.ema == made.guide.ema for made in arms[settings.SAME_EMA])
    assert all(made.kind == "none" for name in (settings.BASE, settings.STEPS) for made in arms[name])
    assert all(not made.labels for name, some in arms.items() if name.startswith(settings.NO_LABELS) for made in some)
    assert {made.interval for made in arms[settings.INTERVAL]} == set(settings.INTERVALS)
    longest = settings.longer(4, 0.1, (0.2, 3.0), [settings.SNAPSHOT])
    assert {made.guide.length for made in longest[settings.SNAPSHOT]} == {0.5, 0.25}


def test_search_finds_in_rows_what_successive_halving_would():
    distances = [9.0, 3.0, 5.0, 4.0, 8.0, 7.0, 6.0, 3.5, 2.0, 1.0]
    few = [9.0, 2.0, 1.0, 3.0, 8.0, 7.0, 6.0, 5.0, 4.0, 4.5]  # the two best of all are not among its first two
    made = []
    for i, (d, f) in enumerate(zip(distances, few, strict=True)):
        numbers = {"frechet_distance": d, "of_first": {"2": {"classifier": f}, "3": {"classifier": d}}}
        made.append(Row(arm("cfg", 1.1 + i), 0, 0, 12, numbers))
    found = search.one_search(made, (2, 3))
    assert found["found"] == as_dict(arm("cfg", 2.1)) and found["grid_best"] == as_dict(arm("cfg", 10.1))
    assert found["rank_in_grid"] == 3 and found["search_images"] == 10 * 2 + 2 * 1 and found["grid_images"] == 120


def test_convergence_looks_at_training_runs_where_there_are_some(tiny, runs, tmp_path):
    options = dict(steps=(2, 3), count=20, first=100_000, runs=runs, workers=0)
    found = convergence.by_run(tiny, **options)
    assert len(found["rows"]) == 2 * 2 * len(convergence.run_arms())  # steps, training runs
    assert {row["seed"] for row in found["rows"]} == {0, 1} and all(row["classifier"] > 0 for row in found["rows"])
    assert convergence.by_run(study("digits"), **options | {"runs": tmp_path}) is None


@pytest.mark.parametrize(
    "primary, others, verdict",
    [
        (HOLDS, [HOLDS, NOT], HOLDS), (HOLDS, [OPEN, OPEN], PARTLY), (HOLDS, [NOT, NOT], PARTLY), (NOT, [NOT, HOLDS], NOT),
        (NOT, [HOLDS, OPEN], PARTLY), (NOT, [OPEN, OPEN], OPEN), (OPEN, [HOLDS, HOLDS], OPEN), (OPEN, [OPEN, NOT], OPEN),
    ],
)  # fmt: skip
def test_a_verdict_needs_the_primary_space_and_one_other(primary, others, verdict):
    assert claims.spaces_verdict(primary, others) == verdict


def point_of(**values) -> dict:
    keys = [prefix + "frechet_distance" for prefix in points.PREFIXES.values()]
    return {
        "values": {key: values.get(space, [1.0, 1.1, 0.9]) for key, space in zip(keys, points.PREFIXES, strict=True)}
    }


def test_a_claim_names_the_space_that_disagrees():
    lower, higher = [0.5, 0.6, 0.4], [1.5, 1.6, 1.4]
    text, verdict = claims.in_spaces(point_of(classifier=lower, autoencoder=lower, pixels=higher), point_of())
    assert verdict == HOLDS and "disagrees: pixel components" in text
    assert claims.in_spaces(point_of(classifier=lower), point_of())[1] == PARTLY


def test_recall_is_judged_by_its_distance_to_that_of_real_images():
    a, b = ({"values": {"recall": values}} for values in ([0.99, 0.98, 0.99], [0.94, 0.95, 0.95]))
    assert points.nearer(a, b, "recall", 0.95)["low"] > 0  # higher, but further from 0.95


def test_gains_by_length_are_against_the_same_length_and_the_one_before():
    def row(base: float) -> dict:
        arms = {settings.BASE: base, settings.INTERVAL: base - 0.2}
        return {name: {"values": {"frechet_distance": [value, value + 0.1]}} for name, value in arms.items()}

    rows = {"1": row(1.0), "2": row(0.7)}
    found = length.gains(rows)
    assert found["2"][settings.INTERVAL]["mean"] == pytest.approx(-0.2)
    assert found["2"]["training twice as long"]["mean"] == pytest.approx(-0.3)
    assert "training twice as long" not in found["1"]


def test_raised_noise_narrows_a_gaussian_as_the_closed_form_says():
    assert corruptions.sampled_sd(0.17, 1.0, 64) == pytest.approx(0.17, rel=0.02)
    assert corruptions.sampled_sd(0.17, 1.1, 200) == pytest.approx(0.17 / 1.1, rel=0.02)


def test_solver_errors_stand_beside_the_gains():
    values = {
        "none": {"32": 0.51, "128": 0.5},
        "CFG": {"32": 0.2, "128": 0.22},
        "autoguidance": {"32": 0.1, "128": 0.1},
    }
    rows = {name: {n: {"frechet_distance": v} for n, v in row.items()} for name, row in values.items()}
    found = convergence.solver_errors({"by_steps": rows}, "32", "128")
    assert found["of"]["CFG"] == pytest.approx(-0.02) and len(found["differences"]) == 3
    pair = found["differences"]["CFG minus none"]
    assert pair["difference"] == pytest.approx(-0.28) and pair["error"] == pytest.approx(-0.03)
    assert claims.converged({"error": found})[1] == NOT  # a ninth of CFG's gain


@pytest.mark.parametrize("name", registry.GROUPS["images"])
def test_shipped_results_can_be_drawn(name):
    for folder in ("digits", "fashion-16"):
        try:
            result = load_result(f"{folder}/{name}")
        except ValueError:
            continue  # not measured yet
        assert registry.load(name).draw(result).axes
