"""The rows of the image study: each setting measured once, whichever figure asks for it.

Apart from the quality and coverage of `edm.metrics`, each row says how near to training images the generated ones are.
"""

import copy
import dataclasses
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edm import data, features, metrics
from edm.denoiser import Denoiser, expand_sigma
from edm.evaluation.reference import reference
from edm.evaluation.yardstick import device_name
from edm.generate import generate, guided
from edm.sampler import sigma_steps
from edm.storage.atomic import plain
from edm.storage.rows import Store, run_rows
from figures.images.settings import SELECT
from figures.images.study import RUNS, STUDIES, Net, Study, device, missing, ready, record, train

VERSION = 1  # raise it when the rows, which all image experiments share, change their meaning


def denoiser(study: str, seed: int, task: Mapping, runs: Path) -> Denoiser:
    """The denoiser of a setting."""
    nets = [n and ready(study, seed, Net(*n), Path(runs)) for n in (task["main"], task["guide"])]
    nets = [n and _corrupted(n, kind, i) for i, (n, kind) in enumerate(zip(nets, task["corrupt"], strict=True))]
    alpha, interval = task["alpha"], task["interval"] and tuple(task["interval"])
    return guided(nets[0], task["kind"], task["w"], guide=nets[1], alpha=alpha or 0.0, interval=interval)


def measure(study: str, runs: str, seed: int, first: int, **task) -> dict:
    """`Yardstick.numbers` of the images of seeds first ... first + count - 1; few: the Frechet distance of the first of them."""
    begin, plan, by = time.perf_counter(), STUDIES[study], yardstick(study, Path(runs))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(first)  # dropout's masks
        classes = list(range(by.train.num_classes)) if task["labels"] else None
        made = list(
            generate(denoiser(study, seed, task, Path(runs)), range(first, first + plan.count), by.train.images.shape[1:],
                     classes, sigmas=sigma_steps(plan.steps), batch=plan.batch, device=by.extractor.device)
        )  # fmt: skip
    images = torch.cat([part.images for part in made])
    found = metrics.collect(by.extractor, ((part.images, part.labels) for part in made))
    few = {str(n): by.distance(images[:n]) for n in plan.few}
    return by.numbers(found, images) | {"few": few, "seconds": time.perf_counter() - begin}


class Yardstick:
    """What generated images are measured by: the training images, under a classifier of them, and the test images."""

    def __init__(self, plan: Study, cache: str | Path):
        where = device()
        self.train, self.test = (data.load(plan.data, split) for split in ("train", "test"))
        self.extractor = features.load(f"classifier:{plan.data}", cache=cache, device=where, epochs=plan.epochs)
        self.real, self.held_out = (reference(part, self.extractor, cache) for part in (self.train, self.test))
        self.pixels = self._flat(self.train.images)
        self.near = self._nearest(self.test.images)
        self.copy_limit = float(np.quantile(self.near, 0.01))

    def _flat(self, images) -> Tensor:
        return (data.to_float(images) / 2).flatten(1).to(self.extractor.device)

    def _nearest(self, images) -> np.ndarray:
        parts = [torch.cdist(rows, self.pixels).min(1).values for rows in self._flat(images).split(500)]
        return (torch.cat(parts) / self.pixels.shape[1] ** 0.5).cpu().numpy()

    def numbers(self, found: metrics.FeatureSet, images) -> dict[str, float]:
        """Numbers of `edm.metrics.evaluate_features`; test_distance: the Frechet distance to the test images; and `memorised`."""
        apart = {"test_distance": metrics.frechet_distance(found.stats, self.held_out.stats)}
        return metrics.evaluate_features(found, self.real) | apart | self.memorised(images)

    def distance(self, images) -> float:
        """Frechet distance to the training images."""
        return metrics.frechet_distance(metrics.feature_stats(self.extractor(images)[0]), self.real.stats)

    def memorised(self, images) -> dict[str, float]:
        """nearest: root mean square pixel difference (1 is black to white) to the nearest training image, on average; copies:
        share of images nearer than all but 1 % of the test images are."""
        near = self._nearest(images)
        return {"nearest": float(near.mean()), "copies": float((near < self.copy_limit).mean())}


