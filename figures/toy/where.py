"""Where does guidance act? Errors of main model and guide by noise level, and what becomes of samples if either is replaced.

The true score is known. So the guide's error can be split into what it shares with the main model's error and what it does not.
And the true score can take the place of a model above or below a noise level: then outliers and lost leaves vanish, or they do not.
"""

from pathlib import Path

import torch
from torch import Tensor

from edm.denoiser import Denoiser
from edm.guidance import guide
from edm.metrics import paired_difference
from edm.sampler import sample, sigma_steps
from edm.storage.rows import run_rows
from figures.engine.result import Result
from figures.toy import places, where_plots
from toy2d import pretrained
from toy2d.fractal import fractal
from toy2d.paired import SIGMA_MAX, STEPS, draw_start

COST, NEEDS, VERSION = "5 min", "the shipped 2D models", 1
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(n=128, n_errors=256, seeds=[0, 1], weights=(1.0, 2.0), levels=(0.05,))

WEIGHTS = (1.0, 2.0, 3.0)  # of autoguidance; 1 is no guidance
LEVELS = (0.02, 0.05, 0.1, 0.3, 1.0)
SIDES = ("above", "below")
WHO = ("main", "guide", "both")  # whose score is replaced by the truth
EVERY = 3  # of the sampler's noise levels, errors are measured at one in three
TRUE_SEED = 2**20  # noise seeds of the true points begin here, apart from those of starting points


def row(part: str, **task) -> dict:
    """One measurement of part "errors" or "replace"."""
    return {"errors": errors_row, "replace": replace_row}[part](**task)


def split(main_error: Tensor, weak_error: Tensor) -> dict[str, float]:
    """How two error fields [N, 2] lie to each other, over all points: lengths, angle, and what guidance makes of them.

    main, weak   root mean squares
    cosine       of the angle between the fields: 1 if both err in the same direction everywhere
    repeated     projection of the guide's error on the main model's, as a multiple of it. Above 1, guidance takes error away:
                 at weight w, (w - 1)(repeated - 1) of the main model's error
    own          root mean square of the rest of the guide's error; guidance adds w - 1 of it
    best_weight  the weight that makes the guided error least
    left         guided error at weight 2, as a multiple of the main model's
    """
    main, weak, both = ((a * b).double().sum(1).mean().item() for a, b in (
        (main_error, main_error), (weak_error, weak_error), (main_error, weak_error)))  # fmt: skip
    return {
        "main": main**0.5, "weak": weak**0.5, "cosine": both / (main * weak) ** 0.5, "repeated": both / main,
        "own": max(weak - both**2 / main, 0.0) ** 0.5, "best_weight": 1 + (both - main) / (main + weak - 2 * both),
        "left": (max(4 * main - 4 * both + weak, 0.0) / main) ** 0.5,
    }  # fmt: skip


def errors_row(seed: int, n: int) -> dict:
    """`split` of errors of sigma * score at every noise level: at true points, and at those that samples pass through."""
    main, weak, truth = pretrained.load("main", seed), pretrained.load("guide", seed), fractal("A")
    levels, generator = sigma_steps(STEPS, sigma_max=SIGMA_MAX), torch.Generator().manual_seed(TRUE_SEED + seed)
    visited = {
        name: sample(d, draw_start(n, seed), levels, trajectory=True)
        for name, d in (("none", main), ("guided", guide(main, weak, 2.0)))
    }
    out: dict[str, list] = {"true": [], "none": [], "guided": []}
    for i in range(0, STEPS, EVERY):
        sigma = levels[i].item()
        points = {"true": truth.sample(n, sigma, generator)} | {name: states[i] for name, states in visited.items()}
        for name, x in points.items():
            x = x if sigma > 1 else x[~places.flown(x)]  # at high noise true points lie far out, too
            exact = truth.score(x, sigma)
            out[name].append(split(*(sigma * (model.score(x, sigma) - exact) for model in (main, weak))))
    return out


def replaced(model: Denoiser, side: str, level: float) -> Denoiser:
    """The model, but for the true score at noise levels above (or not above) `level`."""

    def denoise(x: Tensor, sigma: float, labels: Tensor | None = None) -> Tensor:
        return (fractal("A") if (sigma > level) == (side == "above") else model)(x, sigma)

    return denoise


def replace_row(seed: int, weight: float, who: str, levels: list[float], n: int) -> dict:
    """Samples with the truth in place of main model, guide or both, above or below each level, beside those without."""
    main, weak = pretrained.load("main", seed), pretrained.load("guide", seed)
    start, sigmas = draw_start(n, seed), sigma_steps(STEPS, sigma_max=SIGMA_MAX)
    before = sample(guide(main, weak, weight), start, sigmas)
    bad, gone = places.outliers(before), set(places.lost(places.shares(before)))
    out = {"without": places.numbers(before), "above": [], "below": []}
    for side in SIDES:
        for level in levels:
            pair = [
                replaced(m, side, level) if who in (name, "both") else m
                for m, name in ((main, "main"), (weak, "guide"))
            ]
            x = sample(guide(*pair, weight), start, sigmas)
            still, missing = places.outliers(x), set(places.lost(places.shares(x)))
            out[side].append(places.numbers(x) | {
                "mended": (bad & ~still).double().mean().item(), "spoilt": (still & ~bad).double().mean().item(),
                "found_again": len(gone - missing), "newly_lost": len(missing - gone),
            })  # fmt: skip
    return out


def compute(
    *, seeds=None, n=2**12, n_errors=2**13, weights=WEIGHTS, levels=LEVELS, store: Path | None = None, workers=None
) -> Result:
    """seeds: training seeds. n: samples of an arm; n_errors: points at a noise level. levels: where the truth begins or ends."""
    seeds = pretrained.seeds() if seeds is None else list(seeds)
    arms = [(w, who) for w in weights for who in (WHO if w != 1 else ("main",))]
    tasks = [dict(part="errors", seed=s, n=n_errors) for s in seeds]
    tasks += [dict(part="replace", seed=s, weight=w, who=who, levels=levels, n=n) for w, who in arms for s in seeds]
    rows = run_rows(row, tasks, store=store, workers=workers, desc="where")
    errors, rest = rows[: len(seeds)], rows[len(seeds) :]
    sigmas = sigma_steps(STEPS, sigma_max=SIGMA_MAX)[:STEPS:EVERY].tolist()
    by_points = {
        name: {key: [[level[key] for level in r[name]] for r in errors] for key in errors[0][name][0]}
        for name in ("true", "none", "guided")
    }  # points -> number -> [seeds, sigmas]
    numbers = {"seeds": seeds, "n": n, "n_errors": n_errors, "sigmas": sigmas, "errors": by_points, "levels": levels}
    numbers["floor"], numbers["arms"] = places.floor(n), []
    for i, (w, who) in enumerate(arms):
        found = rest[i * len(seeds) : (i + 1) * len(seeds)]
        arm = {"weight": w, "who": who, "without": {k: [r["without"][k] for r in found] for k in found[0]["without"]}}
        for side in SIDES:
            arm[side] = {key: [[level[key] for level in r[side]] for r in found] for key in found[0][side][0]}
            arm[side]["change"] = {
                key: [
                    paired_difference([r[side][j][key] for r in found], arm["without"][key]) for j in range(len(levels))
                ]
                for key in ("outliers", "leaves_lost")
            }
        numbers["arms"].append(arm)
    return Result(numbers)


def draw(result: Result):
    return where_plots.draw(result.numbers)
