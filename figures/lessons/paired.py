"""Paired runs (`toy2d.paired`) as tables and pictures: numbers against the weight, quality against coverage."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from figures.lessons.notebook import spread
from toy2d import metrics, plots
from toy2d.fractal import branch_depths, fractal
from toy2d.paired import Runs, difference

FRONTIER_COLOURS = (plots.GREEN, plots.ORANGE, plots.PURPLE, plots.SKY, plots.VERMILLION)
LABELS_AT = ((-3, -11), (-3, 6), (-22, -3), (5, -9), (5, 2))  # beside the points of each family: labels do not meet


def header(seeds: Sequence[int]) -> list[str]:
    """What the columns of `rows` are, for runs over these training seeds."""
    each = f"seeds {', '.join(map(str, seeds))}"
    return [
        "method",
        "outliers",
        f"change in points, {each}",
        "TV of branches",
        "leaves lost of 64",
        f"flown off in %, {each}",
    ]


def rows(runs: Runs, names: Mapping[str, str], baseline: str = "none") -> list[list[str]]:
    """One row below `header` for each arm. names: arm -> its title; changes are against `baseline`, from the same noise."""
    return [
        [
            title,
            spread(runs[arm]["outliers_99"], ".1%"),
            "" if arm == baseline else points(difference(runs, arm, baseline, "outliers_99"), "+.1f"),
            spread(runs[arm]["branch_tv"], ".3f"),
            spread(runs[arm]["leaves_lost"], ".0f"),
            points(runs[arm]["diverged"], ".1f"),
        ]
        for arm, title in names.items()
    ]


def floor_row(floor: Mapping[str, float]) -> list[str]:
    """The row of true samples, from one measurement."""
    return [
        "true samples", f"{floor['outliers_99']:.1%}", "", f"{floor['branch_tv']:.3f}", f"{floor['leaves_lost']:.0f}", "0",
    ]  # fmt: skip


def points(shares: Sequence[float], form: str) -> str:
    """Shares, seed by seed, in percentage points: [-0.019, 0.02] is '-1.9, +2.0' in the form +.1f."""
    return ", ".join(format(100 * share, form) for share in shares)


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
                ax.yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=0))
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


def draw_frontier(families: dict[str, list[str]], runs: Runs, labels: dict[str, str], keys: dict[str, str]):
    """Quality against coverage, a panel for each of its numbers: key -> title. Lower left is better.

    Each family is a line through its runs' means, from no guidance on. Small points are seeds.
    """
    with plots.style():
        figure, axes = plt.subplots(1, len(keys), figsize=(8.4, 3.8), layout="constrained", sharey=True, squeeze=False)
        for ax, (key, title) in zip(axes[0], keys.items(), strict=True):
            for (family, names), colour, beside in zip(families.items(), FRONTIER_COLOURS, LABELS_AT, strict=False):
                xy = np.array([[runs[name][key], runs[name]["outliers_99"]] for name in names])  # [arms, 2, seeds]
                mean, name_of = xy.mean(2), plots.ARM_NAMES.get(family, family)
                ax.plot(*mean.T, "o-", color=colour, markersize=4, linewidth=1, label=name_of)
                ax.scatter(xy[:, 0], xy[:, 1], s=4, color=colour, alpha=0.5, linewidths=0)
                for name, at in zip(names, mean, strict=True):
                    ax.annotate(
                        labels.get(name, ""), at, xytext=beside, textcoords="offset points", fontsize=8, color=colour
                    )
            ax.set(xlabel=title)
        axes[0, 0].set_ylabel("outliers")
        axes[0, 0].yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=0))
        axes[0, 0].legend(frameon=False, fontsize=8)
    return figure
