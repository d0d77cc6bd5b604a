"""Weighted particles against closed forms: they must arrive at the product, which the guided ODE misses."""

import math

import pytest
import torch

from edm.correctors import effective_sample_size, feynman_kac_steps, start_log_weights, systematic_resample
from edm.sampler import sigma_steps
from toy2d import gaussian as theory
from toy2d.gaussian import ideal_denoiser, two_modes

S_MAIN, S_WEAK, W, SIGMA_MAX = 0.5, 0.75, 3.0, 5.0
MAIN, WEAK = ideal_denoiser(S_MAIN), ideal_denoiser(S_WEAK)
PRODUCT = theory.product_std(S_MAIN, S_WEAK, W)


def forbidden(x, sigma, labels=None):
    raise AssertionError("the guide was evaluated")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(n, std, seed=0):
    return std * torch.randn(n, 1, dtype=torch.float64, generator=seeded(seed))


def log_normal(x, s, sigma):
    v = s**2 + sigma**2
    return -x.square().flatten(1).sum(1) / (2 * v) - math.log(2 * math.pi * v) / 2


def run(n=20_000, steps=300, seed=0, x=None, log_weights=None, **options):
    """Particles of the Gaussian pair; they start as the main model's density, weighted to stand for the product."""
    if x is None:
        x = normal(n, math.hypot(S_MAIN, SIGMA_MAX), seed)
        log_weights = start_log_weights(log_normal(x, S_MAIN, SIGMA_MAX), log_normal(x, S_WEAK, SIGMA_MAX), W)
    sigmas = sigma_steps(steps, 0.01, SIGMA_MAX)
    *_, last = feynman_kac_steps(
        MAIN, WEAK, W, x, sigmas, log_weights=log_weights, generator=seeded(100 + seed), **options
    )
    return last


def width(step):
    return ((step.log_weights.softmax(0) * step.x[:, 0].square()).sum()).sqrt().item()


def test_gaussian_pair_gives_the_product():
    """With and without resampling; the ODE's width and that of the unweighted SDE lie far outside the tolerance."""
    for resample in (0.0, 0.5, 1.0):
        last = run(resample=resample)
        error = 1 / math.sqrt(
            2 * effective_sample_size(last.log_weights)
        )  # relative, of a width from as many particles
        assert width(last) == pytest.approx(PRODUCT, rel=4 * error + 0.005), resample
    others = [f(S_MAIN, S_WEAK, W) for f in (theory.guided_std, theory.stochastic_std)]
    assert all(1.1 * other < PRODUCT for other in others)
    assert run(resample=0.0).x.std().item() == pytest.approx(others[1], rel=0.02)


@pytest.mark.parametrize("s_main, s_weak, weight", [(0.5, 0.7, 2.0), (0.7, 0.5, 3.0)])
def test_width_of_the_sde_without_weights(s_main, s_weak, weight):
    steps = feynman_kac_steps(
        ideal_denoiser(s_main), ideal_denoiser(s_weak), weight, normal(20_000, math.hypot(s_main, 80)),
        sigma_steps(1000, 0.005), generator=seeded(1), resample=0,
    )  # fmt: skip
    *_, last = steps
    assert last.x.std().item() == pytest.approx(theory.stochastic_std(s_main, s_weak, weight), rel=0.025)


def test_particles_that_start_as_the_product_need_no_weights():
    x = normal(20_000, theory.product_std(S_MAIN, S_WEAK, W, SIGMA_MAX))
    assert width(run(x=x)) == pytest.approx(PRODUCT, rel=0.03)


def test_weighted_mean_estimates_the_ratio_of_normalisers():
    """Z(sigma) = integral of p_main^w p_weak^(1 - w); the start weights' own mean is Z(sigma_max), as p_main is normalised."""
    v_main, v_weak = S_MAIN**2, S_WEAK**2
    expected = (
        math.sqrt(2 * math.pi) * PRODUCT * (2 * math.pi * v_main) ** (-W / 2) * (2 * math.pi * v_weak) ** ((W - 1) / 2)
    )
    for resample in (0.0, 0.5):
        got = [run(n=4000, seed=seed, resample=resample).log_weights.exp().mean().item() for seed in range(8)]
        mean, error = sum(got) / 8, torch.tensor(got).std().item() / math.sqrt(8)
        assert abs(mean - expected) < 4 * error + 0.01 * expected, resample


def test_mass_of_two_modes():
    """Mass, not width: the product's share, where the guided ODE would deliver another."""
    main, weak = (two_modes(share, 1.0, 0.2) for share in (0.5, 0.7))
    n, w = 20_000, 3.0
    x = normal(n, 20.0)  # so far out that main model, guide and product are one normal density
    *_, last = feynman_kac_steps(main, weak, w, x, sigma_steps(300, 0.02, 20.0), generator=seeded(1))
    got = (last.log_weights.softmax(0) * (last.x[:, 0] > 0)).sum().item()
    product, ode = theory.product_share(0.5, 0.7, w), theory.guided_share(0.5, 0.7, w)
    assert got == pytest.approx(product, abs=0.02) and ode > product + 0.04


def test_weight_1_is_the_main_model_alone():
    x = normal(20_000, math.hypot(S_MAIN, SIGMA_MAX))
    steps = list(feynman_kac_steps(MAIN, forbidden, 1.0, x, sigma_steps(300, 0.01, SIGMA_MAX), generator=seeded()))
    assert all((step.log_weights == 0).all() for step in steps)
    assert steps[-1].x.std().item() == pytest.approx(S_MAIN, rel=0.03)
    assert steps[-1].evaluations == 300


