"""A search that replaces the paper's grid: does it find the grid's optimum, and for how many samples?

Candidates are all settings of `design`: width, training length and average of the guide, and the weight. The search looks at
the first samples of the very runs that the grid is made of, so nothing is computed twice; what both found is then measured on
fresh noise.
"""

from pathlib import Path

import numpy as np

from edm.metrics import paired_difference
from edm.storage.rows import Store, run_rows
from figures.engine.halving import successive_halving
from figures.engine.plots import panels, percent, plain_ticks
from figures.engine.result import GALLERY, OUT, Result, load_result
from figures.toy import guide_design
from toy2d import plots, pretrained

COST, NEEDS = "1 min", "the result and the guides of `design`, else that in the gallery, and 10 min to train"
VERSION = 2  # raise it when rows or results change their meaning; the rows are those of `guide_design.row`
FAST = dict(fresh=())  # no fresh noise: nothing is sampled, so no guides are needed

COUNTS = (64, 256, 1024, 2048)  # samples a candidate in each round
KEEP = 0.25
FRESH = tuple(range(2000, 2008))  # noise seeds on which search and grid are compared


def compute(folder=pretrained.FOLDER, *, fresh=FRESH, n=4096, store: Store | None = None, workers=None) -> Result:
    """fresh: noise seeds of the comparison, n samples each."""
    out = store.path.parent if store else OUT
    found_in = out if (out / "guide_design.json").exists() else GALLERY
    studied = load_result("guide_design", found_in).numbers
    grid, seeds = studied["grid"], studied["seeds"]
    counts = [k for k in COUNTS if str(k) in grid[0]["first"][0]]
    most = max(counts)
    numbers = {
        "seeds": seeds, "candidates": len(grid), "counts": counts, "keep": KEEP, "grid_samples": len(grid) * most,
        "fresh": list(fresh), "n": n, "searches": [],
    }  # fmt: skip
    for i in range(len(seeds)):
        search = successive_halving(grid, lambda c, count, i=i: c["first"][i][str(count)], counts, KEEP)
        best = min(range(len(grid)), key=lambda c, i=i: grid[c]["first"][i][str(most)])
        ranks = [list(r.scores).index(best) + 1 if best in r.scores else None for r in search.rounds]
        numbers["searches"].append({
            "found": setting(grid[search.best]), "grid_best": setting(grid[best]), "samples": search.samples, "ranks": ranks,
            "rounds": [{"count": r.count, "scores": list(r.scores.values())} for r in search.rounds],
        })  # fmt: skip
    if fresh:
        compare(numbers, studied, out / "checkpoints", str(folder), fresh, n, store, workers)
    return Result(numbers)


def setting(candidate: dict) -> dict:
    return {k: v for k, v in candidate.items() if k != "first"}


def compare(numbers: dict, studied: dict, home: Path, folder: str, fresh, n: int, store, workers) -> None:
    """Measure what search and grid found, and no guidance, on fresh noise; put the results into `numbers`."""
    lengths, emas, batch = studied["lengths"], studied["emas"], studied["batch"]
    tasks, training = [], {}
    for seed, search in zip(studied["seeds"], numbers["searches"], strict=True):
        for arm in ({"w": 1.0}, search["found"], search["grid_best"]):
            file = ""
            if arm["w"] != 1:
                file = guide_design.guide_file(seed, arm["hidden"], lengths, batch)
                run = dict(
                    seed=seed + guide_design.GUIDE_SEED, hidden=arm["hidden"], lengths=lengths, emas=emas, batch=batch
                )
                training[file] = run | {"file": file}
            options = {k: v for k, v in arm.items() if k != "w"}
            tasks += [dict(seed=seed, noise_seed=noise, n=n, weight=arm["w"], file=file, **options) for noise in fresh]
    home = dict(home=str(home))
    run_rows(guide_design.train_guide, list(training.values()), shared=home, workers=workers, desc="guides")
    models = dict(shared=dict(folder=folder, **home), settings=dict(models=pretrained.identity(folder)))
    rows = iter(run_rows(guide_design.row, tasks, **models, store=store, workers=workers, desc="fresh noise"))
    for search in numbers["searches"]:
        none, found, best = ([next(rows)["misplaced"] for _ in fresh] for _ in range(3))
        search |= {
            "misplaced": {"none": none, "found": found, "grid_best": best},
            "regret": paired_difference(found, best),
            "gain": paired_difference(found, none),
        }


def draw(result: Result):
    """Left: scores of the candidates in the race, round by round. Right: what it found, on fresh noise, with 95 % intervals."""
    numbers = result.numbers
    searches = numbers["searches"]
    colours = (plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE)
    with plots.style():
        figure, ((race, fresh),) = panels(1, 2, 3.5, width_ratios=(3, 2))
        for i, (search, colour) in enumerate(zip(searches, colours, strict=False)):
            for k, r in enumerate(search["rounds"]):
                x = k + 0.16 * (i - (len(searches) - 1) / 2)
                race.scatter([x] * len(r["scores"]), r["scores"], s=5, color=colour, alpha=0.5, linewidths=0)
                race.plot(x, r["scores"][0], "_", color=plots.INK, markersize=8, label="best" if not i + k else None)
            race.plot([], [], "o", color=colour, markersize=4, label=f"seed {numbers['seeds'][i]}")
            if "regret" in search:
                for shift, key, marker in ((0.14, "regret", "o"), (-0.14, "gain", "s")):
                    d, name = search[key], {"regret": "grid's best", "gain": "no guidance"}[key]
                    fresh.plot([d["low"], d["high"]], [i + shift] * 2, color=colour, linewidth=1.5)
                    fresh.plot(d["mean"], i + shift, marker, color=colour, markersize=6)
                    if not i:
                        fresh.plot([], [], marker, color=plots.INK, markersize=5, label=f"found − {name}")
        saved = numbers["grid_samples"] / np.mean([s["samples"] for s in searches])
        rounds = searches[0]["rounds"]
        plain_ticks(race.xaxis, range(len(rounds)), [f"{r['count']}\n{len(r['scores'])} left" for r in rounds])
        race.set(
            xlabel="samples of a candidate", ylabel="misplaced mass", title=f"the race: {saved:.1f} times fewer samples"
        )
        race.legend(frameon=False, fontsize=8)
        fresh.axvline(0, color=plots.GREY, linewidth=0.8)
        plain_ticks(fresh.yaxis, range(len(searches)), [f"seed {s}" for s in numbers["seeds"]])
        fresh.set(title="on fresh noise", xlabel="difference of misplaced mass", ylim=(-0.5, len(searches) + 0.2))
        if numbers["fresh"]:
            fresh.legend(frameon=False, fontsize=8, loc="upper left", borderaxespad=0)
        percent(fresh.xaxis, 1)
        percent(race.yaxis)
    return figure
