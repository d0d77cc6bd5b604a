"""Figures 2 and 9 in numbers, over training seeds: what becomes of samples from sigma = 0.03, and where the guides push."""

import numpy as np

from edm.metrics import paired_difference
from edm.storage.rows import run_rows
from figures.engine.plots import panels, percent, plain_ticks
from figures.engine.result import Result
from figures.toy import fig2, fig9
from toy2d import plots, pretrained

COST, NEEDS = "15 s", "the shipped 2D models"
VERSION = 2  # raise it when rows or results change their meaning
FAST = dict(seeds=[0, 1], n=2**11, n_pull=128)

ARMS = ("exact", "none", "cfg", "autoguidance")


def row(seed: int, n: int, n_pull: int, folder: str) -> dict:
    """Ends of the samples in figure 2's window, and pushes of both guides at figure 9's noise levels."""
    two = fig2.compute(seed=seed, noise_seed=seed, folder=folder, n=n, pixels=8)
    nine = fig9.compute(seed=seed, noise_seed=seed, folder=folder, n=n_pull, pixels=4)
    return {"ends": two.numbers["ends"], "followed": two.numbers["followed"], "pull": nine.numbers["net_pull"]}


def compute(folder=pretrained.FOLDER, *, seeds=None, n=2**15, n_pull=2**13, store=None, workers=None) -> Result:
    """seeds: training seeds (default: all in `folder`). n: true samples at sigma = 0.03; n_pull: at each level of figure 9."""
    seeds = pretrained.seeds(folder) if seeds is None else list(seeds)
    tasks = [dict(seed=s, n=n, n_pull=n_pull) for s in seeds]
    models = dict(shared=dict(folder=str(folder)), settings=dict(models=pretrained.identity(folder)))
    rows = run_rows(row, tasks, **models, store=store, workers=workers, desc="pull")
    outliers = {arm: [r["ends"][arm]["outliers_99"] for r in rows] for arm in ARMS}
    return Result({
        "seeds": seeds, "n": n, "n_pull": n_pull, "sigmas": fig9.SIGMAS, "followed": [r["followed"] for r in rows],
        "outliers": outliers,
        "change": {arm: paired_difference(outliers[arm], outliers["none"]) for arm in ("cfg", "autoguidance")},
        "one_sided": {arm: [[p["one_sided"] for p in r["pull"][arm]] for r in rows] for arm in fig9.GUIDES},
        "push": {arm: [[p["rms"] for p in r["pull"][arm]] for r in rows] for arm in fig9.GUIDES},
    })  # fmt: skip


def draw(result: Result):
    """Left: outliers among the samples, a line a seed. Right: how one-sided the push of each guide is, against the noise level."""
    numbers = result.numbers
    with plots.style():
        figure, ((left, right),) = panels(1, 2, 3.3)
        values = np.array([numbers["outliers"][arm] for arm in ARMS])  # [arms, seeds]
        left.plot(values, color=plots.PALE, linewidth=1)
        for i, arm in enumerate(ARMS):
            left.scatter([i] * values.shape[1], values[i], s=14, color=plots.ARM_COLOURS[arm], zorder=3)
            left.plot([i - 0.2, i + 0.2], [values[i].mean()] * 2, color=plots.ARM_COLOURS[arm], linewidth=2.5)
        names = ["true\nscore", "no\nguidance", "CFG,\nw = 4", "autoguidance,\nw = 3"]
        left.set_xticks(range(len(ARMS)), names, fontsize=8.5)
        left.set(title="outliers of samples from σ = 0.03 on (Figure 2)", ylim=(0, None))
        percent(left.yaxis)
        for arm, lines in numbers["one_sided"].items():
            lines, colour = np.array(lines), plots.ARM_COLOURS[arm]  # [seeds, sigmas]
            right.plot(numbers["sigmas"], lines.T, color=colour, linewidth=0.6, alpha=0.6)
            options = dict(linewidth=2, markersize=4, label=plots.ARM_NAMES[arm])
            right.plot(numbers["sigmas"], lines.mean(0), "o-", color=colour, **options)
        right.set(xscale="log", xlabel="noise level σ", ylim=(0, 1), title="how one-sided a guide pushes (Figure 9)")
        plain_ticks(right.xaxis, sorted(numbers["sigmas"]))
        percent(right.yaxis)
        right.legend(frameon=False, fontsize=8.5)
    return figure