def test_steps_tell_where_they_are():
    x, sigmas = normal(10, 5.0), sigma_steps(6)
    steps = list(feynman_kac_steps(MAIN, WEAK, 2.0, x, sigmas, generator=seeded()))
    assert [s.index for s in steps] == list(range(7)) and [s.sigma for s in steps] == sigmas.tolist()
    assert [s.evaluations for s in steps] == [2 * i for i in range(7)]
    assert steps[0].x is x and all(s.log_weights.shape == (10,) for s in steps)
    assert all((b.log_weights > a.log_weights).all() for a, b in zip(steps, steps[1:], strict=False))


def test_same_generator_same_particles():
    first, again, other = run(50, 20), run(50, 20), run(50, 20, seed=1)
    assert torch.equal(first.x, again.x) and torch.equal(first.log_weights, again.log_weights)
    assert not torch.equal(first.x, other.x)


def test_images_and_labels():
    """Every axis beyond the first belongs to one particle; labels reach both models."""
    seen = []

    def main(x, sigma, labels):
        seen.append(labels)
        return MAIN(x, sigma)

    x, labels = torch.randn(6, 3, 4, 4, generator=seeded()) * 5, torch.ones(6, 2)
    *_, last = feynman_kac_steps(main, lambda x, s, l: WEAK(x, s), W, x, sigma_steps(8), labels, generator=seeded())
    assert last.x.shape == x.shape and last.x.dtype == torch.float32 and last.log_weights.dtype == torch.float64
    assert last.x.isfinite().all() and all(given is labels for given in seen)
    flat = x.flatten(1)
    *_, same = feynman_kac_steps(MAIN, WEAK, W, flat, sigma_steps(8), generator=seeded())
    torch.testing.assert_close(same.x.reshape(x.shape), last.x)
    torch.testing.assert_close(same.log_weights, last.log_weights)


def test_a_particle_that_is_lost_has_no_weight():
    def main(x, sigma, labels=None):
        return torch.where(x > 10, math.inf, MAIN(x, sigma))

    x = torch.tensor([[1.0], [11.0], [-2.0]])
    *_, last = feynman_kac_steps(main, WEAK, 2.0, x, sigma_steps(4, sigma_max=0.5), generator=seeded(), resample=0)
    assert last.log_weights.isfinite().tolist() == [True, False, True]
    with pytest.raises(ValueError, match="one finite"):
        list(feynman_kac_steps(main, WEAK, 2.0, x[1:2], sigma_steps(4), generator=seeded()))


def test_start_weights_do_not_need_normalised_densities():
    a, b, c = torch.randn(3, 7, dtype=torch.float64, generator=seeded())
    torch.testing.assert_close(start_log_weights(a, b, 3.0), 2 * (a - b))
    torch.testing.assert_close(start_log_weights(a, b, 3.0, c), 3 * a - 2 * b - c)
    moved = start_log_weights(a + 5, b - 2, 3.0, c + 1)
    torch.testing.assert_close(moved.softmax(0), start_log_weights(a, b, 3.0, c).softmax(0))


def test_resampling_takes_each_particle_as_often_as_its_weight_says():
    """Each count is the share times N, rounded down or up; over many draws its mean is the share times N."""
    n, draws, generator = 50, 4000, seeded()
    log_weights = 2 * torch.randn(n, generator=generator)
    expected = n * log_weights.double().softmax(0)
    counts = torch.stack(
        [torch.bincount(systematic_resample(log_weights, generator), minlength=n) for _ in range(draws)]
    )
    assert (counts >= expected.floor()).all() and (counts <= expected.ceil()).all()
    part = expected - expected.floor()
    error = (part * (1 - part) / draws).sqrt()
    assert ((counts.double().mean(0) - expected).abs() < 4.5 * error + 1e-12).all()


def test_resampling_at_its_limits():
    assert torch.equal(systematic_resample(torch.zeros(9), seeded()), torch.arange(9))
    alone = torch.full((9,), -math.inf)
    alone[4] = -700.0
    assert systematic_resample(alone, seeded()).tolist() == [4] * 9


def test_effective_sample_size():
    log_weights = torch.tensor([0.0, 0.0, -math.inf, -math.inf])
    assert effective_sample_size(log_weights) == pytest.approx(2)
    assert effective_sample_size(log_weights + 1e4) == pytest.approx(2)
    w = torch.tensor([1.0, 2.0, 3.0])
    assert effective_sample_size(w.log()) == pytest.approx(36 / 14, rel=1e-6)


@pytest.mark.parametrize(
    "wrong, word",
    [
        (dict(weight=math.inf), "weight"),
        (dict(resample=1.5), "resample"),
        (dict(sigmas=[1.0, 2.0]), "decreasing"),
        (dict(log_weights=torch.zeros(3)), "log_weights"),
        (dict(log_weights=torch.full((4,), math.nan)), "log_weights"),
        (dict(labels=torch.eye(4)), "one label"),
    ],
)
def test_bad_arguments(wrong, word):
    given = dict(main=MAIN, weak=WEAK, weight=2.0, x=torch.zeros(4, 1), sigmas=[1.0, 0.5]) | wrong
    with pytest.raises(ValueError, match=word):
        list(feynman_kac_steps(**given))


def test_labels_may_differ_where_nothing_is_resampled():
    steps = feynman_kac_steps(MAIN, WEAK, 2.0, torch.ones(4, 1), [1.0, 0.5], torch.eye(4), resample=0)
    assert len(list(steps)) == 2
