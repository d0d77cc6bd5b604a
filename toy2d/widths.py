"""How wide the branches of samples are, and how wide guidance should make them, both against the true widths.

A branch is 8 Gaussians of one covariance on a straight line. Its *width* is the standard deviation across that line, its *length*
the standard deviation along it, of all 8 together. Both are given as ratios to the true ones.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from toy2d.fractal import BRANCHES, COMPONENTS, DEPTHS, branch_depths, fractal
from toy2d.gaussian import guided_std
from toy2d.mixture import GaussianMixture

ROUNDS = 20  # of expectation maximisation
CHUNK = 512  # points at a time


def branches() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Class A by branches, in float64: shares [127], component means [127, 8, 2], covariances and axes [127, 2, 2].

    axes: rows are the unit vectors along and across.
    """
    tree = fractal("A", torch.float64)
    means = tree.means.unflatten(0, (BRANCHES, COMPONENTS))
    along = torch.nn.functional.normalize(means[:, -1] - means[:, 0], dim=1)
    axes = torch.stack([along, torch.stack([-along[:, 1], along[:, 0]], 1)], 1)
    shares = tree.weights.unflatten(0, (BRANCHES, COMPONENTS)).sum(1)
    return shares, means, tree.covariances[::COMPONENTS], axes


def with_widths(width: Callable[[float], float]) -> GaussianMixture:
    """Class A with width(s) in place of every standard deviation s along the principal axes of its covariances."""
    tree = fractal("A", torch.float64)
    variances, axes = torch.linalg.eigh(tree.covariances[::COMPONENTS])  # [127, 2], [127, 2, 2]
    changed = torch.tensor([[width(math.sqrt(v)) ** 2 for v in pair] for pair in variances.tolist()])
    covariances = axes @ torch.diag_embed(changed.double()) @ axes.mT
    return GaussianMixture(tree.weights, tree.means, covariances.repeat_interleave(COMPONENTS, 0))


def guided(blur_main: float, blur_weak: float, weight: float, sigma_min: float, sigma_max: float) -> GaussianMixture:
    """What guidance between two blurred models of class A should deliver, if every Gaussian were alone in the plane.

    The models believe the data blurred by N(0, blur^2 I). Each principal axis is narrowed as in `toy2d.gaussian.guided_std`.
    """

    def width(s: float) -> float:
        main, weak = math.hypot(s, blur_main), math.hypot(s, blur_weak)
        return guided_std(main, weak, weight, sigma_max=sigma_max, sigma_min=sigma_min, s_start=s)

    return with_widths(width)


def by_depth(values: Tensor) -> Tensor:  # [7, ...]
    """Sums of values [127, ...] over the branches of each depth."""
    return torch.zeros(DEPTHS, *values.shape[1:], dtype=values.dtype).index_add_(0, branch_depths(), values)


def expected(mixture: GaussianMixture) -> Tensor:  # [7, 2]
    """Length and width of each depth's branches in a mixture of class A's components, as ratios to the true ones."""
    shares, means, true, axes = branches()
    offset = ((means - means.mean(1, keepdim=True)) * axes[:, :1]).sum(-1)  # [127, 8]
    line = torch.stack([offset.square().mean(1), torch.zeros(BRANCHES)], 1).double()
    turned = [(axes @ c @ axes.mT).diagonal(dim1=1, dim2=2) for c in (mixture.covariances[::COMPONENTS].double(), true)]
    found, truth = (by_depth(shares[:, None] * (line + c)) for c in turned)
    return (found / truth).sqrt()


def measured(x: Tensor, rounds: int = ROUNDS) -> Tensor:  # [7, 2]
    """The same ratios for samples x [N, 2], by expectation maximisation from the true widths. All points must be finite.

    The samples are taken for a mixture with class A's means. Free are the width across, one a depth, and the shares of the
    branches. Points that may belong to several branches count for each in proportion.
    """
    shares, means, covariances, axes = branches()
    centre = means.mean(1)
    offset = ((means - centre[:, None]) * axes[:, :1]).sum(-1)  # [127, 8] along; across it is 0
    turned = axes @ covariances @ axes.mT
    variance = turned.diagonal(dim1=1, dim2=2)  # [127, 2]
    position = torch.einsum("nbi,bji->njb", x.double()[:, None] - centre, axes).float()  # [N, 2, 127]
    ratio, o = torch.ones(DEPTHS, dtype=torch.float64), offset.float()
    for _ in range(rounds):
        k = torch.stack([torch.ones(BRANCHES), ratio[branch_depths()]], 1).double()
        scaled = turned * k[:, :, None] * k[:, None, :]
        p = torch.linalg.inv(scaled).float()[..., None]  # precisions [127, 2, 2, 1]
        constant = (shares.log() - scaled.logdet() / 2).float()
        mass, squares = torch.zeros(BRANCHES, dtype=torch.float64), torch.zeros(BRANCHES, 2, dtype=torch.float64)
        for part in position.split(CHUNK):
            along, across = part[:, 0, :, None] - o, part[:, 1, :, None]  # [n, 127, 8], [n, 127, 1]
            square = p[:, 0, 0] * along**2 + 2 * p[:, 0, 1] * along * across + p[:, 1, 1] * across**2
            belongs = (constant[:, None] - square / 2).flatten(1).softmax(1).view_as(square).sum(2)  # [n, 127]
            mass += belongs.sum(0)
            squares += (belongs[:, None] * part**2).sum(0).T
        shares = (mass / len(x)).clamp(min=1e-12)
        found = by_depth(squares)
        length = variance[:, 0] + offset.square().mean(1)
        ratio = (found[:, 1] / by_depth(mass * variance[:, 1])).sqrt().clamp(min=1e-3)  # of few points, it may be 0
    return torch.stack([(found[:, 0] / by_depth(mass * length)).sqrt(), ratio], 1)
