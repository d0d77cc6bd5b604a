"""The image study: which networks are trained, on which of them settings are chosen, and on which they are reported.

| run    | network                          | images | what comes from it                                              |
|--------|----------------------------------|--------|-----------------------------------------------------------------|
| main   | that of the preset               | 4 T    | main models after T, 2 T and 4 T; itself without its class is   |
|        |                                  |        | the guide of CFG; its own early snapshots can guide it, too     |
| xs     | half the width                   | T      | smaller guides, trained as long or less                         |
| guide  | that of the preset, another seed | T/2    | guides of the same capacity, less trained                       |
| eighth | that of the preset, another seed | T      | a guide that saw an eighth of the images, as often in all       |

T is the training length of the preset of `edm.presets`. Learning rate and data do not depend on the length, so that a snapshot of
a run is what a shorter run would have ended with. A guide of the same capacity trained for T is the main model of another seed.
Settings are chosen on the training runs and the noise of one `Stage` and reported on those of another.
"""

import dataclasses
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from edm import data as image_data
from edm import network
from edm.presets import PAIRS
from edm.storage.rows import Unfinished, compute
from edm.train import Config
from edm.training.distributed import World
from edm.training.run import as_json, train_in_folder

KINDS = ("main", "xs", "guide", "eighth")  # in the order of training
SEED_OF = {"main": 0, "guide": 100, "xs": 200, "eighth": 300}  # what a run adds to the number of its training seed
EVERY = 8  # of the images, one in so many is what "eighth" sees
RUNS = Path("runs/images")


