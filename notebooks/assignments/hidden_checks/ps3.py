"""Problem set 3: guidance, its Gaussian theory, and the sweep over weights."""

import math

import torch

from edm import guidance as library
from edm.sampler import sample, sigma_steps
from hidden_checks import agree, fresh, normal, random_mixture, require, uniform, without
from toy2d import paired
from toy2d.fractal import fractal

FORBIDDEN = (library.guide, library.guide_several)


def _pair():
    generator = fresh()
    main, weak = random_mixture(generator), random_mixture(generator)
    sigma = normal(generator, 20).exp()
    return generator, main, weak, 2 * normal(generator, 20, 2), sigma


def guided(answer) -> None:
    generator, main, weak, x, sigma = _pair()
    for weight in (uniform(generator, 1.3, 4.0), uniform(generator, -1.0, 0.7), 0.0):
        expected = weight * main(x, sigma) + (1 - weight) * weak(x, sigma)
        with without(*FORBIDDEN):
            agree(f"guided with weight {weight:.2f}", answer(main, weak, weight)(x, sigma), expected)


def guided_off(answer) -> None:
    _, main, weak, x, sigma = _pair()
    calls = []

    def counted(x, sigma, labels=None):
        calls.append(1)
        return weak(x, sigma)

    with without(*FORBIDDEN):
        agree("guided with weight 1", answer(main, counted, 1.0)(x, sigma), main(x, sigma))
        require(not calls, "with weight 1 the guide must not be evaluated")
        answer(main, counted, 2.0)(x, sigma)
        require(len(calls) == 1, f"with weight 2 the guide should be evaluated once, not {len(calls)} times")


def aimed_std(answer) -> None:
    generator = fresh()
    for _ in range(10):
        s_main, sigma, weight = uniform(generator, 0.3, 2), uniform(generator, 0, 1), uniform(generator, 1, 4)
        s_weak = s_main * uniform(generator, 1.1, 2)
        precision = weight / (s_main**2 + sigma**2) - (weight - 1) / (s_weak**2 + sigma**2)
        agree("aimed_std with a broader guide", answer(s_main, s_weak, weight, sigma), 1 / math.sqrt(precision))
    require(answer(1.0, 0.5, uniform(generator, 1.5, 5), 0.0) == math.inf, "aimed_std: no density, so math.inf")
    agree("aimed_std with a narrower guide", answer(1.0, 0.5, 1.2, 0.0), 1 / math.sqrt(1.2 - 0.2 / 0.25))


def largest_weight(answer) -> None:
    generator = fresh()
    for _ in range(10):
        s_main, sigma = uniform(generator, 0.5, 2), uniform(generator, 0.1, 1)
        s_weak = s_main * uniform(generator, 0.2, 0.9)
        expected = (s_main**2 + sigma**2) / (s_main**2 - s_weak**2)
        agree("largest_weight with a narrower guide", answer(s_main, s_weak, sigma), expected)
        require(answer(s_weak, s_main, sigma) == math.inf, "largest_weight: a broader guide sets no limit")
    require(answer(1.0, 1.0, 0.3) == math.inf, "largest_weight: an equal guide sets no limit")


def sampled_std(answer) -> None:
    """Against the sampler itself, with many steps."""
    generator = fresh()
    for trial in (1, -1):
        s_main = uniform(generator, 0.6, 1.2)
        s_weak = s_main * uniform(generator, 1.4, 2) ** trial
        weight, sigma_max = uniform(generator, 1.5, 4), uniform(generator, 1, 4)

        def denoiser(x, sigma, labels=None, v_main=s_main**2, v_weak=s_weak**2, weight=weight):
            return x * (weight * v_main / (v_main + sigma**2) - (weight - 1) * v_weak / (v_weak + sigma**2))

        x = torch.full((1, 1), math.sqrt(s_main**2 + sigma_max**2), dtype=torch.float64)
        expected = sample(denoiser, x, sigma_steps(400, 1e-3, sigma_max)).item()
        agree("sampled_std against the sampler", answer(s_main, s_weak, weight, sigma_max), expected, 5e-4)


def restoring_weight(answer) -> None:
    generator = fresh()
    for sign in (1, -1, 1, -1):
        s_true, error, twice = uniform(generator, 0.5, 2), uniform(generator, 0.05, 0.3), uniform(generator, 1.2, 4)
        s_main, s_weak = s_true * math.exp(sign * error), s_true * math.exp(sign * error * twice)
        agree("restoring_weight, shared error", answer(s_true, s_main, s_weak), 1 + 1 / (twice - 1))
        opposed = s_true * math.exp(-sign * error * twice)
        agree("restoring_weight, opposed errors", answer(s_true, s_main, opposed), 1.0)
        agree("restoring_weight, main model without error", answer(s_true, s_true, s_weak), 1.0)
        agree("restoring_weight, equal models", answer(s_true, s_main, s_main), 1.0)


def outlier_rates(answer) -> None:
    generator = fresh()
    exact, start = fractal("A"), paired.draw_start(64, seed=int(uniform(generator, 1, 4096)))
    shift = (0.05 * normal(generator, 2)).float()
    starts = []

    def moved(amount):
        def denoiser(x, sigma, labels=None):
            if float(sigma) == paired.SIGMA_MAX:
                starts.append(x)
            return exact(x - amount * shift, sigma) + amount * shift

        return denoiser

    main, weak = moved(1), moved(1.5)
    weights = [1.0, uniform(generator, 1.5, 4)]
    expected = [
        (exact.mahalanobis(paired.run(library.guide(main, weak, w), start)) > 3).double().mean().item() for w in weights
    ]
    starts.clear()
    got = answer(main, weak, weights, start)
    require(len(got) == len(weights), f"outlier_rates: {len(weights)} weights, {len(got)} rates")
    require(all(torch.equal(x, start) for x in starts), "every weight should start from the points it is given")
    for rate, truth in zip(got, expected, strict=True):
        require(abs(float(rate) - truth) < 1.5 / len(start), f"outlier_rates: {float(rate):.4f} instead of {truth:.4f}")
