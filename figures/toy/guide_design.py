"""Which guide is a good bad model? Width, training length and weight average of the guide, each at its best weight.

The guides are runs of other seeds than the main model's. One run of each width gives every length, as a snapshot, and every
average: the learning rate does not depend on the length. Weights are chosen on one set of starting points and reported on another.

The map shows outliers within a budget of coverage. That was decided after a first look: by misplaced mass, quality and coverage in
one number, 46 of the 54 guides are best at weight 1 (`w_misplaced`), and the map was nearly empty.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save

from edm.guidance import guide
from edm.metrics import paired_difference
from edm.storage.atomic import write_atomic
from edm.storage.rows import Store, run_rows
from figures.engine.plots import legend_below, panels, plain_ticks
from figures.engine.result import OUT, Result
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.model import LogDensityMLP
from toy2d.paired import draw_start, measure, run
from toy2d.train import train_tracked

COST, NEEDS = "14 min", "the shipped 2D models; trains guides for 10 min of these"
VERSION = 2  # raise it when rows or results change their meaning
FAST = dict(n=128, seeds=[0, 1], hidden=(8, 16), lengths=(32, 64), emas=(0.05,), weights=(1.0, 2.0), batch=128)

HIDDEN = (16, 32, 64)
LENGTHS = (128, 256, 512, 1024, 2048, 4096)  # iterations; the main model has 4096
EMAS = (0.01, 0.05, 0.15)
WEIGHTS = (1.0, 1.25, 1.5, 2.0, 3.0)
GUIDE_SEED = 100  # added to the main model's training seed
REPORT_NOISE = 1000  # added to the noise seed of the points on which weights are chosen
BUDGET = 0.05  # of branch TV that guidance may cost
KEYS = ("outliers_99", "branch_tv", "leaves_lost", "misplaced", "diverged")
PREFIXES = (32, 64, 128, 256, 512, 1024, 2048)  # numbers of samples at which `figures.toy.search` may look


def train_guide(
    seed: int, hidden: int, lengths: list[int], emas: list[float], batch: int, file: str, home: str
) -> dict:
    """Train a guide and keep its averages at every length in `file` of the folder `home`, if it is not there yet."""
    if not Path(home, file).exists():
        every = min(lengths)
        trained = train_tracked(
            seed, stored=emas, hidden=hidden, iterations=max(lengths), batch=batch, snapshot_every=every,
            compile=None if batch > 1024 else False,
        )  # fmt: skip
        tensors = {
            f"{length}/{ema:g}/{name}": value.contiguous()
            for length in lengths
            for ema in emas
            for name, value in trained.snapshots[length, ema].items()
        }
        write_atomic(Path(home, file), save(tensors))
    return {}


def guide_file(seed: int, hidden: int, lengths: Sequence[int], batch: int) -> str:
    """Name of the file with the guides of this width for the main model of a training seed."""
    return f"design-{hidden}-{max(lengths)}-{batch}-{seed}.safetensors"


def load_guide(file: Path, hidden: int, length: int, ema: float) -> LogDensityMLP:
    """The guide in a file of `train_guide` that has this length of training and width of average."""
    model, prefix = LogDensityMLP(hidden), f"{length}/{ema:g}/"
    with safe_open(file, framework="pt") as stored:
        names = [name for name in stored.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a mapping)
        model.load_state_dict({name.removeprefix(prefix): stored.get_tensor(name) for name in names})
    return model.eval().requires_grad_(False)


@torch.no_grad()
def row(seed: int, noise_seed: int, n: int, weight: float, file: str, hidden: int = 0, length: int = 0, ema: float = 0.0, *,
        home: str, folder: str) -> dict:  # fmt: skip
    """Numbers of one guided run, and the misplaced mass of its first samples alone."""
    denoiser = pretrained.load("main", seed, folder)
    if weight != 1:
        denoiser = guide(denoiser, load_guide(Path(home, file), hidden, length, ema), weight)
    samples = run(denoiser, draw_start(n, noise_seed))
    first = {str(k): metrics.misplaced(samples[:k], fractal("A")) for k in PREFIXES if k <= n}
    numbers = measure(samples)
    return {k: numbers[k] for k in KEYS} | {"first": first}


def compute(
    noise_seed=0, folder=pretrained.FOLDER, *, seeds=(0, 1, 2, 3), n=2048, hidden=HIDDEN, lengths=LENGTHS, emas=EMAS,
    weights=WEIGHTS, batch=4096, store: Store | None = None, workers=None,
) -> Result:  # fmt: skip
    """seeds: training seeds of the main models. n: samples of every run."""
    home = str((store.path.parent if store else OUT) / "checkpoints")
    files = {(s, h): guide_file(s, h, lengths, batch) for s in seeds for h in hidden}
    runs = [
        dict(seed=s + GUIDE_SEED, hidden=h, lengths=sorted(lengths), emas=list(emas), batch=batch, file=file)
        for (s, h), file in sorted(files.items(), key=lambda item: -item[0][1])
    ]
    run_rows(train_guide, runs, shared=dict(home=home), workers=workers, desc="guides")
    guides = [dict(hidden=h, length=t, ema=e) for h in hidden for t in lengths for e in emas]

    def tasks(noise: int, arms) -> list[dict]:
        common = dict(noise_seed=noise, n=n)
        return [
            dict(seed=s, weight=w, file=files[s, g["hidden"]] if g else "", **common, **g)
            for g, w in arms
            for s in seeds
        ]

    models = dict(shared=dict(home=home, folder=str(folder)), settings=dict(models=pretrained.identity(folder)))

    def measured(noise: int, arms, desc: str) -> list[list[dict]]:  # [arms][seeds]
        rows = run_rows(row, tasks(noise, arms), **models, store=store, workers=workers, desc=desc)
        return [rows[i : i + len(seeds)] for i in range(0, len(rows), len(seeds))]

    unguided = ({}, 1.0)
    arms = [unguided, *((g, w) for g in guides for w in weights if w != 1)]
    grid = measured(noise_seed, arms, "weights")
    means = {
        json.dumps(a): {k: np.mean([r[k] for r in rows]) for k in KEYS} for a, rows in zip(arms, grid, strict=True)
    }

    def at_best_weight(g: dict, key: str, budget: float) -> tuple[dict, float]:
        """The setting of this guide with the least `key` among those whose branch TV grows by at most `budget`."""
        most = means[json.dumps(unguided)]["branch_tv"] + budget
        settings = [unguided, *((g, w) for w in weights if w != 1)]
        return min(
            (a for a in settings if means[json.dumps(a)]["branch_tv"] <= most), key=lambda a: means[json.dumps(a)][key]
        )

    best = [at_best_weight(g, "outliers_99", BUDGET) for g in guides]
    chosen = [unguided, *(arm for arm in best if arm != unguided)]
    report = dict(zip(map(json.dumps, chosen), measured(noise_seed + REPORT_NOISE, chosen, "report"), strict=True))
    none, cells = report[json.dumps(unguided)], []
    for g, arm in zip(guides, best, strict=True):
        rows = report[json.dumps(arm)]
        change = {k: paired_difference([r[k] for r in rows], [r[k] for r in none]) for k in KEYS}
        least = at_best_weight(g, "misplaced", np.inf)[1]
        cells.append(
            g | {"w": arm[1], "w_misplaced": least, "change": change} | {k: [r[k] for r in rows] for k in KEYS}
        )
    numbers = {
        "seeds": list(seeds), "noise_seed": noise_seed, "report_noise_seed": noise_seed + REPORT_NOISE, "n": n, "batch": batch,
        "hidden": list(hidden), "lengths": list(lengths), "emas": list(emas), "weights": list(weights),
        "budget": BUDGET, "none": {k: [r[k] for r in none] for k in KEYS}, "cells": cells,
        "floor": {k: metrics.floor(n)[k] for k in KEYS},
        "grid": [g | {"w": w, "first": [r["first"] for r in rows]} for (g, w), rows in zip(arms, grid, strict=True)],
    }  # fmt: skip
    return Result(numbers)


def cell(numbers: dict, hidden: int, length: int, ema: float) -> dict:
    return next(c for c in numbers["cells"] if (c["hidden"], c["length"], c["ema"]) == (hidden, length, ema))


def draw(result: Result):
    """A panel for each average, a line for each width: change of the outliers against the guide's training length."""
    numbers = result.numbers
    emas, none = numbers["emas"], np.mean(numbers["none"]["outliers_99"])
    with plots.style():
        figure, axes = panels(1, len(emas), 3.6, sharey=True)
        for ax, ema in zip(axes[0], emas, strict=True):
            draw_lengths(ax, numbers, ema)
            ax.set(title=f"EMA width of the guide: {ema:g}", xlabel="training length of the guide")
        axes[0, 0].set_ylabel("change of outliers, in points")
        legend_below(figure, 5)
        floor = 100 * (numbers["floor"]["outliers_99"] - none)
        text = f"No guidance leaves {none:.1%} outliers; true samples would change that by {floor:.1f} points."
        figure.suptitle(text.replace("-", "−"), fontsize=9)
    return figure


