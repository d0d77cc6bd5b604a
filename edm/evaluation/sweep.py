"""Paired measurements: every method and weight from the same noise, against the same features of the real images."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from edm.denoiser import Denoiser
from edm.evaluation.yardstick import Yardstick
from edm.generate import generate


def measure(denoiser: Denoiser, seeds: Sequence[int], measure_by: Yardstick, *, shape: Sequence[int],
            classes: Sequence[int] | None, **options) -> dict:  # fmt: skip
    """`Yardstick.numbers` of the images of `seeds`, which are never stored; see `generate`."""
    return measure_by.measure(generate(denoiser, seeds, shape, classes, **options))


def sweep(
    guided: Callable[[str, float], Denoiser],
    measure_by: Yardstick,
    *,
    arms: Sequence[tuple[str, float]],
    first_seeds: Sequence[int],
    count: int,
    done: Sequence[Mapping] = (),
    **options,
) -> Iterator[dict]:
    """Yield one row of numbers for each set of seeds and each arm, a (kind of guidance, weight) pair.

    guided: gives the denoiser of an arm. first_seeds: a set is the seeds first ... first + count - 1, the same for every
    arm, so that rows are paired. done: rows of an earlier call, not measured again. options: for `measure`. A row holds
    guidance, weight, first_seed, seconds and the numbers of the yardstick.
    """
    known = {(row["first_seed"], row["guidance"], row["weight"]) for row in done}
    todo = [(first, kind, w) for first in first_seeds for kind, w in arms if (first, kind, w) not in known]
    for first, kind, weight in (bar := tqdm(todo, desc="measure", unit="setting")):
        bar.set_postfix_str(f"{kind} w={weight:g}")
        begin = time.monotonic()
        numbers = measure(guided(kind, weight), range(first, first + count), measure_by, **options)
        yield dict(guidance=kind, weight=weight, first_seed=first, seconds=time.monotonic() - begin, **numbers)


def arms(kinds: Sequence[str], weights: Sequence[float]) -> list[tuple[str, float]]:
    """Every kind with every weight; weight 1 is the main model alone, whatever the kind, and stands once as ("none", 1)."""
    return [("none", 1.0)] + [(kind, float(w)) for kind in kinds if kind != "none" for w in weights if w != 1]


def summary(rows: Sequence[Mapping]) -> str:
    """Rows of `sweep` as a table: mean ± standard deviation over the sets of seeds."""
    wanted = ("frechet_distance", "class_agreement", "precision", "recall", "density", "coverage")
    keys = [key for key in wanted if key in rows[0]]
    lines = ["guidance      weight" + "".join(f"{key:>18}" for key in keys)]
    for arm in dict.fromkeys((row["guidance"], row["weight"]) for row in rows):
        values = np.array([[r[k] for k in keys] for r in rows if (r["guidance"], r["weight"]) == arm])  # [sets, keys]
        cells = [f"{mean:.3f}" for mean in values.mean(0)]
        if len(values) > 1:
            cells = [f"{cell} ± {std:.3f}" for cell, std in zip(cells, values.std(0, ddof=1), strict=True)]
        lines.append(f"{arm[0]:<13}{arm[1]:>7.2f}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)
