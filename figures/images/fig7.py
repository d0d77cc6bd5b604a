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
STYLES = {"CFG": (plots.ORANGE, "^"), "CFG, interval": (plots.VERMILLION, "v"), "autoguidance": (plots.GREEN, "o")}


def compute(data="fashion-16", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    plan = study(data)
    arms, controls = settings.methods(), settings.controls(plan)
    wanted = [made for some in (*arms.values(), *controls.values()) for made in some]
    rows = measure_all(
        plan, wanted, plan.choosing, runs=runs, store=store, workers=workers, minutes=minutes, desc="figure 7"
    )
    found = dict(methods=points(rows, arms), controls=points(rows, controls))
    return Result(about(plan, plan.choosing, runs) | dict(interval=settings.INTERVALS[0]) | found)


def draw(result: Result) -> plt.Figure:
    """A panel for each number, against the weight."""
    numbers = result.numbers
    with plots.style():
        keys = [key for key in KEYS if key in numbers["methods"]["CFG"][0]["values"]]
        figure, axes = panels((len(keys) + 2) // 3, 3, 2.5, sharex=True)
        for ax in axes.flat[len(keys) :]:
            ax.axis("off")
        for i, (ax, key) in enumerate(zip(axes.flat, keys, strict=False)):
            for name, some in numbers["methods"].items():
                colour, marker = STYLES[name]
                curve(ax, [p["w"] for p in some], some, key, colour, name, marker=marker)
            floor(ax, numbers["floors"], key, label=True)
            ax.set_title(title(key))
            if i + 3 >= len(keys):
                ax.set_xlabel("guidance weight w")
                ax.tick_params(labelbottom=True)
        legend_below(figure, 5)
    return figure
