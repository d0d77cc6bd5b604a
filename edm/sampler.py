"""Heun's sampler for the probability-flow ODE, and its stochastic variant [EDM, algorithms 1 and 2].

Knows nothing of images: the state x is any tensor [N, ...], the model any denoiser (`edm.denoiser`).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from edm.denoiser import Denoiser

Generators = torch.Generator | Sequence[torch.Generator] | None


def sigma_steps(
    num_steps: int = 32, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> Tensor:  # [num_steps + 1]
    """Noise levels from sigma_max down to sigma_min, then 0; float64 [EDM, eq. 5]."""
    if num_steps < 2 or not 0 < sigma_min < sigma_max < math.inf or rho <= 0:
        raise ValueError(
            "need num_steps >= 2, 0 < sigma_min < sigma_max and rho > 0, "
            f"got {num_steps=}, {sigma_min=}, {sigma_max=}, {rho=}"
        )
    t = torch.linspace(0, 1, num_steps, dtype=torch.float64)
    sigmas = (sigma_max ** (1 / rho) + t * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
    sigmas[0], sigmas[-1] = sigma_max, sigma_min  # exact ends
    return torch.cat([sigmas, sigmas.new_zeros(1)])


@dataclass(frozen=True)
class Churn:
    """Noise added back before each step [EDM, algorithm 2]; defaults switch it off."""

    S_churn: float = 0.0  # total amount; the increase of sigma per step is min(S_churn / N, sqrt(2) - 1)
    S_min: float = 0.0  # only where S_min <= sigma <= S_max
    S_max: float = math.inf
    S_noise: float = 1.0  # standard deviation of the new noise


class Step(NamedTuple):
    """State after a step of the sampler."""

    index: int  # type: ignore[assignment]  # steps taken so far; 0 is the initial state
    sigma: float  # noise level of x
    x: Tensor  # [N, ...]


def seeded(seeds: Sequence[int], device: torch.device | str = "cpu") -> list[torch.Generator]:
    """One generator per sample, so that a sample does not depend on its batch-mates. Seeds: 0 <= seed < 2^32.

    PyTorch's CPU generator silently ignores all higher bits, so larger seeds raise ValueError.
    """
    if any(not 0 <= seed < 2**32 for seed in seeds):
        raise ValueError("seeds must lie in 0 .. 2^32 - 1")
    return [torch.Generator(device).manual_seed(int(seed)) for seed in seeds]


def randn(n: int, shape: Sequence[int], generator: Generators = None, **options: Any) -> Tensor:
    """Unit normal noise [n, *shape]; with a list of n generators, row i comes from generator i alone."""
    return _draw(torch.randn, n, shape, generator, options)


def rand(n: int, shape: Sequence[int], generator: Generators = None, **options: Any) -> Tensor:
    """Uniform numbers in [0, 1), drawn as in `randn`."""
    return _draw(torch.rand, n, shape, generator, options)


def _draw(
    function: Callable[..., Tensor], n: int, shape: Sequence[int], generator: Generators, options: dict[str, Any]
) -> Tensor:
    if generator is None or isinstance(generator, torch.Generator):
        return function((n, *shape), generator=generator, **options)
    if len(generator) != n:
        raise ValueError(f"need one generator per sample: {n} samples, {len(generator)} generators")
    return torch.stack([function(tuple(shape), generator=g, **options) for g in generator])


def heun_steps(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    labels: Tensor | None = None,
    *,
    churn: Churn | None = None,
    generator: Generators = None,
) -> Iterator[Step]:
    """Yield the initial state and the state after every step of Heun's method on dx/dsigma = (x - D(x; sigma)) / sigma.

    x: the state at sigmas[0], [N, ...]. sigmas: decreasing. A step to sigma = 0 is a plain Euler step, so N steps cost
    2N - 1 evaluations. Raises ValueError for noise levels that are negative, not finite or not decreasing.
    """
    levels = [float(s) for s in sigmas]
    if len(levels) < 2 or any(not a > b >= 0 or not math.isfinite(a) for a, b in pairwise(levels)):
        raise ValueError(f"sigmas must be at least two finite, decreasing numbers >= 0, got {levels}")
    yield Step(0, levels[0], x)
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        if churn is not None and churn.S_churn > 0 and churn.S_min <= sigma <= churn.S_max:
            increase = min(churn.S_churn / (len(levels) - 1), math.sqrt(2) - 1)
            sigma_hat = sigma * (1 + increase)
            noise = randn(x.shape[0], x.shape[1:], generator, dtype=x.dtype, device=x.device)
            x = x + math.sqrt(sigma_hat**2 - sigma**2) * churn.S_noise * noise
            sigma = sigma_hat
        slope = (x - denoiser(x, sigma, labels)) / sigma
        x_next = x + (sigma_next - sigma) * slope
        if sigma_next > 0:
            slope_next = (x_next - denoiser(x_next, sigma_next, labels)) / sigma_next
            x_next = x + (sigma_next - sigma) * (slope + slope_next) / 2
        x = x_next
        yield Step(i + 1, sigma_next, x)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    labels: Tensor | None = None,
    *,
    churn: Churn | None = None,
    generator: Generators = None,
    trajectory: bool = False,
) -> Tensor:
    """Follow the probability-flow ODE from the state x at sigmas[0] to sigmas[-1]; arguments as in `heun_steps`.

    Returns the final state [N, ...], or with trajectory=True every state, [len(sigmas), N, ...].
    """
    states: list[Tensor] = []
    for step in heun_steps(denoiser, x, sigmas, labels, churn=churn, generator=generator):
        if not trajectory:
            states.clear()
        states.append(step.x)
    return torch.stack(states) if trajectory else states[0]
