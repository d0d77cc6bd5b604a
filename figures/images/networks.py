"""The networks of the image study: trained here, then each measured alone, by training length, capacity and EMA width.

All other image experiments take their networks from here. Training goes on where it was stopped; so does the measuring.
"""

import matplotlib.pyplot as plt

from figures.engine.plots import legend_below, panels, plain_ticks
from figures.engine.result import Result
from figures.images import settings, study
from figures.images.measure import measure_all
from figures.images.plots import COLOURS, curve, floor
from figures.images.points import about, arm_of, point
from toy2d import plots

COST = "6 h of one core for the trainings of fashion-16 and 10 min to measure; the sets of 32 x 32 need a GPU"
NEEDS = "the data set; trains all networks of the image study into runs/images"
FAST = dict(data="tiny")
VERSION = 1  # raise it when results change their meaning


def compute(data="fashion-16", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    """minutes: stop after so long (`study.Unfinished`); the same call goes on from there. runs: folder of the networks."""
    plan = study.study(data)
    folder = runs or study.RUNS / data
    if data != "tiny" and any(study.missing(plan, folder)):
        study.train(plan, folder, minutes=minutes, workers=workers)
    arms = settings.alone(plan)
    rows = measure_all(
        plan, arms, plan.choosing, runs=runs, store=store, workers=workers, minutes=minutes, desc="networks"
    )
    numbers = about(plan, plan.choosing, runs) | dict(recipe=study.record(plan))
    return Result(numbers | dict(points=[point(rows, made) for made in arms]))


def draw(result: Result) -> plt.Figure:
    """Left: networks alone, by training length. Right: the main model, by EMA width. A row for each number."""
    points, floors = result.numbers["points"], result.numbers["floors"]
    mains = [p for p in points if arm_of(p).main.kind == "main"]
    usual = [p for p in mains if arm_of(p).main.ema == 0.10]
    kinds = (("guide", COLOURS[0], "o", "main's capacity"), ("xs", COLOURS[4], "v", "half the width"),
             ("eighth", COLOURS[2], "s", "an eighth of the data"))  # fmt: skip
    with plots.style():
        figure, axes = panels(2, 2, 2.7, sharex="col")
        for row, key in zip(axes, ("frechet_distance", "recall"), strict=True):
            lengths = set()
            for kind, colour, marker, label in kinds:
                some = [p for p in points if arm_of(p).main.kind == kind] + (usual if kind == "guide" else [])
                some = sorted(some, key=lambda p: arm_of(p).main.length)
                if some:
                    lengths |= {arm_of(p).main.length for p in some}
                    curve(row[0], [arm_of(p).main.length for p in some], some, key, colour, label, marker=marker)
            some = sorted((p for p in mains if arm_of(p).main.length == 1), key=lambda p: arm_of(p).main.ema)
            curve(row[1], [arm_of(p).main.ema for p in some], some, key, COLOURS[5], "main model")
            for ax in row:
                floor(ax, floors, key, label=True)
            row[0].set_ylabel("Fréchet distance" if key == "frechet_distance" else key)
        axes[0, 0].set(yscale="log", title="networks alone, by training length")
        axes[0, 1].set_title("main model, by EMA width")
        axes[1, 0].set(xscale="log", xlabel="training length, in units of T")
        names = [f"1/{1 / n:g}" if n < 1 else f"{n:g}" for n in sorted(lengths)]
        plain_ticks(axes[1, 0].xaxis, sorted(lengths), names)
        plain_ticks(axes[1, 1].xaxis, [arm_of(p).main.ema for p in some])
        axes[1, 1].set_xlabel("EMA width of the main model")
        legend_below(figure, 3)
    return figure
