"""What networks cost: arithmetic, parameters and memory, counted on torch's meta device, where tensors have shapes and no data.

A multiply-add is two operations (FLOP). Counted is exact for the arithmetic of matrix products, convolutions and attention, which
is all but a few thousandths of it. What depends on a machine (seconds, watts) is an argument, never a constant here.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
from torch.utils.flop_counter import FlopCounterMode

from edm.network import PRESETS, EDM2Denoiser
from edm.unet import Linear
from toy2d import plots

GIGA, TERA, MEBI = 1e9, 1e12, 2**20
SAMPLER_STEPS = 32
IMAGES = 50_000  # for one FID
PASSES = 3  # of a training step in units of a forward pass: one forward, two backward (by inputs, by weights)
MAIN_TRAINING = 1024 * MEBI  # images of EDM2-S [EDM2, table 6]
GUIDE_TRAINING = 128 * MEBI  # images of the guide, an eighth of the main model's [AG, table 1]


@dataclass(frozen=True)
class Network:
    """Counts for one image of a forward pass."""

    parameters: int
    flops: int
    by_resolution: Mapping[int, int]  # FLOP at each resolution of the U-Net
    saved_bytes: int  # activations that a float16 training step keeps for the backward pass
    held_bytes: int  # activations that a float16 sampling step must hold at once for the skip connections


def network(name: str) -> Network:
    """Counts of a preset of `edm.network`, without its weights ever existing."""
    kwargs = PRESETS[name]
    with torch.device("meta"):
        denoiser = EDM2Denoiser(**kwargs)
        x = torch.empty(1, *denoiser.img_shape)
        sigma, labels = torch.ones(1), torch.zeros(1, denoiser.label_dim)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        denoiser.eval()(x, sigma, labels)
    counts = counter.get_flop_counts()
    sizes = dict.fromkeys(
        [denoiser.img_shape[1] >> level for level in range(len(kwargs.get("channel_mult", (1,) * 4)))], 0
    )
    for module, by_operation in counts.items():
        if found := re.fullmatch(r".*\.(?:enc|dec)\.(\d+)x\d+_\w+", module):
            sizes[int(found[1])] += sum(by_operation.values())
    denoiser.dtype = torch.float16
    return Network(sum(p.numel() for p in denoiser.parameters()), counter.get_total_flops(), sizes,
                   saved_bytes(denoiser, x, sigma, labels), held_bytes(denoiser))  # fmt: skip


def saved_bytes(denoiser: EDM2Denoiser, x, sigma, labels) -> int:
    """What autograd keeps of one image, weights apart: every storage once, however many tensors look at it."""
    weights = {p.untyped_storage()._cdata for p in denoiser.parameters()}
    kept = {}  # the storages themselves, so that no number is used twice

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    denoiser.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        denoiser(x.expand(2, -1, -1, -1).contiguous(), sigma.expand(2), labels.expand(2, -1).contiguous())
        two = sum(s.nbytes() for key, s in kept.items() if key not in weights)
        kept.clear()
        denoiser(x, sigma, labels)
        one = sum(s.nbytes() for key, s in kept.items() if key not in weights)
    return two - one  # the difference leaves out what does not grow with the batch: weights in use


def held_bytes(denoiser: EDM2Denoiser) -> int:
    """Outputs of the encoder's blocks in float16: all wait for the decoder."""
    total = 0
    for name, block in denoiser.unet.enc.items():
        last = block if isinstance(block, Linear) else block.conv_res1
        total += 2 * last.weight.shape[0] * int(name.split("x")[0]) ** 2
    return total


def evaluations(steps: int = SAMPLER_STEPS) -> int:
    """EDM2Denoiser calls of Heun's method for one image: two a step, one in the last."""
    return 2 * steps - 1


def sampling_flops(main: Network, guide: Network | None, images: int = IMAGES, steps: int = SAMPLER_STEPS) -> float:
    """Every evaluation calls both networks, the guide's share included."""
    return float(images) * evaluations(steps) * (main.flops + (guide.flops if guide else 0))


