"""Figure 7 on images: CFG, CFG in an interval of noise levels, and autoguidance against the weight; quality and coverage.

Everything here is seen on the training runs and the noise on which settings are chosen; table1 reports on others.
"""

import matplotlib.pyplot as plt

from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.images import settings
from figures.images.measure import measure_all
from figures.images.plots import curve, floor
from figures.images.points import about, points, title
from figures.images.study import study
from toy2d import plots

COST, NEEDS = "7 min of one core (fashion-16) after fig3", "the networks of `python -m figures images`"
FAST = dict(data="tiny")
VERSION = 1  # raise it when results change their meaning
KEYS = ("frechet_distance", "autoencoder/frechet_distance", "pixels/frechet_distance", "precision", "recall", "density",
        "coverage", "class_agreement")  # fmt: skip
COLOURS = {"CFG": plots.ORANGE, "CFG, interval": plots.VERMILLION, "autoguidance": plots.GREEN}


def compute(data="fashion-16", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    plan, arms = study(data), settings.methods()
    wanted = [made for some in arms.values() for made in some]
    rows = measure_all(
        plan, wanted, plan.choosing, runs=runs, store=store, workers=workers, minutes=minutes, desc="figure 7"
    )
    return Result(about(plan, plan.choosing, runs) | dict(interval=settings.INTERVALS[0], methods=points(rows, arms)))


def draw(result: Result) -> plt.Figure:
    numbers = result.numbers
    with plots.style():
        keys = [key for key in KEYS if key in numbers["methods"]["CFG"][0]["values"]]
        figure, axes = panels(2, (len(keys) + 1) // 2, 3.0, 2.7)
        for ax in axes.flat[len(keys) :]:
            ax.axis("off")
        for ax, key in zip(axes.flat, keys, strict=False):
            for name, some in numbers["methods"].items():
                curve(ax, [p["w"] for p in some], some, key, COLOURS[name], name)
            floor(ax, numbers["floors"], key, label=key == "frechet_distance")
            ax.set(title=title(key), xlabel="guidance weight w")
        legend_below(figure, axes[0, 0])
    return figure
