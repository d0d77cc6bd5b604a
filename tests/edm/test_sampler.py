"""The sampler against closed forms and the exact mixture."""

import math
from itertools import pairwise

import pytest
import torch

from edm.sampler import Churn, heun_steps, rand, randn, sample, seeded, sigma_steps
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
    assert (sigmas.diff() < 0).all() and sigmas.dtype == torch.float64
    assert torch.equal(sigma_steps(), sigmas)  # the defaults
    assert sigma_steps(2, 0.1, 3.0).tolist() == [3.0, 0.1, 0.0]
    assert sigma_steps(3, 1.0, 3.0, rho=1).tolist() == [3.0, 2.0, 1.0, 0.0]  # rho = 1 is even spacing
    odd = sigma_steps(7, 0.1, 0.7)
    assert odd[0].item() == 0.7 and odd[-2].item() == 0.1  # ends as they were asked for, to the bit


@pytest.mark.parametrize(
    "wrong",
    [
        dict(num_steps=1),
        dict(sigma_min=0),
        dict(sigma_max=0.001),
        dict(sigma_max=0.002),
        dict(sigma_max=math.inf),
        dict(rho=-1),
        dict(rho=0),
    ],
)
def test_sigma_steps_refuse(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        sigma_steps(**wrong)


@pytest.mark.parametrize("sigmas", [[1.0], [1.0, 2.0], [1.0, -1.0], [math.nan, 0.0], [math.inf, 1.0], [1.0, 1.0, 0.0]])
def test_sample_refuses_levels_that_do_not_fall(sigmas):
    with pytest.raises(ValueError, match="decreasing"):
        sample(gaussian(1.0), torch.zeros(1, 2), sigmas)


def test_heun_is_second_order_on_the_exact_mixture():
    truth = fractal("A", torch.float64)
    start = truth.sample(64, 1.0, torch.Generator().manual_seed(0))

    def levels(n):
        return sigma_steps(n, sigma_min=0.05, sigma_max=1.0)[:-1]  # stop at 0.05: the Euler step to 0 is first order

    reference = sample(truth, start, levels(257))
    errors = [(sample(truth, start, levels(n)) - reference).norm(dim=1).median().item() for n in (17, 33, 65)]
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
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
    steps = list(heun_steps(gaussian(1.0), x, sigma_steps(8)))
    assert [s.sigma for s in steps] == sigma_steps(8).tolist() and [s.index for s in steps] == list(range(9))
    assert all(torch.equal(s.x, state) for s, state in zip(steps, path, strict=True))


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


@pytest.mark.parametrize("amount, increase", [(0.6, 0.2), (100.0, math.sqrt(2) - 1)])
def test_a_step_with_churn_begins_at_a_raised_level(amount, increase):
    """With N = 3 steps, min(S_churn / N, sqrt(2) - 1) is the increase; noise makes up the difference of variances."""
    seen, x, levels = [], torch.zeros(5, 2), torch.tensor([8.0, 4.0, 2.0, 0.0], dtype=torch.float64)

    def spy(x, sigma, labels=None):
        seen.append((x, sigma))
        return torch.zeros_like(x)

    churn = Churn(S_churn=amount, S_min=2.0, S_max=4.0, S_noise=1.5)
    states = sample(spy, x, levels, churn=churn, generator=torch.Generator().manual_seed(0), trajectory=True)
    raised = [8.0, 4.0 * (1 + increase), 2.0 * (1 + increase)]  # both ends of [S_min, S_max] belong to it, 8 does not
    assert [sigma for _, sigma in seen] == pytest.approx([raised[0], 4.0, raised[1], 2.0, raised[2]])
    generator = torch.Generator().manual_seed(0)
    for (given, _), before, old, new in zip(seen[2::2], states[1:], levels[1:].tolist(), raised[1:], strict=False):
        noise = torch.randn(x.shape, generator=generator)
        torch.testing.assert_close(given, before + 1.5 * math.sqrt(new**2 - old**2) * noise)


def test_churn_of_one_step_and_none():
    """S_churn = 0 draws nothing; noise is made in the state's own precision."""
    x, levels = torch.zeros(2, 3, dtype=torch.float64), torch.tensor([1.0, 0.0])
    seen = []

    def denoiser(x, sigma, labels=None):
        seen.append(x)
        return torch.zeros_like(x)

    generator = torch.Generator().manual_seed(0)
    sample(denoiser, x, levels, churn=Churn(), generator=generator)
    assert torch.equal(seen[-1], x)
    sample(denoiser, x, levels, churn=Churn(S_churn=0.1), generator=generator)
    noise = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(seen[-1], math.sqrt(1.1**2 - 1) * noise)


def test_generators():
    for draw, torch_draw in ((randn, torch.randn), (rand, torch.rand)):
        rows = draw(3, (4,), seeded([7, 8, 9]), dtype=torch.float64)
        wanted = torch_draw(4, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
        assert rows.shape == (3, 4) and torch.equal(rows[1], wanted)
        one, other = (draw(3, (4,), torch.Generator().manual_seed(1), dtype=torch.float64) for _ in range(2))
        assert torch.equal(one, other) and one.dtype == torch.float64 and draw(3, (4,)).shape == (3, 4)
    assert seeded([0, 2**32 - 1])[1].initial_seed() == 2**32 - 1
    with pytest.raises(RuntimeError, match="(?i)meta"):
        seeded([1], "meta")  # generators live on the device that is asked for; this one has none
    with pytest.raises(ValueError, match="one generator per sample"):
        randn(2, (4,), seeded([1]))
    for wrong in (2**32, -1):  # torch would silently use another seed
        with pytest.raises(ValueError, match="2\\^32"):
            seeded([1, wrong])