def training_flops(net: Network, images: int) -> float:
    return float(images) * PASSES * net.flops


def gpu_hours(flops: float, tflops: float) -> float:
    """At `tflops` sustained, in units of 10^12 FLOP a second."""
    return flops / (tflops * TERA) / 3600


def megawatt_hours(hours: float, watts: float) -> float:
    return hours * watts / 1e6


def optimizer_bytes(net: Network, averages: int = 2) -> int:
    """Training state in float32: weights, gradients, Adam's two moments, and the averages."""
    return 4 * net.parameters * (4 + averages)


def seconds_here(name: str, repeats: int = 2) -> float:
    """Measured: the fastest of a few evaluations of one image with random weights on this CPU, in float32.

    Seconds do not depend on what the weights say; the pictures would be noise and are not looked at.
    """
    denoiser = EDM2Denoiser(**PRESETS[name]).for_sampling(torch.float32)
    x, labels = torch.randn(1, *denoiser.img_shape), torch.zeros(1, denoiser.label_dim)
    seconds = []
    with torch.no_grad():
        for _ in range(repeats):
            begin = time.perf_counter()
            denoiser(x, 1.0, labels)
            seconds.append(time.perf_counter() - begin)
    return min(seconds)


def draw_networks(networks: Mapping[str, Network]):
    """Operations of one evaluation, by the resolution at which they happen."""
    sizes = list(next(iter(networks.values())).by_resolution)
    colours = (plots.SKY, plots.GREEN, plots.ORANGE, plots.PURPLE)
    with plots.style():
        figure, ax = plt.subplots(figsize=(6.2, 0.5 * len(networks) + 1.1), layout="constrained")
        left = [0.0] * len(networks)
        for size, colour in zip(sizes, colours, strict=False):
            values = [net.by_resolution[size] / GIGA for net in networks.values()]
            ax.barh(list(networks), values, left=left, color=colour, label=f"{size} × {size}", height=0.6)
            left = [a + b for a, b in zip(left, values, strict=True)]
        for i, (end, net) in enumerate(zip(left, networks.values(), strict=True)):
            ax.text(end, i, f"  {net.parameters / 1e6:.0f} M parameters", va="center", fontsize=8)
        ax.set(xlabel="10⁹ FLOP for one evaluation of one image", xlim=(0, 1.3 * max(left)))
        ax.invert_yaxis()
        ax.legend(frameon=False, fontsize=8, ncols=len(sizes), loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def draw_ladder(rungs: Mapping[str, float], tflops: float, colours: Mapping[str, str] | None = None):
    """Whole tasks on one logarithmic axis: operations below, GPU hours at the assumed throughput above."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(6.8, 0.36 * len(rungs) + 1.3), layout="constrained")
        names = list(rungs)
        ax.barh(names, list(rungs.values()), color=[(colours or {}).get(n, plots.SKY) for n in names], height=0.6)
        for i, value in enumerate(rungs.values()):
            ax.text(value, i, f"  {hours_text(gpu_hours(value, tflops))}", va="center", fontsize=8)
        ax.set(xscale="log", xlabel="FLOP", xlim=(min(rungs.values()) / 5, max(rungs.values()) * 300))
        ax.invert_yaxis()
        top = ax.secondary_xaxis(
            "top", functions=(lambda f: f / (tflops * TERA * 3600), lambda h: h * tflops * TERA * 3600)
        )
        top.set_xlabel(f"GPU hours, assuming {tflops:g} TFLOP/s sustained")
    return figure


def hours_text(hours: float) -> str:
    """Hours as one reads them: seconds, minutes, hours or years."""
    if hours < 1 / 60:
        return f"{3600 * hours:.2g} s"
    if hours < 1:
        return f"{60 * hours:.0f} min"
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.1f} h"
