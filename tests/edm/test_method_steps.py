"""Guidance methods that have steps of their own: against their formulas, as the plain samplers, and sample by sample."""

import math

import pytest
import torch

from edm.adaptive import guide_projected
from edm.correctors import cfgpp_steps, feedback_steps, projected_steps
from edm.guidance import guide
from edm.sampler import heun_steps, sigma_steps
from tests.gaussian_models import MAIN, SIGMAS, WEAK, W, X, forbidden, last, normal
from toy2d.gaussian import ideal_denoiser


def test_cfgpp_by_its_formula_and_as_cfg():
    strength = 0.6
    got = list(cfgpp_steps(MAIN, WEAK, strength, X, SIGMAS))
    assert [s.sigma for s in got] == SIGMAS.tolist() and [s.index for s in got] == list(range(7))
    for before, after in zip(got, got[1:], strict=False):
        x, s, t = before.x, before.sigma, after.sigma
        u = WEAK(x, s)
        torch.testing.assert_close(after.x, u + strength * (MAIN(x, s) - u) + t / s * (x - u))
        D = guide(MAIN, WEAK, strength * s / (s - t))(x, s)
        torch.testing.assert_close(after.x, x + (t - s) * (x - D) / s)


def test_cfgpp_depends_on_the_number_of_steps():
    """The width of the samples falls with the number of steps and has no limit; Heun's hardly changes."""
    main, weak = ideal_denoiser(0.5), ideal_denoiser(0.75)
    x = torch.full((1, 1), 5.0, dtype=torch.float64)
    ends = [last(cfgpp_steps(main, weak, 0.5, x, sigma_steps(n, 0.01, 5.0))).item() for n in (10, 30, 90)]
    assert ends[1] < 0.6 * ends[0] and 0 < ends[2] < 0.6 * ends[1]


@pytest.mark.parametrize("strength", [-0.1, 1.1])
def test_cfgpp_strength(strength):
    with pytest.raises(ValueError, match="strength"):
        next(cfgpp_steps(MAIN, WEAK, strength, X, SIGMAS))


def test_momentum_0_is_the_projected_guide():
    options = dict(eta=0.3, radius=0.4)
    got = last(projected_steps(MAIN, WEAK, W, X, SIGMAS, momentum=0, **options))
    torch.testing.assert_close(got, last(heun_steps(guide_projected(MAIN, WEAK, W, **options), X, SIGMAS)))
    got = last(projected_steps(MAIN, forbidden, 1, X, SIGMAS))
    torch.testing.assert_close(got, last(heun_steps(MAIN, X, SIGMAS)))


def test_momentum_by_its_formula():
    """Euler's last step, to 0, shows the sum: with eta = 1 it moves x to D + (w - 1) S."""
    sigmas, beta = torch.tensor([2.0, 1.0, 0.0]), -0.5
    start, middle, end = projected_steps(MAIN, WEAK, W, X, sigmas, eta=1, momentum=beta)
    first = MAIN(start.x, 2.0) - WEAK(start.x, 2.0)
    total = MAIN(middle.x, 1.0) - WEAK(middle.x, 1.0) + beta * first
    torch.testing.assert_close(end.x, MAIN(middle.x, 1.0) + (W - 1) * total)
    with pytest.raises(ValueError, match="momentum"):
        next(projected_steps(MAIN, WEAK, W, X, sigmas, momentum=-1))


def log_normal(x, s, sigma):
    v = s**2 + sigma**2
    return (-x.square() / (2 * v) - math.log(2 * math.pi * v) / 2).sum(1)


def test_the_tracked_ratio_is_that_of_the_densities():
    """On every path, whatever the guidance; the error falls with the root of the number of steps."""
    s_main, s_weak, top = 0.5, 0.9, 5.0
    main, weak = ideal_denoiser(s_main), ideal_denoiser(s_weak)
    x = math.hypot(s_main, top) * normal(200, 1)
    errors = []
    for steps in (100, 1600):
        start = log_normal(x, s_main, top) - log_normal(x, s_weak, top)
        *_, before, _ = feedback_steps(
            main,
            weak,
            x,
            sigma_steps(steps, 0.05, top),
            mixing=0.6,
            log_ratio=start,
            generator=torch.Generator().manual_seed(1),
        )
        exact = log_normal(before.x, s_main, before.sigma) - log_normal(before.x, s_weak, before.sigma)
        errors.append((before.log_weights - exact).square().mean().sqrt().item())
    assert errors[1] < 0.2 * exact.std() and errors[1] < 0.35 * errors[0]


def test_feedback_of_a_model_without_fault_is_ancestral_sampling():
    x = math.hypot(0.5, 5) * normal(20_000, 1)
    steps = list(
        feedback_steps(
            ideal_denoiser(0.5), ideal_denoiser(0.9), x, sigma_steps(200, 0.02, 5.0), mixing=1.0,
            generator=torch.Generator().manual_seed(0),
        )
    )  # fmt: skip
    assert steps[-1].x.std().item() == pytest.approx(0.5, rel=0.03)
    assert steps[-1].evaluations == 400 and steps[3].log_weights.shape == (20_000,)


def test_samples_do_not_depend_on_their_batch_mates():
    x = normal(4, 1) * 5
    main, weak = ideal_denoiser(0.5), ideal_denoiser(0.9)
    seeds = [torch.Generator().manual_seed(i) for i in range(4)]
    both = last(feedback_steps(main, weak, x, SIGMAS, generator=seeds))
    alone = last(feedback_steps(main, weak, x[2:3], SIGMAS, generator=[torch.Generator().manual_seed(2)]))
    torch.testing.assert_close(both[2:3], alone)
