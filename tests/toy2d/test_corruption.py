"""Corrupted 2D models: none at strength 0, gradients that stay gradients, what is fresh and what is fixed."""

import pytest
import torch

from edm.corruption import raise_noise
from toy2d import pretrained
from toy2d.corruption import dropout, noisy_weights, quantized, relative_change
from toy2d.fractal import fractal
from toy2d.mixture import GaussianMixture

MODEL = pretrained.load("main")
X = fractal("A").sample(64, 0.1, torch.Generator().manual_seed(0))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_no_corruption_is_the_model_itself():
    assert dropout(MODEL, 0.0) is MODEL and noisy_weights(MODEL, 0.0) is MODEL
    torch.testing.assert_close(quantized(MODEL, 24)(X, 0.1), MODEL(X, 0.1), rtol=1e-4, atol=1e-5)
    level = torch.full((64, 1), 0.1)
    ones = [torch.ones(1, MODEL.hidden)] * 4
    for a, b in zip(MODEL.log_density_and_score(X, level, ones), MODEL.log_density_and_score(X, level), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_masked_score_is_the_gradient_of_the_masked_density():
    model, x = pretrained.load("main").double(), X.double().requires_grad_()
    level = torch.full((64, 1), 0.1, dtype=torch.float64)
    masks = [(torch.rand(64, 64, generator=seeded(i)) > 0.3).double() / 0.7 for i in range(4)]
    log_density, score = model.log_density_and_score(x, level, masks)
    torch.testing.assert_close(score, torch.autograd.grad(log_density.sum(), x)[0])


def test_dropout_fresh_and_fixed():
    fresh, fixed = (dropout(MODEL, 0.1, seeded(), fixed=f) for f in (False, True))
    first = fresh(X, 0.1)
    assert not torch.equal(first, fresh(X, 0.1)) and not torch.equal(first, MODEL(X, 0.1))
    assert torch.equal(first, dropout(MODEL, 0.1, seeded())(X, 0.1))  # same seed, same numbers
    assert torch.equal(fixed(X, 0.1), fixed(X, 0.1))
    torch.testing.assert_close(fixed(X[:7], 0.1), fixed(X, 0.1)[:7])


def test_weight_noise_keeps_its_direction():
    weak, strong, other = (
        noisy_weights(MODEL, 0.05, seeded(1)),
        noisy_weights(MODEL, 0.10, seeded(1)),
        noisy_weights(MODEL, 0.05, seeded(2)),
    )
    for original, a, b in zip(MODEL.layers[::2], weak.layers[::2], strong.layers[::2], strict=True):
        torch.testing.assert_close(2 * (a.weight - original.weight), b.weight - original.weight)
    assert relative_change(MODEL, weak) == pytest.approx(0.05, rel=0.05)
    assert relative_change(weak, other) == pytest.approx(0.05 * 2**0.5, rel=0.05)
    fresh = noisy_weights(MODEL, 0.05, seeded(), fixed=False)
    assert not torch.equal(fresh(X, 0.1), fresh(X, 0.1))


def test_quantized_has_few_values_and_halves_its_step():
    coarse = quantized(MODEL, 3)
    assert all(len(row.unique()) <= 8 for layer in coarse.layers[::2] for row in layer.weight)
    assert relative_change(MODEL, quantized(MODEL, 5)) == pytest.approx(
        relative_change(MODEL, quantized(MODEL, 4)) / 2, rel=0.1
    )


def test_the_model_is_left_alone():
    before = {k: v.clone() for k, v in MODEL.state_dict().items()}
    noisy_weights(MODEL, 0.5, seeded()), quantized(MODEL, 2), dropout(MODEL, 0.5, seeded())(X, 0.1)
    assert all(torch.equal(before[k], v) for k, v in MODEL.state_dict().items())


def test_mean_of_the_exact_denoiser_under_input_noise():
    """For one Gaussian N(m, S): m + S (S + f^2 sigma^2 I)^-1 (x - m); for a mixture it is no such denoiser any more."""
    mean, cov = torch.tensor([[0.3, -0.2]]), torch.tensor([[[0.04, 0.01], [0.01, 0.09]]])
    exact = GaussianMixture(torch.ones(1), mean, cov, torch.float64)
    sigma, factor, n = 0.2, 1.2, 100_000
    x = torch.tensor([[0.9, 0.1]], dtype=torch.float64)
    got = raise_noise(exact, factor, seeded())(x.expand(n, 2), sigma)
    s = cov[0].double()
    expected = mean[0] + s @ torch.linalg.solve(s + (factor * sigma) ** 2 * torch.eye(2).double(), (x[0] - mean[0]))
    assert ((got.mean(0) - expected).abs() < 4 * got.std(0) / n**0.5).all()


@pytest.mark.parametrize(
    "bad", [lambda: dropout(MODEL, 1.0), lambda: noisy_weights(MODEL, -1.0), lambda: quantized(MODEL, 0)]
)
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match="must|need"):
        bad()
