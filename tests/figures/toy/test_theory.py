"""Predictions beside measurements: where the closed forms are exact, both must agree."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from edm.sampler import sample, sigma_steps
from figures.toy import theory
from tests.legible import problems
from toy2d import metrics
from toy2d.fractal import BRANCHES, fractal
from toy2d.paired import draw_start


def test_raised_noise_without_noise_is_the_exact_sampler_from_too_narrow_a_start():
    """D(x; f sigma) at level sigma makes the very steps that D makes at level f sigma."""
    exact, factor, sigmas = fractal("A"), 1.2, sigma_steps(12, 0.01, 5.0)
    start = draw_start(50).double()
    ends = sample(lambda x, sigma, labels=None: exact(x, factor * sigma), start, sigmas)
    torch.testing.assert_close(ends, sample(exact, start, factor * sigmas))


@pytest.mark.parametrize("branch, weight", [(theory.TRUNK, 2.0), (theory.LEAF, 1.0), (theory.LEAF, 3.0)])
def test_a_branch_alone_is_as_wide_as_predicted(branch, weight):
    found = theory.alone_row(branch, 0.01, 0.02, weight, 100, 1e-4, 2000)
    assert found["width"] == pytest.approx(found["predicted"], rel=0.07)


def test_shares_by_splits():
    main = metrics.branch_weights(fractal("A"))
    weak = main * torch.linspace(0.5, 1.5, BRANCHES, dtype=torch.float64)
    torch.testing.assert_close(theory.by_splits(main, weak / weak.sum(), 1.0), main, rtol=1e-5, atol=0)
    guided = theory.by_splits(main, weak / weak.sum(), 2.0)
    assert guided.sum().item() == pytest.approx(1) and (guided > 0).all()
    assert guided[0] > main[0] and guided[-1] < main[-1]  # away from where the guide has more


def test_crossing():
    assert theory.crossing([1, 2, 4], [3.0, 2.0, 0.0], 1.0) == pytest.approx(3)
    assert theory.crossing([1, 2], [0.5, 0.2], 1.0) is None


def rows_of(change, ratio, again):
    rule = {"lost": [70], "leaves": [0.0] * 32 + [1.0] * 32}
    guided = [dict(change=c.tolist(), lost=[70, 80], product=rule, splits=rule) for c in change]
    return [
        dict(ratio=a.tolist(), ratio_again=b.tolist(), guided=[g]) for a, b, g in zip(ratio, again, guided, strict=True)
    ]


def test_slope_is_freed_of_chance_in_the_ratio():
    rng = np.random.default_rng(0)
    true, noise = rng.normal(size=(40, BRANCHES)), rng.normal(size=(2, 40, BRANCHES))
    plain = theory.shares_found(3.0, rows_of(2 * true, true, true), 0)
    assert plain["depths"][6]["slope"] == pytest.approx(2) and plain["depths"][6]["correlation"] == pytest.approx(1)
    assert plain["product"]["hits"] == [1] * 40 and plain["product"]["by_chance"] == [2 / 64] * 40
    leaf = theory.shares_found(3.0, rows_of(2 * true, true + noise[0], true + noise[1]), 0)["depths"][6]
    assert leaf["slope"] == pytest.approx(1, abs=0.1) and leaf["slope_freed"] == pytest.approx(2, abs=0.2)


def test_whole_and_drawn(monkeypatch):
    monkeypatch.setattr(theory, "by_splits", lambda main, weak, weight: main)
    fast = theory.FAST | dict(n=40, n_shares=64, weights=(1.0, 5.0), noise_steps=2)
    result = theory.compute(**fast, workers=0)
    assert result.numbers["noise_weight"]["predicted"] == pytest.approx(2.10, abs=5e-3)
    assert len(result.numbers["blur"]) == 8 and len(result.numbers["restoring"]) == 4
    assert next(r for r in result.numbers["noise"] if r["main"] == 1.0)["spread"] == 1
    figure = theory.draw(result)
    assert problems(figure) == []
    assert len(figure.axes) == 4
    plt.close(figure)
