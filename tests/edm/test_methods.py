"""Every guidance method against its formula, and at the parameters where it is one of the plain ones."""

import math

import pytest
import torch

from edm.adaptive import feedback_weight, guide_feedback, guide_projected, guide_rescaled
from edm.correctors import cfgpp_steps, projected_steps
from edm.guidance import guide, guide_scheduled, guide_segmented, noisier, stages
from edm.sampler import heun_steps
from tests.gaussian_models import LEVEL, MAIN, OTHER, SIGMAS, WEAK, W, X, forbidden, last, moved, normal, same
from toy2d.gaussian import ideal_denoiser

# One weight a noise level.


def test_a_schedule_holds_the_constant_weight_and_the_interval():
    same(guide_scheduled(MAIN, WEAK, stages([W], [])), guide(MAIN, WEAK, W))
    same(guide_scheduled(MAIN, forbidden, lambda sigma: 1), MAIN)
    interval = guide_scheduled(MAIN, WEAK, stages([1, W, 1], [1.0, 0.5]))
    for sigma in (1.1, 1.0, 0.7, 0.5, 0.1):  # open below, closed above
        same(interval, guide(MAIN, WEAK, W, (0.5, 1.0)), sigma=sigma)


def test_a_schedule_of_many_levels_at_once():
    main, weak = ideal_denoiser(0.5), ideal_denoiser(0.8)
    levels = torch.tensor([1.5, 1.0, 0.5, 0.4, 0.1], dtype=torch.float64)
    got = guide_scheduled(main, weak, stages([0.5, 3, 2], [1, 0.4]))(X, levels)
    rows = zip([0.5, 3, 3, 2, 2], X.split(1), levels.tolist(), strict=True)
    torch.testing.assert_close(got, torch.cat([guide(main, weak, w)(x, level) for w, x, level in rows]))


@pytest.mark.parametrize("weights, levels", [([1, 2], []), ([1, 2, 3], [0.5, 1.0]), ([1, math.nan], [1.0])])
def test_wrong_stages(weights, levels):
    with pytest.raises(ValueError, match="level|weight"):
        stages(weights, levels)


def test_segmented_guidance_is_cfg_above_and_autoguidance_below():
    segmented = guide_segmented(MAIN, OTHER, WEAK, (W, 1.5), 0.5)
    same(segmented, guide(MAIN, OTHER, W), sigma=0.51)
    same(segmented, guide(MAIN, WEAK, 1.5), sigma=0.5)
    same(guide_segmented(MAIN, forbidden, forbidden, (1, 1), 0.5), MAIN)


# The sample decides.


def test_projected_guidance_by_its_formula():
    eta, radius = 0.3, 0.4
    got = guide_projected(MAIN, WEAK, W, eta=eta, radius=radius)(X, LEVEL)
    for x, row in zip(X, got, strict=True):
        c, u = MAIN(x[None], LEVEL)[0], WEAK(x[None], LEVEL)[0]
        delta = (c - u) * min(1.0, radius / (c - u).norm().item())
        parallel = (delta @ c) / (c @ c) * c
        torch.testing.assert_close(row, c + (W - 1) * ((delta - parallel) + eta * parallel))


def test_projected_guidance_at_its_limits():
    same(guide_projected(MAIN, WEAK, W, eta=1), guide(MAIN, WEAK, W))
    same(guide_projected(MAIN, forbidden, 1), MAIN)
    same(guide_projected(MAIN, WEAK, W, radius=0), MAIN)
    same(guide_projected(MAIN, MAIN, W, radius=0.1), MAIN)  # a difference of length 0 is no division by 0
    step = guide_projected(MAIN, WEAK, 2)(X, LEVEL) - MAIN(X, LEVEL)
    assert (step * MAIN(X, LEVEL)).sum(1).abs().max() < 1e-10


def velocity(denoised, x, sigma):
    """Noise minus data."""
    return (x - denoised) / sigma - denoised


def test_rescaled_guidance_by_its_formula():
    got = velocity(guide_rescaled(MAIN, WEAK, W)(X, LEVEL), X, LEVEL)
    for x, row in zip(X, got, strict=True):
        c, u = (velocity(D(x[None], LEVEL)[0], x, LEVEL) for D in (MAIN, WEAK))
        s = (c @ u) / (u @ u)
        torch.testing.assert_close(row, s * u + W * (c - s * u))


def test_rescaled_guidance_at_its_limits():
    same(guide_rescaled(MAIN, forbidden, 1), MAIN)

    def turned(x, sigma, labels=None):
        """A guide with s = 1: its velocity differs from the main model's at a right angle to its own."""
        v = velocity(MAIN(x, sigma), x, sigma)
        u = v / 2 + torch.linalg.cross(v, v.roll(1, 1)) / torch.linalg.cross(v, v.roll(1, 1)).norm(
            dim=1, keepdim=True
        ) * (v.norm(dim=1, keepdim=True) / 2)
        return (x - sigma * u) / (1 + sigma)

    same(guide_rescaled(MAIN, turned, W), guide(MAIN, turned, W))


