"""Which claims hold over training seeds? Every kind of guide at every weight, quality and coverage, paired seed by seed.

Writes seeds.md, a table of selected arms, and seeds-short.md, which the README shows, beside the picture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from edm.denoiser import Denoiser
from edm.guidance import guide, truncate
from edm.metrics import paired_difference
from edm.storage.atomic import write_atomic
from edm.storage.rows import run_rows
from figures.engine import tables
from figures.engine.result import Result
from figures.engine.tables import difference_text, minus
from toy2d import metrics, plots, pretrained
from toy2d.paired import draw_start, measure, run

COST, NEEDS = "6 min", "the shipped 2D models"
VERSION = 2  # raise it when rows or results change their meaning
FAST = dict(n=256, seeds=[0, 1], weights=(2.0,))

INTERVAL = (0.01, 0.5)
WEIGHTS = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
FACTORS = (1.03, 1.05, 1.1, 1.2, 1.4)
BUDGETS = (0.10, 0.15, 0.20)  # of total variation
METRICS = {
    "outliers_99": ("outliers", ".1%"),
    "diverged": ("flown off", ".2%"),
    "branch_tv": ("branch TV", ".3f"),
    "leaves_lost": ("leaves lost of 64", ".1f"),
    "misplaced": ("misplaced", ".1%"),
    "kl_q_p": ("KL(q‖p)", ".2f"),
    "kl_p_q": ("KL(p‖q)", ".2f"),
}


class Family(NamedTuple):
    """A way to guide, of which the weight is left open."""

    title: str
    kind: str | None  # of the guide (`toy2d.pretrained`); None: truncation, whose weight is the factor of the score
    colour: str
    interval: tuple[float, float] | None = None
    next_seed: bool = False  # the guide comes from the next training seed's run


FAMILIES = {
    "autoguidance": Family("Autoguidance (smaller, less trained)", "guide", plots.GREEN),
    "autoguidance-interval": Family(f"Autoguidance, {INTERVAL[0]} < σ ≤ {INTERVAL[1]}", "guide", plots.INK, INTERVAL),
    "early": Family("Less trained only, same run", "early", plots.SKY),
    "early-interval": Family(f"Less trained only, {INTERVAL[0]} < σ ≤ {INTERVAL[1]}", "early", plots.BLUE, INTERVAL),
    "early-other": Family("Less trained only, another run", "early", plots.YELLOW, next_seed=True),
    "small": Family("Smaller only", "small", plots.VERMILLION),
    "cfg": Family("CFG", "uncond", plots.ORANGE),
    "cfg-interval": Family(f"CFG, {INTERVAL[0]} < σ ≤ {INTERVAL[1]}", "uncond", plots.GREY, INTERVAL),
    "truncation": Family("Naive truncation", None, plots.PURPLE),
}
TABLE = (
    "none", "autoguidance 1.5", "autoguidance 2", "autoguidance 3", "autoguidance-interval 3", "early 1.5", "early 2", "early 3",
    "early-interval 3", "early-other 2", "early-other 3", "small 2", "small 3", "cfg 1.5", "cfg 2", "cfg 4", "cfg-interval 2",
    "truncation 1.1", "truncation 1.4",
)  # fmt: skip

SHORT = (
    "none", "autoguidance 2", "autoguidance 3", "autoguidance-interval 3", "early 2", "early-other 2", "early-interval 1.25",
    "early-interval 3", "small 2", "cfg 2", "cfg 4", "truncation 1.1", "truncation 1.4",
)  # fmt: skip


def denoiser(family: str, weight: float, seed: int, seeds: Sequence[int], folder) -> Denoiser:
    """The main model of a training seed, guided; weight 1 is the main model alone, whatever the family."""
    main, f = pretrained.load("main", seed, folder), FAMILIES[family]
    if f.kind is None:
        return truncate(main, weight)
    if f.next_seed:
        seed = seeds[(list(seeds).index(seed) + 1) % len(seeds)]
    return guide(main, pretrained.load(f.kind, seed, folder), weight, f.interval)


def row(family: str, weight: float, seed: int, seeds: Sequence[int], n: int, noise_seed: int, folder: str) -> dict:
    start = draw_start(n, noise_seed + seed)
    return measure(run(denoiser(family, weight, seed, seeds, folder), start))


def compute(
    noise_seed=0, folder=pretrained.FOLDER, *, seeds=None, n=2**13, weights=WEIGHTS, store=None, workers=None
) -> Result:
    """seeds: training seeds (default: all in `folder`). Training seed s starts from the points of noise seed noise_seed + s."""
    seeds = pretrained.seeds(folder) if seeds is None else list(seeds)
    if len(seeds) < 2:
        raise ValueError(f"need two training seeds or more in {folder}, found {seeds}: `python -m toy2d train --all`")
    arms = {"none": ("autoguidance", 1.0)}
    for family, f in FAMILIES.items():
        arms |= {f"{family} {w:g}": (family, w) for w in (weights if f.kind else FACTORS)}
    tasks = [
        dict(family=family, weight=w, seed=s, seeds=seeds, n=n, noise_seed=noise_seed)
        for s in seeds
        for family, w in arms.values()
    ]
    models = dict(shared=dict(folder=str(folder)), settings=dict(models=pretrained.identity(folder)))
    rows = run_rows(row, tasks, **models, store=store, workers=workers, desc="seeds")
    found = {(r["family"], r["weight"], r["seed"]): r for r in rows}
    runs = {name: {key: [found[*arm, s][key] for s in seeds] for key in METRICS} for name, arm in arms.items()}
    floor = metrics.floor(n)
    numbers = {
        "seeds": seeds, "noise_seed": noise_seed, "n": n, "weights": list(weights), "interval": INTERVAL, "runs": runs,
        "floor": {key: floor[key] for key in METRICS},
        "difference": {
            name: {key: paired_difference(values[key], runs["none"][key]) for key in METRICS}
            for name, values in runs.items() if name != "none"
        },
        "outliers_within_budget": {
            family: {str(b): [within(b, *curve(runs, family, i)) for i in range(len(seeds))] for b in BUDGETS}
            for family in FAMILIES
        },
    }  # fmt: skip
    return Result(numbers)


def family_arms(runs: dict, family: str) -> list[str]:
    """The names of a family's arms in the order of their weights, no guidance first."""
    return ["none", *(name for name in runs if name.split()[0] == family)]


