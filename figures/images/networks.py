"""The networks of the image study: trained here, then each measured alone, by training length, capacity and EMA width.

All other image experiments take their networks from here. Training goes on where it was stopped; so does the measuring.
"""

import matplotlib.pyplot as plt

from figures.engine.plots import panels
from figures.engine.result import Result
from figures.images import measure, settings, study
from figures.images.measure import measure_all
from figures.images.plots import COLOURS, curve, floor
from figures.images.points import about, point
from figures.images.settings import SELECT, arm
from figures.images.study import STUDIES, Net
from toy2d import plots

COST, NEEDS = (
    "25 min (digits), 80 min (fashion-16); the others need a GPU",
    "the data set; trains all networks of the image study into runs/images",
)
VERSION = measure.VERSION
FAST = dict(data="tiny")


def compute(data="digits", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    """minutes: stop after so long (`study.Unfinished`); the same call goes on from there. runs: folder of the networks."""
    plan = STUDIES[data]
    if data != "tiny" and any(study.missing(plan, runs or study.RUNS / data)):
        study.train(plan, runs or study.RUNS / data, minutes=minutes, workers=workers)
    rows = measure_all(
        data, settings.networks(), runs=runs, store=store, workers=workers, minutes=minutes, desc="networks"
    )
    numbers = about(data, SELECT, runs)
    numbers["recipe"] = study.record(plan)
    numbers["points"] = [point(rows, task) for task in settings.networks()]
    return Result(numbers)


def draw(result: Result) -> plt.Figure:
    points, floors = result.numbers["points"], result.numbers["floors"]
    usual = point_of(points, Net())
    with plots.style():
        figure, axes = panels(2, 2)
        for row, key in zip(axes, ("frechet_distance", "recall"), strict=True):
            for size, colour, label in (("guide", COLOURS[0], "main's capacity"), ("xs", COLOURS[4], "half the width")):
                some = [p for p in points if p["main"][0] == size] + ([usual] if size == "guide" else [])
                curve(row[0], [1 / p["main"][1] for p in some], some, key, colour, label)
            row[0].set(xscale="log", xlabel="training length, in units of T")
            some = sorted((p for p in points if p["main"][:2] == ["main", 1]), key=lambda p: p["main"][2])
            curve(row[1], [p["main"][2] for p in some], some, key, COLOURS[5])
            row[1].set(xlabel="EMA width of the main model")
            for ax in row:
                floor(ax, floors, key, label=ax is axes[0, 0])
                ax.set_ylabel("Fréchet distance" if key == "frechet_distance" else key)
        axes[0, 0].set_yscale("log")
        axes[0, 0].set_title("networks alone, by training length")
        axes[0, 1].set_title("main model, by EMA width")
        axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def point_of(points: list[dict], net: Net) -> dict:
    """The point of a network alone."""
    wanted = arm(main=net)["main"]
    return next(p for p in points if p["main"] == wanted)
