"""Successive halving: finds the best of noisy candidates, counts its samples, refuses nonsense."""

import numpy as np
import pytest

from figures.engine.halving import successive_halving


def test_finds_the_best_of_noisy_candidates_with_a_tenth_of_the_samples():
    """Scores are means of samples; the noise is shared in part, as between guidance settings from the same start."""
    rng = np.random.default_rng(0)
    truth = np.linspace(0, 1, 200)
    shared, own = rng.normal(size=1024), rng.normal(size=(200, 1024))
    samples = truth[:, None] + shared + 0.5 * own
    order = rng.permutation(200)
    found = successive_halving(order.tolist(), lambda c, n: samples[c, :n].mean(), (32, 128, 512, 1024))
    assert truth[order[found.best]] < 0.06
    assert found.samples == 200 * 32 + 50 * 96 + 12 * 384 + 3 * 512
    assert found.samples * 10 < 200 * 1024


def test_survivors_are_the_best_of_each_round():
    asked = []

    def score(candidate, count):
        asked.append((candidate, count))
        return candidate

    found = successive_halving([3, 1, 2, 0], score, (1, 2), keep=0.5)
    assert asked == [(3, 1), (1, 1), (2, 1), (0, 1), (0, 2), (1, 2)]
    assert found.best == 3 and [list(r.scores) for r in found.rounds] == [[3, 1, 2, 0], [3, 1]]
    assert found.samples == 4 + 2


def test_one_round_is_the_grid():
    found = successive_halving([5.0, 4.0], lambda c, n: c, (100,))
    assert found.best == 1 and found.samples == 200


@pytest.mark.parametrize("bad", [dict(candidates=[]), dict(counts=(2, 2)), dict(counts=()), dict(keep=1.0)])
def test_nonsense_is_refused(bad):
    with pytest.raises(ValueError, match="need candidates|keep must"):
        successive_halving(**{"candidates": [1], "score": lambda c, n: 0.0, "counts": (1, 2)} | bad)
