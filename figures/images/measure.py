"""The rows of the image study: every arm measured once for each training run and each noise, whichever figure asks.

Images are made once and measured in three feature spaces (`edm.evaluation.yardstick`). Rows are kept beside the networks.
"""

import dataclasses
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from edm import data
from edm.denoiser import Denoiser
from edm.evaluation.report import device_name
from edm.evaluation.yardstick import THREE, Yardstick, yardstick
from edm.generate import Batch, generate
from edm.sampler import sigma_steps
from edm.storage.rows import Store, compute, run_rows
from figures.images.arms import Arm, as_dict, denoiser, from_dict, networks
from figures.images.nets import SHIPPED, Net, load, path_of
from figures.images.study import RUNS, Stage, Study, device, missing, record, study, train

VERSION = 1  # raise it when rows change their meaning


@dataclass(frozen=True)
class Row:
    """The numbers of one arm, of one training run, from one block of noise."""

    arm: Arm
    seed: int  # of the training run
    first: int  # noise seed of the first image
    count: int  # images
    numbers: Mapping  # those of `Yardstick.numbers`; evaluations of main model and guide for an image


def measure(plan: str, runs: Path, seed: int, first: int, count: int, arm: Mapping, few: Sequence[int] = ()) -> dict:
    """The numbers of a row. few: numbers of images of which the first ones are measured by distance alone, too."""
    study_, made = study(plan), from_dict(arm)
    by, calls = ruler(study_, runs), Counter()
    parts = list(images_of(study_, seed, made, range(first, first + count), runs, calls))
    images = torch.cat([part.images for part in parts])
    labels = torch.cat([part.labels for part in parts]) if made.labels else None
    if made.narrowed != 1:
        images = narrowed(images, labels, by.train, made.narrowed)
    counted = {f"{role}_evaluations": calls[role] / len(parts) for role in ("main", "guide")}
    return by.numbers(images, labels) | counted | {"of_first": {str(n): by.distances(images[:n]) for n in few}}


def images_of(plan: Study, seed: int, made: Arm, noise_seeds: Sequence[int], runs: Path,
              calls: Counter[str]) -> Iterator[Batch]:  # fmt: skip
    """The images of an arm, `plan.batch` at a time. calls: counts how often networks are called, by their role."""

    def counted(net: Denoiser, role: str) -> Denoiser:
        def call(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
            calls[role] += 1
            return net(x, sigma, labels)

        return call

    real = data.load(plan.data)
    classes = list(range(real.num_classes)) if made.labels else None
    sigmas = sigma_steps(made.steps or plan.steps)
    for start in range(0, len(noise_seeds), plan.batch):
        part = noise_seeds[start : start + plan.batch]
        whole = denoiser(plan, seed, made, part, runs, counted)
        yield from generate(
            whole, part, real.images.shape[1:], classes, sigmas=sigmas, batch=len(part), device=device()
        )


def narrowed(images: Tensor, labels: Tensor, train_set: data.ImageSet, factor: float) -> Tensor:
    """Images drawn towards the mean of their class in the training set: every deviation from it is divided by `factor`."""
    real = torch.from_numpy(train_set.labels)
    means = torch.stack([data.to_float(train_set.images[real == k]).mean(0) for k in range(train_set.num_classes)])
    centre = means[labels]
    return data.to_uint8(centre + (data.to_float(images) - centre) / factor)


@lru_cache(maxsize=2)
def _ruler(name: str, runs: Path) -> Yardstick:
    plan = study(name)
    kinds = [f"{kind}:{plan.data}" for kind in THREE]
    return yardstick(plan.data, kinds, "data", device(), cache=runs / "kept", epochs=plan.epochs)


def ruler(plan: Study, runs: Path) -> Yardstick:
    """What the images of a study are measured by. Features that are trained are kept with the networks: other ones, even of
    the same recipe, would give other distances."""
    return _ruler(plan.name, Path(runs))


@lru_cache(maxsize=1)
def tiny_runs() -> tempfile.TemporaryDirectory:
    """Networks of the quick look, trained for a few batches; gone when the process ends."""
    return tempfile.TemporaryDirectory()


def place(plan: Study, runs: Path | None = None) -> Path:
    """Folder of a study's runs. Those of the quick look are trained when they are needed."""
    runs = Path(runs or (tiny_runs().name if plan.name == "tiny" else RUNS / plan.name))
    if plan.name == "tiny" and any(missing(plan, runs)):
        train(plan, runs, workers=0)
    return runs


def keep_one(plan: str, seed: int, net: Net, runs: Path) -> None:
    load(study(plan), seed, net, runs)


def measure_all(plan: Study, arms: Iterable[Arm], stage: Stage, **options) -> list[Row]:
    """A row for every arm, training seed and block of noise of a stage. options: for `measure_tasks`."""
    arms = list(dict.fromkeys(arms))
    blocks = [(seed, first) for seed in stage.seeds for first in stage.firsts(seed)]
    return measure_tasks(
        plan, [task(a, seed, first, stage.count, stage.few) for seed, first in blocks for a in arms], **options
    )


def task(made: Arm, seed: int, first: int, count: int, few: Sequence[int] = ()) -> dict:
    """What a row is known by: arguments of `measure`."""
    return dict(seed=seed, first=first, count=count, arm=as_dict(made)) | ({"few": list(few)} if few else {})


def measure_tasks(plan: Study, tasks: Sequence[Mapping], *, runs: Path | None = None, store: Store | None = None,
                  workers: int | None = None, minutes: float | None = None, desc: str = "") -> list[Row]:  # fmt: skip
    """A row for every task, each made only once. Averages of weights that are not kept yet are made first.

    Rows are kept beside the networks. store: notes which rows were used, and from which file rows are adopted. Raises
    FileNotFoundError if a network is not trained yet, and `Unfinished` when `minutes` are over.
    """
    begin, runs = time.monotonic(), place(plan, runs)
    workers = 0 if device().type == "cuda" else workers
    wanted = {(t["seed"], net) for t in tasks for net in networks(from_dict(t["arm"])) if net.kind not in SHIPPED}
    lacking = [(seed, net) for seed, net in wanted if not path_of(plan, seed, net, runs).exists()]
    common = dict(plan=plan.name, runs=runs)
    making = [dict(**common, seed=seed, net=net) for seed, net in sorted(lacking, key=repr)]
    for _ in compute(keep_one, making, os.cpu_count() if workers is None else workers):
        pass
    found = run_rows(
        measure, tasks, shared=common, settings=settings_of(plan, runs), device=device_name(device()), workers=workers,
        store=dataclasses.replace(store or Store(runs), path=runs / "images", version=VERSION), desc=desc,
        late=lambda: minutes is not None and time.monotonic() - begin > 60 * minutes,
    )  # fmt: skip
    return [as_row(row) for row in found]


def settings_of(plan: Study, runs: Path) -> dict:
    """What rows depend on besides their tasks. The yardstick is made here, so that other processes find it."""
    features = {space.extractor.name: space.extractor.version for space in ruler(plan, runs).spaces}
    return dict(runs=record(plan), steps=plan.steps, arithmetic=plan.arithmetic, features=features)


def as_row(stored: Mapping) -> Row:
    """A row as `run_rows` returns it: the task and the numbers together."""
    numbers = {k: v for k, v in stored.items() if k not in ("seed", "first", "count", "arm", "few")}
    return Row(from_dict(stored["arm"]), stored["seed"], stored["first"], stored["count"], numbers)
