"""Guidance is arithmetic: identities between its forms, and who is called when."""

import math

import pytest
import torch

from edm.denoiser import expand_sigma, score
from edm.guidance import blend_weights, guide, guide_several, truncate, unconditional, within

X = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))


def main(x, sigma, labels=None):
    return torch.tanh(x) if labels is None else torch.tanh(x) + labels


def weak(x, sigma, labels=None):
    return 0.5 * x


def forbidden(x, sigma, labels=None):
    raise AssertionError("the guide was evaluated")


def test_weight_1_never_calls_the_guide():
    torch.testing.assert_close(guide(main, forbidden, 1.0)(X, 0.3), main(X, 0.3), rtol=0, atol=0)


@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.5, 2.0, 3.5])
def test_the_line(weight):
    expected = weak(X, 0.3) + weight * (main(X, 0.3) - weak(X, 0.3))
    torch.testing.assert_close(guide(main, weak, weight)(X, 0.3), expected)


def test_in_scores_it_adds_the_ratio_s_gradient():
    """grad log p1 + (w - 1) grad log(p1 / p0)."""
    sigma, w = 0.7, 2.5
    s1, s0 = score(main(X, sigma), X, sigma), score(weak(X, sigma), X, sigma)
    torch.testing.assert_close(score(guide(main, weak, w)(X, sigma), X, sigma), s1 + (w - 1) * (s1 - s0))


def test_labels_reach_both_and_unconditional_withholds_them():
    labels = torch.ones(6, 1)
    cfg = guide(main, unconditional(main), 2.0)(X, 0.3, labels)
    torch.testing.assert_close(cfg, torch.tanh(X) + 2.0 * labels)
    assert unconditional(lambda x, sigma, labels: (x, sigma, labels))(X, 0.3, labels) == (X, 0.3, None)


