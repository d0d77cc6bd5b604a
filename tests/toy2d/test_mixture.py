"""The exact mixture: against reference numbers, autograd, float64, and itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edm.sampler import seeded
from toy2d.fractal import BRANCHES, CLASSES, branch_depths, fractal
from toy2d.metrics import branch_weights
from toy2d.mixture import GaussianMixture, dense_log_prob_and_score

REFERENCE = np.load(Path(__file__).parents[1] / "data" / "toy_mixture.npz")


@pytest.mark.parametrize("classes", CLASSES)
def test_components(classes):
    mixture = fractal(classes, torch.float64)
    assert len(mixture.weights) == 1016 * len(classes)
    for name in ("weights", "means", "covariances"):
        got = getattr(mixture, name)[::37]
        np.testing.assert_allclose(got, REFERENCE[f"{classes}_{name}"], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize(
    "dtype, log_prob_error, score_error", [(torch.float64, 1e-10, 1e-10), (torch.float32, 1e-5, 5e-4)]
)
def test_log_prob_and_score(classes, dtype, log_prob_error, score_error):
    x, sigma = torch.tensor(REFERENCE["x"], dtype=dtype), torch.tensor(REFERENCE["sigma"], dtype=dtype)
    mixture = fractal(classes)
    expected = REFERENCE[f"{classes}_log_prob"]
    got = mixture.log_prob(x, sigma)
    assert got.dtype == dtype and got.shape == (len(x),)
    assert abs(got.numpy() - expected).max() < log_prob_error * abs(expected).max()
    expected = REFERENCE[f"{classes}_score"]
    got = mixture.score(x, sigma)
    assert got.shape == (len(x), 2)
    worst = np.linalg.norm(got.numpy() - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert worst.max() < score_error


def test_score_is_the_gradient_and_the_denoiser_follows():
    mixture, sigma = fractal("AB", torch.float64), 0.1
    x = mixture.sample(50, sigma, torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(dense_log_prob(mixture, x, sigma).sum(), x)
    torch.testing.assert_close(mixture.score(x.detach(), sigma), gradient)
    torch.testing.assert_close(mixture(x.detach(), sigma), x.detach() + sigma**2 * gradient)
    (through_ours,) = torch.autograd.grad(mixture.log_prob(x, sigma).sum(), x)
    torch.testing.assert_close(through_ours, gradient)


@pytest.mark.parametrize("sigma", [0.05, torch.linspace(-4, 2, 40).double().exp()], ids=["one level", "a level each"])
def test_the_readable_definition_and_the_fast_formula_agree(sigma):
    mixture = fractal("AB", torch.float64)
    x = mixture.sample(40, sigma, torch.Generator().manual_seed(0))
    log_prob, score = dense_log_prob_and_score(mixture, x, sigma)
    assert log_prob.shape == (40,) and score.shape == (40, 2)
    torch.testing.assert_close(mixture.log_prob(x, sigma), log_prob)
    torch.testing.assert_close(mixture.score(x, sigma), score)
    if isinstance(sigma, float):
        torch.testing.assert_close(dense_log_prob(mixture, x, sigma), log_prob)


def dense_log_prob(mixture, x, sigma):
    """The definition, component by component."""
    exact = GaussianMixture(mixture.weights, mixture.means, mixture.covariances, torch.float64)
    normals = torch.distributions.MultivariateNormal(exact.means, exact.covariances + sigma**2 * torch.eye(2).double())
    return (normals.log_prob(x[:, None]) + exact.weights.log()).logsumexp(1)


@pytest.mark.parametrize("sigma", [0.0, 1e-3, 0.3, 80.0])
@pytest.mark.parametrize("radius", [0.5, 30.0, 1e3])
def test_finite_everywhere_in_float32(sigma, radius):
    x = radius * torch.randn(64, 2, generator=torch.Generator().manual_seed(0)).sign() * torch.rand(64, 2)
    log_prob, score = fractal("AB").log_prob_and_score(x, sigma)
    assert log_prob.isfinite().all() and score.isfinite().all()


def test_groups_of_different_sizes():
    """Two components share a covariance, one has its own: the padding must carry no weight."""
    eye = torch.eye(2, dtype=torch.float64)
    covariances = torch.stack([eye, eye, 0.25 * eye])
    weights, means = torch.tensor([0.2, 0.5, 0.3]).double(), torch.tensor([[0, 0], [3, 1], [-2, 0.5]]).double()
    mixture = GaussianMixture(weights, means, covariances, torch.float64)
    x = 2 * torch.randn(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixture.log_prob(x, 0.5), dense_log_prob(mixture, x, 0.5))
    nearest = torch.stack([((x - m) / s).norm(dim=1) for m, s in zip(means, (1, 1, 0.5), strict=True)]).amin(0)
    torch.testing.assert_close(mixture.mahalanobis(x), nearest)
    assert mixture.posterior(x).shape == (40, 2)


def test_samples_have_the_moments_and_branches_of_the_mixture():
    mixture, n, sigma = fractal("A"), 40000, 0.2
    x = mixture.sample(n, sigma, torch.Generator().manual_seed(3)).double()
    mean = (mixture.weights[:, None] * mixture.means).sum(0).double()
    second = (
        mixture.weights[:, None, None] * (mixture.covariances + mixture.means[:, :, None] * mixture.means[:, None])
    ).sum(0)
    covariance = second - torch.outer(mean, mean) + sigma**2 * torch.eye(2)
    torch.testing.assert_close(x.mean(0), mean, rtol=0, atol=0.01)
    torch.testing.assert_close(torch.cov(x.T), covariance.double(), rtol=0, atol=0.01)
    occupancy = mixture.posterior(x.float(), sigma).mean(0)
    assert occupancy.shape == (BRANCHES,)
    torch.testing.assert_close(occupancy.double(), branch_weights(mixture), rtol=0, atol=0.01)


def test_a_point_is_its_own_in_every_batch():
    mixture = fractal("A")
    together = mixture.sample(10, 1.0, seeded(range(10)))
    torch.testing.assert_close(mixture.sample(1, 1.0, seeded([4]))[0], together[4], rtol=0, atol=0)
    torch.testing.assert_close(mixture.log_prob(together)[4:5], mixture.log_prob(together[4:5]))


def test_branch_depths_are_those_of_the_drawing():
    depths = branch_depths()
    assert depths.tolist()[:7] == [0, 1, 2, 3, 4, 5, 6] and (depths == 6).sum() == 64
    shares = branch_weights(fractal("A"))
    assert shares[0] == shares.max()  # the trunk
    assert shares[depths == 6].max() < shares[depths == 2].min()


def test_bad_input():
    with pytest.raises(ValueError, match="unknown class 'C'"):
        fractal("C")
    mixture = fractal("A")
    for x in (torch.zeros(2), torch.zeros(3, 3), torch.zeros(1, 2, 2)):
        with pytest.raises(ValueError, match="\\[N, 2\\]"):
            mixture.log_prob(x)
    with pytest.raises(ValueError, match="sigma"):
        mixture.score(torch.zeros(1, 2), -0.1)
    with pytest.raises(ValueError, match="weights"):
        GaussianMixture(torch.ones(2), torch.zeros(3, 2), torch.eye(2).repeat(3, 1, 1))
    with pytest.raises(ValueError, match="positive"):
        GaussianMixture(torch.ones(1), torch.zeros(1, 2), -torch.eye(2)[None])
