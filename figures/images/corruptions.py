"""Corruptions on images: the main model harmed, and guided by itself harmed twice as much, in the same way or in another.

Dropout of 5 and 10 %, and noise added to the input, raising its level by 10 and 20 % [AG, section 4].
"""

import matplotlib.pyplot as plt

from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.images import measure, settings
from figures.images.measure import measure_all
from figures.images.plots import COLOURS, curve, floor
from figures.images.points import about, against, best, mean, point
from figures.images.settings import KINDS, SELECT, arm
from toy2d import plots

COST, NEEDS = "6 min (digits), 10 min (fashion-16)", "the networks of `python -m figures images`"
VERSION = measure.VERSION
FAST = dict(data="tiny")
KEYS = {"frechet_distance": "Fréchet distance", "recall": "recall"}


def compute(data="digits", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    tasks = settings.corruptions()
    rows = measure_all(data, tasks, runs=runs, store=store, workers=workers, minutes=minutes, desc="corruptions")
    pairs = {
        f"{kind}, guide {other}": [
            point(rows, task)
            for task in tasks
            if task["corrupt"] in ((KINDS[kind][0], ""), (KINDS[kind][0], KINDS[other][1]))
        ]
        for kind in KINDS
        for other in KINDS
    }
    weaker = {kind: point(rows, arm(corrupt=(harmed[1], ""))) for kind, harmed in KINDS.items()}
    numbers = about(data, SELECT, runs) | dict(whole=point(rows, arm()), weaker=weaker, pairs=pairs)
    return Result(numbers | dict(verdicts={name: verdict(some, numbers["whole"]) for name, some in pairs.items()}))


def verdict(some: list[dict], whole: dict) -> dict:
    """The best guided point of a pair against no guidance, and against the main model that is not harmed."""
    unguided, guided = best(p for p in some if p["w"] == 1), best(p for p in some if p["w"] != 1)
    return dict(
        unguided=mean(unguided), guided=mean(guided), w=guided["w"], whole=mean(whole),
        difference={key: against(guided, unguided, key) for key in KEYS}, left=against(guided, whole),
    )  # fmt: skip


def draw(result: Result) -> plt.Figure:
    numbers = result.numbers
    with plots.style():
        figure, axes = panels(len(KEYS), 2, 3.8, 2.7)
        for row, (key, title) in zip(axes, KEYS.items(), strict=True):
            for ax, kind in zip(row, KINDS, strict=True):
                for other, colour in zip(KINDS, COLOURS, strict=False):
                    some = numbers["pairs"][f"{kind}, guide {other}"]
                    curve(ax, [p["w"] for p in some], some, key, colour, f"guide harmed by {other}")
                ends = [min(p["w"] for p in some), 2.0]
                curve(ax, ends, [numbers["whole"]] * 2, key, plots.BLUE, "main not harmed, no guidance")
                floor(ax, numbers["floors"], key, label=True)
                ax.set(xlabel="guidance weight w", ylabel=title, title=f"main harmed by {kind}")
        legend_below(figure, axes[0, 0], 3)
    return figure
