"""Samples that flew off count as outliers, and only there."""

import math

import pytest
import torch

from figures.toy import places
from toy2d import metrics
from toy2d.fractal import fractal


def test_flown_off_samples_are_outliers():
    x = fractal("A").sample(900, generator=torch.Generator().manual_seed(0))
    far = torch.tensor([[50.0, 0.0], [math.nan, 0.0], [math.inf, 1.0]]).repeat(34, 1)[:100]
    before, after = places.numbers(x), places.numbers(torch.cat([x, far]))
    assert before["flown"] == 0 and after["flown"] == pytest.approx(0.1)
    assert after["outliers"] == pytest.approx(0.9 * before["outliers"] + 0.1)
    assert (after["branch_tv"], after["leaves_lost"]) == (pytest.approx(before["branch_tv"]), before["leaves_lost"])


def test_numbers_agree_with_the_metrics():
    x = fractal("A").sample(2000, generator=torch.Generator().manual_seed(1)) + 0.01
    ours, theirs = places.numbers(x), metrics.evaluate(x)
    assert ours["outliers"] == pytest.approx(theirs["outliers_99"])
    assert ours["branch_tv"] == pytest.approx(theirs["branch_tv"]) and ours["leaves_lost"] == theirs["leaves_lost"]


def test_lost_leaves_are_named():
    truth = metrics.branch_weights(fractal("A"))
    leaf = 6  # the first branch of depth 6, in the order of drawing
    assert places.lost(truth) == []
    assert places.lost(truth.index_fill(0, torch.tensor([0, leaf]), 0.0)) == [leaf]  # the trunk is no leaf
