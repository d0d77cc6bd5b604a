"""Corruptions: what belongs to a model and what to a call, and how errors are compared."""

import numpy as np
import pytest
import torch

from figures.toy import corruptions
from toy2d.fractal import fractal

X = fractal("A").sample(32, 0.1, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", list(corruptions.KINDS))
def test_same_seed_same_numbers_and_more_for_the_guide(kind):
    main, again, other, guide = (
        corruptions.corrupted(kind, role, 0, noise_seed)(X, 0.1)
        for role, noise_seed in (("main", 0), ("main", 0), ("main", 1), ("guide", 0))
    )
    assert torch.equal(main, again)
    assert torch.equal(main, other) == (not corruptions.KINDS[kind].fresh)
    clean = corruptions.corrupted(corruptions.KINDS[kind].base, "main", 0)(X, 0.1)
    assert (guide - clean).norm() > (main - clean).norm() > 0


def test_weight_1_needs_no_guide_and_pairs_are_reproducible():
    alone, with_guide = (corruptions.row("noise", weak, [1.0], 0, 0, 64) for weak in ("clean", "bits"))
    assert alone == with_guide
    assert corruptions.row("dropout", "dropout", [2.0], 0, 0, 64) == corruptions.row(
        "dropout", "dropout", [2.0], 0, 0, 64
    )


def test_alignment_of_known_errors():
    """e_0 = 3 e_1: cosine 1, and w - 1 = 1 / 2 cancels. Orthogonal errors of equal size: w = 1/2 would be best."""
    found = corruptions.alignment([{"products": [[1.0, 9.0, 3.0], [1.0, 1.0, 0.0]]}])
    np.testing.assert_allclose(found["cosine"], [1, 0])
    np.testing.assert_allclose(found["weight"], [1.5, 0.5])


def test_errors_of_the_fixed_kinds_are_what_they_are():
    """No random numbers: the products are those of the errors themselves, and weight noise of one direction is collinear."""
    rows = [corruptions.error_row("weights", "weights", seed, 256) for seed in (0, 1)]
    found = corruptions.alignment(rows)
    assert (found["cosine"] > 0.9).all() and (abs(found["weight"] - 2) < 0.5).all()
    apart = corruptions.alignment([corruptions.error_row("weights apart", "weights apart", s, 256) for s in (0, 1)])
    assert (apart["cosine"] < found["cosine"] - 0.2).all()
