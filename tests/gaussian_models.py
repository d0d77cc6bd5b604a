"""Models of which everything is known, for the tests of guidance: ideal denoisers of random Gaussians, and what to ask them."""

import torch

from edm.sampler import sigma_steps


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
