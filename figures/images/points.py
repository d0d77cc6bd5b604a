"""What the figures draw and the claims compare: settings with their numbers over training seeds, gathered from rows, and the
numbers of real images."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from edm import metrics
from edm.evaluation.yardstick import device_name
from edm.storage.atomic import plain
from figures.images.measure import Yardstick, place, yardstick
from figures.images.settings import arm
from figures.images.study import SIZES, STUDIES, device, parameters

TITLES = {
    "frechet_distance": "Fréchet distance to training images",
    "test_distance": "Fréchet distance to test images",
    "class_agreement": "class agreement",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "nearest": "distance to nearest training image",
    "copies": "share of near copies",
}
NUMBERS = tuple(TITLES)


def about(study: str, firsts: Sequence[int], runs=None) -> dict:
    """What a reader needs to judge the numbers, and the numbers of real images under the same yardstick."""
    plan = STUDIES[study]
    return {
        "data": plan.data,
        "images_for_a_number": plan.count,
        "sampler_steps": plan.steps,
        "device": device_name(device()),
        "training_seeds": list(plan.seeds),
        "first_noise_seeds": list(firsts),
        "training_length": plan.config.images,
        "weights_of_networks": {size: parameters(plan, size) for size in SIZES},
        "floors": floors(yardstick(study, place(study, runs)), plan.count),
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
            found = metrics.collect(by.extractor, [(split.images[chosen], split.labels[chosen])])
            rows[name].append(by.numbers(found, split.images[chosen]))
    return rows


def point(rows: Iterable[Mapping], task: Mapping) -> dict:
    """A setting with the values of each number, one for each training seed (the mean over its sets of noise seeds).

    noise: standard deviation of a number over the sets of noise seeds of one training seed (of several: pooled), where there
    are several sets.
    """
    task = plain(task)
    found = [row for row in rows if all(row[k] == v for k, v in task.items())]
    if not found:
        raise ValueError(f"no row for {task}")
    seeds = sorted({row["seed"] for row in found})
    keys = [key for key in NUMBERS if key in found[0]]
    sets = {key: [[r[key] for r in found if r["seed"] == s] for s in seeds] for key in keys}  # [seeds, sets]
    out = task | {"values": {key: [float(np.mean(values)) for values in rows] for key, rows in sets.items()}}
    if len(found) > len(seeds):
        out["noise"] = {
            key: float(np.sqrt(np.mean([np.var(values, ddof=1) for values in rows]))) for key, rows in sets.items()
        }
    return out


def setting_of(a_point: Mapping) -> dict:
    """The setting of a point or a row, as `rows.arm` made it."""
    return {k: a_point[k] for k in arm()}


def points(rows: Sequence[Mapping], arms: Mapping[str, Sequence[Mapping]]) -> dict[str, list[dict]]:
    return {name: [point(rows, task) for task in tasks] for name, tasks in arms.items()}


def mean(a_point: Mapping, key: str = "frechet_distance") -> float:
    return float(np.mean(a_point["values"][key]))


def best(some: Iterable[Mapping], key: str = "frechet_distance") -> dict:
    """The point of the lowest mean over training seeds."""
    return min(some, key=lambda p: mean(p, key))


def against(a: Mapping, b: Mapping, key: str = "frechet_distance") -> dict:
    """Paired difference a - b over training seeds, with its 95 % interval."""
    return metrics.paired_difference(a["values"][key], b["values"][key])
