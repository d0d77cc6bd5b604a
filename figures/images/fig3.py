"""Figure 3 on images: distance against weight for guides by training length and capacity, and for EMA widths of both models.

Everything here is seen on the training runs and the noise on which settings are chosen; table1 reports on others.
"""

import matplotlib.pyplot as plt

from figures.engine.plots import panels
from figures.engine.result import Result
from figures.images import settings
from figures.images.measure import measure_all
from figures.images.plots import STYLES, curve, floor, heat
from figures.images.points import about, arm_of, mean, point, points
from figures.images.study import study
from toy2d import plots

COST, NEEDS = "50 min of one core (fashion-16) after networks", "the networks of `python -m figures images`"
FAST = dict(data="tiny")
VERSION = 1  # raise it when results change their meaning
KEYS = {"frechet_distance": "Fréchet distance", "recall": "recall"}


def compute(data="fashion-16", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    plan = study(data)
    lengths, capacities, widths = settings.lengths(), settings.capacities(), settings.widths()
    arms = [made for some in (*lengths.values(), *capacities.values(), widths) for made in some]
    rows = measure_all(
        plan, arms, plan.choosing, runs=runs, store=store, workers=workers, minutes=minutes, desc="figure 3"
    )
    numbers = about(plan, plan.choosing, runs)
    numbers |= dict(lengths=points(rows, lengths), capacities=points(rows, capacities))
    return Result(numbers | dict(widths=[point(rows, made) for made in widths]))


def draw(result: Result) -> plt.Figure:
    """Columns: guides of main's capacity, guides of half the width, EMA widths of both models. A row for each number."""
    numbers = result.numbers
    widths = sorted({arm_of(p).main.ema for p in numbers["widths"]})
    titles = ("guide: main's capacity", "guide: half the width", f"EMA widths, w = {numbers['widths'][0]['w']:g}")
    with plots.style():
        figure, axes = panels(2, 3, 2.8)
        for row, (key, title) in zip(axes, KEYS.items(), strict=True):
            row[1].sharey(row[0])
            for ax, part in zip(row, ("lengths", "capacities"), strict=False):
                for (name, some), style in zip(numbers[part].items(), STYLES, strict=False):
                    colour, marker = style
                    curve(ax, [p["w"] for p in some], some, key, colour, name, marker=marker)
                floor(ax, numbers["floors"], key)
            row[0].set_ylabel(title)
            table = [[_mean(numbers["widths"], m, g, key) for g in widths] for m in widths]
            heat(row[2], table, widths, widths, low=key == "frechet_distance")
            row[2].set_ylabel("EMA width of main")
        for upper, lower, title in zip(*axes, titles, strict=True):
            upper.set_title(title)
            lower.sharex(upper)
        for ax in axes[1, :2]:
            ax.set_xlabel("guidance weight w")
            ax.legend(
                frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, columnspacing=1
            )
        axes[1, 2].set_xlabel("EMA width of the guide")
    return figure


def _mean(some, main: float, guide: float, key: str) -> float:
    return next(mean(p, key) for p in some if (arm_of(p).main.ema, arm_of(p).guide.ema) == (main, guide))
