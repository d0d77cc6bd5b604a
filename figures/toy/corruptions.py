"""Guidance undoes what two models share: a main model corrupted, its guide corrupted more, in the same way or in another.

Weights are chosen on one set of starting points, by misplaced mass (quality and coverage in one number), and reported on another.
Writes corruptions.md beside the picture.
"""

from pathlib import Path

import numpy as np
import torch

from edm.guidance import guide
from edm.metrics import paired_difference
from edm.storage.atomic import write_atomic
from edm.storage.rows import run_rows
from figures.engine import tables
from figures.engine.result import Result
from figures.engine.tables import difference_text, minus
from figures.toy import corruption_plots
from figures.toy.corruption_kinds import CLEAN, KINDS, MATRIX, SHORT, corrupted
from toy2d import metrics, pretrained
from toy2d.fractal import fractal
from toy2d.paired import draw_start, measure, run

COST, NEEDS = "15 min", "the shipped 2D models"
VERSION = 2  # raise it when rows or results change their meaning
FAST = dict(seeds=[0, 1], n=96, chosen_on=96, weights=(2.0,), mismatched_weights=(2.0,),
            pairs=(("noise", "noise"), ("weights", "weights"), ("exact noise", "exact noise"), ("noise", "bits"),
                   ("clean", "noise")))  # fmt: skip

WEIGHTS = (1.1, 1.25, 1.5, 2.0, 2.5)
MISMATCHED_WEIGHTS = (1.1, 1.25, 2.0)
REPORT = 1000  # added to the noise seed for the numbers that are reported
KEYS = ("misplaced", "outliers_99", "branch_tv", "leaves_lost", "kl_q_p", "kl_p_q", "diverged")
LEVELS = (0.01, 0.03, 0.1, 0.3, 1.0)  # at which the errors of both models are compared
DRAWS = 8  # of a fresh corruption, in each of two halves

MATCHED = tuple((kind, kind) for kind in KINDS)
MISMATCHED = tuple((main, weak) for main in ("clean", *MATRIX) for weak in MATRIX if main != weak)


def row(main: str, weak: str, weights: list[float], seed: int, noise_seed: int, n: int) -> dict:
    """Numbers at each weight; at weight 1 the guide plays no part."""
    start, out = draw_start(n, noise_seed + seed), {}
    for w in weights:
        pair = corrupted(main, "main", seed, noise_seed), corrupted(weak, "guide", seed, noise_seed)
        numbers = measure(run(guide(*pair, w), start))
        out[f"{w:g}"] = {key: numbers[key] for key in KEYS}
    return {"at": out}


@torch.no_grad()
def error_row(main: str, weak: str, seed: int, n: int) -> dict:
    """At each of LEVELS, over n true points: mean products of the two models' mean errors e_1 and e_0, in units of sigma^2.

    Errors are against the model before corruption, averaged over the fresh numbers. Squares are products of two halves that
    share no draws, so that what only fluctuates drops out, also where both models draw alike.
    """
    clean = corrupted(KINDS[main].base, "main", seed)
    models = [(corrupted(main, "main", seed), main), (corrupted(weak, "guide", seed), weak)]
    products = []  # e_1 e_1, e_0 e_0, e_1 e_0
    for i, sigma in enumerate(LEVELS):
        x = fractal("A").sample(n, sigma, torch.Generator().manual_seed(seed * 10 + i))
        truth = clean(x, sigma)
        halves = [[mean_of(d, x, sigma, DRAWS if KINDS[k].fresh else 1) - truth for _ in range(2)] for d, k in models]
        (a, b), (c, d) = [[h.double() / sigma for h in pair] for pair in halves]
        products.append([(a * b).sum(), (c * d).sum(), (a * d + b * c).sum() / 2])
    return {"products": [[v.item() / n for v in level] for level in products]}


def alignment(rows: list[dict]) -> dict:
    """At each level, all seeds together: size of e_1, cosine with e_0, weight that makes e_1 + (w - 1)(e_1 - e_0) smallest."""
    one, two, cross = np.maximum(np.mean([r["products"] for r in rows], 0).T, [[0], [0], [-np.inf]])
    with np.errstate(all="ignore"):
        return {
            "size": np.sqrt(one),
            "cosine": cross / np.sqrt(one * two),
            "weight": 1 + (cross - one) / (one + two - 2 * cross),
        }


def mean_of(denoiser, x, sigma: float, draws: int):
    return sum(denoiser(x, sigma) for _ in range(draws)) / draws


