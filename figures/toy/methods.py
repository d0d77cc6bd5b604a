"""Guidance methods of many papers in the world where all is exact: compared at equal coverage, on the same noise.

Each method chooses its strength on half of the training seeds and reports on the other half (`toy2d.contest`). Beside the trained
models stand exact ones: what does a method do when there is no error to repair?
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edm.storage.atomic import write_atomic
from edm.storage.rows import run_rows
from figures.engine import tables
from figures.engine.result import Result, save_picture
from figures.engine.verdicts import HOLDS, NOT, OPEN, both, falls
from figures.toy import methods_plots
from figures.toy.contestants import AS_GOOD, METHODS, NO_HELP, PAPERS, UNGUIDED, taking_part
from toy2d import contest, pretrained
from toy2d.contest import BUDGET, KEYS
from toy2d.methods import exact, play, trained

COST, NEEDS = "8 min", "the shipped 2D models; tunes some of them"
VERSION = 1
FAST = dict(n=128, exact_n=64, seeds=[0, 1, 2, 3], exact_seeds=[0, 1, 2, 3], methods=("APG, momentum",))
MARGIN = 0.01  # a claim of `as good` allows a difference of one point
WORLDS = {"trained": trained, "exact": exact}
BASELINES = [m.name for m in contest.BASELINES]
TITLES = {"trained": "trained models", "exact": "exact models (guides: both classes, or blurred)"}


def row(world: str, method: str, seed: int, n: int, noise_seed: int) -> dict:
    """All strengths of one method with one seed. runs: the numbers of each strength."""
    m, models = METHODS[method], WORLDS[world]
    return {"runs": [play(m, strength, models(seed), n, noise_seed + seed) for strength in m.STRENGTHS]}


def compute(
    noise_seed=0, *, seeds=None, exact_seeds=tuple(range(8)), n=2048, exact_n=512, methods: Sequence[str] | None = None,
    store=None, workers=None,
) -> Result:  # fmt: skip
    """seeds: training seeds; the first half chooses. exact_seeds: of the noise, for exact models. methods: names (default: all).

    n, exact_n: points of each run. A pair of exact models takes ten times as long as a trained one.
    """
    worlds = {
        "trained": (pretrained.seeds() if seeds is None else list(seeds), n),
        "exact": (list(exact_seeds), exact_n),
    }
    tasks = [
        dict(world=world, method=name, seed=s, n=points, noise_seed=noise_seed)
        for world, (some, points) in worlds.items()
        for name in taking_part(world)
        if methods is None or name in BASELINES or name in methods
        for s in some
    ]
    rows = run_rows(row, tasks, store=store, workers=workers, desc="methods")
    numbers = {"noise_seed": noise_seed, "budget": BUDGET, "worlds": {}}
    for world, (some, points) in worlds.items():
        found = {}  # method -> seed -> strength -> numbers
        for r in (r for r in rows if r["world"] == world):
            found.setdefault(r["method"], {})[r["seed"]] = dict(
                zip(METHODS[r["method"]].STRENGTHS, r["runs"], strict=True)
            )
        numbers["worlds"][world] = judged(found, some, points)
    return Result(numbers)


def judged(found: dict, seeds: Sequence[int], n: int) -> dict:
    """Choice, report and curve of each method of a world."""
    choosing, reporting = contest.halves(seeds)
    true = contest.floor(n)
    limit, out, reports = true["branch_tv"] + BUDGET, {}, {}
    for name, runs in found.items():
        tried = {w: [runs[s][w] for s in choosing] for w in METHODS[name].STRENGTHS}
        best = contest.choose(tried, limit, true["outliers"])
        reports[name] = [runs[s][best] for s in reporting]
        out[name] = {
            "strengths": list(tried),
            "curve": {key: [[runs[s][w][key] for s in seeds] for w in tried] for key in KEYS},
            "strength": best,
            "report": {key: [r[key] for r in reports[name]] for key in (*KEYS, "evaluations")},
            "notes": contest.notes(tried, best, limit) if len(tried) > 1 else [],
        }
    for name, report in reports.items():
        out[name]["difference"] = {b: contest.differences(report, reports[b]) for b in BASELINES if b != name}
    return {"n": n, "floor": true, "limit": limit, "choosing": choosing, "reporting": reporting, "methods": out}


def claims(numbers: dict, world: str = "trained") -> list[dict]:
    """What each method's paper claims, what we see at equal coverage, and the verdict (`verdict`)."""
    lines = []
    for name, m in numbers["worlds"][world]["methods"].items():
        paper = PAPERS[name]
        if not paper.claim:
            continue
        change = {key: m["difference"][paper.against][key] for key in paper.numbers}
        text = ", ".join(f"{key} {tables.difference_text(d, '+.1%')}" for key, d in change.items())
        off = m["strength"] == UNGUIDED.get(name)
        lines.append({
            "method": name, "paper": paper.number, "claim": paper.claim, "against": paper.against,
            "measured": "the strength chosen is that without guidance" if off else text,
            "verdict": OPEN if off else verdict(paper.says, list(change.values())),
        })  # fmt: skip
    return lines


