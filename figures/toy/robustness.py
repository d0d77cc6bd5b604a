"""The paper's side claims: moments of the data, exact against denoising score matching, many hyperparameters, runaway paths.

For each setting a main model and a guide are trained (smaller and shorter than the shipped ones, see MAIN and GUIDE) and sampled
with and without autoguidance at weights fixed beforehand. Writes claims.md beside the picture.
"""

import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from edm.guidance import guide
from edm.metrics import paired_difference
from edm.sampler import sample, sigma_steps
from edm.storage.atomic import write_atomic
from edm.storage.rows import run_rows
from figures.engine import tables
from figures.engine.plots import WIDTH, percent, plain_ticks
from figures.engine.result import OUT, Result
from figures.engine.tables import difference_text
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.metrics import error_curve, moments
from toy2d.paired import AUTOGUIDANCE_W, SIGMA_MAX, STEPS, draw_start, measure
from toy2d.train import train

COST, NEEDS = "7 min", "the shipped 2D models; trains 96 small ones"
VERSION = 2  # raise it when rows or results change their meaning
FAST = dict(names=("baseline", "denoising target"), seeds=[0, 1], more=[0, 1], shipped=[0, 1], shrink=64, n=128)

MAIN = dict(hidden=64, iterations=2048, batch=512)  # a quarter of the shipped main model's cost, and 1/8 of its batch
GUIDE = dict(hidden=32, iterations=256, batch=512)
WEIGHTS = (1.0, 2.0, 3.0)
SIGMAS = (0.01, 0.03, 0.1, 0.3, 1.0)
STARTS = (5.0, 2.0, 1.0)  # sigma_max


def both(**options) -> tuple[dict, dict]:
    return MAIN | options, GUIDE | options


SETTINGS = {
    "baseline": both(),
    "denoising target": both(target="denoising"),
    "half the width": (MAIN | dict(hidden=32), GUIDE | dict(hidden=16)),
    "twice the width": (MAIN | dict(hidden=128), GUIDE | dict(hidden=64)),
    "2 layers": both(layers=2),
    "6 layers": both(layers=6),
    "learning rate × ½": both(lr=0.005),
    "learning rate × 2": both(lr=0.02),
    "batch 128": both(batch=128),
    "EMA width 0.10": both(ema_std=0.10),
    "noise spread 1.0": both(p_std=1.0),
    "noise spread 2.0": both(p_std=2.0),
    "half the training": (MAIN | dict(iterations=1024), GUIDE | dict(iterations=128)),
    "twice the training": (MAIN | dict(iterations=4096), GUIDE | dict(iterations=512)),
}
MORE_SEEDS = ("baseline", "denoising target")  # the question that stands alone
KEYS = ("outliers_99", "diverged", "branch_tv", "leaves_lost", "misplaced", "kl_q_p", "kl_p_q")