def curve(runs: dict, family: str, i: int) -> tuple[list[float], list[float]]:
    """Total variation and outliers of the i-th seed along the weights of a family, from no guidance on."""
    names = family_arms(runs, family)
    return [runs[n]["branch_tv"][i] for n in names], [runs[n]["outliers_99"][i] for n in names]


def within(budget: float, tv: Sequence[float], outliers: Sequence[float]) -> float:
    """Fewest outliers on the curve (straight between its points) where the total variation is at most `budget`.

    The first point, no guidance, is always allowed.
    """
    t = np.arange(len(tv))
    fine = np.linspace(0, len(tv) - 1, 50 * (len(tv) - 1) + 1)
    allowed = np.interp(fine, t, tv) <= budget
    allowed[0] = True
    return float(np.interp(fine, t, outliers)[allowed].min())


def markdown(numbers: dict, arms: Sequence[str] = TABLE, keys: Sequence[str] = tuple(METRICS)) -> str:
    """The table: mean ± standard deviation over training seeds; Δ: paired difference to no guidance, 95 % interval."""
    changes = [key for key in ("outliers_99", "branch_tv", "misplaced") if key in keys]
    header = ["", *(METRICS[key][0] for key in keys), *(f"Δ {METRICS[key][0]}" for key in changes)]
    floor = [minus(format(numbers["floor"][key], METRICS[key][1])) for key in keys]
    rows = [["true samples (floor)", *floor, *[""] * len(changes)]]
    for name in (name for name in arms if name in numbers["runs"]):
        cells = [label(name)]
        for key in keys:
            values, form = np.array(numbers["runs"][name][key], float), METRICS[key][1]
            cells.append(f"{values.mean():{form}} ± {values.std(ddof=1):{form}}".replace("% ±", " ±"))
        for key in changes:
            form = "+" + METRICS[key][1]
            cells.append("" if name == "none" else difference_text(numbers["difference"][name][key], form))
        rows.append([minus(cell) for cell in cells])
    return tables.markdown(header, rows)


def short(numbers: dict) -> str:
    """The rows and columns that the README shows."""
    return markdown(numbers, SHORT, ("outliers_99", "branch_tv", "leaves_lost", "misplaced", "diverged"))


def label(name: str) -> str:
    family, _, weight = name.partition(" ")
    if family == "none":
        return "No guidance"
    return f"{FAMILIES[family].title}, {'×' if family == 'truncation' else 'w = '}{weight}"


