"""Does guidance sample the product it is named after? The sampled density q against p1 (p1 / p0)^(w - 1), for all training seeds.

At each noise level guidance follows the score of the product p1 (p1 / p0)^(w - 1) of main model p1 and guide p0. If its samples
came from that product, log q - log product would be the same number at all of them. Its spread over the samples says how far they
are from it, and needs no normaliser. The product is a density only where its logarithm falls along every ray from the data.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from edm.denoiser import Denoiser
from edm.guidance import guide
from edm.metrics import paired_difference
from edm.sampler import sample
from edm.storage.atomic import write_atomic
from edm.storage.rows import run_rows
from figures.engine.plots import panels
from figures.engine.result import Result
from figures.engine.tables import markdown
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.likelihood import SIGMA_END, falls_outwards, levels, log_density, log_normaliser
from toy2d.paired import AUTOGUIDANCE_W, CFG_W, draw_start

COST, NEEDS = "3 min", "the shipped 2D models"
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(n=64, seeds=[0, 1], pixels=300)
ARMS = {  # name -> kind of guidance, weight
    "none": ("none", 1.0),
    "autoguidance 2": ("autoguidance", 2.0),
    "autoguidance 3": ("autoguidance", AUTOGUIDANCE_W),
    "cfg 4": ("cfg", CFG_W),
}
SHARES = (0.05, 0.25, 0.75, 0.95)  # quantiles of the gap over the samples, beside its median


def models(kind: str, w: float, seed: int, folder: Path | str) -> tuple[Denoiser, Callable[[Tensor], Tensor]]:
    """The guided denoiser, and the logarithm of the product at SIGMA_END, up to a constant."""
    main = pretrained.load("main", seed, folder)
    if kind == "none":
        return main, lambda x: main.log_density(x, SIGMA_END)
    weak = pretrained.load({"cfg": "uncond", "autoguidance": "guide"}[kind], seed, folder)
    return guide(main, weak, w), lambda x: w * main.log_density(x, SIGMA_END) - (w - 1) * weak.log_density(x, SIGMA_END)


def gaps(denoiser: Denoiser, log_product: Callable[[Tensor], Tensor], start: Tensor) -> tuple[Tensor, dict[str, float]]:
    """log q - log product at the samples that did not fly off [M], and the share of those that did."""
    x = metrics.converged(sample(denoiser, start, levels()))
    gap = (log_density(denoiser, x, fractal("A").log_prob) - log_product(x)).double()
    return gap, {"diverged": 1 - len(x) / len(start)}


def spread(gap: Tensor) -> dict[str, float]:
    """Quantiles of the gap about its median, in nats, and the distance of its quartiles."""
    about = gap - gap.median()
    numbers = {f"q{100 * share:g}": about.quantile(share).item() for share in SHARES}
    return numbers | {"quartile_distance": numbers["q75"] - numbers["q25"]}


def row(arm: str, seed: int, n: int, noise_seed: int, pixels: int, folder: str) -> dict:
    """One arm of one training seed. `median` is that of log (q / product), where the product can be normalised."""
    denoiser, log_product = models(*ARMS[arm], seed, folder)
    gap, numbers = gaps(denoiser, log_product, draw_start(n, noise_seed + seed))
    falls = falls_outwards(log_product)
    median = gap.median().item() + log_normaliser(log_product, pixels=pixels) if falls else None
    return numbers | spread(gap) | {"falls_outwards": falls, "median": median}


def compute(
    noise_seed=0, folder=pretrained.FOLDER, *, seeds=None, n=2**10, pixels=800, store=None, workers=None
) -> Result:
    """seeds: training seeds (default: all in `folder`). Training seed s starts from the points of noise seed noise_seed + s."""
    seeds = pretrained.seeds(folder) if seeds is None else list(seeds)
    shared = dict(n=n, noise_seed=noise_seed, pixels=pixels)
    tasks = [dict(arm=arm, seed=s, **shared) for arm in ARMS for s in seeds]
    models_of = dict(shared=dict(folder=str(folder)), settings=dict(models=pretrained.identity(folder)))
    rows = run_rows(row, tasks, **models_of, store=store, workers=workers, desc="product")
    keys = ("diverged", *(f"q{100 * share:g}" for share in SHARES), "quartile_distance", "falls_outwards", "median")
    runs = {arm: {key: [r[key] for r in rows if r["arm"] == arm] for key in keys} for arm in ARMS}
    gains = {kind: pretrained.gains(kind, folder) for kind in ("main", "guide", "uncond")}
    numbers = {
        "seeds": seeds, "noise_seed": noise_seed, "n": n, "sigma": SIGMA_END, "runs": runs,
        "gains": {kind: [by_seed[s] for s in seeds] for kind, by_seed in gains.items()},
        "difference": {
            arm: paired_difference(runs[arm]["quartile_distance"], runs["none"]["quartile_distance"])
            for arm in ARMS if arm != "none"
        },
    }  # fmt: skip
    return Result(numbers)


def label(arm: str) -> str:
    kind, w = ARMS[arm]
    return plots.ARM_NAMES[kind] + (f", w = {w:g}" if w != 1 else "")


def table(numbers: dict) -> str:
    """A row for each arm and training seed."""
    rows = []
    for arm, run in numbers["runs"].items():
        for i, seed in enumerate(numbers["seeds"]):
            median = "none: no density" if run["median"][i] is None else f"{run['median'][i]:.1f}"
            gain = "−" if numbers["gains"]["main"][i] < 0 else "+"
            quartiles = f"{run['q25'][i]:+.2f} to {run['q75'][i]:+.2f}".replace("-", "−")
            rows.append((label(arm), str(seed), gain, f"{run['diverged'][i]:.2%}", quartiles, median))
    header = (
        "",
        "training seed",
        "sign of gain",
        "flown off",
        "quartiles of log q − log product",
        "median log(q / product)",
    )
    return markdown(header, rows)


def extras(result: Result, out: Path) -> None:
    write_atomic(out / "product.md", table(result.numbers))


def draw(result: Result):
    """A bar for each training seed: the quartiles of the gap about its median. Hollow where the product is no density."""
    numbers = result.numbers
    with plots.style():
        figure, axes = panels(1, len(ARMS), 3.2, sharey=True)
        for ax, arm in zip(axes[0], ARMS, strict=True):
            run, colour = numbers["runs"][arm], plots.ARM_COLOURS[ARMS[arm][0]]
            low, high = np.array(run["q25"]), np.array(run["q75"])
            for i, falls in enumerate(run["falls_outwards"]):
                ax.bar(i, high[i] - low[i], 0.6, low[i], edgecolor=colour, color=colour if falls else "white")
            ax.axhline(0, color=plots.GREY, linewidth=0.8)
            ax.set_xticks(range(len(numbers["seeds"])), numbers["seeds"])
            ax.set(title=label(arm), xlabel="training seed")
        reach = [edge for run in numbers["runs"].values() for key in ("q25", "q75") for edge in run[key]]
        axes[0, 0].set_ylim(1.1 * min(reach), 1.1 * max(reach))
        axes[0, 0].set_ylabel("log q − log product of the samples:\nquartiles about the median, in nats")
        text = (
            "Short bars: the samples come from the product. Tall bars: they do not. Hollow: the product is no density."
        )
        figure.suptitle(text, fontsize=9)
    return figure
