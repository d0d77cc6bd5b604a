"""A training run in a folder: checkpoints, snapshots, log, progress and pictures around `edm.train.steps`.

FOLDER/config.json                          what was trained
FOLDER/checkpoint-IMAGES.safetensors|.json  the two newest states, to go on from
FOLDER/snapshot-IMAGES-STD.safetensors      averaged networks, to sample from or to reconstruct (`edm.training.snapshots`)
FOLDER/log.jsonl                            one line for each stretch of training
FOLDER/grid-IMAGES.png                      the same seeds as training goes on, a column for each class
"""

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

from edm import network
from edm.data import ImageSet
from edm.generate import generate
from edm.sampler import sigma_steps
from edm.storage.atomic import write_atomic, write_json
from edm.storage.png import save_grid
from edm.train import Config, Step, Training, steps
from edm.training import checkpoint
from edm.training.distributed import World

LEVELS = (0.1, 0.5, 2.0)  # noise levels that separate the columns of the loss in the log


def train_in_folder(
    folder: str | Path,
    config: Config,
    image_set: ImageSet,
    *,
    world: World | None = None,
    micro_batch: int | None = None,
    checkpoint_every: int | None = None,
    grid_every: int | None = None,
    minutes: float | None = None,
    compile: bool = False,
    say: Callable[[str], object] = tqdm.write,
) -> bool:
    """Train `config` in `folder`, or go on from its newest sound checkpoint. True when training is complete.

    checkpoint_every, grid_every: images between checkpoints (default: a 20th of the run) and between pictures (default:
    a quarter). minutes: stop with a checkpoint after so long; the same call goes on later. Raises ValueError if the
    folder holds a run of another configuration. Every process of `world` must call it; one of them writes.
    """
    folder, world = Path(folder), world or World()
    training = Training(config, image_set, world.device)
    resume(folder, training, say if world.main else lambda message: None)
    world.wait()  # all have read before one writes
    if world.main:
        write_json(folder / "config.json", as_json(config))
        for leftover in folder.glob("*.tmp"):  # of a process that was killed while it wrote
            leftover.unlink()
    checkpoint_every = checkpoint_every or max(config.images // 20, 1)
    grid_every = grid_every or max(config.images // 4, 1)
    begin = time.monotonic()
    log = Log(folder / "log.jsonl", training.images, world)
    bar = tqdm(total=config.images, initial=training.images, unit="img", unit_scale=True, desc=folder.name,
               disable=not world.main, mininterval=0.5)  # fmt: skip
    with bar:
        before = training.images
        for step in steps(training, image_set, world=world, micro_batch=micro_batch, compile=compile):
            done = step.images >= config.images

            def due(every: int, before: int = before, images: int = step.images, done: bool = done) -> bool:
                return done or before // every < images // every

            log.add(step)
            late = False
            if due(max(config.images // 200, config.batch)):
                bar.set_postfix_str(log.write(step), refresh=False)
                late = minutes is not None and bool(
                    world.sum(torch.tensor(time.monotonic() - begin > 60 * minutes).to(world.device).float())
                )
            if world.main and due(config.snapshot):
                save_snapshots(folder, training)
            if world.main and before // grid_every < step.images // grid_every:
                draw(folder / f"grid-{step.images:010d}.png", training)
            if world.main and (late or due(checkpoint_every)):
                checkpoint.save(folder, step.images, training.tensors(), {"config": as_json(config)})
            bar.update(step.images - before)
            before = step.images
            if late:
                break
    world.wait()
    return training.images >= config.images


def resume(folder: Path, training: Training, say: Callable[[str], object]) -> None:
    """Put `training` into the newest sound state that `folder` holds, if any; check that it belongs to the same run."""
    config = as_json(training.config)
    path = folder / "config.json"
    if path.exists():
        stored = json.loads(path.read_text())
        # A longer run is the same run continued: nothing else depends on the length.
        different = [k for k in config if k != "images" and stored.get(k) != config[k]]
        if different:
            changes = ", ".join(f"{k} {stored.get(k)!r} -> {config[k]!r}" for k in different)
            raise ValueError(f"{folder} holds another run ({changes}): choose another folder or remove this one")
    found = checkpoint.newest(folder, warn=say)
    if found is not None:
        tensors, info = found
        training.restore(tensors, info["images"])
        done = training.images >= training.config.images
        where = "complete" if done else f"going on after {training.images} of {training.config.images} images"
        say(f"{folder}: {where}")


def as_json(config: Config) -> dict:
    """The configuration as it reads back from JSON (lists for tuples)."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def snapshot_path(folder: str | Path, images: int, std: float) -> Path:
    return Path(folder) / f"snapshot-{images:010d}-{std:.3f}.safetensors"


def save_snapshots(folder: Path, training: Training) -> None:
    """Store the averaged networks as they are now, in half precision if that is what the network trains in."""
    dtype = torch.float32 if training.config.precision == "float32" else torch.float16
    for std, model in training.ema.models.items():
        extra = {"images": training.images, "std": std, "data": training.config.data}
        network.save(snapshot_path(folder, training.images, std), model, extra, dtype=dtype)


def draw(path: Path, training: Training, rows: int = 4) -> None:
    """Sample the widest average in a few steps: `rows` images of each of the first ten classes."""
    model, columns = training.ema.models[max(training.ema.models)], min(training.denoiser.label_dim, 10) or 10
    classes = range(columns) if model.label_dim else None
    batches = generate(
        model, range(rows * columns), model.img_shape, classes,
        sigmas=sigma_steps(12), device=training.device, batch=rows * columns,
    )  # fmt: skip
    save_grid(path, torch.cat([batch.images for batch in batches]), columns)


class Log:
    """Means over stretches of training, one JSON line each. Lines after `images` are of a lost stretch: dropped."""

    def __init__(self, path: Path, images: int, world: World):
        self.path, self.world, self.last = path, world, (images, time.monotonic())
        self.levels = torch.tensor(LEVELS, device=world.device)
        self.sums = torch.zeros(2, len(LEVELS) + 1, device=world.device)  # loss and count at each noise level
        if world.main:
            lines = path.read_text().splitlines(keepends=True) if path.exists() else []
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["images"] <= images]
            write_atomic(path, "".join(kept).encode())

    def add(self, step: Step) -> None:
        level = torch.bucketize(step.sigma, self.levels)
        self.sums.index_add_(1, level, torch.stack([step.loss, torch.ones_like(step.loss)]))

    def write(self, step: Step) -> str:
        """Close the stretch that ends with `step`: one line into the file, a short text for the progress bar."""
        sums, count = self.world.sum(self.sums).tolist()
        self.sums.zero_()
        (images, then), now = self.last, time.monotonic()
        self.last = step.images, now
        means = [s / n if n else None for s, n in zip(sums, count, strict=True)]
        entry = dict(images=step.images, loss=sum(sums) / sum(count), loss_by_sigma=means, sigma_edges=LEVELS)
        entry |= dict(learning_rate=step.learning_rate, images_per_second=(step.images - images) / (now - then))
        if self.world.main:
            with open(self.path, "a") as file:
                file.write(json.dumps(entry) + "\n")
        return "loss by sigma " + " ".join("-" if m is None else f"{m:.2f}" for m in means)
