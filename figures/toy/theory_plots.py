"""The picture of `figures.toy.theory`."""

from collections.abc import Mapping

import numpy as np

from figures.engine.plots import panels
from toy2d import plots

TRUNK, LEAF = 0, 6  # depths, as in `figures.toy.theory`


def draw(numbers: Mapping):
    """Lines are predictions, dots are measurements: widths, outliers, raised input noise, shares of the leaves."""
    with plots.style():
        figure, axes = panels(2, 2, 4.5, 3.3)
        draw_widths(axes[0, 0], numbers)
        draw_outliers(axes[0, 1], numbers)
        draw_noise(axes[1, 0], numbers)
        draw_leaves(axes[1, 1], numbers["shares"][0])
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
        ax.plot(w, [r["width"][depth] for r in rows], "o", color=colour, markersize=5, label=f"{name}")
    lone = first_pair(numbers, "alone", branch=LEAF)
    x, y = [r["weight"] for r in lone], [r["width"] for r in lone]
    ax.plot(x, y, "x", color=plots.INK, markersize=6, label="a leaf alone in the plane")
    ax.axhline(1, color=plots.GREY, linewidth=0.8, linestyle="--")
    ax.set(xlabel="guidance weight w", ylabel="width / true width", yscale="log", title="(a) width across a branch")
    ax.set_yticks([0.2, 0.5, 1, 2], ["0.2", "0.5", "1", "2"])
    ax.minorticks_off()
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
    ax.axhline(1, color=plots.GREY, linewidth=0.8, linestyle="--")
    ax.text(0.98, 1.1, "true samples", color=plots.GREY, fontsize=8, ha="right", transform=ax.get_yaxis_transform())
    ax.set(
        xlabel="guidance weight w", ylabel="outliers, %", yscale="log", title="(a) outliers: fewer than the truth has"
    )
    ax.set_yticks([0.01, 0.1, 1, 10], ["0", "0.1", "1", "10"])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=8)


def draw_noise(ax, numbers: Mapping) -> None:
    fresh = [r for r in numbers["noise"] if r["fresh"] and r["weak"] != r["main"] and r["main"] != 1]
    rows = [r for r in fresh if r["steps"] == fresh[0]["steps"]]
    main, weak = rows[0]["main"], rows[0]["weak"]
    w = np.linspace(1, max(r["weight"] for r in rows), 50)
    ax.plot(w, (1 / main) * (weak / main) ** (w - 1), color=plots.BLUE, linewidth=1.2, label="predicted")
    ax.plot(
        [r["weight"] for r in rows], [r["spread"] for r in rows], "o", color=plots.BLUE, markersize=5, label="measured"
    )
    ax.axhline(1, color=plots.GREY, linewidth=0.8, linestyle="--")
    ax.axvline(numbers["noise_weight"]["predicted"], color=plots.GREY, linewidth=0.8, linestyle=":")
    ax.axvline(numbers["noise_weight"]["paper"], color=plots.ORANGE, linewidth=0.8, linestyle=":")
    ax.text(numbers["noise_weight"]["predicted"] + 0.02, 0.905, "predicted 2.10", color=plots.GREY, fontsize=8)
    ax.text(numbers["noise_weight"]["paper"] - 0.02, 0.905, "paper 2.00", color=plots.ORANGE, fontsize=8, ha="right")
    ax.set(xlabel="guidance weight w", ylabel="spread / true spread", title="(b) input noise raised by 1.1 and 1.2")
    ax.legend(frameon=False, fontsize=8)


def draw_leaves(ax, shares: Mapping) -> None:
    said, found = (np.array(values).ravel() for values in (shares["product"]["leaves"], shares["leaves"]))
    ax.plot(said, found, ".", color=plots.GREEN, markersize=3, alpha=0.6)
    ends = np.array([-3.5, 2.5])
    ax.plot(ends, ends, color=plots.INK, linewidth=0.8)
    ax.axhline(np.log(0.1), color=plots.GREY, linewidth=0.8, linestyle="--")
    ax.set(xlim=ends, ylim=(-5, 2.5), xlabel="log change of a leaf's share, product of shares", ylabel="measured")
    ax.set_title(f"(c) leaves of trained models, w = {shares['weight']:g}; r = {shares['product']['correlation']:.2f}")
