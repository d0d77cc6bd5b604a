"""CFG and autoguidance blended (figures 5 and 6): quality and coverage by total weight and share of autoguidance.

Everything here is seen on the training runs and the noise on which settings are chosen.
"""

import matplotlib.pyplot as plt

from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.images import settings
from figures.images.arms import Arm, arm
from figures.images.measure import measure_all
from figures.images.plots import STYLES, curve, floor
from figures.images.points import TITLES, about, against, point
from figures.images.study import study
from toy2d import plots

COST, NEEDS = "1 min after table1", "the networks of `python -m figures images`"
FAST = dict(data="tiny")
VERSION = 1  # raise it when results change their meaning
KEYS = ("frechet_distance", "class_agreement", "recall", "coverage")


def compute(data="fashion-16", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    plan, arms = study(data), settings.blends()
    wanted = [arm(), *(made for some in arms.values() for made in some)]
    rows = measure_all(
        plan, wanted, plan.choosing, runs=runs, store=store, workers=workers, minutes=minutes, desc="blends"
    )
    blends = {w: [point(rows, made) | {"share": share(made)} for made in some] for w, some in arms.items()}
    numbers = about(plan, plan.choosing, runs) | dict(unguided=point(rows, arm()), blends=blends)
    numbers["against_ends"] = {
        w: [against(p, q) for p in some for q in some if p["share"] == 0.5 and q["share"] in (0, 1)]
        for w, some in blends.items()
    }
    return Result(numbers)


def share(made: Arm) -> float:
    """Of autoguidance in a blend: CFG and autoguidance are its ends."""
    return {"cfg": 0.0, "autoguidance": 1.0}.get(made.kind, made.alpha)


def draw(result: Result) -> plt.Figure:
    """A panel for each number, against the share of autoguidance; a line for each total weight."""
    numbers = result.numbers
    with plots.style():
        figure, axes = panels(2, 2, 2.5, sharex=True)
        for ax, key in zip(axes.flat, KEYS, strict=True):
            for (w, some), (colour, marker) in zip(numbers["blends"].items(), STYLES, strict=False):
                some = sorted(some, key=lambda p: p["share"])
                curve(ax, [p["share"] for p in some], some, key, colour, f"w = {w}", marker=marker)
            curve(ax, [0, 1], [numbers["unguided"]] * 2, key, plots.BLUE, "no guidance", linestyle="--")
            floor(ax, numbers["floors"], key, label=True)
            ax.set_title(TITLES[key])
        for ax in axes[1]:
            ax.set_xlabel("share α of autoguidance (0: CFG alone)")
        legend_below(figure, 5)
    return figure
