"""Settings with their numbers over training seeds, gathered from rows: what the figures draw and the claims compare."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from edm import metrics
from figures.common import plain
from figures.images.rows import arm

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