@dataclass(frozen=True)
class Stage:
    """Training runs and noise for one purpose: to choose settings, or to report numbers."""

    seeds: tuple[int, ...]  # of the training runs
    count: int  # images for each number
    blocks: int = 1  # numbers for each setting and training run, each from other noise

    def firsts(self, seed: int) -> list[int]:
        """The first noise seed of each number. No two training runs share noise, so that intervals include its effect.

        Noise seeds below 500 are never used: as a block they lie five standard deviations from others.
        """
        return [100_000 * (seed + 1) + 10_000 * block for block in range(self.blocks)]

    @property
    def few(self) -> tuple[int, int]:
        """Numbers of images on which a cheap search looks first."""
        return max(self.count // 20, 2), max(self.count // 5, 3)


@dataclass(frozen=True)
class Study:
    """What is trained and how it is measured."""

    name: str
    data: str
    config: Config  # of the main model of seed 0; its length is T
    choosing: Stage = Stage((0, 1), 1000)
    reporting: Stage = Stage((2, 3, 4, 5, 6), 2000)
    lengths: tuple[int, ...] = (1, 2, 4)  # of main models, in units of T
    steps: int = 32  # of the sampler; `convergence` says why
    arithmetic: str = "bfloat16"  # of the networks when they sample; a check row in float32 stands beside
    batch: int = 250  # images at a time
    epochs: int | None = None  # of the classifier and the autoencoder; None is their default

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.choosing.seeds + self.reporting.seeds

    @property
    def T(self) -> int:
        return self.config.images

    def run(self, kind: str, seed: int) -> Config:
        """The configuration of a run; every run has its own seed. ValueError for an unknown kind."""
        if kind not in KINDS:
            raise ValueError(f"unknown run {kind!r}: choose from {', '.join(KINDS)}")
        changes: dict[str, object] = dict(seed=self.config.seed + seed + SEED_OF[kind])
        if kind == "main":
            changes |= dict(images=max(self.lengths) * self.T, snapshot=self.T // 32)
        if kind == "guide":
            changes |= dict(images=self.T // 2, snapshot=self.T // 128)
        if kind == "xs":
            width = self.config.network["model_channels"] // 2
            changes |= dict(snapshot=self.T // 128, network={**self.config.network, "model_channels": width})
        if kind == "eighth":
            changes |= dict(snapshot=self.T // 32)
        return dataclasses.replace(self.config, **changes)

    def order(self) -> list[tuple[str, int]]:
        """All runs in the order of training: those for choosing first, then seed by seed, so that a part can be reported."""
        first = [(kind, seed) for kind in KINDS for seed in self.choosing.seeds]
        return first + [(kind, seed) for seed in self.reporting.seeds for kind in KINDS]


_TINY = dict(images=32 * 8, batch=8, lr_ramp=80, network=dict(model_channels=8, channel_mult=(1,), num_blocks=0))
_GPU = dict(choosing=Stage((0,), 5000), reporting=Stage((1, 2), 10_000), lengths=(1, 2), batch=500)
STUDIES: dict[str, Study] = {
    plan.name: plan
    for plan in (
        Study("fashion-16", "fashion-16", PAIRS["fashion-16"].main),
        Study("fashion-mnist", "fashion-mnist", PAIRS["fashion-mnist"].main, **_GPU),
        Study("cifar10", "cifar10", PAIRS["cifar10"].main, **_GPU),
        # Too small a set for claims: a lesson about distances with few images.
        Study("digits", "digits", PAIRS["digits"].main, Stage((0, 1), 500), Stage((2, 3, 4), 500)),
        # A quick look: everything runs, nothing is good.
        Study("tiny", "digits", dataclasses.replace(PAIRS["digits"].main, **_TINY), Stage((0, 1), 40), Stage((2, 3), 40),
              lengths=(1, 2), steps=3, batch=40, epochs=1),
    )
}  # fmt: skip


def study(name: str) -> Study:
    """The study of that name. ValueError for an unknown one."""
    if name not in STUDIES:
        raise ValueError(f"unknown study {name!r}: choose from {', '.join(STUDIES)}")
    return STUDIES[name]


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def images_of(plan: Study, kind: str) -> image_data.ImageSet:
    """The images that a run is trained on."""
    whole = image_data.load(plan.data)
    if kind != "eighth":
        return whole
    part = slice(None, None, EVERY)
    name = f"{whole.name}, one in {EVERY}"
    return image_data.ImageSet(whole.images[part], whole.labels[part], whole.num_classes, name, whole.flip)


def train(plan: Study, runs: Path, *, minutes: float | None = None, compile: bool | None = None,
          workers: int | None = None) -> None:  # fmt: skip
    """Train all runs of a study that are not complete; on a CPU side by side, one thread each.

    workers: processes, default one a core; 0 trains here, as on a GPU. Raises Unfinished when time is up.
    """
    if device().type == "cuda":
        workers = 0
    common = dict(plan=plan, runs=runs, minutes=minutes, begin=time.time(), compile=compile)
    tasks = [
        dict(**common, kind=kind, seed=seed) for kind, seed in plan.order() if not complete(plan, kind, seed, runs)
    ]
    done = compute(train_run, tasks, os.cpu_count() if workers is None else workers)
    for task, finished, _ in done:
        if not finished:
            done.close()  # ends the other processes
            raise Unfinished(
                f"{task['kind']}-{task['seed']} in {runs} is not finished: the same command goes on from here"
            )


def train_run(plan: Study, kind: str, seed: int, runs: Path, minutes: float | None, begin: float,
              compile: bool | None) -> bool:  # fmt: skip
    """Train one network. Returns True when it has reached its full length. minutes: for all runs, counted from `begin`."""
    left = None if minutes is None else minutes - (time.time() - begin) / 60
    config, on_gpu = plan.run(kind, seed), device().type == "cuda"
    if not on_gpu:
        config = dataclasses.replace(config, precision="float32")
    return train_in_folder(
        Path(runs, f"{kind}-{seed}"), config, images_of(plan, kind), world=World(device=device()), minutes=left,
        compile=on_gpu if compile is None else compile, grid_every=config.images,
        checkpoint_every=max(plan.T // 16, 64 * config.batch),
    )  # fmt: skip


def complete(plan: Study, kind: str, seed: int, runs: Path) -> bool:
    """Whether a run's last average lies in its folder, or is kept among those that measuring needs (`figures.images.nets`)."""
    images, width = plan.run(kind, seed).images, max(plan.config.ema_stds)
    if any(Path(runs, "kept").glob(f"{kind}-{seed}-{images:010d}-*.safetensors")):
        return True
    return any(
        int(p.name.split("-")[1]) >= images for p in Path(runs, f"{kind}-{seed}").glob(f"snapshot-*-{width:.3f}.*")
    )


def missing(plan: Study, runs: Path) -> Iterator[str]:
    """Names of the runs that have not been trained to the end."""
    return (f"{kind}-{seed}" for kind, seed in plan.order() if not complete(plan, kind, seed, runs))


def parameters(plan: Study, kind: str) -> int:
    """Number of weights of a run's network."""
    images = image_data.load(plan.data)
    shape = dict(img_resolution=images.resolution, img_channels=images.channels, label_dim=images.num_classes)
    with torch.device("meta"):
        return sum(p.numel() for p in network.EDM2Denoiser(**{**plan.run(kind, 0).network, **shape}).parameters())


def record(plan: Study) -> dict:
    """What the weights depend on, for results and for rows that are kept."""
    runs = {kind: as_json(plan.run(kind, plan.seeds[0])) for kind in KINDS}
    return runs | {"eighth_sees_one_image_in": EVERY}
