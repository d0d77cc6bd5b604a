"""What the figures draw and the claims compare: arms with their numbers over training runs, gathered from rows, and the numbers
of real images."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from edm import metrics
from edm.evaluation.report import device_name
from edm.evaluation.yardstick import THREE, Yardstick
from figures.images.arms import Arm, as_dict, from_dict
from figures.images.measure import Row, place, ruler
from figures.images.study import KINDS, Stage, Study, device, parameters

TITLES = {
    "frechet_distance": "Fréchet distance to training images",
    "test_distance": "Fréchet distance to test images",
    "unbiased": "distance, extrapolated to infinitely many images",
    "class_agreement": "class agreement",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "class_sd": "SD of a pixel within its class",
    "nearest": "distance to nearest training image",
    "copies": "share of near copies",
}
PREFIXES = {kind: "" if kind == THREE[0] else f"{kind}/" for kind in THREE}  # of a number's name, by feature space
SPACES = {"classifier": "classifier", "autoencoder": "autoencoder", "pixels": "pixel components"}


def title(key: str) -> str:
    """Of a number, with its feature space where that is not the primary one."""
    space, _, name = key.rpartition("/")
    return TITLES[name] if not space else f"{TITLES[name].replace(' to training images', '')}, {SPACES[space]}"


def about(plan: Study, stage: Stage, runs: Path | None = None) -> dict:
    """What a reader needs to judge the numbers, and the numbers of real images under the same yardstick."""
    return {
        "data": plan.data,
        "images_for_a_number": stage.count,
        "sampler_steps": plan.steps,
        "arithmetic": plan.arithmetic,
        "device": device_name(device()),
        "training_seeds": list(stage.seeds),
        "first_noise_seeds": {str(seed): stage.firsts(seed) for seed in stage.seeds},
        "training_length": plan.T,
        "weights_of_networks": {kind: parameters(plan, kind) for kind in KINDS},
        "floors": floors(ruler(plan, place(plan, runs)), stage.count),
    }


@lru_cache(maxsize=4)
def floors(by: Yardstick, count: int, draws: int = 3) -> dict[str, list[dict]]:
    """Numbers of as many real images as are generated, as many of each class: test images, and training images (what a model
    that knows the training set by heart would get). Drawn without replacement where there are enough."""
    rows: dict[str, list[dict]] = {"test": [], "train": []}
    for name, split in (("test", by.test), ("train", by.train)):
        share = [np.arange(count)[k :: split.num_classes].size for k in range(split.num_classes)]
        for draw in range(draws):
            rng = np.random.default_rng(draw)
            places = [np.flatnonzero(split.labels == k) for k in range(split.num_classes)]
            chosen = np.concatenate(
                [rng.choice(place, n, replace=n > len(place)) for place, n in zip(places, share, strict=True)]
            )
            rng.shuffle(chosen)  # so that halves and quarters are like the whole
            rows[name].append(
                by.numbers(torch.from_numpy(split.images[chosen]), torch.from_numpy(split.labels[chosen]))
            )
    return rows


def floor(numbers: Mapping, key: str, kind: str = "train") -> float | None:
    """The mean number of as many real images, from a stored result; None if it has none."""
    values = [row[key] for row in numbers["floors"][kind] if row.get(key) is not None]
    return float(np.mean(values)) if values else None


def point(rows: Iterable[Row], made: Arm) -> dict:
    """An arm with the values of each number, one for each training seed (the mean over its blocks of noise).

    noise: standard deviation of a number over the blocks of one training seed (of several: pooled), where there are several.
    """
    found = [row for row in rows if row.arm == made]
    if not found:
        raise ValueError(f"no row for {made}")
    seeds = sorted({row.seed for row in found})
    keys = [key for key, value in found[0].numbers.items() if not isinstance(value, Mapping)]
    blocks = {
        key: [[row.numbers[key] for row in found if row.seed == s] for s in seeds] for key in keys
    }  # [seeds, blocks]
    values = {key: [float(np.mean(block)) for block in by_seed] for key, by_seed in blocks.items()}
    out = {"arm": as_dict(made), "w": made.w, "values": values}
    if len(found) > len(seeds):
        out["noise"] = {
            key: float(np.sqrt(np.mean([np.var(block, ddof=1) for block in rows_]))) for key, rows_ in blocks.items()
        }
    return out


def arm_of(a_point: Mapping) -> Arm:
    return from_dict(a_point["arm"])


def points(rows: Sequence[Row], arms: Mapping[str, Sequence[Arm]]) -> dict[str, list[dict]]:
    return {name: [point(rows, made) for made in some] for name, some in arms.items()}


def mean(a_point: Mapping, key: str = "frechet_distance") -> float:
    return float(np.mean(a_point["values"][key]))


def best(some: Iterable[Mapping], key: str = "frechet_distance") -> dict:
    """The point of the lowest mean over training seeds."""
    return min(some, key=lambda p: mean(p, key))


def against(a: Mapping, b: Mapping, key: str = "frechet_distance") -> dict:
    """Paired difference a - b over training seeds, with its 95 % interval."""
    return metrics.paired_difference(a["values"][key], b["values"][key])


def nearer(a: Mapping, b: Mapping, key: str, real: float) -> dict:
    """How much nearer a lies to the number of real images than b: paired difference of the distances to it, negative is nearer."""
    gaps = [[abs(value - real) for value in p["values"][key]] for p in (a, b)]
    return metrics.paired_difference(*gaps)


def setting(a_point: Mapping) -> str:
    """How a point was sampled, in a few words."""
    made = arm_of(a_point)
    words = [f"{'k' if made.kind == 'truncation' else 'w'} = {made.w:g}"] if made.w != 1 else []
    if made.alpha is not None:
        words.append(f"α = {made.alpha:g}")
    if made.interval is not None:
        words.append(f"{made.interval[0]:g} < σ ≤ {made.interval[1]:g}")
    if made.narrowed != 1:
        words.append(f"spread ×{1 / made.narrowed:.4g}")
    words.append(f"EMA {made.main.ema:g}")
    if made.guide is not None:
        words[-1] += f" / {made.guide.ema:g}"
        words.append(f"guide {made.guide.name()}")
    if made.steps is not None:
        words.append(f"{made.steps} steps")
    return ", ".join(words)
