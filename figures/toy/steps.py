"""Has the 2D sampler converged? The same starting points with the paper's 32 steps, with more, and down to less noise.

All numbers in two dimensions use the first of SETTINGS. What the others change is the error of the sampler itself.
"""

import numpy as np

from edm.metrics import paired_difference
from edm.sampler import sample, sigma_steps
from edm.storage.rows import run_rows
from figures.engine.plots import legend_below, panels, percent
from figures.engine.result import Result
from figures.toy.seeds import METRICS, denoiser, label
from toy2d import metrics, plots, pretrained
from toy2d.paired import SIGMA_MAX, STEPS, draw_start, measure

COST, NEEDS = "2 min", "the shipped 2D models"
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(n=128, seeds=[0, 1], settings=((STEPS, 0.002), (40, 0.002)), arms=(("autoguidance", 2.0),))

SETTINGS = ((STEPS, 0.002), (4 * STEPS, 0.002), (8 * STEPS, 0.0005))  # steps, and the least noise level above 0
ARMS = (("autoguidance", 1.0), ("autoguidance", 2.0), ("autoguidance", 3.0), ("cfg", 4.0))  # weight 1 is no guidance
KEYS = ("outliers_99", "branch_tv", "leaves_lost", "diverged")


def row(family: str, weight: float, steps: int, sigma_min: float, seed: int, n: int, folder: str) -> dict:
    model = denoiser(family, weight, seed, [seed], folder)
    found = measure(sample(model, draw_start(n, seed), sigma_steps(steps, sigma_min, SIGMA_MAX)))
    return {key: found[key] for key in KEYS}


def compute(folder=pretrained.FOLDER, *, seeds=None, n=2**13, settings=SETTINGS, arms=ARMS, store=None,
            workers=None) -> Result:  # fmt: skip
    """seeds: training seeds (default: all in `folder`). Training seed s starts from the points of noise seed s."""
    seeds = pretrained.seeds(folder) if seeds is None else list(seeds)
    tasks = [
        dict(family=family, weight=w, steps=steps, sigma_min=least, seed=s, n=n)
        for family, w in arms
        for steps, least in settings
        for s in seeds
    ]
    models = dict(shared=dict(folder=str(folder)), settings=dict(models=pretrained.identity(folder)))
    rows = iter(run_rows(row, tasks, **models, store=store, workers=workers, desc="steps"))
    found = []
    for family, w in arms:
        arm = {"arm": "none" if w == 1 else f"{family} {w:g}", "at": []}
        for _ in settings:
            here = [next(rows) for _ in seeds]
            arm["at"].append({key: [r[key] for r in here] for key in KEYS})
        arm["change"] = [
            {key: paired_difference(values[key], arm["at"][0][key]) for key in KEYS} for values in arm["at"][1:]
        ]
        found.append(arm)
    floor = metrics.floor(n)
    return Result(
        {"seeds": seeds, "n": n, "settings": settings, "arms": found, "floor": {key: floor[key] for key in KEYS}}
    )


def draw(result: Result):
    """Outliers and branch TV of each arm with each setting of the sampler; small dots are training seeds."""
    numbers, colours = result.numbers, (plots.INK, plots.SKY, plots.ORANGE)
    names = [f"{steps} steps down to σ = {least:g}" for steps, least in numbers["settings"]]
    with plots.style():
        figure, (axes,) = panels(1, 2, 3.6, sharey=True)
        for ax, key in zip(axes, ("outliers_99", "branch_tv"), strict=True):
            for i, arm in enumerate(numbers["arms"]):
                for j, (name, colour) in enumerate(zip(names, colours, strict=False)):
                    values, y = arm["at"][j][key], i + 0.25 * (j - 1)
                    ax.scatter(values, [y] * len(values), s=5, color=colour, linewidths=0, alpha=0.7)
                    ax.plot(np.mean(values), y, "D", color=colour, markersize=6, label=None if i else name)
            ax.axvline(numbers["floor"][key], color=plots.GREY, linewidth=1, linestyle=":", label="true samples")
            ax.set(xlim=(0, None), title=METRICS[key][0])
        axes[0].set_yticks(range(len(numbers["arms"])), [label(a["arm"]).replace(", ", ",\n") for a in numbers["arms"]])
        axes[0].invert_yaxis()
        percent(axes[0].xaxis)
        legend_below(figure, 2)
    return figure
