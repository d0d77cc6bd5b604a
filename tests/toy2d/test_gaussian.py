"""The closed forms against the project's own sampler on Gaussian denoisers, in float64.

A linear denoiser maps a point at one standard deviation of the start to one of the samples, so that one point gives the width.
"""

import math

import pytest
import torch

from edm.corruption import raise_noise
from edm.guidance import guide, truncate
from edm.sampler import sample, sigma_steps
from toy2d import gaussian as theory
from toy2d.gaussian import ideal_denoiser

PAIRS = [(0.5, 0.7, 1.0), (0.5, 0.7, 3.0), (0.7, 0.5, 2.0), (0.1, 0.4, 1.5), (0.3, 0.3, 4.0)]


def delivered(denoiser, begin: float, sigma_max=80.0, sigma_min=0.001, steps=1000) -> float:
    x = torch.full((1, 1), begin, dtype=torch.float64)
    return sample(denoiser, x, sigma_steps(steps, sigma_min, sigma_max)).item()


def guided(s_main, s_weak, weight, m_main=0.0, m_weak=0.0):
    return guide(ideal_denoiser(s_main, m_main), ideal_denoiser(s_weak, m_weak), weight)


@pytest.mark.parametrize("s_main, s_weak, weight", PAIRS)
def test_guided_width(s_main, s_weak, weight):
    got = delivered(guided(s_main, s_weak, weight), math.hypot(s_main, 80))
    assert got == pytest.approx(theory.guided_std(s_main, s_weak, weight), rel=1e-3)


@pytest.mark.parametrize("s_main, s_weak, weight", PAIRS)
def test_guided_width_from_a_low_start_and_with_a_coarse_last_step(s_main, s_weak, weight):
    """sigma_max of the size of the data, a start of another width than the model's, and a last step as long as the width."""
    got = delivered(guided(s_main, s_weak, weight), math.hypot(0.4, 1.0), sigma_max=1.0, sigma_min=s_main)
    finite = dict(sigma_max=1.0, sigma_min=s_main, s_start=0.4)
    assert abs(got) == pytest.approx(theory.guided_std(s_main, s_weak, weight, **finite), rel=1e-4)


def test_last_step_of_the_papers_setting():
    """From sigma_min = 0.002 a leaf of width 0.004 is left at 0.894 of it, however many steps come before."""
    widths = {sigma_min: theory.guided_std(0.004, 0.004, 1.0, sigma_min=sigma_min) for sigma_min in (0.002, 1e-4)}
    assert widths[0.002] / 0.004 == pytest.approx(0.894, abs=5e-4) and widths[1e-4] / 0.004 == pytest.approx(
        1, abs=4e-4
    )
    for sigma_min, width in widths.items():
        got = delivered(ideal_denoiser(0.004), math.hypot(0.004, 5), sigma_max=5.0, sigma_min=sigma_min, steps=3000)
        assert got == pytest.approx(width, rel=1e-4)


@pytest.mark.parametrize("s_main, s_weak, weight", PAIRS)
def test_ode_is_narrower_than_sde_and_sde_than_product(s_main, s_weak, weight):
    ode, sde = theory.guided_std(s_main, s_weak, weight), theory.stochastic_std(s_main, s_weak, weight)
    product = theory.product_std(s_main, s_weak, weight)
    if weight == 1 or s_main == s_weak:
        assert ode == pytest.approx(s_main) and sde == pytest.approx(s_main) and product == pytest.approx(s_main)
    else:
        assert ode < sde < product


def test_all_three_agree_to_first_order():
    first_order = [
        (f(0.5, 0.5 + 1e-6, 3.0) - 0.5) / 1e-6 for f in (theory.guided_std, theory.stochastic_std, theory.product_std)
    ]
    assert first_order == pytest.approx([-2.0] * 3, rel=1e-4)  # -(w - 1)


@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_product_is_the_gaussian_of_the_guided_score(sigma):
    """Guided score at x: -x / width^2, for one noise level held fixed."""
    x = torch.tensor([[0.3]], dtype=torch.float64)
    level = max(sigma, 1e-4)
    score = (guided(0.5, 0.7, 2.5)(x, level) - x) / level**2
    assert (-x / score).item() == pytest.approx(theory.product_std(0.5, 0.7, 2.5, sigma) ** 2, rel=1e-6)


