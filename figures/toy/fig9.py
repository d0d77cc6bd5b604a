"""Figure 9 of the paper: what the two guides say at five noise levels. The ratio main / guide is what guidance climbs."""

import numpy as np
import torch

from figures.engine.plots import grid, image, panels
from figures.engine.result import Result
from figures.toy.fig1 import CENTRE, HALF_WIDTH
from toy2d import plots, pretrained
from toy2d.fractal import fractal

SIGMAS = (0.5, 0.25, 0.08, 0.03, 0.01)
GUIDES = {"cfg": "uncond", "autoguidance": "guide"}
LEVELS = (-6, -4, -2, -1, -0.3, 0.3, 1, 2, 4, 6)  # of the log ratio
EDGE, NEGLIGIBLE = 4.6, 7.0  # nats below a density's maximum: where its outline is drawn, and where nothing is shown
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
    """A column for each noise level: the main model's density, and the log ratio to each guide."""
    a, numbers = {k: v.astype("float32") for k, v in result.arrays.items()}, result.numbers
    axis, sigmas = (a["axis_x"], a["axis_y"]), numbers["sigmas"]
    titles = {"main": "main model", "cfg": "main / guide of CFG", "autoguidance": "main / guide\nof autoguidance"}
    with plots.style():
        if len(sigmas) == 1:
            figure, axes = panels(1, 3, 3.2)
            axes = axes.T
        else:
            figure, axes = panels(3, len(sigmas), 2.05)
        for i, (column, sigma) in enumerate(zip(axes.T, sigmas, strict=True)):
            main = a[f"density_main_{i}"]
            tints = plots.density(column[0], *axis, main)
            column[0].set_title(f"σ = {sigma:g}")
            for ax, arm in zip(column[1:], GUIDES, strict=True):
                ax.set_facecolor(plots.PALE)  # where nothing is shown
                colours = plots.ratio(ax, *axis, centred_ratio(a, arm, i), LEVELS)
                pull = numbers["net_pull"][arm][i]
                ax.set_xlabel(f"push {pull['rms']:.2f}/σ\none-sided {pull['one_sided']:.0%}", fontsize=8)
            for ax in column:
                level = [a[f"truth_{i}"].max() - EDGE]
                plots.contours(ax, *axis, a[f"truth_{i}"], levels=level, colour=plots.INK, width=0.5)
                plots.window(ax, CENTRE, HALF_WIDTH)
        for ax, text in zip(axes[:, 0], titles.values(), strict=True):
            ax.set_ylabel(text)
        left = max(1, len(sigmas) // 2)
        for some, shown, ticks, text in (
            (axes[-1, :left], tints, (-6, -4, -2, 0), "log density, from its top"),
            (axes[-1, left:] if len(sigmas) > 1 else axes[-1], colours, LEVELS, "log ratio, in nats"),
        ):
            bar = figure.colorbar(shown, ax=some, location="bottom", aspect=40, shrink=0.9, pad=0.04, spacing="uniform")
            bar.set_ticks(ticks, labels=[f"{t:g}".replace("-", "−") for t in ticks])
            bar.set_label(text, fontsize=8.5)
    return figure


def centred_ratio(a: dict, arm: str, i: int) -> np.ma.MaskedArray:
    """log(main / guide), 0 in the median over what the truth covers. Masked where neither truth nor main model has samples."""
    main, truth = a[f"density_main_{i}"], a[f"truth_{i}"]
    log_ratio = main - a[f"density_{arm}_{i}"]
    shown = log_ratio - np.median(log_ratio[truth > truth.max() - EDGE])
    return np.ma.masked_where((main < main.max() - NEGLIGIBLE) & (truth < truth.max() - NEGLIGIBLE), shown)
