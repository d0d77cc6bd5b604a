"""What the hidden tests compare with: one module a problem set, imported by the hidden part of a test cell.

A check lives here and not in the notebook so that nothing the notebook defines (`abs`, `all`, `assert_close`, ...) takes part in
it. Inputs are drawn afresh in every grading, so that an answer made for the visible numbers fails; tolerances are wide enough
for single precision and far smaller than any mistake. A failure names its seed: `HIDDEN_SEED=that number` repeats it.
"""

import math
import os
from contextlib import contextmanager

import torch
from torch import Tensor

from toy2d.mixture import GaussianMixture

SEED = int(os.environ.get("HIDDEN_SEED") or int.from_bytes(os.urandom(4), "big"))


def fresh() -> torch.Generator:
    """A generator that differs in every grading."""
    return torch.Generator().manual_seed(SEED)


def uniform(generator: torch.Generator, low: float, high: float) -> float:
    """A random number."""
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Unit normal numbers in double precision."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def random_mixture(generator: torch.Generator, k: int = 5) -> GaussianMixture:
    """A mixture of k Gaussians of unequal weights and tilted, unequal covariances, in double precision."""
    weights = torch.rand(k, generator=generator, dtype=torch.float64) ** 2 + 0.05
    root = 0.4 * normal(generator, k, 2, 2)
    covariances = root @ root.mT + 0.05 * torch.eye(2, dtype=torch.float64)
    return GaussianMixture(weights, 1.5 * normal(generator, k, 2), covariances, torch.float64)


def agree(what: str, got, expected, tolerance: float = 1e-4) -> None:
    """Fail unless every number of `got` is that of `expected`, up to `tolerance` times the largest of them."""
    got, expected = _nested(what, got), _nested(what, expected)
    got_shape, shape = _shape(got), _shape(expected)
    if got_shape != shape:
        raise AssertionError(f"{what}: the result should have shape {shape}, it has {got_shape} (seed {SEED})")
    got, expected = _flat(got), _flat(expected)
    scale = max(1e-12, *(abs(e) for e in expected)) if len(expected) > 1 else max(1e-12, abs(expected[0]))
    worst = max(abs(g - e) if math.isfinite(g) else math.inf for g, e in zip(got, expected, strict=True))
    if not worst <= tolerance * scale:
        raise AssertionError(f"{what}: off by up to {worst / scale:.2g} of the largest value (seed {SEED})")


def require(condition: bool, message: str) -> None:
    """Fail with a message; unlike `assert`, under any flag of the interpreter."""
    if not condition:
        raise AssertionError(f"{message} (seed {SEED})")


@contextmanager
def without(*functions):
    """Inside, these functions of the library refuse: the task is to write them. However they were imported."""

    def refuse(*args, **kwargs):
        raise AssertionError("the task is to write this yourself, without the library's function for it")

    originals = [function.__code__ for function in functions]
    try:
        for function in functions:
            function.__code__ = refuse.__code__
        yield
    finally:
        for function, code in zip(functions, originals, strict=True):
            function.__code__ = code


def _nested(what: str, value):
    """Plain Python numbers, in lists as the value is nested."""
    if value is None:
        raise AssertionError(f"{what}: nothing was returned")
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "tolist"):
        value = value.tolist()
    return [_nested(what, v) for v in value] if isinstance(value, (list, tuple)) else float(value)


def _shape(value) -> list[int]:
    return [len(value), *(_shape(value[0]) if value else [])] if isinstance(value, list) else []


def _flat(value) -> list[float]:
    return [x for v in value for x in _flat(v)] if isinstance(value, list) else [value]