def model(recipe: dict, seed: int, folder: Path, shrink: int):
    """The model of a recipe, trained once and kept in `folder`. shrink: divides the length of training and the batch."""
    recipe = recipe | {k: max(1, recipe[k] // shrink) for k in ("iterations", "batch")}
    file = folder / ("-".join(f"{k}_{v}" for k, v in sorted(recipe.items())) + f"-{seed}.safetensors")
    if not file.exists():
        start = time.perf_counter()
        with torch._dynamo.config.patch(recompile_limit=64):  # each shape of network is compiled anew
            trained = train(seed=seed, progress=False, compile=None if shrink == 1 else False, **recipe)
        pretrained.save(file, trained.model, pretrained.facts(recipe, seed, start))
    return pretrained.load_file(file)


def row(setting: str, seed: int, n: int, noise_seed: int, folder: str, shrink: int) -> dict:
    """Train (or load) the pair of a setting; its numbers at each weight and the main model's score error."""
    pair = [model(recipe, seed, Path(folder), shrink) for recipe in SETTINGS[setting]]
    start = draw_start(n, noise_seed + seed)
    arms = {f"{w:g}": measured(guide(*pair, w), start) for w in WEIGHTS}
    return {"arms": arms, "error": [float(v) for v in error_curve(pair[0], SIGMAS, n)]}


def measured(denoiser, start, sigma_max: float = SIGMA_MAX) -> dict:
    numbers = measure(sample(denoiser, start, sigma_steps(STEPS, sigma_max=sigma_max)))
    return {key: numbers[key] for key in KEYS}


def start_row(sigma_max: float, seed: int, n: int, noise_seed: int) -> dict:
    """The shipped pair, started from exact samples at another level than the paper's 5."""
    main, weak = pretrained.load("main", seed), pretrained.load("guide", seed)
    start = draw_start(n, noise_seed + seed, sigma_max)
    return {"arms": {f"{w:g}": measured(guide(main, weak, w), start, sigma_max) for w in (1.0, AUTOGUIDANCE_W)}}


def compute(noise_seed=0, *, seeds=(0, 1, 2), more=(0, 1, 2, 3, 4, 5), shipped=None, n=2**12, names=tuple(SETTINGS),
            shrink=1, store=None, workers=None) -> Result:  # fmt: skip
    """seeds: training seeds of each setting; more: of those in MORE_SEEDS; shipped: of the shipped pairs (default: all).

    Training seed s is sampled from the points of noise seed noise_seed + s. The trained models are kept in checkpoints/
    beside the rows of `store`.
    """
    checkpoints = (store.path.parent if store else OUT) / "checkpoints"
    shipped = pretrained.seeds() if shipped is None else list(shipped)
    noise = dict(n=n, noise_seed=noise_seed)
    tasks = [
        dict(setting=name, seed=s, shrink=shrink, **noise)
        for name in names
        for s in (more if name in MORE_SEEDS else seeds)
    ]
    started = [dict(sigma_max=level, seed=s, **noise) for level in STARTS for s in shipped]
    rows = run_rows(row, tasks, shared=dict(folder=str(checkpoints)), store=store, workers=workers, desc="claims")
    starts = run_rows(start_row, started, store=store, workers=workers, desc="starts")

    numbers = {
        "seeds": list(seeds), "more_seeds": list(more), "shipped_seeds": shipped, "n": n, "noise_seed": noise_seed,
        "main": MAIN, "guide": GUIDE, "shrink": shrink, "sigmas": SIGMAS, "moments": {}, "starts": {},
        "settings": {name: gather([r for r in rows if r["setting"] == name]) for name in names},
    }  # fmt: skip
    for classes in ("A", "B", "AB"):
        mean, covariance = moments(fractal(classes))
        numbers["moments"][classes] = {"mean": mean.tolist(), "sd": covariance.diagonal().sqrt().tolist()}
    for level in STARTS:
        numbers["starts"][f"{level:g}"] = gather([r for r in starts if r["sigma_max"] == level])
    floor = metrics.floor(n)
    numbers["floor"] = {key: floor[key] for key in KEYS}
    if "denoising target" in names and "baseline" in names:
        numbers["denoising"] = against_denoising(numbers["settings"])
    return Result(numbers)


def gather(rows: list[dict]) -> dict:
    """Numbers of one setting: arms -> number -> a value a seed; differences to no guidance, paired seed by seed."""
    arms = {w: {key: [r["arms"][w][key] for r in rows] for key in KEYS} for w in rows[0]["arms"]}
    return {
        "arms": arms,
        "difference": {
            w: {key: paired_difference(arms[w][key], arms["1"][key]) for key in KEYS} for w in arms if w != "1"
        },
        "error": [r["error"] for r in rows if "error" in r],
    }


def against_denoising(settings: dict) -> dict:
    """Denoising minus exact score matching, paired by training seed: score error at each level (as log ratio), and numbers."""
    exact, noisy = settings["baseline"], settings["denoising target"]
    ratio = np.log(np.array(noisy["error"]) / np.array(exact["error"]))  # [seeds, sigmas]
    gain = {
        name: np.array(s["arms"]["2"]["outliers_99"]) - np.array(s["arms"]["1"]["outliers_99"])
        for name, s in (("exact", exact), ("denoising", noisy))
    }
    return {
        "log_error_ratio": [paired_difference(r, 0 * r) for r in ratio.T],
        "unguided": {key: paired_difference(noisy["arms"]["1"][key], exact["arms"]["1"][key]) for key in KEYS},
        "gain_of_guidance": paired_difference(gain["denoising"], gain["exact"]),
    }


def markdown(numbers: dict) -> str:
    """One row a setting: without guidance, and paired changes at w = 2 and w = 3 with 95 % intervals."""
    header = ["setting", "seeds", "outliers, w = 1", "branch TV, w = 1"]
    header += [f"Δ {what}, w = {w}" for w in (2, 3) for what in ("outliers", "branch TV")] + ["flown off, w = 3"]
    rows = []
    for name, s in numbers["settings"].items():
        plain, d = s["arms"]["1"], s["difference"]
        cells = [
            name,
            len(plain["outliers_99"]),
            f"{np.mean(plain['outliers_99']):.1%}",
            f"{np.mean(plain['branch_tv']):.3f}",
        ]
        for w in ("2", "3"):
            cells += [difference_text(d[w]["outliers_99"], "+.1%"), difference_text(d[w]["branch_tv"], "+.3f")]
        rows.append([*cells, f"{np.mean(s['arms']['3']['diverged']):.2%}"])
    return tables.markdown(header, rows)


def extras(result: Result, out: Path) -> None:
    """The table as Markdown."""
    write_atomic(out / "robustness.md", markdown(result.numbers))


def draw(result: Result):
    """Above: each setting without guidance and at w = 2 and 3. Below: denoising against exact score matching; runaway paths."""
    numbers = result.numbers
    with plots.style():
        figure = plt.figure(figsize=(WIDTH, 8.2), layout="constrained")
        upper, lower = figure.subfigures(2, 1, height_ratios=(5, 3))
        for ax, (key, title) in zip(
            upper.subplots(1, 2, sharey=True), (("outliers_99", "outliers"), ("branch_tv", "branch TV")), strict=True
        ):
            draw_settings(ax, numbers, key)
            ax.set_title(title)
        percent(upper.axes[0].xaxis)
        handles = upper.axes[0].get_legend_handles_labels()
        upper.legend(*handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
        errors, starts = lower.subplots(1, 2)
        draw_errors(errors, numbers)
        draw_starts(starts, numbers)
    return figure


def draw_settings(ax, numbers: dict, key: str) -> None:
    """A row for each setting. Large: means over training seeds. Small, below them: the seeds."""
    styles = {"1": (plots.BLUE, "D", "no guidance"), "2": (plots.GREEN, "o", "autoguidance, w = 2"),
              "3": (plots.ORANGE, "^", "autoguidance, w = 3")}  # fmt: skip
    for y, setting in enumerate(numbers["settings"].values()):
        arms = setting["arms"]
        ax.plot([np.mean(arms[w][key]) for w in styles], [y] * len(styles), color=plots.PALE, linewidth=4, zorder=0)
        for w, (colour, marker, text) in styles.items():
            ax.plot(np.mean(arms[w][key]), y, marker, color=colour, markersize=5, label=None if y else text)
            ax.scatter(arms[w][key], [y + 0.3] * len(arms[w][key]), s=5, color=colour, alpha=0.6, linewidths=0)
    ax.axvline(numbers["floor"][key], color=plots.GREY, linewidth=1, linestyle=":", label="true samples")
    ax.set_yticks(range(len(numbers["settings"])), numbers["settings"])
    ax.set(xlim=(0, None), ylim=(len(numbers["settings"]) - 0.4, -0.6))


def draw_errors(ax, numbers: dict) -> None:
    for name, colour in (("baseline", plots.BLUE), ("denoising target", plots.VERMILLION)):
        if name in numbers["settings"]:
            lines = np.array(numbers["settings"][name]["error"])  # [seeds, sigmas]
            ax.plot(numbers["sigmas"], lines.T, color=colour, linewidth=0.5, alpha=0.6)
            ax.plot(numbers["sigmas"], np.exp(np.log(lines).mean(0)), color=colour, linewidth=2,
                    label="exact score as target" if name == "baseline" else name)  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="noise level σ", title="score error of the main model")
    plain_ticks(ax.xaxis, numbers["sigmas"])
    ax.legend(frameon=False, fontsize=8)


def draw_starts(ax, numbers: dict) -> None:
    """Share of samples that fly off, a dot a training seed and their mean, by the noise level at which sampling starts."""
    levels = list(numbers["starts"])
    styles = {"1": (plots.BLUE, -0.1, "no guidance"),
              f"{AUTOGUIDANCE_W:g}": (plots.ORANGE, 0.1, f"autoguidance, w = {AUTOGUIDANCE_W:g}")}  # fmt: skip
    for w, (colour, shift, text) in styles.items():
        for i, level in enumerate(levels):
            values = np.array(numbers["starts"][level]["arms"][w]["diverged"])
            ax.scatter([i + shift] * len(values), values, s=12, color=colour, alpha=0.6, linewidths=0)
            ax.plot([i + shift - 0.12, i + shift + 0.12], [values.mean()] * 2, color=colour, linewidth=2,
                    label=None if i else text)  # fmt: skip
    ax.set_xticks(range(len(levels)), [f"σ = {level}" for level in levels])
    ax.set(title="flown off, by starting level (shipped models)", xlim=(-0.5, len(levels) - 0.5))
    ax.legend(frameon=False, fontsize=8)
    percent(ax.yaxis)
