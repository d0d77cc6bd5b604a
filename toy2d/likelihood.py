"""The density that a sampler's ODE really produces, by change of variables along its trajectories.

The flow dx/dsigma = v = (x - D(x; sigma)) / sigma carries density with d log q / dsigma = -div v. In the plane the divergence
is two derivatives, so log q is known exactly but for the solver's steps: no nearest neighbours, no histograms.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from edm.denoiser import Denoiser
from edm.sampler import sigma_steps
from toy2d.paired import SIGMA_MAX

SIGMA_END = (
    0.01  # where densities are compared: finer than the leaves, and still a level that the models were trained at
)


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
    for low, high in zip(up, up[1:], strict=False):
        v, divergence = velocity_and_divergence(denoiser, x, low)
        v_next, divergence_next = velocity_and_divergence(denoiser, x + (high - low) * v, high)
        x = x + (high - low) * (v + v_next) / 2
        change = change + (high - low) * (divergence + divergence_next) / 2
    return start(x, up[-1]) + change
