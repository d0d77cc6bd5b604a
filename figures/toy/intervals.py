"""At which noise levels should a guide act? Intervals and weights, chosen on half of the training seeds, reported on the others.

The halves are apart, but the grid itself is not blind: `seeds` had shown on all training seeds that guidance helps at low noise.
"""

import matplotlib.pyplot as plt
import numpy as np

from edm.guidance import guide
from edm.metrics import paired_difference
from edm.storage.rows import Store, run_rows
from figures.engine.result import Result
from toy2d import metrics, plots, pretrained
from toy2d.paired import draw_start, measure, run

COST, NEEDS = "70 s", "the shipped 2D models"
VERSION = 2  # raise it when rows or results change their meaning
FAST = dict(n=128, seeds=[0, 1, 2, 3], intervals=((0.0, 0.1),), weights=(2.0,))

KINDS = {"guide": "smaller, less trained guide", "early": "less trained guide, same run"}
INTERVALS = tuple((lo, hi) for lo in (0.0, 0.01) for hi in (0.06, 0.12, 0.25, 0.5))
WEIGHTS = (1.25, 1.5, 2.0)
KEYS = ("outliers_99", "branch_tv", "leaves_lost", "misplaced", "kl_q_p", "kl_p_q", "diverged")


def row(kind: str, weight: float, interval: list[float], seed: int, n: int, noise_seed: int, folder: str) -> dict:
    main = pretrained.load("main", seed, folder)
    denoiser = guide(main, pretrained.load(kind, seed, folder), weight, tuple(interval))
    numbers = measure(run(denoiser, draw_start(n, noise_seed + seed)))
    return {key: numbers[key] for key in KEYS}


def compute(
    noise_seed=0, folder=pretrained.FOLDER, *, seeds=None, n=2048, intervals=INTERVALS, weights=WEIGHTS,
    store: Store | None = None, workers=None,
) -> Result:  # fmt: skip
    """seeds: training seeds (default: all in `folder`); the first half chooses, the second half reports."""
    seeds = pretrained.seeds(folder) if seeds is None else list(seeds)
    if len(seeds) < 4:
        raise ValueError(f"need four training seeds or more in {folder}, found {seeds}: `python -m toy2d train --all`")
    arms = [("guide", 1.0, (0.0, 1.0))] + [(kind, w, i) for kind in KINDS for i in intervals for w in weights]
    tasks = [dict(kind=k, weight=w, interval=i, seed=s, n=n, noise_seed=noise_seed) for k, w, i in arms for s in seeds]
    models = dict(shared=dict(folder=str(folder)), settings=dict(models=pretrained.identity(folder)))
    rows = run_rows(row, tasks, **models, store=store, workers=workers, desc="intervals")
    per_arm = [rows[i : i + len(seeds)] for i in range(0, len(rows), len(seeds))]
    none, half = per_arm[0], len(seeds) // 2
    cells = []
    for (kind, w, interval), found in zip(arms[1:], per_arm[1:], strict=True):
        cell = {"kind": kind, "w": w, "interval": interval} | {k: [r[k] for r in found] for k in KEYS}
        for part, chosen in (("chosen_on", slice(half)), ("reported", slice(half, None)), ("all", slice(None))):
            cell[part] = {
                k: paired_difference([r[k] for r in found[chosen]], [r[k] for r in none[chosen]]) for k in KEYS
            }
        cells.append(cell)
    best = {
        kind: min((c for c in cells if c["kind"] == kind), key=lambda c: c["chosen_on"]["misplaced"]["mean"])
        for kind in KINDS
    }
    numbers = {
        "seeds": seeds, "noise_seed": noise_seed, "n": n, "intervals": intervals, "weights": weights, "cells": cells, "best": best,
        "none": {k: [r[k] for r in none] for k in KEYS}, "floor": {k: metrics.floor(n)[k] for k in KEYS},
    }  # fmt: skip
    return Result(numbers)


def draw(result: Result):
    """Change of the misplaced mass, in points, over interval and weight; * its 95 % interval over all seeds lies below zero."""
    numbers = result.numbers
    intervals, weights = numbers["intervals"], numbers["weights"]
    with plots.style():
        figure, axes = plt.subplots(
            1, len(KINDS), figsize=(11.0, 0.34 * len(intervals) + 1.6), layout="constrained", sharey=True
        )
        for ax, (kind, title) in zip(axes, KINDS.items(), strict=True):
            found = {(tuple(c["interval"]), c["w"]): c for c in numbers["cells"] if c["kind"] == kind}
            cells = [[found[tuple(i), w] for w in weights] for i in intervals]
            change = np.array([[c["all"]["misplaced"]["mean"] for c in line] for line in cells])
            image = ax.imshow(100 * change, cmap="PuOr", vmin=-5, vmax=5, aspect="auto")
            for y, line in enumerate(cells):
                for x, c in enumerate(line):
                    star = "*" if c["all"]["misplaced"]["high"] < 0 else ""
                    text = f"{100 * c['all']['misplaced']['mean']:+.1f}{star} ({100 * c['all']['outliers_99']['mean']:+.1f})"
                    ax.text(x, y, text.replace("-", "−"), ha="center", va="center", fontsize=7)
            best = numbers["best"][kind]
            chosen = f"{best['interval'][0]:g} < σ ≤ {best['interval'][1]:g}, w = {best['w']:g}"
            mean, low, high = (f"{100 * best['reported']['misplaced'][k]:+.1f}" for k in ("mean", "low", "high"))
            ax.set_xticks(range(len(weights)), [f"{w:g}" for w in weights])
            ax.set_yticks(range(len(intervals)), [f"{lo:g} < σ ≤ {hi:g}" for lo, hi in intervals])
            ax.set(title=title)
            note = f"chosen on half of the seeds: {chosen};\non the others {mean} ({low}, {high}) points"
            ax.set_xlabel("guidance weight w\n" + note.replace("-", "−"))
            ax.spines[:].set_visible(False)
        figure.colorbar(image, ax=axes, label="change of misplaced mass, points", shrink=0.9)
        none, floor = np.mean(numbers["none"]["misplaced"]), numbers["floor"]["misplaced"]
        title = f"without guidance {none:.1%}, true samples {floor:.1%}"
        figure.suptitle(f"change of misplaced mass (and of outliers), points; {title}", fontsize=9)
    return figure
