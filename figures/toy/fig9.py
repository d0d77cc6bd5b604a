"""Figure 9 of the paper: what the two guides say at five noise levels. The ratio main / guide is what guidance climbs."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from figures.engine.plots import grid, image
from figures.engine.result import Result
from figures.toy.fig1 import CENTRE, HALF_WIDTH
from toy2d import plots, pretrained
from toy2d.fractal import fractal

SIGMAS = (0.5, 0.25, 0.08, 0.03, 0.01)
GUIDES = {"cfg": "uncond", "autoguidance": "guide"}
COST, NEEDS = "5 s", "the shipped 2D models"
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(n=128, pixels=24)


def compute(seed=0, noise_seed=0, folder=pretrained.FOLDER, *, n=2**14, pixels=240, sigmas=SIGMAS) -> Result:
    """n: true samples at each level, over which the pull of each guide is averaged."""
    main = pretrained.load("main", seed, folder)
    guides = {arm: pretrained.load(kind, seed, folder) for arm, kind in GUIDES.items()}
    axis_x, axis_y, xy = grid(CENTRE, HALF_WIDTH, pixels)
    arrays = {"axis_x": axis_x, "axis_y": axis_y}
    pull = {arm: [] for arm in guides}
    for i, sigma in enumerate(sigmas):
        x = fractal("A").sample(n, sigma, torch.Generator().manual_seed(noise_seed))
        arrays[f"density_main_{i}"] = image(main.log_density(xy, sigma))
        arrays[f"truth_{i}"] = image(fractal("A").log_prob(xy, sigma))
        for arm, weak in guides.items():
            arrays[f"density_{arm}_{i}"] = image(weak.log_density(xy, sigma))
            pull[arm].append(net_pull(main.score(x, sigma) - weak.score(x, sigma), sigma))
    numbers = {"seed": seed, "noise_seed": noise_seed, "n": n, "sigmas": sigmas, "net_pull": pull}
    return Result(numbers, {k: v.astype("float16") for k, v in arrays.items()})


def net_pull(gradient: torch.Tensor, sigma: float) -> dict[str, float]:
    """Of the ratio's gradient [N, 2] over true samples: the mean vector's length and the root mean square, times sigma.

    one_sided is their quotient: 1 if the guide pushes all samples the same way, 0 if its pushes cancel.
    """
    mean = gradient.mean(0).norm().item() * sigma
    rms = gradient.square().sum(1).mean().sqrt().item() * sigma
    return {"mean": mean, "rms": rms, "one_sided": mean / rms}


def draw(result: Result):
    a, numbers = result.arrays, result.numbers
    a = {k: v.astype("float32") for k, v in a.items()}
    titles = (
        "main model",
        "CFG's guide (unconditional)",
        "autoguidance's guide",
        "main / CFG's guide",
        "main / autoguidance's guide",
    )
    with plots.style():
        sigmas = numbers["sigmas"]
        figure, axes = plt.subplots(
            len(sigmas), 5, figsize=(12.0, 2.6 * len(sigmas)), layout="constrained", squeeze=False
        )
        for i, (row, sigma) in enumerate(zip(axes, sigmas, strict=True)):
            for ax, name in zip(row, ("main", "cfg", "autoguidance"), strict=False):
                plots.density(ax, a["axis_x"], a["axis_y"], a[f"density_{name}_{i}"])
            for ax, name in zip(row[3:], GUIDES, strict=True):
                log_ratio = a[f"density_main_{i}"] - a[f"density_{name}_{i}"]
                inside = a[f"truth_{i}"] > a[f"truth_{i}"].max() - 4.6
                plots.ratio(ax, a["axis_x"], a["axis_y"], log_ratio - np.median(log_ratio[inside]), span=6)
                pull = numbers["net_pull"][name][i]
                ax.set_xlabel(f"push {pull['rms']:.2f}/σ, one-sided {pull['one_sided']:.0%}", fontsize=8)
            for ax in row:
                level = a[f"truth_{i}"].max() - 4.6
                plots.contours(
                    ax, a["axis_x"], a["axis_y"], a[f"truth_{i}"], levels=[level], colour=plots.GREY, width=0.6
                )
                plots.window(ax, CENTRE, HALF_WIDTH)
            row[0].set_ylabel(f"σ = {sigma:g}")
        for ax, text in zip(axes[0], titles, strict=True):
            ax.set_title(text)
    return figure