def test_product_may_be_no_density():
    assert theory.product_std(0.8, 0.5, 2.0) == math.inf and math.isnan(theory.product_mean(0, 1, 2.0, 0.8, 0.5))
    assert theory.product_std(0.8, 0.5, 2.0, sigma=0.8) < math.inf  # it is one at high noise levels
    assert theory.guided_std(0.8, 0.5, 2.0) < math.inf  # and the sampler always arrives


@pytest.mark.parametrize("s_true, s_main, s_weak", [(0.3, 0.4, 0.6), (0.4, 0.3, 0.2), (0.5, 0.5, 0.9)])
def test_restoring_weight(s_true, s_main, s_weak):
    weight = theory.restoring_weight(s_true, s_main, s_weak)
    assert delivered(guided(s_main, s_weak, weight), math.hypot(s_true, 80)) == pytest.approx(s_true, rel=1e-3)


def test_restoring_weights_of_the_blurred_pair():
    """Blur 0.01 and 0.02: the trunk wants 1.54, a leaf 2.55, and small blur the first-order rule 1 + a^2 / (b^2 - a^2)."""
    wanted = {s: theory.restoring_weight(s, math.hypot(s, 0.01), math.hypot(s, 0.02)) for s in (0.016, 0.004, 10.0)}
    assert wanted == pytest.approx({0.016: 1.54, 0.004: 2.55, 10.0: 4 / 3}, abs=5e-3)


@pytest.mark.parametrize("s_main, s_weak, weight", [(0.5, 0.5, 3.0), (0.5, 0.7, 2.0), (0.7, 0.5, 2.5), (0.5, 0.7, 1.0)])
def test_mean(s_main, s_weak, weight):
    got = delivered(guided(s_main, s_weak, weight, 0.2, -0.1), 0.0, sigma_max=1e4, steps=3000)
    assert got == pytest.approx(theory.guided_mean(0.2, -0.1, weight, s_main, s_weak), abs=1e-4)


def test_mean_of_the_product_has_no_guided_score():
    centre = torch.full((1, 1), theory.product_mean(0.2, -0.1, 2.0, 0.5, 0.7), dtype=torch.float64)
    assert guided(0.5, 0.7, 2.0, 0.2, -0.1)(centre, 1e-3).item() == pytest.approx(centre.item(), abs=1e-9)
    assert theory.product_mean(0.2, -0.1, 2.0) == pytest.approx(theory.guided_mean(0.2, -0.1, 2.0))  # equal widths


@pytest.mark.parametrize("s, sigma_max", [(0.175, 80.0), (0.016, 5.0)])
def test_truncation(s, sigma_max):
    for factor in (1.03, 1.4):
        begin = math.hypot(s, sigma_max)
        got = delivered(truncate(ideal_denoiser(s), factor), begin, sigma_max, sigma_min=s / 200, steps=3000)
        assert got == pytest.approx(theory.truncated_std(s, factor, sigma_max), rel=1e-3)
    assert theory.truncated_std(0.175, 1.03, 80.0) / 0.175 == pytest.approx(0.832, abs=1e-3)  # narrower by 17 %