def _corrupted(net, kind: str, place: int) -> Denoiser:
    if not kind:
        return net
    name, amount = kind.split()
    if name == "dropout":
        return drop_out(net, float(amount))
    return raise_noise(net, float(amount), torch.Generator().manual_seed(place))


def raise_noise(denoiser: Denoiser, amount: float, generator: torch.Generator) -> Denoiser:
    """Corruption of the input [AG, section 4]: more noise, by `amount` of its level, and the denoiser is told so."""
    factor = 1 + amount

    def corrupted(x: Tensor, sigma, labels=None) -> Tensor:
        noise = torch.randn(x.shape, generator=generator).to(x)
        level = expand_sigma(sigma, x)
        return denoiser(x + (factor**2 - 1) ** 0.5 * level * noise, factor * level.flatten().expand(len(x)), labels)

    return corrupted


def drop_out(net: torch.nn.Module, share: float) -> torch.nn.Module:
    """Corruption of the network [AG, section 4]: a copy that drops `share` of the features of every block, anew in every call."""
    net = copy.deepcopy(net).train()
    for block in net.modules():
        if hasattr(block, "emb_gain"):
            block.dropout = share
    return net


@lru_cache(maxsize=2)
def yardstick(study: str, runs: Path) -> Yardstick:
    return Yardstick(STUDIES[study], runs if study == "tiny" else "data/cache")


@lru_cache(maxsize=1)
def tiny_runs() -> Path:
    """Networks of the quick look, trained for a few batches; gone when the process ends."""
    tiny_runs.folder = tempfile.TemporaryDirectory()
    return Path(tiny_runs.folder.name)


def place(study: str, runs: Path | None = None, seeds: Sequence[int] | None = None) -> Path:
    """Folder of a study's runs. Those of the quick look are trained when needed; ValueError if others are missing."""
    if study not in STUDIES:
        raise ValueError(f"unknown study {study!r}: choose from {', '.join(STUDIES)}")
    runs = Path(runs or (tiny_runs() if study == "tiny" else RUNS / study))
    todo = list(missing(STUDIES[study], runs, seeds))
    if todo and study == "tiny":
        train(STUDIES[study], runs, workers=0)
    elif todo:
        raise ValueError(f"{todo[0]} is not trained: run `python -m figures images --data {study}` first")
    return runs


def measure_all(study: str, arms: Iterable[Mapping], firsts: Sequence[int] = SELECT, *, runs: Path | None = None,
                seeds: Sequence[int] | None = None, store: Store | None = None, workers: int | None = None,
                minutes: float | None = None, desc: str = "") -> list[dict]:  # fmt: skip
    """`measure` for every arm, training seed and set of noise seeds. Rows are kept in the folder of the runs and made only once,
    whichever figure asks. store: notes which rows were used, and from which file rows are adopted. minutes: raises
    Unfinished after so long."""
    begin, runs, plan = time.monotonic(), place(study, runs, seeds), STUDIES[study]
    arms = list({repr(a): a for a in map(plain, arms)}.values())
    version = yardstick(study, runs).extractor.version  # made here, so that the workers find it
    tasks = [dict(seed=s, first=f, **a) for s in (plan.seeds if seeds is None else seeds) for f in firsts for a in arms]
    return run_rows(
        measure, tasks, shared=dict(study=study, runs=str(runs)),
        store=dataclasses.replace(store or Store(runs), path=runs / "images", version=VERSION),
        settings=dict(data=plan.data, config=record(plan), count=plan.count, steps=plan.steps, features=version),
        device=device_name(device()), workers=0 if device().type == "cuda" else workers,
        late=lambda: minutes is not None and time.monotonic() - begin > 60 * minutes, desc=desc,
    )  # fmt: skip
