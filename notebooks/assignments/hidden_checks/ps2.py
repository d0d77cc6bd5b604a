"""Problem set 2: noise levels, Euler, Heun, errors and orders."""

import torch

from edm import sampler as library
from hidden_checks import agree, fresh, normal, random_mixture, require, uniform, without

FORBIDDEN = (library.heun_steps, library.sigma_steps)


def _case(steps: int = 6):
    """A denoiser, a state, and irregular noise levels that end in 0."""
    generator = fresh()
    mixture = random_mixture(generator)
    ratios = 0.4 + 0.4 * torch.rand(steps, generator=generator, dtype=torch.float64)
    sigmas = torch.cat([uniform(generator, 2, 6) * ratios.cumprod(0), torch.zeros(1, dtype=torch.float64)])
    return mixture, mixture.sample(20, sigmas[0], generator), sigmas


def noise_levels(answer) -> None:
    generator = fresh()
    n, low, high = int(uniform(generator, 5, 40)), uniform(generator, 0.001, 0.1), uniform(generator, 1, 90)
    rho = uniform(generator, 2, 9)
    expected = library.sigma_steps(n, low, high, rho)
    with without(*FORBIDDEN):
        got = answer(n, low, high, rho)
        agree("noise_levels", got, expected)
        agree("noise_levels above 0, relative to each", torch.as_tensor(got)[:-1] / expected[:-1], torch.ones(n))
        require(float(got[-1]) == 0, "the last noise level must be 0")


def euler(answer) -> None:
    mixture, x, sigmas = _case()
    expected = x
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:], strict=True):
        expected = expected + (sigma_next - sigma) * (expected - mixture(expected, sigma)) / sigma
    with without(*FORBIDDEN):
        agree("euler", answer(mixture, x, sigmas), expected)


def heun(answer) -> None:
    mixture, x, sigmas = _case()
    expected = library.sample(mixture, x, sigmas)
    with without(*FORBIDDEN):
        agree("heun", answer(mixture, x, sigmas), expected)


def heun_cost(answer) -> None:
    steps = int(uniform(fresh(), 4, 12))
    mixture, x, sigmas = _case(steps)
    asked = []

    def counted(x, sigma, labels=None):
        asked.append(float(torch.as_tensor(sigma).max()))
        return mixture(x, sigma)

    with without(*FORBIDDEN):
        answer(counted, x, sigmas)
    require(len(asked) == 2 * steps - 1, f"{steps} steps should cost {2 * steps - 1} evaluations, not {len(asked)}")
    require(min(asked) > 0, "the denoiser was asked about sigma = 0")


def sampling_errors(answer) -> None:
    generator = fresh()
    x, reference = normal(generator, 30, 2), normal(generator, 30, 2)
    schedules = [torch.linspace(1, 0, n, dtype=torch.float64) for n in (4, 7, 9)]
    pull = uniform(generator, 0.2, 0.8)

    def sampler(denoiser, x, sigmas):
        return denoiser(x, sigmas[0]) + 1 / len(sigmas)

    expected = [((pull * x + 1 / len(s) - reference) ** 2).sum(1).mean().sqrt() for s in schedules]
    agree("sampling_errors", answer(sampler, lambda x, sigma: pull * x, x, schedules, reference), expected)


def measured_order(answer) -> None:
    generator = fresh()
    n = torch.tensor([6, 10, 25, 40, 90], dtype=torch.float64)
    p, factor = uniform(generator, 0.5, 4), uniform(generator, 0.1, 9)
    jitter = 0.3 * normal(generator, 5)
    jitter[2] += 0.5  # so that two points alone give another slope
    errors = factor * n**-p * jitter.exp()
    centred = n.log() - n.log().mean()
    expected = -(centred * errors.log()).sum() / (centred**2).sum()
    agree("measured_order", answer([int(i) for i in n], errors.tolist()), expected)
