"""A Gaussian mixture in the plane whose density, score and denoiser are known exactly at every noise level.

Components often share covariances (the fractal has 8 collinear Gaussians a branch), so the arithmetic goes by *group*: G groups
of up to M components of one covariance, in that covariance's own axes about the group's centre. There the noised covariance is
diagonal, its inverse is two divisions, and coordinates are small, so float32 keeps its digits.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from edm.denoiser import expand_sigma
from edm.sampler import Generators, rand, randn
from toy2d.chunks import in_chunks

CHUNK = 256  # rows at a time, so that the intermediates [CHUNK, M, G] stay in the processor's cache
NEGLIGIBLE = -60.0  # log of a share that is treated as this much: exp would make denormal numbers, ten times as slow
LOG_2PI = math.log(2 * math.pi)


class Groups(NamedTuple):
    """The components regrouped by covariance: G groups of M (short groups are padded with weight 0)."""

    index: Tensor  # [M, G] component number, -1 for padding
    log_weight: Tensor  # [M, G]
    centre: Tensor  # [G, 2]
    axes: Tensor  # [G, 2, 2], columns are the principal axes
    variance: Tensor  # [2, G] along the axes
    offset: Tensor  # [2, M, G] mean minus centre, along the axes


class GaussianMixture:
    """sum_i w_i N(mu_i, S_i), optionally convolved with N(0, sigma^2 I): density, score, samples. A denoiser itself.

    weights [K] (normalised here), means [K, 2], covariances [K, 2, 2]; best given in float64. `dtype` is that of the samples
    and of the public .weights, .means and .covariances. Methods take x [N, 2] and sigma (a number or [N]), and compute
    in x's dtype and on x's device; log-sum-exp keeps them finite for any x. Raises ValueError for shapes or values that
    are no mixture.
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor, dtype: torch.dtype = torch.float32):
        k = weights.shape[0]
        if weights.ndim != 1 or means.shape != (k, 2) or covariances.shape != (k, 2, 2):
            shapes = [list(t.shape) for t in (weights, means, covariances)]
            raise ValueError(f"need weights [K], means [K, 2] and covariances [K, 2, 2]; got {shapes}")
        if not (weights > 0).all() or not (torch.linalg.eigvalsh(covariances) > 0).all():
            raise ValueError("weights must be positive and covariances positive definite")
        weights = weights / weights.sum()
        self.weights, self.means, self.covariances = weights.to(dtype), means.to(dtype), covariances.to(dtype)
        self._cdf = weights.double().cumsum(0)
        self._root = torch.linalg.cholesky(covariances).to(dtype)
        self._exact = group(weights.double(), means.double(), covariances.double())
        self._cast: dict[tuple, Groups] = {}

    def groups(self, like: Tensor) -> Groups:
        """The grouped components in the dtype and on the device of `like`."""
        key = (like.dtype, like.device)
        if key not in self._cast:
            moved = (t.to(like.device, like.dtype if t.is_floating_point() else None) for t in self._exact)
            self._cast[key] = Groups(*moved)
        return self._cast[key]

    def log_prob(self, x: Tensor, sigma: float | Tensor = 0.0) -> Tensor:  # [N]
        """Exact log density of the noised mixture, in nats."""
        return self.log_prob_and_score(x, sigma)[0]

    def score(self, x: Tensor, sigma: float | Tensor = 0.0) -> Tensor:  # [N, 2]
        """Exact gradient of `log_prob` in x: sum_i p(i | x) (S_i + sigma^2 I)^-1 (mu_i - x)."""
        return self.log_prob_and_score(x, sigma)[1]

    def log_prob_and_score(self, x: Tensor, sigma: float | Tensor = 0.0) -> tuple[Tensor, Tensor]:
        """Both at the price of one."""
        return self._in_chunks(log_prob_and_score, x, sigma)

    def posterior(self, x: Tensor, sigma: float | Tensor = 0.0) -> Tensor:  # [N, G]
        """Probability that x came from each group of components (for the fractal: each branch)."""
        return self._in_chunks(_posterior, x, sigma)

    def mahalanobis(self, x: Tensor, sigma: float | Tensor = 0.0) -> Tensor:  # [N]
        """Distance to the nearest component in units of that component's own standard deviation."""
        return self._in_chunks(_mahalanobis, x, sigma)

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:  # [N, 2]
        """The ideal denoiser, x + sigma^2 score(x; sigma)."""
        return x + expand_sigma(sigma, x) ** 2 * self.score(x, sigma)

    def sample(self, n: int, sigma: float | Tensor = 0.0, generator: Generators = None) -> Tensor:  # [n, 2]
        """Draw n points of the noised mixture; with a list of n generators, point i depends on generator i alone."""
        first = generator if generator is None or isinstance(generator, torch.Generator) else generator[0]
        device = "cpu" if first is None else first.device
        u = rand(n, (), generator, device=device, dtype=torch.float64)
        z = randn(n, (2, 2), generator, device=device, dtype=self.means.dtype)
        i = torch.searchsorted(self._cdf.to(device), u, right=True).clamp(max=len(self.weights) - 1)
        x = self.means.to(device)[i] + (self._root.to(device)[i] @ z[:, 0, :, None])[..., 0]
        return x + expand_sigma(sigma, x) * z[:, 1]

    def _in_chunks(self, function, x: Tensor, sigma: float | Tensor):
        groups = self.groups(x)
        chunk = CHUNK if x.device.type == "cpu" else 64 * CHUNK
        return in_chunks(lambda x, level: function(x, level[:, 0].square(), groups), x, sigma, chunk)


