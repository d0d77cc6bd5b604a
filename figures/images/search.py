"""A cheap search on images: successive halving over the settings of Table 1 against measuring each of them in full.

The search looks at the first images of the very rows that the grid is made of, so nothing is generated twice; what both found is
then measured on other training runs. EMA widths are candidates like the rest: post-hoc, no network is trained for them.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.stats import spearmanr

from edm.evaluation.yardstick import THREE
from edm.metrics import paired_difference
from figures.engine.halving import successive_halving
from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.images import settings
from figures.images.arms import arm, as_dict, from_dict
from figures.images.measure import Row, measure_all
from figures.images.plots import COLOURS
from figures.images.points import about, point
from figures.images.study import study
from toy2d import plots

COST, NEEDS = "15 min of one core (fashion-16) after table1", "the networks of `python -m figures images`"
FAST = dict(data="tiny")
VERSION = 1  # raise it when results change their meaning
KEEP = 0.2
KEY = "frechet_distance"


def compute(data="fashion-16", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    """Search and grid are done for each training run on its own, as by somebody who has one run of each network.

    Both look at the choosing stage's training runs; what they found is measured on the reporting stage's.
    """
    plan, options = study(data), dict(runs=runs, store=store, workers=workers, minutes=minutes)
    named = settings.candidates(plan)
    arms = [made for name, some in named.items() if not name.startswith(settings.NO_LABELS) for made in some]
    arms = [
        made for made in dict.fromkeys(arms) if made.steps is None and made.narrowed == 1
    ]  # controls are not to be found
    rows = measure_all(plan, arms, plan.choosing, desc="grid", **options)
    seeds = plan.choosing.seeds
    searches = [one_search([row for row in rows if row.seed == seed], plan.choosing.few) for seed in seeds]
    wanted = [arm(), *(from_dict(s[kind]) for s in searches for kind in ("found", "grid_best"))]
    fresh = measure_all(plan, wanted, plan.reporting, desc="other training runs", **options)
    for search in searches:
        kinds = {"none": arm(), "found": from_dict(search["found"]), "grid_best": from_dict(search["grid_best"])}
        search["fresh"] = {kind: point(fresh, made)["values"][KEY] for kind, made in kinds.items()}  # one for each run
    numbers = about(plan, plan.choosing, runs) | dict(reported_on=list(plan.reporting.seeds), keep=KEEP)
    numbers |= dict(counts=list(plan.choosing.few), candidates=len(arms), searches=searches)
    values = {kind: [float(np.mean([s["fresh"][kind][i] for s in searches])) for i in range(len(plan.reporting.seeds))]
              for kind in ("none", "found", "grid_best")}  # fmt: skip
    numbers["regret"] = paired_difference(values["found"], values["grid_best"])
    numbers["gain"] = paired_difference(values["found"], values["none"])
    numbers["times_fewer"] = float(np.mean([s["grid_images"] / s["search_images"] for s in searches]))
    return Result(numbers)


def one_search(rows: list[Row], counts: Sequence[int]) -> dict:
    """What the search and the whole grid find in the rows of a training run, and the scores that they saw."""
    search = successive_halving(rows, lambda row, count: few(row, count), counts, KEEP)
    whole = [row.numbers[KEY] for row in rows]
    last = search.rounds[-1]
    return {
        "found": as_dict(rows[search.best].arm), "grid_best": as_dict(rows[int(np.argmin(whole))].arm),
        "search_images": search.samples, "grid_images": sum(row.count for row in rows),
        "rank_in_grid": sorted(whole).index(whole[search.best]) + 1,
        "scores": {"grid": whole, **{str(r.count): [r.scores.get(i) for i in range(len(rows))] for r in search.rounds}},
        "rank_correlation": {str(n): float(spearmanr([few(row, n) for row in rows], whole).statistic) for n in counts},
        "survivors": len(last.scores),
    }  # fmt: skip


def few(row: Row, count: int) -> float:
    """The distance of the first images of a row, in the primary feature space."""
    return row.numbers["of_first"][str(count)][THREE[0]]


def draw(result: Result) -> plt.Figure:
    """Left: each candidate's distance on few images against that on all. Right: on other noise, no guidance and what was found."""
    numbers = result.numbers
    few, more = map(str, numbers["counts"])
    with plots.style():
        figure, ((scores, fresh),) = panels(1, 2, 3.6)
        for seed, search, colour in zip(numbers["training_seeds"], numbers["searches"], COLOURS, strict=False):
            grid = search["scores"]["grid"]
            scores.plot(grid, search["scores"][few], ".", color=colour, alpha=0.6, label=f"training seed {seed}")
            scores.plot(grid, search["scores"][more], "o", color=colour, fillstyle="none", markersize=6)
            path = [np.mean(search["fresh"][kind]) for kind in ("none", "found", "grid_best")]
            fresh.plot(range(3), path, "o-", color=colour, markersize=5)
        scores.plot([], [], ".", color=plots.INK, label=f"first {few} images, all {numbers['candidates']} candidates")
        scores.plot(
            [], [], "o", color=plots.INK, fillstyle="none", markersize=6, label=f"first {more} images, the best fifth"
        )
        title = f"Fréchet distance on {numbers['images_for_a_number']} images (grid)"
        scores.set(xlabel=title, ylabel="Fréchet distance on the first images", xscale="log", yscale="log")
        for axis in (scores.xaxis, scores.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        scores.set_title("what a first look tells")
        fresh.set_xticks(range(3), ["no guidance", "found by\nsearch", "best of\nthe grid"])
        title = f"{numbers['times_fewer']:.1f} times fewer images"
        fresh.set(ylabel="Fréchet distance, not seen when choosing", title=title, ylim=(0, None))
        legend_below(figure, 3)
    return figure
