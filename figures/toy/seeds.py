"""Which claims hold over training seeds? Every kind of guide at every weight, quality and coverage, paired seed by seed.

Writes seeds.md, a table of selected arms, and seeds-short.md, which docs/two_dimensions.md shows, beside the picture.
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
from figures.engine.plots import WIDTH, percent
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
    interval: tuple[float, float] | None = None
    next_seed: bool = False  # the guide comes from the next training seed's run


FAMILIES = {
    "autoguidance": Family("Autoguidance (smaller, less trained)", "guide"),
    "autoguidance-interval": Family(f"Autoguidance, {INTERVAL[0]} < σ ≤ {INTERVAL[1]}", "guide", INTERVAL),
    "early": Family("Less trained only, same run", "early"),
    "early-interval": Family(f"Less trained only, {INTERVAL[0]} < σ ≤ {INTERVAL[1]}", "early", INTERVAL),
    "early-other": Family("Less trained only, another run", "early", next_seed=True),
    "small": Family("Smaller only", "small"),
    "cfg": Family("CFG", "uncond"),
    "cfg-interval": Family(f"CFG, {INTERVAL[0]} < σ ≤ {INTERVAL[1]}", "uncond", INTERVAL),
    "truncation": Family("Naive truncation", None),
}
SHOWN = {  # in the picture: colour and marker
    "autoguidance": (plots.GREEN, "o"), "early": (plots.SKY, "s"), "small": (plots.VERMILLION, "v"), "cfg": (plots.ORANGE, "^")
}  # fmt: skip
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
    """The rows and columns that docs/two_dimensions.md shows."""
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
    """(a) quality and (b) coverage against the weight, mean and 95 % interval over training seeds; (c) one against the other."""
    numbers = result.numbers
    with plots.style():
        figure, axes = plt.subplot_mosaic([["outliers_99", "branch_tv"], ["both", "both"]], figsize=(WIDTH, 7.4),
                                          height_ratios=(2, 3), layout="constrained")  # fmt: skip
        for key, title in (("outliers_99", "(a) quality"), ("branch_tv", "(b) coverage")):
            ax = axes[key]
            for family in SHOWN:
                draw_curve(ax, numbers, family, key)
            ax.axhline(numbers["floor"][key], color=plots.GREY, linewidth=1, linestyle=":", label="true samples")
            ax.set(
                title=title, xlabel="guidance weight w", ylabel=f"{METRICS[key][0]} (lower is better)", ylim=(0, None)
            )
        percent(axes["outliers_99"].yaxis)
        axes["outliers_99"].legend(frameon=False, fontsize=8, loc="upper left", borderaxespad=0.2)
        draw_frontier(axes["both"], numbers)
        figure.get_layout_engine().set(h_pad=0.12)
    return figure


def draw_curve(ax, numbers: dict, family: str, key: str) -> None:
    names = family_arms(numbers["runs"], family)
    values = np.array([numbers["runs"][n][key] for n in names], float)  # [weights, seeds]
    w = [1.0, *(float(n.split()[1]) for n in names[1:])]
    mean, reach = values.mean(1), confidence(values)
    colour, marker = SHOWN[family]
    ax.plot(w, mean, color=colour, marker=marker, markersize=4, linewidth=1.5, label=FAMILIES[family].title)
    ax.fill_between(w, mean - reach, mean + reach, color=colour, alpha=0.12, linewidth=0)


def confidence(values: np.ndarray) -> np.ndarray:
    """Half of the 95 % interval of the mean over the last axis (Student's t)."""
    return np.array([d["high"] - d["mean"] for d in (paired_difference(v, 0 * v) for v in values)])


def draw_frontier(ax, numbers: dict) -> None:
    """Means over seeds along the weights of each family; dashed: guidance in an interval of noise levels alone."""
    runs, keys = numbers["runs"], ("branch_tv", "outliers_99")

    def line(family: str, **style) -> None:
        arms = family_arms(runs, family)
        x, y = (np.mean([runs[n][k] for n in arms], axis=1) for k in keys)
        ax.plot(x, y, markersize=4, linewidth=1.5, **style)

    for family, (colour, marker) in SHOWN.items():
        line(family, color=colour, marker=marker)
        if f"{family}-interval" in FAMILIES:
            line(f"{family}-interval", color=colour, marker=marker, linestyle="--")
    low, high = numbers["interval"]
    ax.plot([], [], "--", color=plots.INK, linewidth=1.5, label=f"dashed: guided where {low:g} < σ ≤ {high:g} only")
    line("truncation", color=plots.PURPLE, marker="x", label=FAMILIES["truncation"].title)
    ax.plot(*(np.mean(runs["none"][k]) for k in keys), "D", color=plots.BLUE, markersize=7, label="No guidance")
    ax.plot(*(numbers["floor"][k] for k in keys), "*", color=plots.INK, markersize=11, label="True samples")
    ax.set(xlabel="branch TV (further left: better coverage)", ylabel="outliers (further down: better quality)")
    ax.set(xlim=(0, None), ylim=(-0.005, None), title="(c) quality against coverage; the weight grows along each line")
    ax.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.06))
    percent(ax.yaxis)
