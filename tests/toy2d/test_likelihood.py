"""Densities by change of variables, where the answer is known."""

import math

import pytest
import torch

from toy2d import pretrained
from toy2d.fractal import fractal
from toy2d.likelihood import SIGMA_END, falls_outwards, levels, log_density, log_normaliser, velocity_and_divergence
from toy2d.model import LogDensityMLP


def test_divergence_is_the_trace_of_the_jacobian():
    model = LogDensityMLP(8, generator=torch.Generator().manual_seed(0)).double()
    model.gain.data.fill_(0.5)
    x = torch.randn(3, 2, dtype=torch.float64)
    _, divergence = velocity_and_divergence(model, x, 0.3)
    for row, value in zip(x, divergence, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda y: velocity_at(model, y), row)
        torch.testing.assert_close(value, jacobian.trace())


def velocity_at(model, y):
    return ((y[None] - model(y[None], 0.3)) / 0.3)[0]


def test_a_gaussian_s_flow_in_closed_form():
    """The ideal denoiser of N(0, s^2 I), begun with the density of N(0, (s^2 + sigma_max^2) I)."""
    s = 0.5

    def denoiser(x, sigma, labels=None):
        return x * s**2 / (s**2 + sigma**2)

    def normal(x, sigma):
        variance = s**2 + sigma**2
        return -x.square().sum(1) / (2 * variance) - math.log(2 * math.pi * variance)

    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_density(denoiser, x, normal), normal(x, SIGMA_END), rtol=1e-3, atol=1e-3)


def test_the_exact_score_gives_back_the_true_density():
    truth = fractal("A")
    x = truth.sample(200, SIGMA_END, torch.Generator().manual_seed(0)).double()
    error = log_density(truth, x, truth.log_prob, levels(256)) - truth.log_prob(x, SIGMA_END)
    assert error.abs().median() < 0.01 and error.mean().abs() < 0.02


def gaussian(x):
    return -x.square().sum(1) / 2


def saddle(x):
    """Falls along one axis and grows along the other: no density, though its largest value on small squares may be inside."""
    return gaussian(x) + 0.6 * x[:, 1] ** 2


def test_what_falls_along_every_ray_and_what_does_not():
    assert falls_outwards(gaussian) and not falls_outwards(saddle)
    narrow = math.radians(3)  # grows in a wedge of 3 degrees only

    def wedge(x):
        return torch.where((torch.atan2(x[:, 1], x[:, 0]) - 1).abs() < narrow / 2, -1, 1) * gaussian(x)

    assert not falls_outwards(wedge)
    assert falls_outwards(lambda x: gaussian(x) + 5 * (x.norm(dim=1) < 2)) and falls_outwards(fractal("A").log_prob)


def test_the_sign_of_the_gain_decides_for_a_model():
    for seed, gain in pretrained.gains().items():
        main = pretrained.load("main", seed)
        assert falls_outwards(lambda x, main=main: main.log_density(x, SIGMA_END)) == (gain < 0)


def test_normaliser_of_a_gaussian_and_of_the_truth():
    assert log_normaliser(gaussian, 8.0, 400) == pytest.approx(math.log(2 * math.pi), abs=1e-3)
    assert log_normaliser(lambda x: fractal("A").log_prob(x, 0.05), pixels=300) == pytest.approx(0, abs=1e-3)


def test_no_normaliser_where_the_edge_holds_mass():
    """The first grows outwards, so that the maximum lies on the edge; the second is cut off by too small a square."""
    for log_density_of, half_width in ((saddle, 3.0), (gaussian, 2.0)):
        with pytest.raises(ValueError, match="on the edge of the square of half width"):
            log_normaliser(log_density_of, half_width, 50)
