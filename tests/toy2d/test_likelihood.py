"""Densities by change of variables, where the answer is known."""

import math

import torch

from toy2d.fractal import fractal
from toy2d.likelihood import SIGMA_END, levels, log_density, velocity_and_divergence
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
