"""At which noise levels should a guide act? Intervals and weights, chosen on half of the training seeds, reported on the others.

The halves are apart, but the grid itself is not blind: `seeds` had shown on all training seeds that guidance helps at low noise.
"""

import numpy as np

from edm.guidance import guide
from edm.metrics import paired_difference
from edm.storage.rows import Store, run_rows
from figures.engine.plots import legend_below, panels
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
    """Change of the misplaced mass against the weight, with 95 % intervals: a panel for each guide and lower end of the levels."""
    numbers = result.numbers
    lows = sorted({i[0] for i in numbers["intervals"]})
    with plots.style():
        figure, axes = panels(len(KINDS), len(lows), 2.7, sharex=True, sharey=True)
        for row, (kind, title) in zip(axes, KINDS.items(), strict=True):
            for ax, low in zip(row, lows, strict=True):
                draw_lines(ax, numbers, kind, low)
                ax.set_title(f"{title}, " + (f"{low:g} < σ ≤ upper end" if low else "σ ≤ upper end"))
            best = numbers["best"][kind]
            chosen = "chosen on half of the seeds: {:g} < σ ≤ {:g}, w = {:g}".format(*best["interval"], best["w"])
            mean, least, most = (f"{100 * best['reported']['misplaced'][k]:+.1f}" for k in ("mean", "low", "high"))
            note = f"{chosen}\non the other half: {mean} ({least}, {most}) points".replace("-", "−")
            row[0].text(0.02, 0.98, note, transform=row[0].transAxes, va="top", fontsize=8)
            row[0].set_ylabel("change of misplaced\nmass, in points")
        for ax in axes[-1]:
            ax.set_xlabel("guidance weight w")
        legend_below(figure, 5)
        none, floor = np.mean(numbers["none"]["misplaced"]), numbers["floor"]["misplaced"]
        figure.suptitle(f"No guidance misplaces {none:.1%} of the mass, true samples {floor:.1%}.", fontsize=9)
    return figure


def draw_lines(ax, numbers: dict, kind: str, low: float) -> None:
    """A line for each upper end of the interval, from no guidance at w = 1 on."""
    uppers = [hi for lo, hi in numbers["intervals"] if lo == low]
    styles = ((plots.BLUE, "o"), (plots.SKY, "s"), (plots.GREEN, "^"), (plots.ORANGE, "v"), (plots.VERMILLION, "D"))
    for i, (high, (colour, marker)) in enumerate(zip(uppers, styles, strict=False)):
        cells = [c for c in numbers["cells"] if c["kind"] == kind and tuple(c["interval"]) == (low, high)]
        d = [c["all"]["misplaced"] for c in cells]
        w = np.array([c["w"] for c in cells]) + 0.02 * (i - (len(uppers) - 1) / 2)
        mean, least, most = (100 * np.array([v[k] for v in d]) for k in ("mean", "low", "high"))
        ax.plot(
            [1, *w], [0, *mean], color=colour, marker=marker, markersize=4, linewidth=1.5, label=f"upper end {high:g}"
        )
        ax.vlines(w, least, most, color=colour, linewidth=0.9, alpha=0.7)
    ax.axhline(0, color=plots.GREY, linewidth=0.8, linestyle="--", label="no guidance")
    ax.set_xticks([1.0, *numbers["weights"]])
    ax.margins(y=0.3)
