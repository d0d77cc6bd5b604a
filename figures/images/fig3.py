"""Figure 3 on images: distance against weight for guides by training length and capacity, and for EMA widths of both models.

Everything here is seen on the noise seeds on which weights and widths are chosen; table1 reports on others.
"""

import matplotlib.pyplot as plt

from figures.engine.plots import panels
from figures.engine.result import Result
from figures.images import measure, settings
from figures.images.measure import measure_all
from figures.images.plots import COLOURS, curve, floor, heat
from figures.images.points import about, mean, point, points
from figures.images.settings import SELECT
from toy2d import plots

COST, NEEDS = "15 min (digits), 25 min (fashion-16) after images", "the networks of `python -m figures images`"
VERSION = measure.VERSION
FAST = dict(data="tiny")
KEYS = {"frechet_distance": "Fréchet distance", "recall": "recall"}


def compute(data="digits", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    lengths, capacities, widths = settings.lengths(), settings.capacities(), settings.widths()
    arms = [task for tasks in (*lengths.values(), *capacities.values(), widths) for task in tasks]
    rows = measure_all(data, arms, runs=runs, store=store, workers=workers, minutes=minutes, desc="figure 3")
    numbers = about(data, SELECT, runs)
    numbers |= dict(lengths=points(rows, lengths), capacities=points(rows, capacities))
    numbers["widths"] = [point(rows, task) for task in widths]
    return Result(numbers)


def draw(result: Result) -> plt.Figure:
    numbers = result.numbers
    widths = sorted({p["main"][2] for p in numbers["widths"]})
    with plots.style():
        figure, axes = panels(2, 3)
        for row, (key, title) in zip(axes, KEYS.items(), strict=True):
            for ax, part in zip(row, ("lengths", "capacities"), strict=False):
                for (name, some), colour in zip(numbers[part].items(), COLOURS, strict=False):
                    curve(ax, [p["w"] for p in some], some, key, colour, name)
                floor(ax, numbers["floors"], key)
                ax.set(xlabel="guidance weight w", ylabel=title)
            table = [[_mean(numbers["widths"], m, g, key) for g in widths] for m in widths]
            heat(row[2], table, widths, widths, low=key == "frechet_distance")
            row[2].set(xlabel="EMA width of the guide", ylabel="EMA width of main")
        for ax, title in zip(axes[0], ("guide: main's capacity", "guide: half the width", "XS, T/8"), strict=True):
            ax.set_title(
                title if title != "XS, T/8" else f"guide XS, T/8, w = {numbers['widths'][0]['w']:g}: Fréchet distance"
            )
        axes[1, 2].set_title("recall")
        axes[0, 0].set_ylim(top=1.4 * axes[0, 0].get_ylim()[1])  # room for the names
        for ax in axes[0, :2]:
            ax.legend(frameon=False, fontsize=8)
    return figure


def _mean(some, main: float, guide: float, key: str) -> float:
    return next(mean(p, key) for p in some if p["main"][2] == main and p["guide"][2] == guide)
