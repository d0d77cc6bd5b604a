"""Averages of weights (notebook 09): tracked during training, and rebuilt afterwards from stored snapshots of two widths."""

import matplotlib.pyplot as plt
import numpy as np

from edm.ema import combine, posthoc_coefficients, profile
from toy2d import plots
from toy2d.metrics import error_curve
from toy2d.train import STORED, TrackedRun, Weights

COLOURS = (plots.BLUE, plots.SKY, plots.GREEN, plots.ORANGE, plots.VERMILLION)


def reconstruct(run: TrackedRun, std: float, every: int = 1) -> Weights:
    """The average of width `std` at the end of the run, from every `every`-th pair of snapshots, the last included."""
    times = sorted({t for t, _ in run.snapshots}, reverse=True)[::every]
    keys = [(t, s) for t in times for s in STORED]
    x = posthoc_coefficients([t for t, _ in keys], [s for _, s in keys], run.iterations, std)[:, 0]
    return combine([run.snapshots[k] for k in keys], x)


def distance(a: Weights, b: Weights) -> float:
    """Relative distance of two sets of weights: root of the summed squares of the difference, over that of b."""
    return float(np.sqrt(sum((a[k] - b[k]).square().sum() for k in b) / sum(b[k].square().sum() for k in b)))


def errors(run: TrackedRun, states: dict, sigmas=(0.03, 0.1, 0.3), n: int = 2048) -> dict:
    """Mean score error of each set of weights over a few noise levels."""
    return {name: float(error_curve(run.model(state), sigmas, n).mean()) for name, state in states.items()}


def draw_profiles(stds, steps: int = 200):
    """How much each past step weighs in the average, against time in units of the training length."""
    times = (np.arange(steps) + 1) / steps
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.6, 2.8), layout="constrained")
        for std, colour in zip(stds, COLOURS, strict=False):
            ax.plot(times, profile(std, 1.0, times) * steps, color=colour, label=f"$\\sigma_{{rel}}$ = {std:g}")
        ax.set(xlabel="time / training length", ylabel="weight (mean 1)", yscale="log", ylim=(1e-3, 40))
        ax.legend(frameon=False, fontsize=8)
    return figure


def draw_reconstruction(std: float, times, steps: int = 400):
    """A wanted profile, and what the least-squares combination of stored profiles makes of it."""
    grid = (np.arange(steps) + 1) / steps
    keys = [(t, s) for t in times for s in STORED]
    x = posthoc_coefficients([t for t, _ in keys], [s for _, s in keys], 1.0, std)[:, 0]
    made = sum(c * profile(s, t, grid) for c, (t, s) in zip(x, keys, strict=True)) * steps
    with plots.style():
        figure, axes = plt.subplots(1, 2, figsize=(9.0, 2.9), layout="constrained")
        axes[0].plot(grid, profile(std, 1.0, grid) * steps, color=plots.GREY, linewidth=3, label="wanted")
        axes[0].plot(grid, made, color=plots.BLUE, linewidth=1, label=f"from {len(keys)} snapshots")
        axes[0].set(title=f"profile of width {std:g}", xlabel="time / training length", ylabel="weight (mean 1)")
        axes[0].legend(frameon=False, fontsize=8)
        for s, colour in zip(STORED, (plots.SKY, plots.ORANGE), strict=True):
            chosen = [(t, c) for c, (t, width) in zip(x, keys, strict=True) if width == s]
            axes[1].plot(
                *zip(*chosen, strict=True), "o-", markersize=3, linewidth=0.8, color=colour, label=f"width {s:g}"
            )
        axes[1].axhline(0, color=plots.GREY, linewidth=0.6)
        axes[1].set(
            title=f"coefficient of each snapshot, the largest {abs(x).max():.2f}", xlabel="time of the snapshot"
        )
        axes[1].legend(frameon=False, fontsize=8)
    return figure


def draw_widths(widths, values: dict[str, list[list[float]]], ylabel: str):
    """A number against the EMA width: a thin line for each seed, a thick one for the mean."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.2, 3.0), layout="constrained")
        for (name, rows), colour in zip(values.items(), (plots.BLUE, plots.GREEN), strict=False):
            rows = np.asarray(rows)  # [seeds, widths]
            ax.plot(widths, rows.T, color=colour, linewidth=0.6, alpha=0.6)
            ax.plot(widths, rows.mean(0), color=colour, linewidth=2, label=name)
        ax.set(xlabel="EMA width $\\sigma_{rel}$", ylabel=ylabel)
        ax.legend(frameon=False, fontsize=8)
    return figure
