"""Dropout left on while sampling [AG, section 4], with random numbers that belong to the image and not to the batch."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edm.denoiser import Denoiser
from edm.network import EDM2Denoiser
from edm.training import counter
from edm.unet import Block

MASKS = {"dropout": 1, "one mask": 1, "eight masks": 8}  # calls that are averaged


class Dropped(nn.Module):
    """A layer whose input loses features: those whose uniform random number lies below `rate`; the rest is scaled up."""

    def __init__(self, layer: nn.Module, rate: float, place: int, seeds: Tensor):
        super().__init__()
        self.layer, self.rate, self.place, self.seeds = layer, rate, place, seeds
        self.stream = 0  # which random numbers: set before every call of the network

    def forward(self, y: Tensor) -> Tensor:  # [N, C, H, W]
        uniform = counter.uniform(self.place, self.stream, self.seeds, y.shape[1:])
        return self.layer(torch.where(uniform < self.rate, 0, y / (1 - self.rate)).to(y.dtype))


def drop_out(net: EDM2Denoiser, rate: float, kind: str, noise_seeds: Sequence[int], place: int) -> Denoiser:
    """A network that drops the share `rate` of the features of every block, as `kind` of `MASKS` says.

    noise_seeds: one for each row; a row's masks depend on its seed and on nothing else. place: main model and guide draw their
    own numbers, but for "one mask": there they draw the same ones, so that a greater rate drops more of the same.
    Raises ValueError for an unknown kind or a rate outside [0, 1).
    """
    if kind not in MASKS or not 0 <= rate < 1:
        raise ValueError(f"need 0 <= rate < 1 and a kind of dropout from {', '.join(MASKS)}, got {rate} and {kind!r}")
    if rate == 0:
        return net
    net, seeds = copy.deepcopy(net), torch.tensor(list(noise_seeds), device=next(net.parameters()).device)
    layers = []
    for number, block in enumerate(m for m in net.modules() if isinstance(m, Block)):
        block.conv_res1 = Dropped(block.conv_res1, rate, number, seeds)
        layers.append(block.conv_res1)
    calls = 0

    def once(x: Tensor, sigma: float | Tensor, labels: Tensor | None) -> Tensor:
        nonlocal calls
        for layer in layers:
            layer.stream = 0 if kind == "one mask" else 4 * calls + place
        calls += 1
        return net(x, sigma, labels)

    def denoise(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        return sum(once(x, sigma, labels) for _ in range(MASKS[kind])) / MASKS[kind]

    return denoise
