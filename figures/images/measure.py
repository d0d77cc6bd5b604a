"""The rows of the image study: every arm measured once for each training run and each noise, whichever figure asks.

Images are made once and measured in three feature spaces (`edm.evaluation.yardstick`). Rows are kept beside the networks.
"""

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
from edm.evaluation.yardstick import THREE, Yardstick, yardstick
from edm.generate import Batch, generate
from edm.sampler import sigma_steps
from edm.storage.rows import compute, run_rows
from figures.images.arms import Arm, as_dict, denoiser, from_dict, networks
from figures.images.nets import SHIPPED, Net, load, path_of
from figures.images.study import RUNS, Stage, Study, Unfinished, device, missing, record, study, train

VERSION = 1  # raise it when rows change their meaning


@dataclass(frozen=True)
class Row:
    """The numbers of one arm, of one training run, from one block of noise."""

    arm: Arm
    seed: int  # of the training run
    first: int  # noise seed of the first image
    count: int  # images
    numbers: Mapping  # those of `Yardstick.numbers`; evaluations of main model and guide for an image; seconds


@dataclass(frozen=True)
class Measure:
    """What makes a row; it is sent to other processes. runs: where the networks lie on this machine."""

    plan: str
    runs: Path

    def __call__(self, seed: int, first: int, count: int, arm: Mapping, few: Sequence[int] = ()) -> dict:
        """few: numbers of images of which the first ones are measured by distance alone, too."""
        begin, plan, made = time.perf_counter(), study(self.plan), from_dict(arm)
        by = ruler(plan, self.runs)
        calls: Counter[str] = Counter()
        parts = list(images_of(plan, seed, made, range(first, first + count), self.runs, calls))
        images = torch.cat([part.images for part in parts])
        labels = torch.cat([part.labels for part in parts]) if made.labels else None
        if made.narrowed != 1:
            images = narrowed(images, labels, by.train, made.narrowed)
        numbers = by.numbers(images, labels) | {"of_first": {str(n): by.distances(images[:n]) for n in few}}
        counted = {f"{role}_evaluations": calls[role] / len(parts) for role in ("main", "guide")}
        return numbers | counted | {"seconds": time.perf_counter() - begin}


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
def _ruler(name: str, cache: Path) -> Yardstick:
    plan = study(name)
    kinds = [f"{kind}:{plan.data}" for kind in THREE]
    return yardstick(plan.data, kinds, "data", device(), cache=cache, epochs=plan.epochs)


def ruler(plan: Study, runs: Path) -> Yardstick:
    """What the images of a study are measured by."""
    return _ruler(plan.name, runs if plan.name == "tiny" else Path("data/cache"))


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
    """What a row is known by: the arguments of `Measure`."""
    return dict(seed=seed, first=first, count=count, arm=as_dict(made)) | ({"few": list(few)} if few else {})


def measure_tasks(plan: Study, tasks: Sequence[Mapping], *, runs: Path | None = None, workers: int | None = None,
                  minutes: float | None = None, desc: str = "") -> list[Row]:  # fmt: skip
    """A row for every task, each made only once. Averages of weights that are not kept yet are made first.

    Raises FileNotFoundError if a network is not trained yet, and `Unfinished` when `minutes` are over.
    """
    begin, runs = time.monotonic(), place(plan, runs)
    workers = 0 if device().type == "cuda" else workers
    wanted = {(t["seed"], net) for t in tasks for net in networks(from_dict(t["arm"])) if net.kind not in SHIPPED}
    lacking = [(seed, net) for seed, net in wanted if not path_of(plan, seed, net, runs).exists()]
    common = dict(plan=plan.name, runs=runs)
    making = [dict(**common, seed=seed, net=net) for seed, net in sorted(lacking, key=repr)]
    for _ in compute(keep_one, making, os.cpu_count() if workers is None else workers):
        pass
    by = ruler(plan, runs)  # made here, so that the workers find it
    about = dict(runs=record(plan), steps=plan.steps, arithmetic=plan.arithmetic)
    about["features"] = {space.extractor.name: space.extractor.version for space in by.spaces}
    options = dict(store=runs / "rows.jsonl", settings=about, workers=workers, desc=desc)
    chunk = len(tasks) if minutes is None else 4 * max(workers or 1, 1)
    for end in range(chunk, len(tasks), chunk):
        run_rows(Measure(plan.name, runs), tasks[:end], **options)
        if time.monotonic() - begin > 60 * minutes:
            raise Unfinished(f"{end} of {len(tasks)} rows: the same command goes on from here")
    return [as_row(row) for row in run_rows(Measure(plan.name, runs), tasks, **options)]


def as_row(stored: Mapping) -> Row:
    """A row as `run_rows` returns it: the task and the numbers together."""
    numbers = {k: v for k, v in stored.items() if k not in ("seed", "first", "count", "arm", "few")}
    return Row(from_dict(stored["arm"]), stored["seed"], stored["first"], stored["count"], numbers)
