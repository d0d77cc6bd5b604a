"""Exact measurements of 2D samples: quality and coverage against the true distribution of class A.

Every number stands beside its floor, its value for as many true samples. Some guided samples fly off: their trajectory leaves
the plane around the data. They count as outliers, and `diverged` shows them on their own. Means and distances leave them out,
because a handful at radius 15 would decide every mean.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from scipy.spatial import KDTree
from scipy.special import digamma
from torch import Tensor

from toy2d.fractal import BRANCHES, branch_depths, fractal
from toy2d.mixture import GaussianMixture

DIVERGED_RADIUS = 3.0  # from the origin; of 2^18 true samples the farthest lies at 1.6
NEIGHBOURS = 4  # of the nearest-neighbour density estimate
MANY = 2**18  # true samples that stand for the truth
TRUE_SEED = 2**32 - 2  # of the true samples used as reference; apart from the seeds of any experiment
LOST = {
    "leaves_lost": 0.1,
    "leaves_lost_quarter": 0.25,
    "leaves_lost_half": 0.5,
}  # a leaf with less of its share is lost
KEPT = 16  # results that each cache keeps


def evaluate(samples: Tensor, target: GaussianMixture | None = None) -> dict[str, float]:
    """Measure samples [N, 2] at sigma = 0 against `target`: class A of the fractal, or what is given.

    diverged            share that flew off: not finite, or farther than DIVERGED_RADIUS from the origin
    outliers_99, _999   share outside the region of highest true density that holds 99 %, 99.9 % of the mass. Samples that
                        flew off are among them.
    outlier_log_prob    median true log density of the outliers (99 %), nats: how far off they are. One that flew off has -inf.
    outlier_mahalanobis median distance of the outliers (99 %) to the nearest component, in that component's standard
                        deviations. One that flew off has inf.
    misplaced           share of the mass that is not where it should be: quality and coverage in one number. It is the total
                        variation over the branches and one more place, which holds all outliers (99 %).
    leaves_lost         leaf branches, of 64 a class, that hold under a tenth of their share; leaves_lost_quarter and
                        leaves_lost_half count those under a quarter and under a half of it

    The other numbers are of the samples that did not fly off:
    log_prob            mean true log density, nats
    mahalanobis         mean distance to the nearest component, in that component's standard deviations
    branch_tv           total variation between the branches' occupancy (sum of posterior probabilities) and their weights
    kl_q_p, kl_p_q      Kullback-Leibler divergence samples from truth and truth from samples, nats. The samples' density is
                        estimated from the 4th nearest neighbour (Kozachenko-Leonenko; Wang, Kulkarni & Verdu 2009, eq. 14).

    Raises ValueError for another shape or if fewer than half of the samples converged.
    """
    target = target or fractal("A")
    if samples.ndim != 2 or samples.shape[1] != 2 or len(samples) < 2 * NEIGHBOURS:
        raise ValueError(f"samples must have shape [N, 2] with N >= {2 * NEIGHBOURS}, got {list(samples.shape)}")
    x = converged(samples)
    flown = len(samples) - len(x)
    if flown > len(samples) / 2:
        raise ValueError(f"only {len(x)} of {len(samples)} samples lie within {DIVERGED_RADIUS} of the origin")
    log_prob, distance = target.log_prob(x).double(), target.mahalanobis(x).double()
    level_99, level_999 = region_levels(target)
    outside = log_prob < level_99
    occupancy, truth = branch_occupancy(x, target), branch_weights(target)
    true = true_samples(target, len(x))
    return {
        "diverged": flown / len(samples),
        "outliers_99": (int(outside.sum()) + flown) / len(samples),
        "outliers_999": (int((log_prob < level_999).sum()) + flown) / len(samples),
        "log_prob": log_prob.mean().item(),
        "mahalanobis": distance.mean().item(),
        "outlier_log_prob": median(log_prob[outside], flown, -math.inf),
        "outlier_mahalanobis": median(distance[outside], flown, math.inf),
        "branch_tv": 0.5 * (occupancy - truth).abs().sum().item(),
        **{name: float(leaves_lost(occupancy, truth, share)) for name, share in LOST.items()},
        "misplaced": misplaced(samples, target),
        "kl_q_p": -entropy(x) - log_prob.mean().item(),
        "kl_p_q": true_log_prob(target, len(x)).mean().item() - mean_log_density(true, x),
    }


def converged(samples: Tensor) -> Tensor:
    """Those of samples [N, 2] that did not fly off."""
    return samples[samples.norm(dim=1) < DIVERGED_RADIUS]  # the comparison is False for nan


def median(values: Tensor, flown: int, far: float) -> float:
    """Median of `values` and of `flown` more that are `far`; nan of nothing at all."""
    return torch.cat([values, values.new_full([flown], far)]).median().item() if len(values) + flown else math.nan


@lru_cache(KEPT)
def floor(n: int) -> dict[str, float]:
    """`evaluate` for n true samples of class A: what no model can be expected to beat."""
    return evaluate(fractal("A").sample(n, generator=fresh_generator()))


@lru_cache(KEPT)
def region_levels(target: GaussianMixture) -> tuple[float, float]:
    """Log densities whose superlevel sets hold 99 % and 99.9 % of the mass, from 2^18 true samples (+- 0.02 % and 0.006 %)."""
    log_prob = true_log_prob(target, MANY)
    return log_prob.quantile(0.01).item(), log_prob.quantile(0.001).item()


@lru_cache(KEPT)
def region_shares(target: GaussianMixture) -> Tensor:  # [G + 1]
    """True mass of each branch inside the region that holds 99 %, and last the mass outside it."""
    x = true_samples(target, MANY)
    outside = x[true_log_prob(target, MANY) < region_levels(target)[0]]
    lost = target.posterior(outside).double().sum(0) / len(x)
    return torch.cat([branch_weights(target) - lost, lost.sum()[None]])


def misplaced(samples: Tensor, target: GaussianMixture) -> float:
    """Total variation between the places of samples [N, 2] and `region_shares`; samples that diverged count as outside."""
    x = converged(samples)
    inside = x[target.log_prob(x) >= region_levels(target)[0]]
    found = target.posterior(inside).double().sum(0) / len(samples)
    found = torch.cat([found, 1 - found.sum()[None]])
    return 0.5 * (found - region_shares(target)).abs().sum().item()


@lru_cache(KEPT)
def true_log_prob(target: GaussianMixture, n: int) -> Tensor:  # [n] float64
    """True log density of the reference sample."""
    return target.log_prob(true_samples(target, n)).double()


@lru_cache(KEPT)
def true_samples(target: GaussianMixture, n: int) -> Tensor:  # [n, 2]
    """The reference sample: always the same."""
    return target.sample(n, generator=torch.Generator().manual_seed(TRUE_SEED))


def branch_weights(target: GaussianMixture) -> Tensor:  # [G]
    """True share of each branch."""
    return target.groups(torch.zeros(1, dtype=torch.float64)).log_weight.exp().sum(0)


def branch_occupancy(x: Tensor, target: GaussianMixture) -> Tensor:  # [G]
    """Mean posterior probability of each branch; for true samples its expectation is exactly `branch_weights`."""
    return target.posterior(x).double().mean(0)


def leaves_lost(occupancy: Tensor, truth: Tensor, share: float = LOST["leaves_lost"]) -> int:
    """Leaf branches that hold less than `share` of what is due to them. Both arguments [127], or [254] for both trees.

    Raises ValueError for another number of branches.
    """
    if len(truth) % BRANCHES:
        raise ValueError(f"leaves are known for trees of {BRANCHES} branches, got {len(truth)} groups of components")
    depths = branch_depths().repeat(len(truth) // BRANCHES)
    return int((occupancy < share * truth)[depths == depths.max()].sum())


def entropy(x: Tensor) -> float:
    """Differential entropy in nats from nearest neighbours (Kozachenko-Leonenko). x: [N, 2]."""
    n = len(x)
    points = x.double().numpy()
    radius = KDTree(points).query(points, k=NEIGHBOURS + 1)[0][:, -1]  # the first is the point itself
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
