"""A cheap search on images: successive halving over the settings of Table 1 against measuring each of them in full.

The search looks at the first images of the very rows that the grid is made of, so nothing is generated twice; what both found is
then measured on fresh noise. EMA widths are candidates like the rest: post-hoc, no network is trained for them.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.stats import spearmanr

from edm.metrics import paired_difference
from figures.engine.halving import successive_halving
from figures.engine.plots import panels
from figures.engine.result import Result
from figures.images import measure, table1
from figures.images.measure import measure_all
from figures.images.plots import COLOURS
from figures.images.points import about, point, setting_of
from figures.images.settings import REPORT, SELECT, arm
from figures.images.study import STUDIES
from toy2d import plots

COST, NEEDS = "3 min after table1", "the networks of `python -m figures images`"
VERSION = measure.VERSION
FAST = dict(data="tiny")
KEEP = 0.2
KEY = "frechet_distance"


def compute(data="digits", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    """Search and grid are done for each training seed on its own, as by somebody who has one run of each network."""
    plan, options = STUDIES[data], dict(runs=runs, store=store, workers=workers, minutes=minutes)
    named = table1.candidates()
    arms = [task for name, tasks in named.items() if not name.startswith(table1.NO_LABELS) for task in tasks]
    rows = measure_all(data, arms, desc="grid", **options)
    searches = [one_search([row for row in rows if row["seed"] == seed], plan.few) for seed in plan.seeds]
    compared = [arm(), *(s[kind] for s in searches for kind in ("found", "grid_best"))]
    fresh = measure_all(data, compared, REPORT, desc="fresh noise", **options)
    for seed, search in zip(plan.seeds, searches, strict=True):
        for kind, task in (("none", arm()), ("found", search["found"]), ("grid_best", search["grid_best"])):
            own = point([r for r in fresh if r["seed"] == seed], task)
            search.setdefault("fresh", {})[kind] = own["values"][KEY][0]
        search["noise"] = own["noise"][KEY]  # of the grid's best: standard deviation between sets of noise seeds
    numbers = about(data, SELECT, runs) | dict(fresh_noise_seeds=list(REPORT), counts=list(plan.few), keep=KEEP)
    numbers |= dict(candidates=len(searches[0]["scores"]["grid"]), searches=searches)
    values = {kind: [s["fresh"][kind] for s in searches] for kind in ("none", "found", "grid_best")}
    numbers["regret"] = paired_difference(values["found"], values["grid_best"])
    numbers["gain"] = paired_difference(values["found"], values["none"])
    numbers["noise"] = float(np.mean([s["noise"] for s in searches]))
    numbers["times_fewer"] = float(np.mean([s["grid_images"] / s["search_images"] for s in searches]))
    return Result(numbers)


def one_search(rows: list[dict], counts) -> dict:
    """What the search and the whole grid find in the rows of a training seed, and the scores that they saw."""
    search = successive_halving(rows, lambda row, count: row["few"][str(count)], counts, KEEP)
    best = min(range(len(rows)), key=lambda i: rows[i][KEY])
    whole = [row[KEY] for row in rows]
    last = search.rounds[-1]
    return {
        "found": setting_of(rows[search.best]), "grid_best": setting_of(rows[best]),
        "search_images": search.samples, "grid_images": sum(row["images"] for row in rows),
        "rank_in_grid": sorted(whole).index(rows[search.best][KEY]) + 1,
        "scores": {"grid": whole, **{str(r.count): [r.scores.get(i) for i in range(len(rows))] for r in search.rounds}},
        "rank_correlation": {
            str(n): float(spearmanr([row["few"][str(n)] for row in rows], whole).statistic) for n in counts
        },
        "survivors": len(last.scores),
    }  # fmt: skip


def draw(result: Result) -> plt.Figure:
    """Left: each candidate's distance on few images against that on all. Right: on fresh noise, no guidance and what was found."""
    numbers = result.numbers
    few, more = map(str, numbers["counts"])
    with plots.style():
        figure, axes = panels(1, 2, 4.6, 3.6)
        for seed, search, colour in zip(numbers["training_seeds"], numbers["searches"], COLOURS, strict=False):
            grid = search["scores"]["grid"]
            axes[0, 0].plot(grid, search["scores"][few], ".", color=colour, alpha=0.6, label=f"training seed {seed}")
            axes[0, 0].plot(grid, search["scores"][more], "o", color=colour, fillstyle="none", markersize=6)
            path = [search["fresh"][kind] for kind in ("none", "found", "grid_best")]
            axes[0, 1].plot(range(3), path, "o-", color=colour)
        axes[0, 0].set(
            xlabel=f"Fréchet distance on {numbers['images_for_a_number']} images (grid)", ylabel="on the first images",
            title=f"{numbers['candidates']} candidates: ● first {few} images, ○ first {more}", xscale="log", yscale="log",
        )  # fmt: skip
        for axis in (axes[0, 0].xaxis, axes[0, 0].yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        axes[0, 0].legend(frameon=False, fontsize=8)
        axes[0, 1].set_xticks(range(3), ["no guidance", "found by search", "best of grid"])
        axes[0, 1].set(
            ylabel="Fréchet distance on fresh noise", title=f"{numbers['times_fewer']:.1f} times fewer images", ylim=(0, None)
        )  # fmt: skip
    return figure
