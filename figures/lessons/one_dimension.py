"""Pictures of guidance on a line (notebook 05): widths, fits, blurs, two modes with a valley, shares of modes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from toy2d import plots


def draw_widths(weights: np.ndarray, lines: Mapping[str, np.ndarray], weights_measured: Sequence[float],
                measured: Sequence[float], truth: float) -> Figure:  # fmt: skip
    """Standard deviation of the samples against the weight: predictions [len(weights)] as lines, measurements as dots."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
        for (name, values), (colour, line) in zip(
            lines.items(), ((plots.GREEN, "-"), (plots.ORANGE, "--")), strict=False
        ):
            finite = np.where(np.isfinite(values), values, np.nan)
            ax.plot(weights, finite, line, color=colour, label=name)
        ax.plot(weights_measured, measured, "o", color=plots.INK, markersize=5, label="samples, measured")
        ax.axhline(truth, color=plots.GREY, linestyle=":", label="the truth")
        ax.set(xlabel="guidance weight w", ylabel="standard deviation", ylim=(0, None))
        ax.legend(frameon=False, fontsize=8)
    return figure


def draw_fits(x: np.ndarray, truth: np.ndarray, fits: Mapping[str, np.ndarray]) -> Figure:
    """Densities at x: the truth as a tint, each fit as a line."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.6, 2.8), layout="constrained")
        ax.fill_between(x, truth, color=plots.GREY, alpha=0.35, linewidth=0, label="the data")
        for (name, values), colour in zip(fits.items(), (plots.BLUE, plots.VERMILLION), strict=False):
            ax.plot(x, values, color=colour, label=name, linewidth=1.6)
        ax.set(xlabel="x", ylabel="density", ylim=(0, None))
        ax.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def draw_overshoot(weights: Sequence[float], left: Mapping[str, Sequence[float]], predicted: float) -> Figure:
    """Share of the error that is left at each weight, a line for each pair of blurs; dashed: the predicted weight."""
    lowest = min(min(values) for values in left.values()) - 0.2
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
        ax.axhspan(lowest, 0, color=plots.PALE, alpha=0.6, linewidth=0)
        ax.text(weights[0], lowest + 0.1, "overshoot:\nnarrower\nthan the truth", fontsize=8, color=plots.INK)
        for (name, values), colour in zip(left.items(), (plots.GREEN, plots.SKY, plots.PURPLE), strict=False):
            ax.plot(weights, values, "o-", color=colour, markersize=4, label=name)
        ax.axhline(0, color=plots.INK, linewidth=0.7)
        ax.axvline(predicted, color=plots.INK, linestyle="--", linewidth=0.8)
        ax.annotate(f"w = {predicted:.2f}", (predicted, 1.02), xytext=(4, 0), textcoords="offset points", fontsize=8)
        ax.set(xlabel="guidance weight w", ylabel="share of the excess width left", ylim=(lowest, 1.15))
        ax.legend(frameon=False, fontsize=8, title="blurs", title_fontsize=8)
    return figure


def draw_beliefs(x: np.ndarray, densities: Mapping[str, np.ndarray], valley: float) -> Figure:
    """Left: the densities [len(x)] of truth, main model and guide. Right: log of main over guide, and where it pulls.

    densities: name -> values at x, in this order. The shaded strip is |x| < valley.
    """
    (_, main, weak), ratio_at = densities.values(), 0.25
    ratio = np.log(main / weak)
    with plots.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 2.9), layout="constrained")
        for (name, values), colour in zip(densities.items(), (plots.GREY, plots.BLUE, plots.ORANGE), strict=True):
            left.plot(x, values, color=colour, label=name, linewidth=1.6)
        left.set(title="what each believes", xlabel="x", ylim=(0, 1.35 * max(v.max() for v in densities.values())))
        left.legend(frameon=False, fontsize=8, loc="upper center", ncols=3)
        right.plot(x, ratio, color=plots.PURPLE)
        right.axhline(0, color=plots.GREY, linewidth=0.7)
        pull = np.gradient(ratio, x)
        for at in (-2.1, -1.6, -0.5, -0.25, 0.25, 0.5, 1.6, 2.1):
            i = int(np.argmin(abs(x - at)))
            right.annotate(
                "",
                (at + ratio_at * np.sign(pull[i]), ratio[i]),
                (at, ratio[i]),
                arrowprops=dict(arrowstyle="->", color=plots.INK),
            )
        right.set(title="log (main / guide), and where it pulls", xlabel="x")
        for ax in (left, right):
            ax.axvspan(-valley, valley, color=plots.PALE, alpha=0.6, linewidth=0, zorder=0)
    return figure


def draw_samples(x: np.ndarray, truth: np.ndarray, samples: Mapping[str, np.ndarray], valley: float) -> Figure:
    """A histogram of points for each name, in one row, over the true density at x; numbers stand below each."""
    with plots.style():
        figure, axes = plt.subplots(
            1, len(samples), figsize=(2.6 * len(samples), 2.6), layout="constrained", sharey=True, squeeze=False
        )
        bins = np.linspace(x[0], x[-1], 81)
        for ax, (name, points) in zip(axes[0], samples.items(), strict=True):
            ax.axvspan(-valley, valley, color=plots.PALE, alpha=0.6, linewidth=0)
            ax.fill_between(x, truth, color=plots.GREY, alpha=0.35, linewidth=0)
            ax.hist(points, bins, density=True, histtype="step", color=plots.BLUE, linewidth=1.3)
            inside = (np.abs(points) < valley).mean()
            ax.set(title=name, yticks=[])
            ax.set_xlabel(f"in the valley {inside:.2%}\nwidth of a mode {points[points > 0].std():.3f}", fontsize=8)
    return figure


def draw_shares(weights: np.ndarray, cases: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Share of a rare mode against the weight, a panel for each case; lines by name, the truth dotted if given."""
    styles = {"guided samples": (plots.GREEN, "-"), "product": (plots.ORANGE, "--"), "truth": (plots.GREY, ":")}
    with plots.style():
        figure, axes = plt.subplots(1, len(cases), figsize=(4.2 * len(cases), 3.0), layout="constrained", squeeze=False)
        for ax, (title, lines) in zip(axes[0], cases.items(), strict=True):
            for name, values in lines.items():
                colour, line = styles[name]
                ax.plot(weights, values, line, color=colour, label=name)
            ax.set(title=title, xlabel="guidance weight w", ylabel="share of the rare mode", ylim=(0, None))
            ax.yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=1))
        axes[0, 0].legend(frameon=False, fontsize=8)
    return figure
