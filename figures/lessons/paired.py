"""Pictures of paired runs (`toy2d.paired`): numbers against the weight, quality against coverage."""

import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from toy2d import metrics, plots
from toy2d.fractal import branch_depths, fractal
from toy2d.paired import Runs

FRONTIER_COLOURS = (plots.GREEN, plots.ORANGE, plots.PURPLE, plots.SKY, plots.VERMILLION)


def draw_sweep(weights, families: dict[str, list[str]], runs: Runs, keys: dict[str, str], floor: dict[str, float]):
    """Numbers against the guidance weight. families: arm colours' name -> its runs at each weight; keys: number -> title.

    A line is the mean over seeds, its band the least and the greatest seed; dotted: true samples.
    """
    with plots.style():
        figure, axes = plt.subplots(1, len(keys), figsize=(3.3 * len(keys), 2.9), layout="constrained", squeeze=False)
        for ax, (key, title) in zip(axes[0], keys.items(), strict=True):
            for family, names in families.items():
                values = np.array([runs[name][key] for name in names])  # [weights, seeds]
                colour = plots.ARM_COLOURS.get(family, plots.SKY)
                ax.plot(weights, values.mean(1), color=colour, label=plots.ARM_NAMES[family], marker="o", markersize=3)
                ax.fill_between(weights, values.min(1), values.max(1), color=colour, alpha=0.2, linewidth=0)
            if key in floor:
                ax.axhline(floor[key], color=plots.GREY, linestyle=":", linewidth=0.8)
            ax.set(title=title, xlabel="guidance weight w")
            if key.startswith(("outliers", "diverged")):
                ax.yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1))
        axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def visited(samples: Tensor) -> dict[str, int]:
    """Of class A's 64 leaves: how many hold at least one sample, and how many at least half of the share that is due."""
    truth = fractal("A")
    x = samples[samples.norm(dim=1) < metrics.DIVERGED_RADIUS]
    depths = branch_depths()
    leaves = depths == depths.max()
    nearest = truth.posterior(x).argmax(1).bincount(minlength=len(depths))
    occupancy, weights = metrics.branch_occupancy(x, truth), metrics.branch_weights(truth)
    return {"any": int((nearest > 0)[leaves].sum()), "half": int((occupancy > 0.5 * weights)[leaves].sum())}


def draw_frontier(families: dict[str, list[str]], runs: Runs, labels: dict[str, str], key: str = "branch_tv"):
    """Quality against coverage: each family a line through its runs' means, from no guidance on; small points are seeds."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.8, 3.8), layout="constrained")
        for (family, names), colour in zip(families.items(), FRONTIER_COLOURS, strict=False):
            xy = np.array([[runs[name][key], runs[name]["outliers_99"]] for name in names])  # [arms, 2, seeds]
            ax.plot(*xy.mean(2).T, "o-", color=colour, markersize=4, linewidth=1, label=family)
            ax.scatter(xy[:, 0], xy[:, 1], s=4, color=colour, alpha=0.5, linewidths=0)
            for name, at in zip(names, xy.mean(2), strict=True):
                ax.annotate(
                    labels.get(name, ""), at, xytext=(4, 3), textcoords="offset points", fontsize=7, color=colour
                )
        ax.set(
            xlabel="total variation of the branches (lower: better coverage)", ylabel="outliers (lower: better quality)"
        )
        ax.yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1))
        ax.legend(frameon=False, fontsize=8)
    return figure