def compute(noise_seed=0, *, seeds=None, n=2**13, chosen_on=2**13, weights=WEIGHTS, mismatched_weights=MISMATCHED_WEIGHTS,
            pairs=(*MATCHED, *MISMATCHED), store=None, workers=None) -> Result:  # fmt: skip
    """seeds: training seeds (default: all shipped). chosen_on: starting points on which weights are chosen; n: for the report.

    Training seed s starts from the points of noise seed noise_seed + s, in the report of noise_seed + REPORT + s.
    """
    seeds = pretrained.seeds() if seeds is None else list(seeds)
    options = dict(store=store, workers=workers)

    def runs(desc: str, asked: list, noise_seed: int, n: int) -> list[dict]:
        """For each (main, weak, weights): weight -> number -> a value for each seed."""
        tasks = [
            dict(main=m, weak=g, weights=w, seed=s, noise_seed=noise_seed, n=n) for m, g, w in asked for s in seeds
        ]
        rows = run_rows(row, tasks, desc=desc, **options)
        groups = [rows[i : i + len(seeds)] for i in range(0, len(rows), len(seeds))]
        return [{w: {k: [r["at"][w][k] for r in group] for k in KEYS} for w in group[0]["at"]} for group in groups]

    asked = [(m, g, [1.0, *(weights if m == g else mismatched_weights)]) for m, g in pairs]
    curves = runs("choosing weights", asked, noise_seed, chosen_on)
    best = [float(min(curve, key=lambda w, c=curve: np.mean(c[w]["misplaced"]))) for curve in curves]
    alone = sorted({m for m, _ in pairs} | {KINDS[g].base for _, g in pairs})
    asked = [(m, g, [w]) for (m, g), w in zip(pairs, best, strict=True)] + [(m, "clean", [1.0]) for m in alone]
    report = runs("reporting", asked, noise_seed + REPORT, n)
    plain = {m: r["1"] for m, r in zip(alone, report[len(pairs) :], strict=True)}
    tasks = [dict(main=m, weak=g, seed=s, n=chosen_on) for m, g in pairs if m == g for s in seeds]
    errors = run_rows(error_row, tasks, desc="errors", **options)

    floor = metrics.floor(n)
    numbers = {
        "seeds": seeds, "n": n, "chosen_on": chosen_on, "noise_seed": noise_seed, "report_noise_seed": noise_seed + REPORT,
        "levels": LEVELS, "floor": {key: floor[key] for key in KEYS}, "pairs": [],
    }  # fmt: skip
    for (m, g), curve, w, reported in zip(pairs, curves, best, report[: len(pairs)], strict=True):
        guided, clean = reported[f"{w:g}"], plain[KINDS[g].base]
        numbers["pairs"].append({
            "main": m, "weak": g, "weight": w, "curve": curve, "clean": clean, "corrupted": plain[m], "guided": guided,
            "damage": compare(plain[m], clean), "gain": compare(guided, plain[m]), "left": compare(guided, clean),
            "errors": alignment([r for r in errors if (r["main"], r["weak"]) == (m, g)]) if m == g else None,
        })  # fmt: skip
    return Result(numbers)


def compare(a: dict, b: dict) -> dict:
    return {key: paired_difference(a[key], b[key]) for key in KEYS}


def find(numbers: dict, main: str, weak: str) -> dict:
    """What was measured for a pair of kinds."""
    return next(p for p in numbers["pairs"] if (p["main"], p["weak"]) == (main, weak))


def undone(pair: dict, key: str = "misplaced") -> float:
    """Share of the corruption's damage that guidance takes back: 1 is all of it."""
    return 0.0 - pair["gain"][key]["mean"] / pair["damage"][key]["mean"]


def name(pair: dict) -> str:
    m, g = pair["main"], pair["weak"]
    return KINDS[m].title if m == g else f"{SHORT[m]} ← {SHORT[g]}"


def markdown(numbers: dict) -> str:
    """One row a pair: before corruption → corrupted → guided at the chosen weight; Δ: paired over training seeds, 95 %."""
    header = ["main (← guide, where of another kind)", "weight", "misplaced", "outliers", "branch TV", "leaves lost", "KL(q‖p)",
              "KL(p‖q)", "misplaced: guided − corrupted", "guided − before", "undone"]  # fmt: skip
    rows = []
    forms = {
        "misplaced": ".1%",
        "outliers_99": ".1%",
        "branch_tv": ".3f",
        "leaves_lost": ".1f",
        "kl_q_p": ".1f",
        "kl_p_q": ".2f",
    }
    for p in numbers["pairs"]:
        cells = [name(p), f"{p['weight']:g}"]
        for key, form in forms.items():
            steps = [np.mean(p[stage][key]) for stage in ("clean", "corrupted", "guided")]
            cells.append(" → ".join(f"{v:{form}}" for v in steps))
        cells += [difference_text(p[d]["misplaced"]) for d in ("gain", "left")]
        cells.append("" if p["main"] in CLEAN else f"{undone(p):.0%}")
        rows.append([minus(cell) for cell in cells])
    return tables.markdown(header, rows)


def extras(result: Result, out: Path) -> None:
    """The table as Markdown."""
    write_atomic(out / "corruptions.md", markdown(result.numbers))


def draw(result: Result):
    return corruption_plots.draw(result.numbers)
