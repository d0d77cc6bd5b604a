"""What does guidance really sample? The density its ODE produces, against the product it is named after, and against the truth.

Upper row: the density q of the samples, exact by change of variables. Lower row: p1 (p1 / p0)^(w - 1), whose score guidance
follows at each noise level; it is not what comes out, because these densities are not heat diffusions of each other. Nothing in
score matching ties down how much mass a model's density has in places that no sample visits, and the ratio magnifies it.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from tqdm import tqdm

from edm.guidance import guide
from edm.sampler import sample
from figures.engine.plots import grid, image
from figures.engine.result import Result
from figures.toy.fig1 import CENTRE, HALF_WIDTH
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.likelihood import SIGMA_END, levels, log_density
from toy2d.paired import AUTOGUIDANCE_W, CFG_W, draw_start

ARMS = ("none", "cfg", "autoguidance")
NORMALISER_PIXELS = 500  # 0.005 a pixel: half of SIGMA_END
COST, NEEDS = "4 min", "the shipped 2D models"
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(n=32, pixels=12, seeds=[0, 1], normaliser_pixels=60)


def compute(
    seed=0,
    w=AUTOGUIDANCE_W,
    noise_seed=0,
    folder=pretrained.FOLDER,
    *,
    seeds=(0, 1, 2),
    n=1024,
    pixels=160,
    normaliser_pixels=NORMALISER_PIXELS,
) -> Result:
    """seed: training seed of the maps; seeds: those of the numbers; n: points for each number."""
    weights = {"none": 1.0, "cfg": CFG_W, "autoguidance": w}
    axis_x, axis_y, xy = grid(CENTRE, HALF_WIDTH, pixels)
    arrays = {"axis_x": axis_x, "axis_y": axis_y, "truth": image(fractal("A").log_prob(xy, SIGMA_END))}
    runs = {arm: [] for arm in ARMS}
    with tqdm(total=len(ARMS) * (len(seeds) + 1), desc="density", unit="arm") as bar:
        for arm in ARMS:
            denoiser, product = models(arm, weights[arm], seed, folder)
            arrays[f"q_{arm}"] = image(log_density(denoiser, xy, fractal("A").log_prob))
            arrays[f"product_{arm}"] = image(product(xy)) - log_normaliser(product, normaliser_pixels)
            bar.update()
            for s in seeds:
                start = draw_start(n, noise_seed + s)
                runs[arm].append(
                    measure(*models(arm, weights[arm], s, folder), start, noise_seed + s, normaliser_pixels)
                )
                bar.update()
    numbers = {
        "seed": seed,
        "seeds": list(seeds),
        "noise_seed": noise_seed,
        "n": n,
        "w": weights,
        "sigma": SIGMA_END,
        "runs": runs,
    }
    return Result(numbers, {k: v.astype("float32") for k, v in arrays.items()})


def models(arm: str, w: float, seed: int, folder):
    """The guided denoiser, and the unnormalised log density p1 (p1 / p0)^(w - 1) at SIGMA_END."""
    main = pretrained.load("main", seed, folder)
    if arm == "none":
        return main, lambda x: main.log_density(x, SIGMA_END)
    weak = pretrained.load({"cfg": "uncond", "autoguidance": "guide"}[arm], seed, folder)

    def product(x):
        return w * main.log_density(x, SIGMA_END) - (w - 1) * weak.log_density(x, SIGMA_END)

    return guide(main, weak, w), product


def log_normaliser(log_product, pixels: int = NORMALISER_PIXELS) -> float:
    """Log of its integral over the square of radius 1.5 around the middle of class A, by quadrature."""
    half = 1.5
    values = log_product(grid(CENTRE, half, pixels)[2]).double()
    return (values.logsumexp(0) + 2 * math.log(2 * half / pixels)).item()


def measure(denoiser, product, start: torch.Tensor, seed: int, pixels: int) -> dict[str, float]:
    """How far the densities are apart, in nats: samples from truth, truth from samples, samples from the product.

    The means (kl_...) are Kullback-Leibler divergences; a few points far out can decide them, so medians stand beside them.
    """
    truth = fractal("A")
    x = sample(denoiser, start, levels())
    x = x[x.norm(dim=1) < metrics.DIVERGED_RADIUS]
    log_q = log_density(denoiser, x, truth.log_prob)
    true = truth.sample(len(start), SIGMA_END, torch.Generator().manual_seed(seed))
    gaps = {
        "q_p": log_q - truth.log_prob(x, SIGMA_END),
        "p_q": truth.log_prob(true, SIGMA_END) - log_density(denoiser, true, truth.log_prob),
        "q_product": log_q - product(x) + log_normaliser(product, pixels),
    }
    numbers = {"diverged": 1 - len(x) / len(start)}
    for name, gap in gaps.items():
        numbers |= {f"kl_{name}": gap.double().mean().item(), f"median_{name}": gap.double().median().item()}
    return numbers


def draw(result: Result):
    a, numbers = result.arrays, result.numbers
    axis = a["axis_x"], a["axis_y"]
    with plots.style():
        figure, axes = plt.subplots(2, 4, figsize=(12.0, 6.4), layout="constrained")
        for ax in axes.flat:
            plots.window(ax, CENTRE, HALF_WIDTH)
        plots.density(axes[0, 0], *axis, a["truth"])
        axes[0, 0].set_title(f"truth, σ = {numbers['sigma']:g}")
        axes[1, 0].set_visible(False)
        for (upper, lower), arm in zip(axes.T[1:], ARMS, strict=True):
            for ax, name in ((upper, f"q_{arm}"), (lower, f"product_{arm}")):
                plots.density(ax, *axis, a[name], top=a["truth"].max())
                plots.contours(ax, *axis, a["truth"], levels=[a["truth"].max() - 4.6], colour=plots.GREY, width=0.6)
            w = numbers["w"][arm]
            upper.set_title(f"sampled: {plots.ARM_NAMES[arm]}" + (f", $w$ = {w:g}" if w != 1 else ""))
            lower.set_title("$p_1$ of the model" if w == 1 else "$p_1 (p_1 / p_0)^{w-1}$")
            runs = numbers["runs"][arm]
            upper.set_xlabel(
                f"median over samples log(q/p) = {spread(runs, 'median_q_p')}\n"
                f"median over the truth log(p/q) = {spread(runs, 'median_p_q')}",
                fontsize=8,
            )
            gaps = [m["median_q_product"] for m in runs]
            lower.set_xlabel(f"median over samples log(q/this): {min(gaps):.1f} to {max(gaps):.1f}", fontsize=8)
    return figure


def spread(runs: list[dict], key: str) -> str:
    values = np.array([m[key] for m in runs])
    return f"{values.mean():.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")
