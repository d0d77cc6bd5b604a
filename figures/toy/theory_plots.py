"""The picture of `figures.toy.theory`."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from figures.engine.plots import panels, plain_ticks
from toy2d import plots

TRUNK, LEAF = 0, 6  # depths, as in `figures.toy.theory`
LEAST = -5.0  # of the logarithms drawn


def draw(numbers: Mapping):
    """Lines are predictions, dots are measurements: widths, outliers, raised input noise, shares of the leaves."""
    with plots.style():
        figure, axes = panels(2, 2, 3.2)
        draw_widths(axes[0, 0], numbers)
        draw_outliers(axes[0, 1], numbers)
        draw_noise(axes[1, 0], numbers)
        draw_leaves(axes[1, 1], numbers["shares"][0])
        legend = [plt.Line2D([], [], color=plots.INK, linewidth=1.2, label="predicted"),
                  plt.Line2D([], [], color=plots.INK, linestyle="", marker="o", markersize=5, label="measured"),
                  plt.Line2D([], [], color=plots.GREY, linestyle="--", linewidth=1, label="true samples")]  # fmt: skip
        figure.legend(handles=legend, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def first_pair(numbers: Mapping, part: str, **given) -> list[Mapping]:
    """Rows of the pair with more blur, in converged settings."""
    last = numbers[part][-1]
    first = numbers[part][0]
    given |= {"main": first["main"], "steps": last["steps"]}
    return [r for r in numbers[part] if all(r[key] == value for key, value in given.items())]


def draw_widths(ax, numbers: Mapping) -> None:
    rows = first_pair(numbers, "blur")
    w = [r["weight"] for r in rows]
    for depth, name, colour in ((TRUNK, "trunk", plots.BLUE), (LEAF, "leaves", plots.GREEN)):
        ax.plot(w, [r["predicted"]["width"][depth] for r in rows], color=colour, linewidth=1.2)
        ax.plot(w, [r["width"][depth] for r in rows], "o", color=colour, markersize=5, label=name)
    lone = first_pair(numbers, "alone", branch=LEAF)
    x, y = [r["weight"] for r in lone], [r["width"] for r in lone]
    ax.plot(x, y, "x", color=plots.INK, markersize=6, label="a leaf alone in the plane")
    ax.axhline(1, color=plots.GREY, linewidth=1, linestyle="--")
    ax.set(
        xlabel="guidance weight w", ylabel="width / true width", yscale="log", title="(a) blurred: width of a branch"
    )
    plain_ticks(ax.yaxis, [t for t in (0.2, 0.5, 1, 2, 5) if ax.get_ylim()[0] < t < ax.get_ylim()[1]])
    ax.legend(frameon=False, fontsize=8)


def draw_outliers(ax, numbers: Mapping) -> None:
    blurs = {r["main"]: r["weak"] for r in numbers["blur"]}
    steps = numbers["blur"][-1]["steps"]
    for (main, weak), colour in zip(blurs.items(), (plots.VERMILLION, plots.PURPLE), strict=False):
        rows = [r for r in numbers["blur"] if (r["main"], r["steps"]) == (main, steps)]
        w = [r["weight"] for r in rows]
        ax.plot(w, [100 * max(r["predicted"]["outliers"], 1e-4) for r in rows], color=colour, linewidth=1.2)
        shown = [100 * max(r["outliers"], 1e-4) for r in rows]
        ax.plot(w, shown, "o", color=colour, markersize=5, label=f"blur {main:g}, guide {weak:g}")
    ax.axhline(1, color=plots.GREY, linewidth=1, linestyle="--")
    ax.set(
        xlabel="guidance weight w", ylabel="outliers", yscale="log", title="(a) blurred: fewer outliers than the truth"
    )
    plain_ticks(ax.yaxis, [0.01, 0.1, 1, 10], ["≤ 0.01%", "0.1%", "1%", "10%"])
    ax.legend(frameon=False, fontsize=8)


def draw_noise(ax, numbers: Mapping) -> None:
    """Spread against the weight; upright lines: where it is predicted to be the true one, and the weight of the paper."""
    fresh = [r for r in numbers["noise"] if r["fresh"] and r["weak"] != r["main"] and r["main"] != 1]
    rows = [r for r in fresh if r["steps"] == fresh[0]["steps"]]
    main, weak = rows[0]["main"], rows[0]["weak"]
    w = np.linspace(1, max(r["weight"] for r in rows), 50)
    ax.plot(w, (1 / main) * (weak / main) ** (w - 1), color=plots.BLUE, linewidth=1.2)
    ax.plot([r["weight"] for r in rows], [r["spread"] for r in rows], "o", color=plots.BLUE, markersize=5)
    ax.axhline(1, color=plots.GREY, linewidth=1, linestyle="--")
    for name, colour, line in (("predicted", plots.INK, ":"), ("paper", plots.ORANGE, "-.")):
        at = numbers["noise_weight"][name]
        ax.axvline(at, color=colour, linewidth=1, linestyle=line, label=f"w = {at:.2f}, {name}")
    title = f"(b) input noise raised by {main:g} and {weak:g}"
    ax.set(xlabel="guidance weight w", ylabel="spread / true spread", title=title)
    ax.legend(frameon=False, fontsize=8, loc="upper left")


def draw_leaves(ax, shares: Mapping) -> None:
    """A dot for each leaf of each training seed, over the diagonal of a perfect prediction; dashed: a tenth is left."""
    said, found = (np.array(values).ravel() for values in (shares["product"]["leaves"], shares["leaves"]))
    found = np.maximum(found, LEAST)  # a leaf without any sample lies on the lower edge
    ax.plot(said, found, ".", color=plots.GREEN, markersize=4, alpha=0.6)
    ends = np.array([min(said.min(), -2), max(said.max(), 1)])
    ax.plot(ends, ends, color=plots.INK, linewidth=1)
    ax.axhline(np.log(0.1), color=plots.GREY, linewidth=1, linestyle="-.", label="a tenth of its share")
    ax.set(xlabel="log change of a leaf's share, predicted", ylabel="measured", ylim=(LEAST - 0.3, None))
    ax.set_title(f"(c) trained models, w = {shares['weight']:g}: r = {shares['product']['correlation']:.2f}")
    ax.legend(frameon=False, fontsize=8, loc="upper left")
