"""The picture of `figures.toy.corruptions`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from figures.engine.plots import WIDTH, percent
from figures.toy.corruption_kinds import KINDS, MATRIX, SHORT
from toy2d import plots

STAGES = {"clean": (plots.GREY, "D", "before corruption"), "corrupted": (plots.VERMILLION, "s", "corrupted"),
          "guided": (plots.GREEN, "o", "guided, at the weight chosen")}  # fmt: skip
NUMBERS = {"misplaced": "misplaced mass", "outliers_99": "outliers", "branch_tv": "branch TV"}
LARGEST = 1.05  # of a cosine; beyond, the errors are too small for what fluctuates, and there is no value


def draw(numbers: Mapping):
    """Above, a row for each kind: what guidance takes back, and whether both models err alike. Below: every pair of kinds."""
    matched = [p for p in numbers["pairs"] if p["main"] == p["weak"]]
    with plots.style():
        figure = plt.figure(figsize=(WIDTH, 7.2), layout="constrained")
        upper, lower = figure.subfigures(2, 1, height_ratios=(5, 3))
        axes = upper.subplots(1, 4, sharey=True)
        for ax, (key, title) in zip(axes, NUMBERS.items(), strict=False):
            draw_stages(ax, numbers, matched, key)
            ax.set_title(title)
        draw_cosines(axes[3], matched)
        names = [KINDS[p["main"]].title.replace(", ", ",\n") + f"\nw = {p['weight']:g}" for p in matched]
        axes[0].set_yticks(range(len(matched)), names, fontsize=8)
        axes[0].invert_yaxis()
        upper.suptitle("main model and guide corrupted in the same way", fontsize=10)
        upper.legend(
            *axes[0].get_legend_handles_labels(), loc="outside lower right", ncols=4, frameon=False, fontsize=8
        )
        draw_matrix(lower, numbers)
    return figure


def draw_stages(ax, numbers: Mapping, matched: Sequence[Mapping], key: str) -> None:
    """Large: means over seeds. Small, below them: the seeds. The arrow is what guidance does."""
    for y, p in enumerate(matched):
        means = {stage: np.mean(p[stage][key]) for stage in STAGES}
        if p["weight"] != 1:
            arrow = dict(arrowstyle="->", color=plots.GREEN, linewidth=1.2, shrinkA=2, shrinkB=3)
            ax.annotate("", (means["guided"], y), (means["corrupted"], y), arrowprops=arrow)
        for stage, (colour, marker, text) in STAGES.items():
            ax.plot(means[stage], y, marker, color=colour, markersize=5, label=None if y else text)
            ax.scatter(p[stage][key], [y + 0.25] * len(p[stage][key]), s=5, color=colour, alpha=0.6, linewidths=0)
    ax.axvline(numbers["floor"][key], color=plots.GREY, linewidth=1, linestyle=":", label="true samples")
    ax.set_xlim(0, None)
    if key != "branch_tv":
        percent(ax.xaxis)


def draw_cosines(ax, matched: Sequence[Mapping]) -> None:
    """Cosine of the two models' mean errors, a dot for each noise level: 1 if they err alike, 0 if they have nothing in common."""
    for y, p in enumerate(matched):
        cosine = np.array(p["errors"]["cosine"], float)
        known = cosine[abs(cosine) <= LARGEST]
        if len(known):
            ax.plot([known.min(), known.max()], [y, y], color=plots.BLUE, linewidth=1, alpha=0.5)
        ax.plot(known, [y] * len(known), "o", color=plots.BLUE, markersize=4, alpha=0.7)
    ax.axvline(0, color=plots.GREY, linewidth=0.6)
    ax.set(title="cosine of their errors", xlim=(-0.3, 1.15), xticks=(0, 0.5, 1))


def draw_matrix(figure, numbers: Mapping) -> None:
    """Change of misplaced mass at the chosen weight: the main model's corruption down, the guide's across."""
    rows = ["clean", *MATRIX]
    ax = figure.subplots()
    values = np.full((len(rows), len(MATRIX)), np.nan)
    for p in numbers["pairs"]:
        if p["main"] in rows and p["weak"] in MATRIX:
            i, j = rows.index(p["main"]), MATRIX.index(p["weak"])
            d = p["gain"]["misplaced"]
            values[i, j] = 100 * d["mean"]
            sure = "" if d["low"] * d["high"] > 0 else ", not certain"
            text = f"{100 * d['mean']:+.1f} points at w = {p['weight']:g}{sure}".replace("-", "−")
            text, dark = ("w = 1 is best", False) if p["weight"] == 1 else (text, abs(values[i, j]) > 8)
            ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if dark else plots.INK)
    colours = ax.imshow(values, cmap="PuOr", vmin=-12, vmax=12, aspect="auto")
    ax.set_xticks(range(len(MATRIX)), [SHORT[k] for k in MATRIX])
    ax.set_yticks(range(len(rows)), [SHORT[k] for k in rows])
    ax.set(xlabel="corruption of the guide (twice as strong)", ylabel="corruption of main")
    ax.spines[:].set_visible(False)
    figure.colorbar(colours, ax=ax, label="change of misplaced\nmass, in points", pad=0.02)
    figure.suptitle("every pair of kinds, each at its best weight", fontsize=10)
