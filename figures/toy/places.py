"""Where samples of class A are: which of them are outliers, and how much of the mass each branch holds.

A sample that flew off (not finite, or beyond radius 3) is an outlier in every number here, and is also counted by itself.
"""

import torch
from torch import Tensor

from toy2d import metrics
from toy2d.fractal import branch_depths, fractal


def flown(x: Tensor) -> Tensor:  # [N] bool
    """Samples x [N, 2] that are not finite or farther out than `metrics.DIVERGED_RADIUS`."""
    return ~(x.norm(dim=1) < metrics.DIVERGED_RADIUS)


def outliers(x: Tensor) -> Tensor:  # [N] bool
    """Samples outside the region of highest true density that holds 99 % of the mass, flown-off ones included."""
    out = flown(x)
    out[~out] = fractal("A").log_prob(x[~out]) < metrics.region_levels(fractal("A"))[0]
    return out


def shares(x: Tensor) -> Tensor:  # [127] float64
    """Share of each branch among the samples that did not fly off."""
    return metrics.branch_occupancy(x[~flown(x)], fractal("A"))


def lost(occupancy: Tensor, threshold: float = 0.1) -> list[int]:
    """Numbers of the leaf branches that hold less than `threshold` of their true share."""
    short = occupancy < threshold * metrics.branch_weights(fractal("A"))
    return torch.nonzero(short & (branch_depths() == branch_depths().max()))[:, 0].tolist()


def numbers(x: Tensor) -> dict[str, float]:
    """Shares of outliers and of flown-off samples, total variation of the branches' shares, and leaves lost, of 64."""
    found = shares(x)
    return {
        "outliers": outliers(x).double().mean().item(),
        "flown": flown(x).double().mean().item(),
        "branch_tv": 0.5 * (found - metrics.branch_weights(fractal("A"))).abs().sum().item(),
        "leaves_lost": len(lost(found)),
    }


def floor(n: int) -> dict[str, float]:
    """The same for n true samples."""
    return numbers(fractal("A").sample(n, generator=metrics.fresh_generator()))
