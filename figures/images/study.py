"""The networks behind the image experiments: for each training seed a main model and what may guide it.

| run   | network                | images | guides that come from it                                                  |
|-------|------------------------|--------|---------------------------------------------------------------------------|
| main  | that of the preset     | T      | itself without its class (CFG); its own early snapshots                   |
| guide | the same, another seed | T/4    | T/32 ... T/4: the same capacity, less training                            |
| xs    | half the width         | T      | T/32 ... T: smaller, trained as long or less                              |

T is the training length of the preset of `edm.presets`. Learning rate and data do not depend on the length, so that a snapshot of a
run is what a shorter run would have ended with. A guide of the same capacity trained for T is the main model of the next seed.
"""

import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from edm import data as image_data
from edm import models, network
from edm.presets import PAIRS
from edm.storage.rows import Unfinished, compute
from edm.train import Config
from edm.training import snapshots
from edm.training.distributed import World
from edm.training.run import as_json, train_in_folder

SIZES = ("main", "guide", "xs")
RUNS = Path("runs/images")


@dataclass(frozen=True)
class Study:
    """What is trained and how it is measured."""

    data: str
    config: Config  # of the main model of seed 0
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)  # training seeds
    count: int = 500  # images for each number
    steps: int = 12  # of the sampler
    batch: int = 250  # images at a time
    epochs: int | None = None  # of the classifier that gives the features; None is its default

    @property
    def few(self) -> tuple[int, int]:
        """Numbers of images on which a cheap search looks first."""
        return max(self.count // 20, 2), max(self.count // 5, 3)

    def run(self, size: str, seed: int) -> Config:
        """The configuration of a run; every run has its own seed. ValueError for an unknown size."""
        if size not in SIZES:
            raise ValueError(f"unknown network {size!r}: choose from {', '.join(SIZES)}")
        length, changes = self.config.images, dict(seed=seed + 100 * SIZES.index(size))
        if size == "main":
            changes |= dict(snapshot=length // 64)
        if size == "guide":
            changes |= dict(images=length // 4, snapshot=length // 256)
        if size == "xs":
            width = self.config.network["model_channels"] // 2
            changes |= dict(snapshot=length // 128, network={**self.config.network, "model_channels": width})
        return dataclasses.replace(self.config, **changes)


_TINY = dict(images=32 * 8, batch=8, lr_ramp=80, network=dict(model_channels=8, channel_mult=(1,), num_blocks=0))
STUDIES: dict[str, Study] = {
    "digits": Study("digits", PAIRS["digits"].main),
    "fashion-16": Study("fashion-16", PAIRS["fashion-16"].main),
    "fashion-mnist": Study("fashion-mnist", PAIRS["fashion-mnist"].main, (0, 1), 5000, 18, 500),
    "cifar10": Study("cifar10", PAIRS["cifar10"].main, (0, 1), 5000, 18, 500),
    # A quick look: everything runs, nothing is good.
    "tiny": Study("digits", dataclasses.replace(PAIRS["digits"].main, **_TINY), (0, 1), 12, 3, 12, 1),
}


@dataclass(frozen=True)
class Net:
    """A network out of a run: its average of width `ema`, taken after T / part images; `shift` counts training seeds on."""

    size: str = "main"
    part: int = 1
    ema: float = 0.10
    shift: int = 0


SHIPPED_GUIDE = Net("guide", 8)


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(study: Study, runs: Path = RUNS, *, minutes: float | None = None, compile: bool | None = None,
          workers: int | None = None) -> None:  # fmt: skip
    """Train all runs of a study that are not complete; on a CPU side by side, one thread each.

    workers: processes, default one a core; 0 trains here, as on a GPU. Raises Unfinished when time is up.
    """
    if device().type == "cuda":
        workers = 0
    common = dict(study=study, runs=runs, minutes=minutes, begin=time.time(), compile=compile)
    tasks = [dict(**common, size=size, seed=seed) for seed in study.seeds for size in SIZES]
    done = compute(train_run, tasks, os.cpu_count() if workers is None else workers)
    for task, complete, _ in done:
        if not complete:
            done.close()  # ends the other processes
            raise Unfinished(
                f"{runs}/{task['size']}-{task['seed']} is not finished: the same command goes on from here"
            )


def train_run(
    study: Study, size: str, seed: int, runs: Path, minutes: float | None, begin: float, compile: bool | None
) -> bool:
    """One run, of which it says whether it is complete. minutes: the time for all runs, counted from `begin`."""
    left = None if minutes is None else minutes - (time.time() - begin) / 60
    config, on_gpu = study.run(size, seed), device().type == "cuda"
    if not on_gpu:
        config = dataclasses.replace(config, precision="float32")
    return train_in_folder(
        Path(runs, f"{size}-{seed}"), config, image_data.load(study.data), world=World(device=device()), minutes=left,
        compile=on_gpu if compile is None else compile, grid_every=config.images,
        checkpoint_every=max(config.images // 20, 64 * config.batch),
    )  # fmt: skip


def missing(study: Study, runs: Path = RUNS, seeds: Sequence[int] | None = None) -> Iterator[Path]:
    """Folders of runs that have not been trained to the end (of some training seeds, by default of all)."""
    for seed in study.seeds if seeds is None else seeds:
        for size in SIZES:
            folder, images = Path(runs, f"{size}-{seed}"), study.run(size, seed).images
            found = snapshots.snapshots(folder) if any(folder.glob("snapshot-*.safetensors")) else []
            if not found or found[-1].images < images:
                yield folder


def load(study: Study, seed: int, net: Net, runs: Path = RUNS) -> network.EDM2Denoiser:
    """The network `net` of training seed `seed`, as it was trained. FileNotFoundError if there is no such run."""
    seeds = study.seeds
    folder = Path(runs, f"{net.size}-{seeds[(seeds.index(seed) + net.shift) % len(seeds)]}")
    times = sorted({s.images for s in snapshots.snapshots(folder)})
    wanted = study.config.images / net.part
    taken = min(times, key=lambda images: abs(images - wanted))
    if abs(taken - wanted) > 0.1 * wanted:
        raise ValueError(f"{folder} has no snapshot after about {wanted:.0f} images, the nearest is after {taken}")
    return snapshots.reconstruct(folder, net.ema, taken)


@lru_cache(maxsize=32)
def ready(study: str, seed: int, net: Net, runs: Path = RUNS) -> network.EDM2Denoiser:
    """The copy of `net` for sampling, on the device: half precision on a GPU."""
    where = device()
    return (
        load(STUDIES[study], seed, net, runs)
        .to(where)
        .for_sampling(torch.float16 if where.type == "cuda" else torch.float32)
    )


def ship(study: str, guide: Net = SHIPPED_GUIDE, out: Path = models.CHECKPOINTS) -> None:
    """Write main and guide of training seed 0 as float16 into the package, where `edm.models.shipped` finds them."""
    for name, net in (("main", Net()), ("guide", guide)):
        denoiser = load(STUDIES[study], 0, net, RUNS / study)
        extra = dict(data=STUDIES[study].data, std=net.ema, images=STUDIES[study].config.images // net.part)
        network.save(out / f"{study}-{name}.safetensors", denoiser, extra, dtype=torch.float16)


def parameters(study: Study, size: str) -> int:
    """Number of weights of a run's network."""
    images = image_data.load(study.data)
    shape = dict(img_resolution=images.resolution, img_channels=images.channels, label_dim=images.num_classes)
    with torch.device("meta"):
        return sum(p.numel() for p in network.EDM2Denoiser(**{**study.run(size, 0).network, **shape}).parameters())


def record(study: Study) -> dict:
    """What the weights depend on, for results and for rows that are kept."""
    return {size: as_json(study.run(size, study.seeds[0])) for size in SIZES}