def extras(result: Result, out: Path) -> None:
    """The table as Markdown, whole and short."""
    write_atomic(out / "seeds.md", markdown(result.numbers))
    write_atomic(out / "seeds-short.md", short(result.numbers))


def draw(result: Result):
    """Upper row: numbers against the weight, mean and 95 % interval over training seeds. Lower: quality against coverage."""
    numbers = result.numbers
    with plots.style():
        figure = plt.figure(figsize=(13.0, 8.6), layout="constrained")
        upper, lower = figure.subfigures(2, 1, height_ratios=(2, 3))
        for ax, key in zip(upper.subplots(1, 4), ("outliers_99", "branch_tv", "leaves_lost", "misplaced"), strict=True):
            for family in FAMILIES:
                if family != "truncation":  # its factors are no weights
                    draw_curve(ax, numbers, family, key)
            ax.axhline(numbers["floor"][key], color=plots.GREY, linewidth=0.8, linestyle=":")
            ax.set(title=METRICS[key][0], xlabel="guidance weight w")
            percent(ax, key)
        frontier, differences = lower.subplots(1, 2, width_ratios=(5, 4))
        draw_frontier(frontier, numbers)
        draw_differences(differences, numbers)
    return figure


def draw_curve(ax, numbers: dict, family: str, key: str) -> None:
    names = family_arms(numbers["runs"], family)
    values = np.array([numbers["runs"][n][key] for n in names], float)  # [weights, seeds]
    w = [1.0, *(float(n.split()[1]) for n in names[1:])]
    mean, reach = values.mean(1), confidence(values)
    ax.plot(w, mean, color=FAMILIES[family].colour, marker="o", markersize=3, linewidth=1.2)
    ax.fill_between(w, mean - reach, mean + reach, color=FAMILIES[family].colour, alpha=0.15, linewidth=0)


def confidence(values: np.ndarray) -> np.ndarray:
    """Half of the 95 % interval of the mean over the last axis (Student's t)."""
    return np.array([d["high"] - d["mean"] for d in (paired_difference(v, 0 * v) for v in values)])


def draw_frontier(ax, numbers: dict) -> None:
    for family, f in FAMILIES.items():
        values = np.array([[numbers["runs"][n][k] for k in ("branch_tv", "outliers_99")] for n in
                           family_arms(numbers["runs"], family)], float)  # [weights, 2, seeds]  # fmt: skip
        ax.plot(*values.mean(2).T, "o-", color=f.colour, markersize=3.5, linewidth=1.2, label=f.title)
        ax.scatter(values[:, 0], values[:, 1], s=3, color=f.colour, alpha=0.4, linewidths=0)
    floor = numbers["floor"]
    ax.plot(floor["branch_tv"], floor["outliers_99"], "*", color=plots.INK, markersize=9, label="true samples (floor)")
    ax.set(xlabel="branch TV (lower: better coverage)", ylabel="outliers (lower: better quality)", ylim=(0, 0.25))
    ax.set_title("quality against coverage, weights along each line")
    ax.legend(frameon=False, fontsize=7)
    percent(ax, "outliers_99")


def draw_differences(ax, numbers: dict) -> None:
    """Paired differences with their intervals, outliers to the left, coverage to the right."""
    names = [name for name in TABLE if name in numbers["difference"]][::-1]
    right = ax.twiny()
    for y, name in enumerate(names):
        colour = FAMILIES[name.split()[0]].colour
        for axis, key, marker, shift in ((ax, "outliers_99", "o", 0.16), (right, "branch_tv", "s", -0.16)):
            d = numbers["difference"][name][key]
            axis.plot([d["low"], d["high"]], [y + shift] * 2, color=colour, linewidth=1.2)
            axis.plot(
                d["mean"],
                y + shift,
                marker,
                color=colour,
                markersize=4,
                markerfacecolor="white" if marker == "s" else colour,
            )
    ax.set_yticks(range(len(names)), [label(n) for n in names], fontsize=7)
    ax.axvline(0, color=plots.GREY, linewidth=0.8)
    ax.set(xlim=(-0.16, 0.16), xlabel=f"● change of outliers, paired over {len(numbers['seeds'])} seeds, 95 %")
    right.set(xlim=(-0.64, 0.64), xlabel="□ change of branch TV")
    ax.xaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=0))


def percent(ax, key: str) -> None:
    if METRICS[key][1].endswith("%"):
        ax.yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=0))