def verdict(says: str, change: Sequence[dict]) -> str:
    """Better: every number falls, with its whole 95 % interval. No help: none falls, and one rises.

    As good: no interval reaches more than MARGIN above 0. It does not hold if one lies above 0 as a whole.
    """
    verdicts = [falls(d) for d in change]
    if says == AS_GOOD:
        return HOLDS if all(d["high"] < MARGIN for d in change) else NOT if NOT in verdicts else OPEN
    if says == NO_HELP:
        return NOT if HOLDS in verdicts else HOLDS if NOT in verdicts else OPEN
    return both(*verdicts)


def markdown(numbers: dict, world: str = "trained") -> str:
    """The table: reported means at the chosen strength, and the change of outliers and misplaced mass against each baseline."""
    forms = dict(outliers=".1%", diverged=".2%", branch_tv=".3f", leaves_lost=".1f", misplaced=".1%", evaluations=".0f")
    head = ["", "strength", "outliers", "flown off", "branch TV", "leaves lost", "misplaced", "evaluations"]
    head += [f"Δ {key} to {b}" for b in BASELINES for key in ("outliers", "misplaced")]
    blank = [""] * (2 * len(BASELINES))
    lines = [
        [
            "true samples (floor)",
            "",
            *(format(numbers["worlds"][world]["floor"][k], forms[k]) for k in KEYS),
            "",
            *blank,
        ]
    ]
    for name, m in numbers["worlds"][world]["methods"].items():
        cells = [format(float(np.mean(m["report"][key])), form) for key, form in forms.items()]
        changes = [
            tables.difference_text(m["difference"][b][key]) if b in m["difference"] else ""
            for b in BASELINES
            for key in ("outliers", "misplaced")
        ]
        lines.append([name, f"{m['strength']:g}", *cells, *changes])
    return tables.markdown(head, lines)


def short(numbers: dict, world: str = "trained") -> str:
    """A smaller table for a page: what each method reports, and its changes against no guidance and against CFG."""
    lines = []
    for name, m in numbers["worlds"][world]["methods"].items():
        report, paper = m["report"], PAPERS[name].number
        row = [name, f"[{paper}](https://arxiv.org/abs/{paper})" if paper else "", f"{m['strength']:g}"]
        row += [
            tables.percent(report["outliers"]),
            f"{np.mean(report['branch_tv']):.3f}",
            tables.percent(report["misplaced"]),
        ]
        for baseline, key in (("no guidance", "outliers"), ("no guidance", "misplaced"), ("CFG", "outliers")):
            row.append(tables.difference_text(m["difference"][baseline][key]) if baseline in m["difference"] else "")
        lines.append([*row, f"{np.mean(report['evaluations']):.0f}"])
    head = ["method", "paper", "strength", "outliers", "branch TV", "misplaced", "Δ outliers", "Δ misplaced"]
    return tables.markdown([*head, "Δ outliers to CFG", "network calls"], lines)


def claims_markdown(numbers: dict, world: str = "trained") -> str:
    lines = claims(numbers, world)
    return tables.markdown(
        ("method", "paper", "claim", "against", "what we see", "verdict"),
        [[line[k] for k in ("method", "paper", "claim", "against", "measured", "verdict")] for line in lines],
    )


def whole_text(numbers: dict) -> str:
    """The tables of both worlds and the claims, as Markdown."""
    parts = [f"## {title}\n\n{markdown(numbers, w)}\n{claims_markdown(numbers, w)}" for w, title in TITLES.items()]
    return "\n".join(parts)


def extras(result: Result, out: Path) -> None:
    """The tables and claims, and the picture of the exact models, as files of their own."""
    write_atomic(out / "methods.md", whole_text(result.numbers))
    save_picture("methods-exact", methods_plots.draw(result.numbers, "exact"), out)


def draw(result: Result):
    return methods_plots.draw(result.numbers, "trained")
