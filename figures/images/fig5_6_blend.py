"""CFG and autoguidance blended (figures 5 and 6): quality and coverage by total weight and share of autoguidance.

Everything here is seen on the noise seeds on which weights are chosen.
"""

import matplotlib.pyplot as plt

from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.images import measure, settings
from figures.images.measure import measure_all
from figures.images.plots import COLOURS, curve, floor
from figures.images.points import TITLES, about, against, point
from figures.images.settings import SELECT, arm
from toy2d import plots

COST, NEEDS = "2 min after fig7", "the networks of `python -m figures images`"
VERSION = measure.VERSION
FAST = dict(data="tiny")
KEYS = ("frechet_distance", "class_agreement", "recall", "coverage")


def compute(data="digits", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    tasks = settings.blends()
    rows = measure_all(data, [arm(), *tasks], runs=runs, store=store, workers=workers, minutes=minutes, desc="blends")
    blends: dict = {}
    for task in tasks:
        share = {"cfg": 0.0, "autoguidance": 1.0}.get(task["kind"], task["alpha"])
        blends.setdefault(f"{task['w']:g}", []).append(point(rows, task) | {"share": share})
    numbers = about(data, SELECT, runs) | dict(unguided=point(rows, arm()), blends=blends)
    numbers["against_ends"] = {
        w: [against(p, q) for p in some for q in some if p["share"] == 0.5 and q["share"] in (0, 1)]
        for w, some in blends.items()
    }
    return Result(numbers)


def draw(result: Result) -> plt.Figure:
    numbers = result.numbers
    with plots.style():
        figure, axes = panels(1, len(KEYS), 2.9, 2.8)
        for ax, key in zip(axes[0], KEYS, strict=True):
            for (w, some), colour in zip(numbers["blends"].items(), COLOURS, strict=False):
                some = sorted(some, key=lambda p: p["share"])
                curve(ax, [p["share"] for p in some], some, key, colour, f"w = {w}")
            curve(ax, [0, 1], [numbers["unguided"]] * 2, key, plots.BLUE, "no guidance")
            floor(ax, numbers["floors"], key, label=True)
            ax.set(title=TITLES[key], xlabel="share α of autoguidance")
        legend_below(figure, axes[0, 0])
    return figure