@pytest.mark.parametrize("sigma_max", [0.5, 80.0])
def test_raised_noise_contracts_every_direction(sigma_max):
    n, factor = 4000, 1.2
    for s in (0.1, 0.5):
        begin = math.hypot(s, sigma_max)
        x = begin * torch.randn(n, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        noisy = raise_noise(ideal_denoiser(s), factor, torch.Generator().manual_seed(1))
        ends = sample(noisy, x, sigma_steps(1000, s / 40, sigma_max))
        assert (ends.std() * begin / x.std()).item() == pytest.approx(theory.noised_std(s, factor, sigma_max), rel=0.01)
    assert theory.noised_std(0.5, 1.2, 1e6) == pytest.approx(theory.noised_std(0.5, 1.2))


def test_weight_that_undoes_raised_noise():
    assert theory.noise_restoring_weight(1.1, 1.2) == pytest.approx(2.10, abs=5e-3)
    weight = theory.noise_restoring_weight(1.1, 1.5)

    def mean_answer(s, factor):
        return lambda x, sigma, labels=None: ideal_denoiser(s)(x, factor * sigma)

    for s in (0.1, 0.5):
        denoiser = guide(mean_answer(s, 1.1), mean_answer(s, 1.5), weight)
        assert delivered(denoiser, math.hypot(s, 80)) == pytest.approx(s, rel=1e-3)


@pytest.mark.parametrize(
    "share_main, share_weak, weight",
    [(0.3, 0.6, 1.0), (0.5, 0.75, 3.0), (0.1, 0.05, 2.0), (0.05, 0.1, 1.5), (0.02, 0.9, 1.2)],
)
def test_share_of_a_mode(share_main, share_weak, weight):
    """Points at the quantiles of the start: how many end above the valley, without any chance."""
    n, distance, s = 4001, 1.0, 0.05
    quantiles = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    x = 1e4 * torch.special.ndtri(quantiles)[:, None]
    main, weak = (theory.two_modes(share, distance, s) for share in (share_main, share_weak))
    ends = sample(guide(main, weak, weight), x, sigma_steps(500, s / 40, 1e4))
    got = (ends > 0).double().mean().item()
    assert got == pytest.approx(theory.guided_share(share_main, share_weak, weight), abs=1 / n)


def test_share_without_guidance_and_to_first_order():
    for share in (1e-4, 0.2, 0.5):
        assert theory.guided_share(share, 0.3, 1.0) == pytest.approx(share, rel=1e-6)
        assert theory.guided_share(share, share, 3.0) == pytest.approx(share, rel=1e-6)
        near = share * (1 + 1e-5)
        change = [f(share, near, 3.0) / share - 1 for f in (theory.guided_share, theory.product_share)]
        assert change[0] == pytest.approx(change[1], rel=1e-2)


def test_the_other_mode_gets_the_rest():
    for f in (theory.guided_share, theory.product_share):
        assert f(0.2, 0.4, 3.0) + f(0.8, 0.6, 3.0) == pytest.approx(1)


def test_a_rare_mode_fares_worse_than_the_product_says():
    """Too small in both cases: where the guide gives it more than the main model does, and where it gives it less."""
    for share_weak in (0.02, 0.005):
        assert theory.guided_share(0.01, share_weak, 3.0) < 0.65 * theory.product_share(0.01, share_weak, 3.0)


def test_two_modes_are_a_mixture():
    """The score is the gradient of the log density, by automatic differentiation."""
    x = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)[:, None]
    sigma, s = 0.3, 0.2
    normal = [torch.exp(-((x - m) ** 2) / (2 * (s**2 + sigma**2))) for m in (1.0, -1.0)]
    gradient = torch.autograd.grad((0.2 * normal[0] + 0.8 * normal[1]).log().sum(), x)[0]
    torch.testing.assert_close((theory.two_modes(0.2, 1.0, s)(x, sigma) - x) / sigma**2, gradient)


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: theory.guided_std(0.0, 1.0, 2.0), "s_main"),
        (lambda: theory.guided_std(1.0, 1.0, math.nan), "weight"),
        (lambda: theory.guided_std(1.0, 1.0, 2.0, sigma_max=1.0, sigma_min=2.0), "sigma_min"),
        (lambda: theory.product_std(1.0, -1.0, 2.0), "s_weak"),
        (lambda: theory.stochastic_std(1.0, 2.0, 0.5), "weight"),
        (lambda: theory.restoring_weight(1.0, 2.0, 2.0), "agree"),
        (lambda: theory.truncated_std(1.0, 1.4, math.inf), "sigma_max"),
        (lambda: theory.guided_share(0.0, 0.5, 2.0), "share"),
        (lambda: theory.guided_share(0.5, 0.4, 0.5), "weight"),
        (lambda: theory.two_modes(0.5, 0.0, 0.1), "distance"),
    ],
)
def test_bad_arguments(call, word):
    with pytest.raises(ValueError, match=word):
        call()
