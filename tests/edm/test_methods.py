"""Every guidance method against its formula, and at the parameters where it is one of the plain ones."""

import math

import pytest
import torch

from edm.adaptive import feedback_weight, guide_feedback, guide_projected, guide_rescaled
from edm.correctors import cfgpp_steps, feedback_steps, projected_steps
from edm.guidance import guide, guide_scheduled, guide_segmented, noisier, stages
from edm.sampler import heun_steps, sigma_steps
from toy2d.gaussian import ideal_denoiser


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, LEVEL, W = normal(5, 3, seed=1), 0.7, 2.3
SIGMAS = sigma_steps(6, 0.05, 4.0)


def gaussian(seed):
    """The ideal denoiser of a random Gaussian in three dimensions: mu + S (S + sigma^2 I)^-1 (x - mu)."""
    root, mean = normal(3, 3, seed=seed), normal(3, seed=seed + 50)
    covariance = root @ root.T

    def denoise(x, sigma, labels=None):
        return mean + (x - mean) @ torch.linalg.solve(covariance + sigma**2 * torch.eye(3), covariance)

    return denoise


MAIN, WEAK, OTHER = gaussian(10), gaussian(11), gaussian(12)


def forbidden(x, sigma, labels=None):
    raise AssertionError("the guide was evaluated")


def same(a, b, x=X, sigma=LEVEL):
    torch.testing.assert_close(a(x, sigma), b(x, sigma), rtol=1e-10, atol=1e-10)


def moved(denoiser, shift):
    """The same model of data that lie elsewhere."""
    return lambda x, sigma, labels=None: denoiser(x - shift, sigma, labels) + shift


def last(steps):
    *_, step = steps
    return step.x


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


# Other steps.


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
