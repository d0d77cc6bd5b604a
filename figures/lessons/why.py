"""Why guidance works on the fractal (notebook 06): samples of several arms, angles of errors, a loop, stored results."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from edm.denoiser import Denoiser
from figures.engine.plots import grid
from figures.engine.result import load_result
from toy2d import metrics, plots
from toy2d.fractal import fractal
from toy2d.paired import draw_start, measure, run


def draw_alignment(sigmas, runs: dict[str, list[list[float]]], titles: dict[str, str]):
    """Cosine against noise level: a thin line for each seed, a thick one for the mean. runs: guide -> [seeds][sigmas]."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.6, 3.0), layout="constrained")
        for (name, rows), colour in zip(runs.items(), (plots.GREEN, plots.VERMILLION, plots.ORANGE), strict=False):
            ax.plot(sigmas, np.transpose(rows), color=colour, linewidth=0.6, alpha=0.6)
            ax.plot(sigmas, np.mean(rows, 0), color=colour, linewidth=2, label=titles[name])
        ax.set(xscale="log", xlabel="noise level σ", ylabel="cosine of the two errors", ylim=(-0.1, 1.02))
        ax.legend(frameon=False, fontsize=8)
    return figure


def draw_split(sigmas, parts: dict[str, np.ndarray], titles: dict[str, str]):
    """Left: how often each guide repeats the main model's error. Right: its own error. parts: guide -> [seeds, sigmas, 2]."""
    with plots.style():
        figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.1), layout="constrained")
        for i, (ax, title) in enumerate(zip(axes, ("repeated error", "the guide's own error"), strict=True)):
            for (name, values), colour in zip(parts.items(), (plots.SKY, plots.VERMILLION, plots.GREEN), strict=False):
                ax.plot(sigmas, values[:, :, i].T, color=colour, linewidth=0.6, alpha=0.6)
                ax.plot(sigmas, values[:, :, i].mean(0), color=colour, linewidth=2, label=titles[name])
            ax.axhline(1, color=plots.GREY, linestyle=":", linewidth=0.8)
            ax.set(xscale="log", xlabel="noise level σ", title=f"{title} / main model's error", ylim=(0, None))
        axes[0].legend(frameon=False, fontsize=8)
    return figure


def draw_arms(arms: dict[str, Denoiser], titles: dict[str, str], n: int = 4096, noise_seed: int = 0, pixels: int = 300):
    """Samples of each arm from the same starting points over class A's region, in figure 1's window, and their numbers."""
    truth, start = fractal("A"), draw_start(n, noise_seed)
    axis_x, axis_y, xy = grid((0.30, 0.30), 1.2, pixels)
    log_prob = truth.log_prob(xy).reshape(pixels, pixels).numpy()
    with plots.style():
        figure, axes = plt.subplots(1, len(arms), figsize=(3.1 * len(arms), 3.5), layout="constrained", squeeze=False)
        for ax, (name, denoiser) in zip(axes[0], arms.items(), strict=True):
            samples = run(denoiser, start)
            numbers = measure(samples)
            plots.region(ax, axis_x, axis_y, log_prob, metrics.region_levels(truth)[0], plots.ORANGE)
            plots.points(ax, samples.numpy(), size=1.2)
            plots.window(ax, (0.30, 0.30), 1.2)
            ax.set_title(titles[name])
            ax.set_xlabel(
                f"outliers {numbers['outliers_99']:.1%}, branch TV {numbers['branch_tv']:.3f},\n"
                f"leaves lost {numbers['leaves_lost']:.0f} of 64",
                fontsize=8,
            )
    return figure


def draw_loop(axis_x, axis_y, truth, log_ratio, panels: dict[str, Tensor], centre, half_width: float):
    """Left: log of main over guide [H, W] in a window, 0 on the data. Then samples [N, 2] of each panel in that window.

    truth: the true log density [H, W]; its region that holds 99 % is drawn in every panel.
    """
    level = metrics.region_levels(fractal("A"))[0]
    with plots.style():
        figure, axes = plt.subplots(
            1, 1 + len(panels), figsize=(3.3 * (1 + len(panels)), 3.3), layout="constrained", squeeze=False
        )
        shown = plots.ratio(axes[0, 0], axis_x, axis_y, log_ratio, np.linspace(-3, 3, 13))
        plots.contours(axes[0, 0], axis_x, axis_y, truth, levels=[level], colour=plots.INK, width=0.7)
        figure.colorbar(shown, ax=axes[0, 0], shrink=0.7, label="log (main / guide)")
        axes[0, 0].set_title("the ratio, zero on the data")
        for ax, (name, samples) in zip(axes[0, 1:], panels.items(), strict=True):
            plots.region(ax, axis_x, axis_y, truth, level, plots.ORANGE)
            plots.points(ax, samples.numpy(), size=3)
            ax.set_title(name)
        for ax in axes[0]:
            plots.window(ax, centre, half_width)
    return figure


# ---- stored results: what the full experiments found


def stored(name: str) -> dict | None:
    """The numbers of an experiment that come with the project, or None where they do not."""
    try:
        return load_result(name).numbers
    except ValueError:
        return None


def branch_tv(target: Mapping, models: str, arm: str, weight: float, method: str) -> list[float]:
    """Branch TV of a method in the result of `target`, one value a seed, of the largest run with that method.

    For trained models only of those training seeds for which the target is a density, so that all methods have the same.
    """
    rows = [r for r in target["rows"] if (r["models"], r["arm"], r["weight"]) == (models, arm, weight)]
    seeds = {r.get("seed") for r in rows if r["method"] == "target"}
    rows = [r for r in rows if r["method"] == method and r.get("seed") in seeds]
    most = max((r["count"] for r in rows), default=0)
    return [r["branch_tv"] for r in rows if r["count"] == most]


def with_truth(where: Mapping, weight: float, side: str | None, level: float, key: str) -> float:
    """Mean over training seeds of a number in the result of `where`: with the true score in place of all models on one side
    of a noise level ("above" or "below"), or without it (None)."""
    who = "main" if weight == 1 else "both"
    arm = next(a for a in where["arms"] if (a["weight"], a["who"]) == (weight, who))
    if side is None:
        return float(np.mean(arm["without"][key]))
    return float(np.mean(np.array(arm[side][key], float)[:, where["levels"].index(level)]))


def two(weights: Mapping[str, float | None]) -> str:
    """A predicted and a measured weight; a dash where there is none."""
    return ", ".join("–" if weights[key] is None else f"{weights[key]:.2f}" for key in ("predicted", "measured"))