@pytest.mark.parametrize("make", [
    lambda main, weak: guide(main, weak, 2.0),
    lambda main, weak: guide_several(main, [(weak, 2.0)]),
    lambda main, weak: guide_several(main, [(weak, 1.5), (weak, 1.5)]),
])  # fmt: skip
def test_main_and_guide_get_the_same_question(make):
    """Both are asked for the same points, noise level and labels, and once each."""
    asked = {"main": [], "weak": []}

    def spy(name):
        return lambda x, sigma, labels=None: asked[name].append((x, sigma, labels)) or x

    labels = torch.ones(6, 1)
    make(spy("main"), spy("weak"))(X, 0.3, labels)
    assert len(asked["main"]) == 1
    assert all(x is X and sigma == 0.3 and given is labels for x, sigma, given in asked["main"] + asked["weak"])
    make(spy("main"), spy("weak"))(X, 0.3)
    assert all(row[2] is None for name in asked for row in asked[name][len(asked[name]) // 2 :])


def both(weight, interval=None):
    """`guide` and its general case."""
    return guide(main, weak, weight, interval), guide_several(main, [(weak, weight)], interval)


@pytest.mark.parametrize("several", [0, 1])
def test_interval_is_open_below_and_closed_above(several):
    guided = both(2.0, (0.1, 1.0))[several]
    full = guide(main, weak, 2.0)
    for sigma, inside in ((0.1, False), (0.1001, True), (1.0, True), (1.001, False)):
        torch.testing.assert_close(guided(X, sigma), (full if inside else main)(X, sigma))
    for outside in (5.0, torch.full((6,), 5.0)):
        torch.testing.assert_close(guide(main, forbidden, 2.0, interval=(0.1, 1.0))(X, outside), main(X, outside))
        several_ = guide_several(main, [(forbidden, 2.0)], interval=(0.1, 1.0))
        torch.testing.assert_close(several_(X, outside), main(X, outside))
    mixed = torch.tensor([0.05, 0.5, 2.0, 0.5, 0.1, 1.0])
    expected = torch.where(((mixed > 0.1) & (mixed <= 1.0))[:, None], full(X, mixed), main(X, mixed))
    torch.testing.assert_close(guided(X, mixed), expected)


def test_where_a_mask_is_needed():
    """One answer for all points where that is enough, a mask where it is not, always a mask on an accelerator."""
    assert within(None, 0.5, X) is True
    assert within((0.1, 1.0), torch.full((6,), 0.5), X) is True
    assert within((0.1, 1.0), torch.full((6,), 1.5), X) is False
    mask = within((0.1, 1.0), torch.tensor([0.5, 2, 2, 2, 2, 2]), X)
    assert mask.tolist() == [[True], *[[False]] * 5]
    meta = torch.empty(6, 2, device="meta")  # has no values that could be read back
    assert within((0.1, 1.0), torch.empty(6, device="meta"), meta).shape == (6, 1)


def test_several_guides_and_the_blend():
    def other(x, sigma, labels=None):
        return x**2

    d, d1, d2 = main(X, 1.0), weak(X, 1.0), other(X, 1.0)
    torch.testing.assert_close(
        guide_several(main, [(weak, 2.0), (other, 1.5)])(X, 1.0), d + 1.0 * (d - d1) + 0.5 * (d - d2)
    )
    assert guide_several(main, [(forbidden, 1.0)]) is main
    torch.testing.assert_close(
        guide_several(main, [(forbidden, 1.0), (weak, 3.0)])(X, 1.0), guide(main, weak, 3.0)(X, 1.0)
    )
    for alpha, expected in ((0.0, guide(main, weak, 3.0)), (1.0, guide(main, other, 3.0))):
        w_uncond, w_weak = blend_weights(3.0, alpha)
        torch.testing.assert_close(guide_several(main, [(weak, w_uncond), (other, w_weak)])(X, 1.0), expected(X, 1.0))
    w_uncond, w_weak = blend_weights(3.0, 0.25)
    assert (w_uncond - 1) + (w_weak - 1) == pytest.approx(2.0)


def test_truncation_scales_the_score():
    for labels in (None, torch.ones(6, 1)):
        wanted = 1.4 * score(main(X, 0.5, labels), X, 0.5)
        torch.testing.assert_close(score(truncate(main, 1.4)(X, 0.5, labels), X, 0.5), wanted)
    torch.testing.assert_close(truncate(lambda x, sigma, labels: sigma * x, 3.0)(X, 0.5), -0.5 * X)


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(weight):
    with pytest.raises(ValueError, match="finite"):
        guide(main, weak, weight)
    with pytest.raises(ValueError, match="finite"):
        guide_several(main, [(weak, 2.0), (weak, weight)])
    with pytest.raises(ValueError, match="finite"):
        truncate(main, weight)


def test_wrong_interval_and_alpha_are_refused():
    for interval in ((1.0, 0.5), (1.0, 1.0)):
        with pytest.raises(ValueError, match="lo < hi"):
            guide(main, weak, 2.0, interval=interval)
        with pytest.raises(ValueError, match="lo < hi"):
            guide_several(main, [(weak, 2.0)], interval=interval)
    for alpha in (-0.1, 1.1):
        with pytest.raises(ValueError, match="alpha"):
            blend_weights(2.0, alpha)


@pytest.mark.parametrize(
    "sigma", [-1.0, math.nan, math.inf, torch.tensor([0.1, -0.1, 1, 1, 1, 1]), torch.ones(5), torch.ones(2, 3)]
)
def test_sigma_is_checked(sigma):
    with pytest.raises(ValueError, match="sigma"):
        expand_sigma(sigma, X)


@pytest.mark.parametrize("several", [False, True])
def test_levels_are_compared_as_they_are(several):
    """A level just above the end of the interval is outside, although the two are equal in float32."""
    lo, just_above = 0.1, 0.1 + 1e-12
    guided = guide_several(main, [(weak, 2.0)], (lo, 1.0)) if several else guide(main, weak, 2.0, (lo, 1.0))
    torch.testing.assert_close(guided(X, just_above), guide(main, weak, 2.0)(X, just_above))
    torch.testing.assert_close(guided(X, lo), main(X, lo))


def test_python_numbers_keep_their_digits():
    x = torch.zeros(2, 2, dtype=torch.float64)
    assert expand_sigma(0.1, x).item() == 0.1  # as float32 it would be 0.10000000149