def dense_log_prob_and_score(
    mixture: GaussianMixture, x: Tensor, sigma: float | Tensor = 0.0
) -> tuple[Tensor, Tensor]:  # [N], [N, 2]
    """The definition, component by component: what the faster `log_prob_and_score` below is tested against."""
    weights, means, covariances = (t.to(x) for t in (mixture.weights, mixture.means, mixture.covariances))
    noised = covariances + expand_sigma(sigma, x)[..., None, None] ** 2 * torch.eye(2).to(x)  # [N or 1, K, 2, 2]
    difference = means - x[:, None]  # [N, K, 2]
    pull = (torch.linalg.inv(noised) @ difference[..., None])[..., 0]  # score of each component alone
    log_joint = weights.log() - 0.5 * (difference * pull).sum(-1) - 0.5 * torch.logdet(noised) - LOG_2PI  # [N, K]
    return log_joint.logsumexp(1), (log_joint.softmax(1)[..., None] * pull).sum(1)


def group(weights: Tensor, means: Tensor, covariances: Tensor) -> Groups:
    """Collect the components that share a covariance, in order of first appearance."""
    members: dict[tuple, list[int]] = {}
    for i, covariance in enumerate(covariances.flatten(1).tolist()):
        members.setdefault(tuple(covariance), []).append(i)
    size = max(map(len, members.values()))
    index = torch.tensor([m + [-1] * (size - len(m)) for m in members.values()])  # [G, M]
    present = index >= 0
    centre = (means[index] * present[..., None]).sum(1) / present.sum(1, keepdim=True)  # [G, 2]
    variance, axes = torch.linalg.eigh(covariances[index[:, 0]])  # [G, 2], [G, 2, 2]
    offset = torch.einsum("gmi,gij->jmg", means[index] - centre[:, None], axes)
    log_weight = torch.where(present, weights[index].log(), -torch.inf).T.contiguous()
    return Groups(index.T.contiguous(), log_weight, centre, axes, variance.T.contiguous(), offset.contiguous())


def coordinates(x: Tensor, variance: Tensor, g: Groups) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Position p, q along each group's axes and the noised precisions a, b there: four tensors [N, G]."""
    dx, dy = (x[:, None] - g.centre).unbind(-1)
    p = dx * g.axes[:, 0, 0] + dy * g.axes[:, 1, 0]
    q = dx * g.axes[:, 0, 1] + dy * g.axes[:, 1, 1]
    return p, q, 1 / (g.variance[0] + variance[:, None]), 1 / (g.variance[1] + variance[:, None])


def _log_joint(x: Tensor, variance: Tensor, g: Groups) -> Tensor:  # [N, M, G]
    """log (w_i N(x; mu_i, S_i + variance I)) + log 2 pi for every component."""
    p, q, a, b = coordinates(x, variance, g)
    u, v = p[:, None] - g.offset[0], q[:, None] - g.offset[1]  # [N, M, G]
    return g.log_weight + 0.5 * torch.log(a * b)[:, None] - 0.5 * (a[:, None] * u * u + b[:, None] * v * v)


def _shares(x: Tensor, variance: Tensor, g: Groups) -> tuple[Tensor, Tensor]:  # [N], [N, M, G]
    """The largest log joint density of a point, and every component's share relative to that one's."""
    joint = _log_joint(x, variance, g)
    top = joint.detach().amax((1, 2), keepdim=True)  # a constant that cancels: no gradient through it
    return top[:, 0, 0], joint.sub_(top).clamp_(min=NEGLIGIBLE).exp_()


def log_prob_and_score(x: Tensor, variance: Tensor, g: Groups) -> tuple[Tensor, Tensor]:  # [N], [N, 2]
    """Log density and score of the mixture noised by `variance` [N]: a pure function."""
    top, e = _shares(x, variance, g)
    p, q, a, b = coordinates(x, variance, g)
    mass = e.sum(1)  # [N, G]
    along = a * ((e * g.offset[0]).sum(1) - p * mass)
    across = b * ((e * g.offset[1]).sum(1) - q * mass)
    total = mass.sum(1)  # [N]
    gradient = along @ g.axes[:, :, 0] + across @ g.axes[:, :, 1]
    return top + total.log() - LOG_2PI, gradient / total[:, None]


def _posterior(x: Tensor, variance: Tensor, g: Groups) -> Tensor:  # [N, G]
    mass = _shares(x, variance, g)[1].sum(1)
    return mass / mass.sum(1, keepdim=True)


def _mahalanobis(x: Tensor, variance: Tensor, g: Groups) -> Tensor:  # [N]
    p, q, a, b = coordinates(x, variance, g)
    squares = a[:, None] * (p[:, None] - g.offset[0]) ** 2 + b[:, None] * (q[:, None] - g.offset[1]) ** 2
    return squares.masked_fill(g.index < 0, torch.inf).amin((1, 2)).sqrt()
