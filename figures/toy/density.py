"""What does guidance really sample? The density of its samples, beside the product whose score it follows.

Upper row: the density q of the samples, exact by change of variables. Lower row: the product p1 (p1 / p0)^(w - 1) of main model p1
and guide p0. Guidance follows the score of that product at each noise level. But the products of different levels are not noised
versions of one another, so its samples do not come from it. If they did, log q - log product would be the same at every sample
(lower left). Ridges of q that are narrower than a pixel show as dots. All training seeds: `python -m figures product`.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from tqdm import tqdm

from edm.denoiser import Denoiser
from figures.engine.plots import grid, image
from figures.engine.result import Result
from figures.toy.fig1 import CENTRE, HALF_WIDTH
from figures.toy.product import gaps, models, spread
from toy2d import plots, pretrained
from toy2d.fractal import fractal
from toy2d.likelihood import SIGMA_END, falls_outwards, levels, log_density
from toy2d.paired import AUTOGUIDANCE_W, CFG_W, draw_start

ARMS = ("none", "cfg", "autoguidance")
MAP_LEVELS = 48  # noise levels for a map, within 0.04 nats (median) of 512 levels; numbers are measured with 128
SPAN, BINS = 6.0, 61  # nats shown, and bins of the histogram
COST, NEEDS = "30 s", "the shipped 2D models"
VERSION = 2  # raise it when rows or results change their meaning
FAST = dict(n=32, pixels=12)


def compute(seed=0, w=AUTOGUIDANCE_W, noise_seed=0, folder=pretrained.FOLDER, *, n=1024, pixels=128) -> Result:
    """n: samples over which q and the product are compared; pixels: of the maps, along each side."""
    weights = {"none": 1.0, "cfg": CFG_W, "autoguidance": w}
    axis_x, axis_y, xy = grid(CENTRE, HALF_WIDTH, pixels)
    arrays = {"axis_x": axis_x, "axis_y": axis_y, "truth": image(fractal("A").log_prob(xy, SIGMA_END))}
    measured = {}
    for arm in tqdm(ARMS, desc="density", unit="arm"):
        denoiser, log_product = models(arm, weights[arm], seed, folder)
        gap, numbers = gaps(denoiser, log_product, draw_start(n, noise_seed + seed))
        measured[arm] = numbers | spread(gap) | {"falls_outwards": falls_outwards(log_product)}
        arrays[f"q_{arm}"] = density_map(denoiser, xy)
        arrays[f"product_{arm}"] = (
            image(log_product(xy)) + gap.median().item()
        )  # equal to q in the median over the samples
        arrays[f"gap_{arm}"] = (gap - gap.median()).numpy()
    numbers = {
        "seed": seed, "noise_seed": noise_seed, "n": n, "w": weights, "sigma": SIGMA_END, "map_levels": MAP_LEVELS,
        "measured": measured,
    }  # fmt: skip
    return Result(numbers, {k: v.astype("float32") for k, v in arrays.items()})


def density_map(denoiser: Denoiser, xy: torch.Tensor) -> np.ndarray:
    return image(log_density(denoiser, xy, fractal("A").log_prob, levels(MAP_LEVELS)))


def draw(result: Result):
    """Left column: the truth, and how q and the product differ. Then a column for each arm, q above the product."""
    a, numbers = result.arrays, result.numbers
    axis, top = (a["axis_x"], a["axis_y"]), a["truth"].max()
    with plots.style():
        figure, axes = plt.subplots(2, 4, figsize=(8.4, 4.9), layout="constrained")
        for ax in (*axes[0], *axes[1, 1:]):
            plots.window(ax, CENTRE, HALF_WIDTH)
        plots.density(axes[0, 0], *axis, a["truth"], span=SPAN)
        axes[0, 0].set_title(f"truth, σ = {numbers['sigma']:g}")
        draw_gaps(axes[1, 0], a)
        for (upper, lower), arm in zip(axes.T[1:], ARMS, strict=True):
            for ax, name in ((upper, f"q_{arm}"), (lower, f"product_{arm}")):
                tints = plots.density(ax, *axis, a[name], span=SPAN, top=top)
                plots.contours(ax, *axis, a["truth"], levels=[top - 4.6], colour=plots.GREY, width=0.6)
            w, m = numbers["w"][arm], numbers["measured"][arm]
            upper.set_title(plots.ARM_NAMES[arm] + (f", $w$ = {w:g}" if w != 1 else ""))
            lower.set_title("$p_1$" if w == 1 else f"$p_1 (p_1 / p_0)^{{{w - 1:g}}}$")
            quartiles = f"{m['q25']:+.1f} to {m['q75']:+.1f}".replace("-", "−")
            density = "" if m["falls_outwards"] else "\nno density: it grows outside"
            lower.set_xlabel(f"quartiles of log q − log p:\n{quartiles} nats{density}", fontsize=8)
        axes[0, 1].set_ylabel("density q of the samples")
        axes[1, 1].set_ylabel("product p that guidance\nis named after")
        bar = figure.colorbar(tints, ax=axes[:, 3], location="right", aspect=40, shrink=0.6, pad=0.03)
        bar.set_ticks([-6, -4, -2, 0], labels=["−6", "−4", "−2", "0"])
        bar.set_label("log density, from the truth's top, in nats", fontsize=8.5)
    return figure


def draw_gaps(ax, a: dict) -> None:
    """How log q - log product scatters over the samples: a spike if they come from the product."""
    edges = np.linspace(-SPAN, SPAN, BINS)
    for arm in ARMS:
        ax.hist(np.clip(a[f"gap_{arm}"], -SPAN, SPAN), edges, histtype="step", density=True, linewidth=1.2,
                color=plots.ARM_COLOURS[arm], label=plots.ARM_NAMES[arm])  # fmt: skip
    ax.set(title="log q − log p of samples", yticks=[], xticks=[-6, -3, 0, 3, 6], ylim=(0, 1.5 * ax.get_ylim()[1]))
    ax.set_xlabel("about its median, in nats;\nall beyond ±6 at the ends", fontsize=8)
    ax.legend(frameon=False, fontsize=8, loc="upper center", borderpad=0)
