"""Pictures of guidance on a line (notebook 05): widths against the weight, two modes with a valley, shares of modes."""

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


def draw_valley(x: np.ndarray, densities: Mapping[str, np.ndarray], ratio: np.ndarray, samples: Mapping[str, np.ndarray],
                valley: float, weight: float) -> Figure:  # fmt: skip
    """Left: the densities of truth, main model and guide. Middle: log of main over guide. Right: histograms of samples.

    densities: name -> values at x, the truth first. samples: name -> points; the shaded strip is |x| < valley.
    """
    colours = dict(zip(densities, (plots.GREY, plots.BLUE, plots.ORANGE), strict=False))
    with plots.style():
        figure, axes = plt.subplots(1, 3, figsize=(10.2, 3.0), layout="constrained")
        for ax in axes:
            ax.axvspan(-valley, valley, color=plots.PALE, alpha=0.5, linewidth=0)
            ax.set_xlabel("x")
        for name, values in densities.items():
            axes[0].plot(x, values, color=colours[name], label=name, linewidth=1.6)
        axes[0].set(title="what each believes", ylim=(0, None))
        axes[1].plot(x, ratio, color=plots.PURPLE)
        axes[1].axhline(0, color=plots.GREY, linewidth=0.7)
        pull = np.gradient(ratio, x)
        for i in range(len(x) // 16, len(x), len(x) // 8):
            step = 0.25 * np.sign(pull[i])
            axes[1].annotate(
                "", (x[i] + step, ratio[i]), (x[i], ratio[i]), arrowprops=dict(arrowstyle="->", color=plots.INK)
            )
        axes[1].set_title("log (main / guide), and where it pulls")
        bins = np.linspace(x[0], x[-1], 81)
        axes[2].plot(x, next(iter(densities.values())), color=plots.GREY, linewidth=1.6, label="truth")
        for (name, points), colour in zip(samples.items(), (plots.BLUE, plots.GREEN), strict=True):
            axes[2].hist(points, bins, density=True, histtype="step", color=colour, label=name, linewidth=1.3)
        axes[2].set(title=f"samples, w = {weight:g}", ylim=(0, None))
        for ax in (axes[0], axes[2]):
            ax.legend(frameon=False, fontsize=8, loc="upper center")
            ax.set_ylim(top=1.45 * ax.get_ylim()[1])
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
