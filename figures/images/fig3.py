"""Figure 3 on images: distance against weight for guides by training length and capacity, and for EMA widths of both models.

Everything here is seen on the training runs and the noise on which settings are chosen; table1 reports on others.
"""

import matplotlib.pyplot as plt

from figures.engine.plots import panels
from figures.engine.result import Result
from figures.images import settings
from figures.images.measure import measure_all
from figures.images.plots import COLOURS, curve, floor, heat
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
    numbers = result.numbers
    widths = sorted({arm_of(p).main.ema for p in numbers["widths"]})
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
    return next(mean(p, key) for p in some if (arm_of(p).main.ema, arm_of(p).guide.ema) == (main, guide))
