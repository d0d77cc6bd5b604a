"""Guides that nobody could train (notebook 06): ideally bad ones, and ones that are too good."""

import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from edm.denoiser import Denoiser
from edm.guidance import guide
from figures.engine.plots import grid
from figures.lessons.learning import states_at
from figures.lessons.world import MASS
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.paired import CFG_W, draw_start, run

BLURS = (0.01, 0.02)  # of the ideally bad main model and of its guide
IDEAL_W = 3.0


def blurred(blur: float) -> Denoiser:
    """An ideally bad model of class A: exact in all but one thing, it believes the data blurred by N(0, blur^2 I)."""

    def denoise(x: Tensor, sigma: float, labels: Tensor | None = None) -> Tensor:
        return x + sigma**2 * fractal("A").score(x, math.hypot(sigma, blur))

    return denoise


def ideal_arms(seed: int = 0) -> dict[str, Denoiser]:
    """Main model and guide with the same kind of error, and only that. `seed` is not used: nothing here is trained."""
    main, weak = (blurred(b) for b in BLURS)
    return {"exact": fractal("A"), "blurred": main, "guided": guide(main, weak, IDEAL_W)}


def exact_cfg_arms(seed: int = 0) -> dict[str, Denoiser]:
    """CFG without any model error: exact scores of class A and of both classes."""
    both = fractal("AB")
    return {"exact": fractal("A"), "cfg 2": guide(fractal("A"), both, 2.0), "cfg 4": guide(fractal("A"), both, CFG_W)}


def better_guide_arms(seed: int = 0) -> dict[str, Denoiser]:
    """The trained main model, CFG by the trained unconditional guide, and by one that makes no errors."""
    main = pretrained.load("main", seed)
    return {
        "none": main,
        "trained": guide(main, pretrained.load("uncond", seed), 2.0),
        "exact": guide(main, fractal("AB"), 2.0),
    }


def error_alignment(main, weak, sigma: float, n: int = 4096, seed: int = 0) -> dict[str, float]:
    """Cosine of the angle between the score errors of two models: 1 if both err in the same direction, 0 if unrelated.

    on_data: of the whole error fields over n true points. off_data: mean over the main model's own states that left the
    region that holds 99 % of the truth at this level.
    """
    truth = fractal("A")
    x = truth.sample(n, sigma, torch.Generator().manual_seed(seed))
    own = states_at(main, sigma, n, seed)
    off = own[truth.log_prob(own, sigma) < truth.log_prob(x, sigma).quantile(1 - MASS)]

    def errors(points: Tensor) -> tuple[Tensor, Tensor]:
        exact = truth.score(points, sigma)
        return main.score(points, sigma) - exact, weak.score(points, sigma) - exact

    a, b = errors(x)
    return {
        "on_data": ((a * b).sum() / (a.norm() * b.norm())).item(),
        "off_data": torch.cosine_similarity(*errors(off), dim=1).mean().item() if len(off) else math.nan,
    }


def draw_alignment(sigmas, runs: dict[str, list[list[float]]], titles: dict[str, str]):
    """Cosine against noise level: a thin line for each seed, a thick one for the mean. runs: guide -> [seeds][sigmas]."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.6, 3.0), layout="constrained")
        for (name, rows), colour in zip(runs.items(), (plots.GREEN, plots.VERMILLION, plots.ORANGE), strict=False):
            ax.plot(sigmas, np.transpose(rows), color=colour, linewidth=0.6, alpha=0.6)
            ax.plot(sigmas, np.mean(rows, 0), color=colour, linewidth=2, label=titles[name])
        ax.set(xscale="log", xlabel="noise level σ", ylabel="cosine of the two errors", ylim=(-0.1, 1.02))
        ax.legend(frameon=False, fontsize=8)
    return figure


def draw_arms(arms: dict[str, Denoiser], titles: dict[str, str], n: int = 4096, noise_seed: int = 0, pixels: int = 300):
    """Samples of each arm from the same starting points over class A's region, in figure 1's window."""
    truth, start = fractal("A"), draw_start(n, noise_seed)
    axis_x, axis_y, xy = grid((0.30, 0.30), 1.2, pixels)
    log_prob = truth.log_prob(xy).reshape(pixels, pixels).numpy()
    with plots.style():
        figure, axes = plt.subplots(1, len(arms), figsize=(3.1 * len(arms), 3.3), layout="constrained", squeeze=False)
        for ax, (name, denoiser) in zip(axes[0], arms.items(), strict=True):
            plots.region(ax, axis_x, axis_y, log_prob, metrics.region_levels(truth)[0], plots.ORANGE)
            plots.points(ax, run(denoiser, start).numpy(), size=1.2)
            plots.window(ax, (0.30, 0.30), 1.2)
            ax.set_title(titles[name])
    return figure
