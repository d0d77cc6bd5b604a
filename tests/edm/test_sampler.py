"""The sampler against closed forms and the exact mixture."""

import math

import pytest
import torch

from edm.sampler import Churn, heun_steps, randn, sample, seeded, sigma_steps
from toy2d.fractal import fractal


def gaussian(std):
    """The ideal denoiser of N(0, std^2 I): its ODE keeps x / sqrt(std^2 + sigma^2) constant."""
    return lambda x, sigma, labels=None: x * std**2 / (std**2 + torch.as_tensor(sigma).reshape(-1, 1) ** 2)


def test_sigma_steps_are_the_paper_s():
    sigmas = sigma_steps(32, 0.002, 80.0, 7.0)
    assert sigmas.shape == (33,) and sigmas[0] == 80 and sigmas[-2] == 0.002 and sigmas[-1] == 0
    i = 10
    expected = (80 ** (1 / 7) + i / 31 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    assert sigmas[i].item() == pytest.approx(expected, rel=1e-12)
    assert (sigmas.diff() < 0).all()


@pytest.mark.parametrize(
    "wrong", [dict(num_steps=1), dict(sigma_min=0), dict(sigma_max=0.001), dict(rho=-1), dict(sigma_max=math.inf)]
)
def test_sigma_steps_refuse(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        sigma_steps(**wrong)


@pytest.mark.parametrize("sigmas", [[1.0], [1.0, 2.0], [1.0, -1.0], [math.nan, 0.0], [1.0, 1.0, 0.0]])
def test_sample_refuses_levels_that_do_not_fall(sigmas):
    with pytest.raises(ValueError, match="decreasing"):
        sample(gaussian(1.0), torch.zeros(1, 2), sigmas)


def test_heun_is_second_order_on_the_exact_mixture():
    truth = fractal("A", torch.float64)
    start = truth.sample(256, 1.0, torch.Generator().manual_seed(0))

    def levels(n):
        return sigma_steps(n, sigma_min=0.05, sigma_max=1.0)[:-1]  # stop at 0.05: the Euler step to 0 is first order

    reference = sample(truth, start, levels(1025))
    errors = [(sample(truth, start, levels(n)) - reference).norm(dim=1).median().item() for n in (33, 65, 129)]
    orders = [math.log2(a / b) for a, b in zip(errors, errors[1:], strict=False)]
    assert all(1.8 < order < 2.3 for order in orders), (errors, orders)


def test_a_gaussian_is_sampled_as_in_closed_form():
    x = torch.randn(64, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * math.hypot(5.0, 0.5)
    ends = sample(gaussian(0.5), x, sigma_steps(512, sigma_max=5.0))
    torch.testing.assert_close(ends, x * 0.5 / math.hypot(5.0, 0.5), rtol=1e-3, atol=0)


def test_evaluations_and_trajectory():
    calls = []

    def counting(x, sigma, labels=None):
        calls.append(float(sigma))
        return gaussian(1.0)(x, sigma)

    x = torch.ones(3, 2)
    path = sample(counting, x, sigma_steps(8), trajectory=True)
    assert len(calls) == 2 * 8 - 1 and min(calls) > 0
    assert path.shape == (9, 3, 2)
    torch.testing.assert_close(path[0], x)
    torch.testing.assert_close(path[-1], sample(gaussian(1.0), x, sigma_steps(8)))
    assert [s.sigma for s in heun_steps(gaussian(1.0), x, sigma_steps(8))] == sigma_steps(8).tolist()


def test_labels_reach_the_denoiser_and_any_shape_works():
    labels = torch.tensor([1.0, 2.0])

    def towards_label(x, sigma, given):
        return given.reshape(-1, 1, 1, 1).expand_as(x)

    ends = sample(towards_label, torch.randn(2, 3, 4, 4), sigma_steps(4), labels)
    torch.testing.assert_close(ends, labels.reshape(-1, 1, 1, 1).expand(2, 3, 4, 4))


def test_a_sample_does_not_depend_on_its_batch():
    truth, sigmas, churn = fractal("A"), sigma_steps(12, sigma_max=5.0), Churn(S_churn=10)
    together = sample(truth, truth.sample(8, 5.0, seeded(range(8))), sigmas, churn=churn, generator=seeded(range(8)))
    alone = sample(truth, truth.sample(1, 5.0, seeded([5])), sigmas, churn=churn, generator=seeded([5]))
    torch.testing.assert_close(alone[0], together[5], rtol=1e-4, atol=1e-5)


def test_churn_adds_noise_and_keeps_the_distribution():
    std, n, generator = 0.5, 20000, torch.Generator().manual_seed(0)
    x = torch.randn(n, 1, generator=generator) * math.hypot(5.0, std)
    ode = sample(gaussian(std), x, sigma_steps(64, sigma_max=5.0))
    sde = sample(gaussian(std), x, sigma_steps(64, sigma_max=5.0), churn=Churn(S_churn=30), generator=generator)
    assert sde.std().item() == pytest.approx(std, rel=0.03)
    assert torch.corrcoef(torch.cat([ode, sde], 1).T)[0, 1] < 0.5  # fresh noise has replaced the start
    unchanged = sample(
        gaussian(std), x, sigma_steps(64, sigma_max=5.0), churn=Churn(S_churn=30, S_min=6.0), generator=generator
    )
    torch.testing.assert_close(unchanged, ode)


def test_generators():
    rows = randn(3, (4,), seeded([7, 8, 9]))
    torch.testing.assert_close(rows[1], torch.randn(4, generator=torch.Generator().manual_seed(8)))
    with pytest.raises(ValueError, match="one generator per sample"):
        randn(2, (4,), seeded([1]))
    with pytest.raises(ValueError, match="2\\^32"):
        seeded([2**32])  # torch would silently use seed 0
