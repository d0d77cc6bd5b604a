"""The picture of `figures.toy.where`."""

from collections.abc import Mapping

import numpy as np

from figures.engine.plots import panels
from toy2d import plots

PARTS = {"main": ("main model", plots.BLUE), "weak": ("guide", plots.ORANGE), "own": ("guide, not shared", plots.GREEN)}


def draw(numbers: Mapping):
    """Upper row: errors by noise level. Lower row: outliers and lost leaves with the truth above or below a noise level."""
    with plots.style():
        figure, axes = panels(2, 2, 4.5, 3.2)
        for key, (name, colour) in PARTS.items():
            values = np.array(numbers["errors"]["true"][key], float)  # [seeds, sigmas]
            axes[0, 0].plot(numbers["sigmas"], values.T, color=colour, linewidth=0.4, alpha=0.4)
            axes[0, 0].plot(numbers["sigmas"], values.mean(0), "o-", color=colour, markersize=3, label=name)
        axes[0, 0].set(xscale="log", yscale="log", xlabel="noise level σ", title="error of σ × score, at true points")
        axes[0, 0].legend(frameon=False, fontsize=8)
        names = (("true", "true points", plots.INK), ("none", "points passed without guidance", plots.BLUE),
                 ("guided", "points passed with w = 2", plots.GREEN))  # fmt: skip
        for points, name, colour in names:
            values = np.array(numbers["errors"][points]["left"], float)
            axes[0, 1].plot(numbers["sigmas"], np.median(values, 0), "o-", color=colour, markersize=3, label=name)
        axes[0, 1].axhline(1, color=plots.GREY, linewidth=0.8, linestyle="--")
        axes[0, 1].set(xscale="log", yscale="log", xlabel="noise level σ", title="error with w = 2 / error without")
        for ax, ticks in ((axes[0, 0], (0.01, 0.03, 0.1, 0.3, 1)), (axes[0, 1], (0.5, 1, 2, 3))):
            ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
            ax.yaxis.set_minor_formatter("")
        axes[0, 1].legend(frameon=False, fontsize=8)
        for ax, key, factor, title in (
            (axes[1, 0], "outliers", 100, "outliers, %"), (axes[1, 1], "leaves_lost", 1, "leaves lost, of 64")
        ):  # fmt: skip
            draw_replaced(ax, numbers, key, factor)
            ax.set_title(title)
    return figure


def draw_replaced(ax, numbers: Mapping, key: str, factor: float) -> None:
    """Weight 1 and 2, with the truth in place of all models above (solid) or below (dashed) a level."""
    for arm in numbers["arms"]:
        if (arm["weight"], arm["who"]) not in ((1.0, "main"), (2.0, "both")):
            continue
        colour, name = (plots.BLUE, "no guidance") if arm["weight"] == 1 else (plots.GREEN, "w = 2")
        for side, line in (("above", "o-"), ("below", "s--")):
            values = factor * np.array(arm[side][key], float).mean(0)
            ax.plot(numbers["levels"], values, line, color=colour, markersize=4, label=f"{name}, truth {side} σ")
        ax.axhline(factor * np.mean(arm["without"][key]), color=colour, linewidth=0.8, linestyle=":")
    ax.axhline(factor * numbers["floor"][key], color=plots.GREY, linewidth=0.8, linestyle="--")
    ax.set(xscale="log", xlabel="noise level σ", ylim=(0, None))
    ax.set_xticks(numbers["levels"], [f"{level:g}" for level in numbers["levels"]])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=7)
