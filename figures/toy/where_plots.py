"""The picture of `figures.toy.where`."""

from collections.abc import Mapping

import numpy as np

from figures.engine.plots import panels, percent, plain_ticks
from toy2d import plots

PARTS = {"main": ("main model", plots.BLUE), "weak": ("guide", plots.ORANGE), "own": ("guide, not shared", plots.GREEN)}


def draw(numbers: Mapping):
    """Upper row: errors by noise level. Lower row: outliers and lost leaves with the truth above or below a noise level."""
    with plots.style():
        figure, axes = panels(2, 2, 3.4)
        (error, left), lower = axes
        for key, (name, colour) in PARTS.items():
            values = np.array(numbers["errors"]["true"][key], float)  # [seeds, sigmas]
            error.plot(numbers["sigmas"], values.T, color=colour, linewidth=0.4, alpha=0.4)
            error.plot(numbers["sigmas"], values.mean(0), "o-", color=colour, markersize=4, label=name)
        names = (("true", "true points", plots.INK), ("none", "points passed without guidance", plots.BLUE),
                 ("guided", "points passed with w = 2", plots.GREEN))  # fmt: skip
        for points, name, colour in names:
            values = np.array(numbers["errors"][points]["left"], float)
            left.plot(numbers["sigmas"], np.median(values, 0), "o-", color=colour, markersize=4, label=name)
        left.axhline(1, color=plots.GREY, linewidth=1, linestyle="--")
        error.set(title="(a) error of σ × score, at true points")
        left.set(title="(b) error with w = 2 / error without")
        for ax, ticks in ((error, (0.01, 0.03, 0.1, 0.3, 1)), (left, (0.5, 1, 2, 3))):
            ax.set(xscale="log", yscale="log", xlabel="noise level σ")
            low, high = ax.get_ylim()
            plain_ticks(ax.yaxis, [t for t in ticks if low <= t <= high])
            plain_ticks(ax.xaxis, [0.01, 0.1, 1])
        error.legend(frameon=False, fontsize=8)
        left.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.07))
        for ax, key, title in zip(
            lower, ("outliers", "leaves_lost"), ("(c) outliers", "(d) leaves lost of 64"), strict=True
        ):
            draw_replaced(ax, numbers, key)
            ax.set_title(title)
        percent(lower[0].yaxis)
        handles = lower[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def draw_replaced(ax, numbers: Mapping, key: str) -> None:
    """Weight 1 and 2, with the truth in place of all models above (solid) or below (dashed) a level; dotted: nowhere."""
    for weight, who, colour, name in ((1.0, "main", plots.BLUE, "no guidance"), (2.0, "both", plots.GREEN, "w = 2")):
        for arm in (a for a in numbers["arms"] if (a["weight"], a["who"]) == (weight, who)):
            for side, line in (("above", "o-"), ("below", "s--")):
                values = np.array(arm[side][key], float).mean(0)
                ax.plot(numbers["levels"], values, line, color=colour, markersize=4, label=f"{name}, truth {side} σ")
            ax.axhline(
                np.mean(arm["without"][key]), color=colour, linewidth=1, linestyle=":", label=f"{name}, no truth"
            )
    ax.axhline(numbers["floor"][key], color=plots.GREY, linewidth=1, linestyle="--", label="true samples")
    ax.set(xscale="log", xlabel="noise level σ", ylim=(0, None))
    plain_ticks(ax.xaxis, numbers["levels"])
