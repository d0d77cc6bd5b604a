"""Each method of the image experiment runs on the shipped pair, and draws noise by seed."""

import pytest
import torch

from edm import models
from edm.guidance import unconditional
from edm.sampler import randn, seeded, sigma_steps
from figures.images.methods import METHODS
from toy2d.methods import Counted, Models

PAIR = models.shipped("digits")


@pytest.mark.parametrize("name", METHODS)
def test_an_image_does_not_depend_on_its_batch(name):
    strengths, run = METHODS[name]
    sigmas, labels, seeds = sigma_steps(3), torch.tensor([3, 5]), [7, 8]
    x = 80 * randn(2, PAIR.shape, seeded(seeds))

    def images(part):
        counted = Models(
            0, *(Counted(d) for d in (PAIR.main, PAIR.guide, unconditional(PAIR.main), PAIR.guide, PAIR.guide))
        )
        out = run(counted, strengths[-1], x[part], sigmas, labels[part], seeds[part])
        if name in ("no guidance", "truncation"):
            assert counted.evaluations() == (5 * len(out), 0)
        return out

    both = images(slice(0, 2))
    assert both.shape == x.shape and both.isfinite().all()
    torch.testing.assert_close(images(slice(1, 2)), both[1:], rtol=1e-3, atol=1e-3)
