"""Training of an image denoiser [EDM2, section 2 and table 1], as a generator that yields after every step.

Nothing in here prints, draws or writes: `edm.training.run` does that around it. Every random number of a step is a function of
the seed and of the positions of its images in the run, so the state after k images does not depend on how often it was
interrupted, nor (but for rounding, and dropout's masks) on the number of processes.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from edm import data
from edm.ema import PowerEMA
from edm.loss import edm2_loss
from edm.network import EDM2Denoiser
from edm.training import counter
from edm.training.distributed import World

STREAMS = {"sigma": 0, "noise": 1, "label": 2, "dropout": 3}  # of `edm.training.counter`, one for each use

PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Config:
    """All that decides the weights. The defaults train the paper's ImageNet-64 model of size S."""

    data: str = "imagenet64"  # name of a data set of edm.data
    network: Mapping[str, object] = field(default_factory=dict)  # arguments of edm.network.EDM2Denoiser that differ
    images: int = 1024 * 2**20  # training length
    batch: int = 2048  # images in a step, over all processes
    lr: float = 0.010  # alpha
    lr_ref: float = 35_000  # t_ref, in batches: from here on the rate falls with the root of time
    lr_ramp: int = 10_000_000  # images of linear warm-up
    P_mean: float = -0.8  # ln sigma ~ N(P_mean, P_std^2)
    P_std: float = 1.6
    label_dropout: float = 0.0  # share of images without their class: 0.1 allows CFG, 1 trains without classes
    ema_stds: tuple[float, ...] = (0.05, 0.10)  # widths of the stored weight averages
    snapshot: int = 8 * 2**20  # images between stored averages
    precision: str = "float32"  # of the network: float32, bfloat16 or float16 (the latter two for GPUs)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, with a ValueError that names the field and its value."""
        above_0 = (lambda v: 0 < v < math.inf, "a number above 0")
        whole = (lambda v: isinstance(v, int) and v > 0, "a whole number above 0")
        rules = {
            **dict.fromkeys(("images", "batch", "snapshot"), whole),
            **dict.fromkeys(("lr", "lr_ref", "P_std"), above_0),
            "lr_ramp": (lambda v: 0 <= v < math.inf, "a number of images, 0 for no warm-up"),
            "P_mean": (math.isfinite, "a finite number"),
            "label_dropout": (lambda v: 0 <= v <= 1, "a share between 0 and 1"),
            "ema_stds": (lambda v: v and all(0 < std < 0.29 for std in v), "one width or more, each in (0, 0.29)"),
            "precision": (lambda v: v in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
            "seed": (lambda v: isinstance(v, int) and 0 <= v < 2**63, "a whole number from 0 to 2^63 - 1"),
        }
        for name, (holds, wanted) in rules.items():
            if not holds(value := getattr(self, name)):
                raise ValueError(f"{name} must be {wanted}, got {value!r}")


def learning_rate(config: Config, images: int) -> float:
    """Rate of the step after `images` images: alpha / sqrt(max(t / t_ref, 1)), ramped up linearly [EDM2, eq. 67]."""
    decay = max(images / config.batch / config.lr_ref, 1) ** -0.5
    return config.lr * decay * min(images / config.lr_ramp, 1) if config.lr_ramp else config.lr * decay


class TrainingLoss(nn.Module):
    """The per-pixel loss as one module, so that it can be compiled and distributed as a whole."""

    def __init__(self, denoiser: EDM2Denoiser):
        super().__init__()
        self.denoiser = denoiser

    def forward(self, images: Tensor, sigma: Tensor, noise: Tensor, labels: Tensor | None) -> Tensor:  # [N, C, H, W]
        return edm2_loss(self.denoiser, images, sigma, noise, labels)


class Training:
    """What changes during training: the network, its averages, the optimiser, and how many images it has seen."""

    def __init__(self, config: Config, image_set: data.ImageSet, device: torch.device | str = "cpu"):
        shape = dict(
            img_resolution=image_set.resolution, img_channels=image_set.channels, label_dim=image_set.num_classes
        )
        with counter.torch_seeded(config.seed):
            denoiser = EDM2Denoiser(**{**config.network, **shape, "dtype": getattr(torch, config.precision)})
        self.config, self.images, self.device = config, 0, torch.device(device)
        self.denoiser = denoiser.to(self.device).to(memory_format=torch.channels_last).train()
        self.ema = PowerEMA(self.denoiser, config.ema_stds)
        self.optimizer = torch.optim.Adam(
            self.denoiser.parameters(), lr=config.lr, betas=(0.9, 0.99), eps=1e-8, fused=True
        )

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state under one flat name, for a checkpoint."""
        out = {f"net/{name}": value for name, value in self.denoiser.state_dict().items()}
        for std, state in self.ema.state_dict().items():
            out |= {f"ema/{std}/{name}": value for name, value in state.items()}
        for name, parameter in self.denoiser.named_parameters():
            out |= {f"adam/{key}/{name}": value for key, value in self.optimizer.state[parameter].items()}
        return out

    def restore(self, tensors: Mapping[str, Tensor], images: int) -> None:
        """Take back what `tensors` gave after `images` images."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

        self.images = images
        self.denoiser.load_state_dict(part("net/"))
        self.ema.load_state_dict({std: part(f"ema/{std}/") for std in self.ema.models})
        for name, parameter in self.denoiser.named_parameters():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = tensors[f"adam/{key}/{name}"].to(parameter.device)
                like = torch.empty_like(parameter) if value.ndim else value
                self.optimizer.state[parameter][key] = like.copy_(value)


def inputs(
    config: Config, images: Tensor, labels: Tensor, num_classes: int, positions: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the loss wants for uint8 images [n, C, H, W] and classes [n] that stand at `positions` [n] of the run.

    Returns images in [-1, 1], noise levels [n], unit noise like the images and one-hot classes [n, num_classes], of
    which config.label_dropout are withheld (all zero).
    """
    images = data.to_float(images)
    sigma = (counter.normal(config.seed, STREAMS["sigma"], positions) * config.P_std + config.P_mean).exp()
    noise = counter.normal(config.seed, STREAMS["noise"], positions, images.shape[1:])
    keep = counter.uniform(config.seed, STREAMS["label"], positions) >= config.label_dropout
    return images, sigma, noise, nn.functional.one_hot(labels.long(), num_classes) * keep[:, None]


class Step(NamedTuple):
    """What a step did; losses and noise levels are those of this process."""

    images: int  # seen so far, over all processes
    learning_rate: float
    loss: Tensor  # [n], mean over the pixels of each image
    sigma: Tensor  # [n]


def steps(training: Training, image_set: data.ImageSet, *, world: World | None = None, micro_batch: int | None = None,
          compile: bool = False) -> Iterator[Step]:  # fmt: skip
    """Train until config.images, yielding after every step; `training` then holds the new state.

    micro_batch: images at a time on a process, gradients being accumulated (default: all its share). compile: the whole
    network and loss as one compiled graph of fixed shapes. Raises ValueError if the batch does not divide.
    """
    config, world = training.config, world or World()
    share = config.batch // world.size
    micro = min(micro_batch or share, share)
    if config.batch % world.size or share % micro:
        raise ValueError(
            f"batch {config.batch} must be a multiple of processes x micro-batch = {world.size} x {micro}: "
            "change batch or micro_batch"
        )
    module = TrainingLoss(training.denoiser)
    if compile:
        module.compile(dynamic=False)
    parallel = DistributedDataParallel(module, broadcast_buffers=False) if world.size > 1 else module
    batches = data.batches(
        image_set, config.batch, config.seed, start=training.images, rank=world.rank, world_size=world.size
    )
    while training.images < config.images:
        images, labels = next(batches)
        positions = training.images + world.rank * share + torch.arange(share, device=training.device)
        images, labels = images.to(training.device), labels.to(training.device)
        images, sigma, noise, labels = inputs(config, images, labels, image_set.num_classes, positions)
        rate = learning_rate(config, training.images)
        training.denoiser.normalize_weights()
        training.optimizer.zero_grad(set_to_none=True)
        losses = []
        for start in range(0, share, micro):
            part, last = slice(start, start + micro), start + micro == share
            first = torch.tensor([training.images + world.rank * share + start])
            masks = int(counter.bits(config.seed, STREAMS["dropout"], first))
            with parallel.no_sync() if isinstance(parallel, DistributedDataParallel) and not last else nullcontext():
                with counter.torch_seeded(masks, training.device):
                    loss = parallel(images[part], sigma[part], noise[part], labels[part])  # [n, C, H, W]
                # Sum over pixels, mean over the whole batch; DDP averages over processes, hence its size.
                (loss.sum() * (world.size / config.batch)).backward()
            losses.append(loss.detach().mean(dim=(1, 2, 3)))
        for parameter in training.denoiser.parameters():
            if parameter.grad is not None:
                torch.nan_to_num(parameter.grad, nan=0, posinf=0, neginf=0, out=parameter.grad)
        for group in training.optimizer.param_groups:
            group["lr"] = rate
        training.optimizer.step()
        training.images += config.batch
        training.ema.update(training.images, config.batch)
        yield Step(training.images, rate, torch.cat(losses), sigma)
