"""Exact measurements of 2D samples: quality and coverage against the true distribution of class A.

Every number stands beside its floor, its value for as many true samples. Samples that flew off (`diverged`) are counted and
then left out of all other numbers: a handful at radius 15 would decide every mean.
"""

import math
from functools import cache

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from scipy.special import digamma
from torch import Tensor

from toy2d.fractal import branch_depths, fractal
from toy2d.mixture import GaussianMixture

DIVERGED_RADIUS = 3.0  # from the origin; of 2^18 true samples the farthest lies at 1.6
WASSERSTEIN_POINTS = 2048  # the exact assignment is cubic in this
NEIGHBOURS = 4  # of the nearest-neighbour density estimate
MANY = 2**18  # true samples that stand for the truth
TRUE_SEED = 2**32 - 2  # of the true samples used as reference; apart from the seeds of any experiment


def evaluate(
    samples: Tensor, target: GaussianMixture | None = None, *, with_wasserstein: bool = True
) -> dict[str, float]:
    """Measure samples [N, 2] at sigma = 0 against `target` (default: class A, the fractal).

    diverged            share not finite or farther than DIVERGED_RADIUS from the origin; all others are of the rest
    outliers_99, _999   share outside the region of highest true density that holds 99 %, 99.9 % of the mass
    log_prob            mean true log density, nats
    mahalanobis         mean distance to the nearest component, in that component's standard deviations
    outlier_log_prob    median true log density of the outliers (99 %), nats; how far off they are
    outlier_mahalanobis median distance of the outliers (99 %) to the nearest component
    branch_tv           total variation between the branches' occupancy (sum of posterior probabilities) and their weights
    leaves_lost         leaf branches, of 64, that hold under a tenth of their share
    misplaced           share of the mass that is not where it should be, quality and coverage in one number: total variation
                        over the 127 branches and, as one more place, all that lies outside the 99 % region or diverged
    wasserstein         exact 1-Wasserstein distance between 2048 samples and 2048 true samples; it takes most of the time
                        and is left out on request
    kl_q_p, kl_p_q      Kullback-Leibler divergence samples from truth and truth from samples, nats, with the samples' density
                        estimated from the 4th nearest neighbour (Kozachenko-Leonenko; Wang, Kulkarni & Verdu 2009, eq. 14)

    Raises ValueError for another shape or if fewer than half of the samples converged.
    """
    target = target or fractal("A")
    if samples.ndim != 2 or samples.shape[1] != 2 or len(samples) < 2 * NEIGHBOURS:
        raise ValueError(f"samples must have shape [N, 2] with N >= {2 * NEIGHBOURS}, got {list(samples.shape)}")
    converged = samples.norm(dim=1) < DIVERGED_RADIUS  # False for nan
    x = samples[converged]
    if len(x) < len(samples) / 2:
        raise ValueError(f"only {len(x)} of {len(samples)} samples lie within {DIVERGED_RADIUS} of the origin")
    log_prob, distance = target.log_prob(x), target.mahalanobis(x)
    level_99, level_999 = region_levels(target)
    outside = log_prob < level_99
    occupancy, truth = branch_occupancy(x, target), branch_weights(target)
    true = true_samples(target, len(x))
    numbers = {
        "diverged": 1 - len(x) / len(samples),
        "outliers_99": outside.double().mean().item(),
        "outliers_999": (log_prob < level_999).double().mean().item(),
        "log_prob": log_prob.double().mean().item(),
        "mahalanobis": distance.double().mean().item(),
        "outlier_log_prob": log_prob[outside].median().item() if outside.any() else math.nan,
        "outlier_mahalanobis": distance[outside].median().item() if outside.any() else math.nan,
        "branch_tv": 0.5 * (occupancy - truth).abs().sum().item(),
        "leaves_lost": float(leaves_lost(occupancy, truth)),
        "misplaced": misplaced(samples, target),
        "kl_q_p": -entropy(x) - log_prob.double().mean().item(),
        "kl_p_q": target.log_prob(true).double().mean().item() - mean_log_density(true, x),
    }
    if with_wasserstein:
        numbers["wasserstein"] = wasserstein(x[:WASSERSTEIN_POINTS], true[:WASSERSTEIN_POINTS])
    return numbers


@cache
def floor(n: int, with_wasserstein: bool = True) -> dict[str, float]:
    """`evaluate` for n true samples of class A: what no model can be expected to beat."""
    return evaluate(fractal("A").sample(n, generator=fresh_generator()), with_wasserstein=with_wasserstein)


@cache
def region_levels(target: GaussianMixture) -> tuple[float, float]:
    """Log densities whose superlevel sets hold 99 % and 99.9 % of the mass, from 2^18 true samples (+- 0.02 % and 0.006 %)."""
    log_prob = _true_log_prob(target)
    return log_prob.quantile(0.01).item(), log_prob.quantile(0.001).item()


