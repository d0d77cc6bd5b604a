"""Tuning by identities: a target is approached, and an extrapolation has its ends."""

import pytest
import torch

from edm.guidance import guide
from toy2d import pretrained, tuned
from toy2d.fractal import fractal
from toy2d.model import LogDensityMLP

X = torch.randn(64, 2, generator=torch.Generator().manual_seed(0)) / 2
TINY = LogDensityMLP(16, generator=torch.Generator().manual_seed(1))


def test_tuning_lowers_the_loss_and_leaves_the_model_alone():
    before = {k: v.clone() for k, v in TINY.state_dict().items()}

    def target(model, sigma, generator):
        x = fractal("A").sample(len(sigma), sigma, generator)
        return x, fractal("A").score(x, sigma)

    def loss(model):
        x = fractal("A").sample(2000, 0.3, torch.Generator().manual_seed(5))
        return (0.09 * (model.score(x, 0.3) - fractal("A").score(x, 0.3)).square()).mean().item()

    got = tuned.tune(TINY, target, iterations=60, batch=512)
    assert loss(got) < 0.95 * loss(TINY)
    assert all(torch.equal(v, before[k]) for k, v in TINY.state_dict().items())
    again = tuned.tune(TINY, target, iterations=60, batch=512)
    assert all(torch.equal(a, b) for a, b in zip(got.parameters(), again.parameters(), strict=True))


def test_extrapolation_at_its_ends():
    """w = 1 is the main model and w = 0 the tuned one; between and beyond, weights lie on one line."""
    other = LogDensityMLP(16, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(tuned.extrapolate(TINY, other, 1.0)(X, 0.3), TINY(X, 0.3))
    torch.testing.assert_close(tuned.extrapolate(TINY, other, 0.0)(X, 0.3), other(X, 0.3))
    two = tuned.extrapolate(TINY, other, 2.0).layers[0].weight
    torch.testing.assert_close(two, 2 * TINY.layers[0].weight - other.layers[0].weight)


def test_own_samples_are_the_model_s_and_none_flew_off():
    model = pretrained.load("main", 1)
    x = tuned.own_samples(model, 300, seed=1)
    assert 200 < len(x) <= 300 and (x.norm(dim=1) < 3).all()
    assert torch.equal(x, tuned.own_samples(model, 300, seed=1))


def test_points_as_a_distribution():
    points = tuned.Points(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    x = points.sample(1000, 0.0, torch.Generator().manual_seed(0))
    assert {tuple(row) for row in x.tolist()} == {(1.0, 2.0), (3.0, 4.0)}
    assert 0.4 < (x[:, 0] == 1).float().mean() < 0.6
    assert points.sample(1000, 0.5, torch.Generator().manual_seed(0)).sub(x).std().item() == pytest.approx(0.5, rel=0.1)


def test_tuning_on_samples_learns_where_they_are():
    """A lump of samples far from the model's centre draws its predictions there."""
    samples = torch.tensor([[0.5, -0.5]]) + 0.1 * torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    got = tuned.tune_on_samples(TINY, samples, iterations=40, batch=256)
    before, after = (((m(X, 1.0) - samples.mean(0)) ** 2).mean() for m in (TINY, got))
    assert after < 0.95 * before


def test_model_guidance_is_cfg_at_its_fixed_point():
    """The exact CFG score of weight 1 / (1 - strength) reproduces itself: s = s* + strength (s - s_uncond)."""
    strength, sigma = 0.4, 0.3
    guided = guide(fractal("A"), fractal("AB"), 1 / (1 - strength))
    s, s_true, s_uncond = ((d(X, sigma) - X) / sigma**2 for d in (guided, fractal("A"), fractal("AB")))
    torch.testing.assert_close(s, s_true + strength * (s - s_uncond), rtol=1e-3, atol=1e-2)


def test_model_guidance_trains_on_that_target(monkeypatch):
    seen = {}
    monkeypatch.setattr(tuned, "tune", lambda main, target, seed=0, **options: seen.update(target=target) or main)
    main, uncond = pretrained.load("main", 0), pretrained.load("uncond", 0)
    assert tuned.model_guidance(main, uncond, 0.4) is main
    sigma = torch.full((8,), 0.3)
    x, wanted = seen["target"](main, sigma, torch.Generator().manual_seed(0))
    expected = fractal("A").score(x, 0.3) + 0.4 * (main.score(x, 0.3) - uncond.score(x, 0.3))
    torch.testing.assert_close(wanted, expected, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="strength"):
        tuned.model_guidance(main, uncond, 1.0)