def test_zero_init_waits():
    """On the line t = 1 / (1 + sigma) from noise to data, a velocity of 0 leaves z = t x where it is."""
    waiting = guide_rescaled(forbidden, forbidden, W, zero_above=0.5)
    x = last(heun_steps(waiting, X, torch.tensor([4.0, 2.0, 1.0, 0.6])))
    torch.testing.assert_close(x / 1.6, X / 5.0)
    same(guide_rescaled(MAIN, WEAK, W, zero_above=0.5), guide_rescaled(MAIN, WEAK, W), sigma=0.5)
    main, weak = ideal_denoiser(0.5), ideal_denoiser(0.8)
    mixed, levels = guide_rescaled(main, weak, W, zero_above=0.5), torch.tensor([0.6, 0.4, 2.0, 0.5, 0.1])
    rows = [mixed(x, level) for x, level in zip(X.split(1), levels.tolist(), strict=True)]
    torch.testing.assert_close(mixed(X, levels), torch.cat(rows), rtol=1e-6, atol=1e-6)
    same(guide_rescaled(main, forbidden, 1, zero_above=9), main)


def test_a_noisier_guide():
    same(noisier(MAIN, lambda sigma: 0.0), MAIN)
    same(guide(MAIN, noisier(MAIN, lambda sigma: 0.0), W), MAIN)
    higher = 0.3 * LEVEL + LEVEL
    score = (MAIN(X, higher) - X) / higher**2
    same(noisier(MAIN, lambda sigma: 0.3 * sigma), lambda x, sigma: x + sigma**2 * score)


def test_a_guide_noisier_by_a_constant_variance_is_the_model_of_blurred_data():
    blur, s = 0.4, 0.5
    guide_by_level = noisier(ideal_denoiser(s), lambda sigma: math.hypot(sigma, blur) - sigma)
    same(guide_by_level, ideal_denoiser(math.hypot(s, blur)))


def test_feedback_by_its_formula_and_at_its_limits():
    ratio = torch.tensor([2.0, 1.0, 0.7, 0.45, 1e-9], dtype=torch.float64)
    got = feedback_weight(ratio.log(), 0.6, 5.0)
    torch.testing.assert_close(got, torch.tensor([2 / 1.6, 1 / 0.6, 0.7 / 0.3, 5.0, 5.0], dtype=torch.float64))
    assert (feedback_weight(ratio.log(), 1.0, 5.0) == 1).all() and (feedback_weight(ratio.log(), 0.6, 1.0) == 1).all()
    same(guide_feedback(MAIN, WEAK, lambda x, sigma: torch.zeros(5), 0.5), guide(MAIN, WEAK, 2.0))
    with pytest.raises(ValueError, match="mixing"):
        guide_feedback(MAIN, WEAK, lambda x, sigma: 0, 0.0)


def test_feedback_undoes_the_mixture_it_assumes():
    """Main model: 0.6 of the truth and 0.4 of the guide's density. Then the guided score is the truth's."""
    truth, weak = torch.distributions.Normal(0.5, 0.4), torch.distributions.Normal(-0.3, 1.1)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None].requires_grad_()
    log_main = torch.logaddexp(truth.log_prob(x) + math.log(0.6), weak.log_prob(x) + math.log(0.4))
    score = [
        torch.autograd.grad(f.sum(), x, retain_graph=True)[0] for f in (log_main, weak.log_prob(x), truth.log_prob(x))
    ]
    denoisers = [lambda x, sigma, labels=None, s=s: x + sigma**2 * s for s in score]
    ratio = (log_main - weak.log_prob(x))[:, 0].detach()
    guided = guide_feedback(*denoisers[:2], lambda x, sigma: ratio, 0.6, 1e9)
    torch.testing.assert_close(guided(x, 0.3), denoisers[2](x, 0.3), rtol=1e-6, atol=1e-6)


# Where the data lie.

METHODS = {
    "guide": lambda main, weak: guide(main, weak, W),
    "scheduled": lambda main, weak: guide_scheduled(main, weak, stages([0.5, W], [0.5])),
    "noisier": lambda main, weak: guide(main, noisier(main, lambda sigma: sigma / 2), W),
    "projected": lambda main, weak: guide_projected(main, weak, W),
    "rescaled": lambda main, weak: guide_rescaled(main, weak, W),
    "clipped": lambda main, weak: guide_projected(main, weak, W, eta=1, radius=0.4),
}


@pytest.mark.parametrize("name", METHODS)
def test_moving_the_data(name):
    """APG and CFG-Zero* measure angles from the origin: move all data, and their samples do not just move along."""
    shift, make = torch.tensor([3.0, -1.0, 2.0]), METHODS[name]
    here = last(heun_steps(make(MAIN, WEAK), X, SIGMAS))
    there = last(heun_steps(make(moved(MAIN, shift), moved(WEAK, shift)), X + shift, SIGMAS)) - shift
    if name in ("projected", "rescaled"):
        assert (here - there).abs().max() > 0.05
    else:
        torch.testing.assert_close(here, there)


@pytest.mark.parametrize("shape", [(4, 2), (4, 3, 2, 2)])
def test_any_shape(shape):
    """Pictures are long vectors: every method gives the same for both."""
    x = normal(4, math.prod(shape[1:]))
    main, weak = (lambda x, sigma, labels=None: x.tanh()), (lambda x, sigma, labels=None: 0.5 * x)
    ratio = lambda x, sigma: x.flatten(1).sum(1)  # noqa: E731
    for make in (*METHODS.values(), lambda main, weak: guide_feedback(main, weak, ratio)):
        flat, shaped = make(main, weak)(x, LEVEL), make(main, weak)(x.reshape(shape), LEVEL)
        torch.testing.assert_close(shaped.flatten(1), flat)
    for steps in (projected_steps, cfgpp_steps):
        flat, shaped = (last(steps(main, weak, 0.5, y, SIGMAS)) for y in (x, x.reshape(shape)))
        torch.testing.assert_close(shaped.flatten(1), flat)
