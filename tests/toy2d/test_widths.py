"""Widths of branches: samples of known mixtures must give the widths that these have."""

import math

import pytest
import torch

from toy2d import widths
from toy2d.fractal import branch_depths, fractal


def drawn(mixture, n=6000):
    return mixture.sample(n, generator=torch.Generator().manual_seed(0))


def test_true_samples_have_the_true_widths():
    assert (widths.measured(drawn(fractal("A"))) - 1).abs().max() < 0.08  # about 400 points at a depth: 3.5 %
    torch.testing.assert_close(widths.expected(fractal("A")), torch.ones(7, 2, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize("width", [lambda s: s / 2, lambda s: math.hypot(s, 0.01)])
def test_changed_widths_are_found(width):
    mixture = widths.with_widths(width)
    ratio = widths.measured(drawn(mixture)) / widths.expected(mixture)
    assert (ratio - 1).abs().max() < 0.1


def test_halved_widths_are_half():
    assert widths.expected(widths.with_widths(lambda s: s / 2))[:, 1].tolist() == pytest.approx([0.5] * 7)


def test_prediction_without_guidance_is_the_main_models_belief():
    got = widths.expected(widths.guided(0.01, 0.02, 1.0, sigma_min=0.0, sigma_max=5.0))
    want = widths.expected(widths.with_widths(lambda s: math.hypot(s, 0.01)))
    torch.testing.assert_close(got, want, rtol=1e-5, atol=0)


def test_by_depth():
    assert widths.by_depth(torch.ones(127)).tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert widths.by_depth(branch_depths().double()[:, None])[6].item() == 6 * 64