@cache
def region_shares(target: GaussianMixture) -> Tensor:  # [G + 1]
    """True mass of each branch inside the region that holds 99 %, and last the mass outside it."""
    x = true_samples(target, MANY)
    outside = x[_true_log_prob(target) < region_levels(target)[0]]
    lost = target.posterior(outside).double().sum(0) / len(x)
    return torch.cat([branch_weights(target) - lost, lost.sum()[None]])


def misplaced(samples: Tensor, target: GaussianMixture) -> float:
    """Total variation between the places of samples [N, 2] and `region_shares`; samples that diverged count as outside."""
    x = samples[samples.norm(dim=1) < DIVERGED_RADIUS]
    inside = x[target.log_prob(x) >= region_levels(target)[0]]
    found = target.posterior(inside).double().sum(0) / len(samples)
    found = torch.cat([found, 1 - found.sum()[None]])
    return 0.5 * (found - region_shares(target)).abs().sum().item()


@cache
def _true_log_prob(target: GaussianMixture) -> Tensor:  # [MANY] float64
    return target.log_prob(true_samples(target, MANY)).double()


@cache
def true_samples(target: GaussianMixture, n: int) -> Tensor:  # [n, 2]
    """The reference sample: always the same."""
    return target.sample(n, generator=torch.Generator().manual_seed(TRUE_SEED))


def branch_weights(target: GaussianMixture) -> Tensor:  # [G]
    """True share of each branch."""
    return target.groups(torch.zeros(1, dtype=torch.float64)).log_weight.exp().sum(0)


def branch_occupancy(x: Tensor, target: GaussianMixture) -> Tensor:  # [G]
    """Mean posterior probability of each branch; for true samples its expectation is exactly `branch_weights`."""
    return target.posterior(x).double().mean(0)


def leaves_lost(occupancy: Tensor, truth: Tensor) -> int:
    """Leaf branches with under a tenth of their share. Both arguments [127]."""
    leaves = branch_depths() == branch_depths().max()
    return int((occupancy < 0.1 * truth)[leaves].sum())


def wasserstein(a: Tensor, b: Tensor) -> float:
    """Exact 1-Wasserstein distance between two samples [N, 2]; the larger is cut to the smaller's size."""
    n = min(len(a), len(b))
    cost = torch.cdist(a[:n].double(), b[:n].double()).numpy()
    return float(cost[linear_sum_assignment(cost)].mean())


def entropy(x: Tensor) -> float:
    """Differential entropy in nats from nearest neighbours (Kozachenko-Leonenko). x: [N, 2]."""
    n = len(x)
    radius = KDTree(x.double().numpy()).query(x.double().numpy(), k=NEIGHBOURS + 1)[0][
        :, -1
    ]  # the first is the point itself
    return float(digamma(n) - digamma(NEIGHBOURS) + math.log(math.pi) + 2 * np.log(np.maximum(radius, 1e-12)).mean())


def mean_log_density(points: Tensor, samples: Tensor) -> float:
    """Mean over points [M, 2] of the log density estimated from samples [N, 2], in nats; the points are not among the samples."""
    radius = KDTree(samples.double().numpy()).query(points.double().numpy(), k=NEIGHBOURS)[0][:, -1]
    log_density = (
        digamma(NEIGHBOURS) - digamma(len(samples) + 1) - math.log(math.pi) - 2 * np.log(np.maximum(radius, 1e-12))
    )
    return float(log_density.mean())


def fresh_generator() -> torch.Generator:
    """Generator of the true samples that stand beside the models': not those used as reference."""
    return torch.Generator().manual_seed(TRUE_SEED + 1)


def moments(mixture: GaussianMixture) -> tuple[Tensor, Tensor]:  # [2], [2, 2]
    """Exact mean and covariance."""
    w, m = mixture.weights.double(), mixture.means.double()
    mean = w @ m
    second = torch.einsum("k,kij->ij", w, mixture.covariances.double()) + torch.einsum("k,ki,kj->ij", w, m, m)
    return mean, second - mean[:, None] * mean


def score_error(model, x: Tensor, sigma: float) -> Tensor:  # [N]
    """sigma^2 |s_model - s*|^2 / 2 at each point x [N, 2]: the training loss there."""
    truth = fractal("A").score(x, sigma)
    return sigma**2 * (model.score(x, sigma) - truth).square().mean(1)


def error_curve(model, sigmas, n: int = 4096, seed: int = 0) -> np.ndarray:  # [len(sigmas)]
    """Mean score error over n true points of each noise level."""
    generator = torch.Generator().manual_seed(seed)
    return np.array([score_error(model, fractal("A").sample(n, s, generator), s).mean().item() for s in sigmas])
