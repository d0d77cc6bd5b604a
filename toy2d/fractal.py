"""The two-class fractal distribution of the paper's 2D example [AG, appendix on the toy example].

Two trees, A and B, each a binary tree of branches of depth 0..6; a branch is 8 Gaussians strung along a line. The tree is
drawn once, from a fixed stream of random numbers: it is a definition, not an experiment.
"""

from functools import lru_cache

import numpy as np
import torch

from toy2d.mixture import GaussianMixture

CLASSES = ("A", "B", "AB")
DEPTHS = 7  # 0..6
BRANCHES = 2**DEPTHS - 1  # a class
COMPONENTS = 8  # a branch
SIGMA_DATA = 0.5  # the paper's standard deviation of p_data along each axis

_ROOT = np.array([0.0030, 0.0325])
_TRUNK_ANGLE = {"A": np.pi / 4, "B": 5 * np.pi / 4}
_SCALE = np.array([1.3136, 1.3844])


@lru_cache
def fractal(classes: str = "A", dtype: torch.dtype = torch.float32) -> GaussianMixture:
    """The exact mixture of class "A", class "B" or both ("AB"), 1016 components a class; samples come in `dtype`.

    Groups (branches) are numbered in the order of drawing: 0 is the trunk, see `branch_depths`.
    """
    if classes not in CLASSES:
        raise ValueError(f"unknown class {classes!r}: choose one of {', '.join(CLASSES)}")
    stream = np.random.RandomState(2)
    trees = {name: _grow(stream, _ROOT, angle) for name, angle in _TRUNK_ANGLE.items()}  # A completely, then B
    parts = zip(*(trees[name] for name in classes), strict=True)
    weights, means, covariances = (torch.from_numpy(np.concatenate(part)) for part in parts)
    return GaussianMixture(weights, means, covariances, dtype)


def branch_depths() -> torch.Tensor:  # [BRANCHES]
    """Depth of each branch of one class, in the order of the mixture's groups; the 64 leaves have depth 6."""
    return torch.tensor(_depths(0))


def _depths(depth: int) -> list[int]:
    return [depth] + 2 * _depths(depth + 1) if depth < DEPTHS - 1 else [depth]


def _grow(stream: np.random.RandomState, pos: np.ndarray, angle: float, depth: int = 0):
    """Weights [K], means [K, 2] and covariances [K, 2, 2] of a branch and all that grows from it, depth first."""
    length = 0.292 * 0.8**depth * (1 + 0.2 * stream.randn())
    ratio = 0.2 * 0.8**depth / length  # thickness
    u = np.array([np.cos(angle), np.sin(angle)])
    size = 0.06 * length * _SCALE
    t = np.linspace(0.07, 0.93, COMPONENTS)[:, None]
    along = np.outer(u, u)
    covariance = (along + ratio**2 * (np.eye(2) - along)) * np.outer(size, size)
    parts = [
        (
            np.full(COMPONENTS, length * 0.5**depth),
            (pos + length * t * u) * _SCALE,
            np.broadcast_to(covariance, (COMPONENTS, 2, 2)),
        )
    ]
    for sign in (1, -1):
        turn = sign * 0.7**depth * (1 + 0.2 * stream.randn())  # leaves draw it too, without using it
        if depth < DEPTHS - 1:
            parts.append(_grow(stream, pos + length * u, angle + turn, depth + 1))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))
