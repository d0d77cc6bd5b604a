"""The study over training seeds: pairing, budgets of coverage, and the table."""

import numpy as np
import pytest

from figures.toy import seeds
from toy2d import pretrained


@pytest.fixture(scope="module")
def result():
    return seeds.compute(seeds=[0, 1], n=128, weights=(1.5, 3.0), workers=0)


def test_every_arm_has_every_seed(result):
    runs = result.numbers["runs"]
    assert len(runs) == 1 + 2 * (len(seeds.FAMILIES) - 1) + len(seeds.FACTORS)
    assert all(len(values) == 2 for arm in runs.values() for values in arm.values())
    d = result.numbers["difference"]["cfg 3"]["branch_tv"]
    expected = np.subtract(runs["cfg 3"]["branch_tv"], runs["none"]["branch_tv"])
    assert d["mean"] == pytest.approx(expected.mean()) and d["low"] < d["mean"] < d["high"] and d["pairs"] == 2


def test_weight_one_is_no_guidance_and_the_other_run_is_another(monkeypatch):
    asked = []
    load = pretrained.load
    monkeypatch.setattr(
        pretrained, "load", lambda kind, seed, folder: asked.append((kind, seed)) or load(kind, seed, folder)
    )
    main = seeds.denoiser("cfg", 1.0, 1, [0, 1], pretrained.FOLDER)
    assert main is not None and not hasattr(main, "__closure__")  # the model itself, unguided
    seeds.denoiser("early-other", 2.0, 1, [0, 1], pretrained.FOLDER)
    assert ("early", 0) in asked and ("main", 1) in asked


def test_within_a_budget():
    tv, outliers = [0.05, 0.15, 0.35], [0.12, 0.08, 0.02]
    assert seeds.within(0.01, tv, outliers) == 0.12  # no guidance is always allowed
    assert seeds.within(0.10, tv, outliers) == pytest.approx(0.10)  # half way to the second point
    assert seeds.within(0.25, tv, outliers) == pytest.approx(0.05)
    assert seeds.within(1.0, tv, outliers) == 0.02


def test_table(result):
    text = seeds.markdown(result.numbers)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert "No guidance" in text and "truncation, ×1.4" in text
    assert seeds.difference_text({"mean": -0.02, "low": -0.03, "high": 0.01}, "+.1%") == "−2.0 (−3.0, +1.0) %"
