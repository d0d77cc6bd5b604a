"""Problem set 1: density, score and denoiser of a Gaussian mixture."""

import torch

from hidden_checks import agree, fresh, normal, random_mixture, require, uniform, without
from toy2d import mixture as library
from toy2d.mixture import GaussianMixture

FORBIDDEN = (
    library.log_prob_and_score,
    library._log_joint,
    library._posterior,
    GaussianMixture.__call__,
    GaussianMixture._in_chunks,
)


def _case():
    """A mixture, points near it, and a noise level for each point."""
    generator = fresh()
    mixture = random_mixture(generator)
    sigma = (normal(generator, 40) - 1).exp()
    return mixture, mixture.sample(40, sigma, generator), sigma


def log_density(answer) -> None:
    mixture, x, sigma = _case()
    level = sigma[0].item()
    expected = mixture.log_prob(x, sigma), mixture.log_prob(x, level)
    with without(*FORBIDDEN):
        agree("log_density, one sigma for each row", answer(x, sigma, mixture), expected[0])
        agree("log_density, one sigma for all", answer(x, level, mixture), expected[1])


def log_density_far(answer) -> None:
    mixture, _, _ = _case()
    single = GaussianMixture(mixture.weights, mixture.means, mixture.covariances, torch.float32)
    far = torch.tensor([[300.0, -200.0], [-150.0, 400.0]])
    expected = single.log_prob(far.double(), 0.3)
    with without(*FORBIDDEN):
        agree("log_density far from the data, in single precision", answer(far, 0.3, single), expected, 1e-3)


def score(answer) -> None:
    mixture, x, sigma = _case()
    level = sigma[0].item()
    expected = mixture.score(x, sigma), mixture.score(x, level)
    with without(*FORBIDDEN):
        agree("score, one sigma for each row", answer(x, sigma, mixture), expected[0])
        agree("score, one sigma for all", answer(x, level, mixture), expected[1])


def denoise(answer) -> None:
    generator = fresh()
    gradient, x, sigma = normal(generator, 30, 2), normal(generator, 30, 2), normal(generator, 30).exp()
    agree("denoise, one sigma for each row", answer(gradient, x, sigma), x + sigma[:, None] ** 2 * gradient)
    level = uniform(generator, 0.2, 3.0)
    agree("denoise, one sigma for all", answer(gradient, x, level), x + level**2 * gradient)


def posterior_mean(answer) -> None:
    mixture, x, sigma = _case()
    expected = mixture(x, sigma)
    with without(*FORBIDDEN):
        agree("posterior_mean", answer(x, sigma, mixture), expected)


def denoising_error(answer) -> None:
    generator = fresh()
    clean, noise = normal(generator, 50, 2), normal(generator, 50, 2)
    sigma, shrink = uniform(generator, 0.3, 2.0), uniform(generator, 0.2, 0.9)
    levels = []

    def denoiser(x, sigma):
        levels.append(float(torch.as_tensor(sigma).mean()))
        return shrink * x

    error = answer(denoiser, clean, noise, sigma)
    agree("denoising_error", error, ((shrink * (clean + sigma * noise) - clean) ** 2).sum() / len(clean))
    require(all(abs(s - sigma) < 1e-6 for s in levels), "the denoiser must be told the noise level")