def draw_lengths(ax, numbers: dict, ema: float) -> None:
    """Change of the outliers at the best weight within the budget, and its 95 % interval. Hollow: no weight above 1 is better."""
    lengths, x = numbers["lengths"], np.arange(len(numbers["lengths"]))
    styles = ((plots.VERMILLION, "o"), (plots.GREEN, "s"), (plots.SKY, "^"), (plots.PURPLE, "v"))
    for i, (h, (colour, marker)) in enumerate(zip(numbers["hidden"], styles, strict=False)):
        cells = [cell(numbers, h, t, ema) for t in lengths]
        d = [c["change"]["outliers_99"] for c in cells]
        at = x + 0.16 * (i - (len(numbers["hidden"]) - 1) / 2)
        mean, low, high = (100 * np.array([v[k] for v in d]) for k in ("mean", "low", "high"))
        ax.plot(at, mean, color=colour, marker=marker, markersize=4, linewidth=1.5, label=f"width {h}")
        ax.vlines(at, low, high, color=colour, linewidth=0.9, alpha=0.7)
        off = [c["w"] == 1 for c in cells]
        ax.plot(at[off], mean[off], marker, color=colour, markerfacecolor="white", markersize=5)
    ax.plot([], [], "o", color=plots.INK, markerfacecolor="white", markersize=5, label="best is w = 1")
    ax.axhline(0, color=plots.BLUE, linewidth=1, linestyle="--", label="no guidance")
    plain_ticks(ax.xaxis, x, [f"T/{max(lengths) // t}" if t < max(lengths) else "T" for t in lengths])
