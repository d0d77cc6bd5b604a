"""The sampler measured (notebook 03): orders of convergence, quality against steps, when a branch is decided."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from edm.denoiser import Denoiser
from edm.sampler import sample, sigma_steps
from figures.engine.plots import grid
from toy2d import metrics, plots
from toy2d.fractal import fractal

METHODS = {"Euler": plots.ORANGE, "Heun": plots.BLUE}


@torch.no_grad()
def euler(denoiser: Denoiser, x: Tensor, sigmas: Tensor) -> Tensor:
    """Euler's method on the probability-flow ODE, for comparison: first order, one evaluation a step."""
    for sigma, sigma_next in zip(sigmas, sigmas[1:], strict=False):
        x = x + (sigma_next - sigma) * (x - denoiser(x, sigma)) / sigma
    return x


def convergence(
    steps, n: int = 128, seed: int = 0, sigma_min: float = 0.05, sigma_max: float = 1.0, reference: int = 1024
) -> dict[str, np.ndarray]:
    """Median error at sigma_min over n points, exact score in float64: for each method [len(steps)], in units of sigma_min.

    The end is above 0 because the last step to 0 is Euler's for both methods.
    """
    truth = fractal("A", torch.float64)
    start = truth.sample(n, sigma_max, torch.Generator().manual_seed(seed))

    def levels(count: int) -> Tensor:
        return sigma_steps(count + 1, sigma_min, sigma_max)[:-1]

    end = sample(truth, start, levels(reference))
    return {
        name: np.array([(f(truth, start, levels(k)) - end).norm(dim=1).median().item() / sigma_min for k in steps])
        for name, f in {"Euler": euler, "Heun": sample}.items()
    }


def order(steps, errors) -> float:
    """Order of convergence: minus the slope of log error against log steps."""
    return -float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def draw_convergence(steps, runs: list[dict[str, np.ndarray]]):
    """Error against the number of evaluations, a line for each seed; dashed: slopes of one and two."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.2, 3.2), layout="constrained")
        steps = np.asarray(steps, float)
        for i, run in enumerate(runs):
            for name, colour in METHODS.items():
                cost = steps * (2 if name == "Heun" else 1)
                ax.plot(cost, run[name], color=colour, marker="o", markersize=3, linewidth=1, label=None if i else name)
                if i == 0:  # above the measured lines, so that both can be seen
                    slope = 2 if name == "Heun" else 1
                    line = 2 * run[name][-1] * (cost / cost[-1]) ** -slope
                    ax.plot(cost, line, color=colour, linestyle="--", linewidth=0.9, label=f"slope {slope}")
        ax.set(xscale="log", yscale="log", xlabel="evaluations of the denoiser", ylabel="error / σ at the end")
        ax.legend(frameon=False)
    return figure


def draw_schedule(settings: dict[str, Tensor]):
    """Noise levels [N + 1] of several schedules, on a logarithmic axis, without the closing 0."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.2, 2.6), layout="constrained")
        for (name, sigmas), colour in zip(settings.items(), (plots.GREY, plots.BLUE, plots.ORANGE), strict=False):
            ax.plot(sigmas[:-1].numpy(), marker="o", markersize=2.5, linewidth=0.8, color=colour, label=name)
        ax.set(yscale="log", xlabel="step", ylabel="σ")
        ax.legend(frameon=False)
    return figure


def draw_paths(trajectory: Tensor, sigmas, *, centre=(0.3, 0.3), half_width: float = 1.3, title: str = ""):
    """Trajectories [T, N, 2], in two windows: all of it, and the last half."""
    truth = fractal("A")
    with plots.style():
        figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.8), layout="constrained")
        for ax, (c, h) in zip(axes, (((0.3, 0.3), 9.0), (centre, half_width)), strict=True):
            axis_x, axis_y, xy = grid(c, h, 300)
            log_prob = truth.log_prob(xy).reshape(300, 300).numpy()
            plots.region(ax, axis_x, axis_y, log_prob, metrics.region_levels(truth)[0], plots.ORANGE)
            plots.paths(ax, trajectory.numpy(), plots.BLUE)
            plots.window(ax, c, h)
        axes[0].set_title(f"from σ = {float(sigmas[0]):g} to 0{title}")
        axes[1].set_title("the same, closer")
    return figure


def draw_steps(paths: dict[str, Tensor], outliers: Sequence[float], *, shown: int = 48):
    """The first `shown` of trajectories [T, N, 2] near the tree, a panel for each name; below: the share of outliers."""
    centre, half_width, pixels = (0.3, 0.3), 1.3, 300
    truth = fractal("A")
    axis_x, axis_y, xy = grid(centre, half_width, pixels)
    log_prob = truth.log_prob(xy).reshape(pixels, pixels).numpy()
    with plots.style():
        figure, axes = plt.subplots(1, len(paths), figsize=(3.2 * len(paths), 3.6), layout="constrained", squeeze=False)
        for ax, (name, trajectory), share in zip(axes[0], paths.items(), outliers, strict=True):
            plots.region(ax, axis_x, axis_y, log_prob, metrics.region_levels(truth)[0], plots.ORANGE)
            plots.paths(ax, trajectory[:, :shown].numpy(), plots.BLUE)
            plots.window(ax, centre, half_width)
            ax.set_title(name)
            ax.set_xlabel(f"outliers {share:.1%}", fontsize=8)
    return figure


def decided(trajectory: Tensor, sigmas) -> np.ndarray:  # [T]
    """At each state of exact trajectories: mean probability, given the state alone, of the branch in which the point ends."""
    truth = fractal("A")
    x = trajectory.double()
    final = truth.posterior(x[-1]).argmax(1)
    rows = torch.arange(len(final))
    return np.array([truth.posterior(at, float(s))[rows, final].mean().item() for at, s in zip(x, sigmas, strict=True)])


def draw_decided(sigmas, runs: list[np.ndarray]):
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.2, 2.6), layout="constrained")
        for run in runs:
            ax.plot(np.asarray(sigmas)[:-1], run[:-1], color=plots.BLUE, linewidth=1)
        ax.axhline(0.5, color=plots.GREY, linewidth=0.7, linestyle=":")
        ax.set(
            xscale="log",
            xlabel="noise level σ (sampling runs to the left)",
            ylabel="P(final branch | state)",
            ylim=(0, 1.02),
        )
    return figure


def half_decided(sigmas, run: np.ndarray) -> float:
    """Noise level at which the final branch first has probability one half, interpolated in log sigma."""
    s, p = np.log(np.asarray(sigmas, float)[:-1]), run[:-1]
    i = int(np.argmax(p >= 0.5))
    return math.exp(np.interp(0.5, p[i - 1 : i + 1], s[i - 1 : i + 1]))
