"""The density that a sampler's ODE really produces, by change of variables along its trajectories.

The flow dx/dsigma = v = (x - D(x; sigma)) / sigma carries density with d log q / dsigma = -div v. In the plane the divergence
is two derivatives, so log q is known exactly but for the solver's steps: no nearest neighbours, no histograms.

A learned log density is known up to a constant only, and it need not have one: where it grows far from the data, its integral
over the plane is infinite. `falls_outwards` finds out; `log_normaliser` computes the constant and refuses what has none.
"""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from edm.denoiser import Denoiser
from edm.sampler import sigma_steps
from toy2d.metrics import DIVERGED_RADIUS
from toy2d.paired import SIGMA_MAX

SIGMA_END = (
    0.01  # where densities are compared: finer than the leaves, and still a level that the models were trained at
)
FAR = 100.0  # radius up to which a log density must fall
RAYS = 720
NEGLIGIBLE = 20.0  # nats below the total at which the mass of a whole edge no longer counts


def levels(num_steps: int = 128) -> Tensor:  # [num_steps], descending
    """Noise levels from the start of sampling down to SIGMA_END."""
    return sigma_steps(num_steps, SIGMA_END, SIGMA_MAX)[:-1]


def velocity_and_divergence(denoiser: Denoiser, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """v [N, 2] and its exact divergence [N], both at x [N, 2]."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = (x - denoiser(x, sigma)) / sigma
        divergence = sum(torch.autograd.grad(v[:, i].sum(), x, retain_graph=i == 0)[0][:, i] for i in range(2))
    return v.detach(), divergence


def log_density(
    denoiser: Denoiser, x: Tensor, start: Callable[[Tensor, float], Tensor], sigmas: Tensor | None = None
) -> Tensor:  # [N]
    """Log density at x [N, 2] of what the ODE of `denoiser` makes of points with log density `start`.

    start(x, sigma) is the log density that sampling begins with, e.g. `fractal("A").log_prob`. sigmas: from the start of sampling
    down to the level of x (default `levels()`). Each point is carried back up by Heun's method, its divergence added on the
    way: log q(x) = start(x_max, sigma_max) + integral of div v over sigma.
    """
    up = [float(s) for s in (levels() if sigmas is None else sigmas)][::-1]
    change = torch.zeros(len(x), dtype=x.dtype)
    for low, high in itertools.pairwise(up):
        v, divergence = velocity_and_divergence(denoiser, x, low)
        v_next, divergence_next = velocity_and_divergence(denoiser, x + (high - low) * v, high)
        x = x + (high - low) * (v + v_next) / 2
        change = change + (high - low) * (divergence + divergence_next) / 2
    return start(x, up[-1]) + change


@torch.no_grad()
def falls_outwards(log_density: Callable[[Tensor], Tensor], start: float = DIVERGED_RADIUS) -> bool:
    """Whether log_density(x [N, 2]) falls along every one of 720 rays from the origin, from radius `start` to 100.

    Learned log densities grow or fall like the square of the radius far out. One that grows on some ray cannot be normalised.
    """
    angle = torch.arange(RAYS, dtype=torch.float64) * (2 * math.pi / RAYS)
    direction = torch.stack([angle.cos(), angle.sin()], 1)
    radii = torch.logspace(math.log10(start), math.log10(FAR), 64, dtype=torch.float64)
    along = torch.stack([log_density((radius * direction).float()) for radius in radii]).double()  # [radii, rays]
    return bool((along.diff(dim=0) < 0).all())


@torch.no_grad()
def log_normaliser(
    log_density: Callable[[Tensor], Tensor], half_width: float = DIVERGED_RADIUS, pixels: int = 1200
) -> float:
    """Log of the integral of exp(log_density) over the square of this half width around the origin, by the midpoint rule.

    Raises ValueError if the edge of the square holds more than a trace of it: a larger square is needed then, or the log density
    grows outwards and has no normaliser at all.
    """
    steps = ((torch.arange(pixels) + 0.5) / pixels * 2 - 1) * half_width
    values = log_density(torch.cartesian_prod(steps, steps)).double().reshape(pixels, pixels)
    edge = torch.cat([values[0], values[-1], values[:, 0], values[:, -1]])
    total = values.flatten().logsumexp(0)
    if not edge.logsumexp(0) < total - NEGLIGIBLE:
        raise ValueError(
            f"no normaliser: on the edge of the square of half width {half_width:g} the log density reaches {edge.max():.1f}, "
            f"inside {values.max():.1f}; take a larger half_width, or none if the density grows outwards (falls_outwards)"
        )
    return (total + 2 * math.log(2 * half_width / pixels)).item()
