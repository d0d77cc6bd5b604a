"""Figure 7 on images: CFG, CFG in an interval of noise levels, and autoguidance against the weight; quality and coverage.

Everything here is seen on the noise seeds on which weights are chosen; table1 reports on others.
"""

import matplotlib.pyplot as plt

from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.images import measure, settings
from figures.images.measure import measure_all
from figures.images.plots import curve, floor
from figures.images.points import TITLES, about, points
from figures.images.settings import SELECT
from toy2d import plots

COST, NEEDS = "5 min after images", "the networks of `python -m figures images`"
VERSION = measure.VERSION
FAST = dict(data="tiny")
KEYS = ("frechet_distance", "class_agreement", "precision", "test_distance", "recall", "coverage")
COLOURS = {"CFG": plots.ORANGE, "CFG, interval": plots.VERMILLION, "autoguidance": plots.GREEN}


def compute(data="digits", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    arms = settings.methods()
    rows = measure_all(
        data,
        [a for tasks in arms.values() for a in tasks],
        runs=runs,
        store=store,
        workers=workers,
        minutes=minutes,
        desc="figure 7",
    )
    return Result(about(data, SELECT, runs) | dict(interval=settings.INTERVAL, methods=points(rows, arms)))


def draw(result: Result) -> plt.Figure:
    numbers = result.numbers
    with plots.style():
        figure, axes = panels(2, 3, 3.3, 2.7)
        for ax, key in zip(axes.flat, KEYS, strict=True):
            for name, some in numbers["methods"].items():
                curve(ax, [p["w"] for p in some], some, key, COLOURS[name], name)
            floor(ax, numbers["floors"], key, label=key == "frechet_distance")
            ax.set(title=TITLES[key], xlabel="guidance weight w")
        legend_below(figure, axes[0, 0])
    return figure
