"""The EDM2 network once more, as plain functions of a state dict: what `edm.network` is tested and timed against.

Deliberately simple: weights are normalised wherever they are used, attention is two einsums, nothing comes from `edm`.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def weights(shapes: dict[str, tuple], seed: int = 0) -> dict[str, Tensor]:
    """A state dict of reproducible numbers: unit normals of numpy's frozen generator, in order of the names."""
    random = np.random.RandomState(seed)
    return {
        name: torch.tensor(random.standard_normal(tuple(shapes[name])), dtype=torch.float32) for name in sorted(shapes)
    }


def normalize(x: Tensor, dim: list[int]) -> Tensor:
    """x over its root mean square along dim, with the epsilon of the published networks."""
    return x / (1e-4 + x.square().mean(dim, keepdim=True).sqrt())


def silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x) / 0.596


def add(a: Tensor, b: Tensor, t: float) -> Tensor:
    return ((1 - t) * a + t * b) / np.sqrt((1 - t) ** 2 + t**2)


def layer(state: dict, name: str, x: Tensor, gain: float | Tensor = 1.0) -> Tensor:
    w = state[f"{name}.weight"]
    w = normalize(w, list(range(1, w.ndim))) * gain / np.sqrt(w[0].numel())
    return x @ w.T if w.ndim == 2 else F.conv2d(x, w, padding=w.shape[-1] // 2)


def fourier(state: dict, name: str, c: Tensor) -> Tensor:
    return np.sqrt(2) * torch.cos(c[:, None] * state[f"{name}.freqs"] + state[f"{name}.phases"])


def attention(state: dict, name: str, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    qkv = layer(state, f"{name}.attn_qkv", x).reshape(n, c // 64, 64, 3, h * w)
    q, k, v = normalize(qkv, [2]).unbind(3)  # [N, heads, channels, tokens]
    weight = torch.einsum("nhcq,nhck->nhqk", q, k / 8).softmax(dim=3)
    y = torch.einsum("nhqk,nhck->nhcq", weight, v).reshape(n, c, h, w)
    return add(x, layer(state, f"{name}.attn_proj", y), 0.3)


def block(state: dict, name: str, x: Tensor, emb: Tensor) -> Tensor:
    if name.endswith("down"):
        x = (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4
    if name.endswith("up"):
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    encoder, skip = ".enc." in name, f"{name}.conv_skip.weight" in state
    if encoder:
        x = normalize(layer(state, f"{name}.conv_skip", x) if skip else x, [1])
    y = layer(state, f"{name}.conv_res0", silu(x))
    y = silu(y * (layer(state, f"{name}.emb_linear", emb, state[f"{name}.emb_gain"]) + 1)[:, :, None, None])
    y = layer(state, f"{name}.conv_res1", y)
    if skip and not encoder:
        x = layer(state, f"{name}.conv_skip", x)
    x = add(x, y, 0.3)
    if f"{name}.attn_qkv.weight" in state:
        x = attention(state, name, x)
    return x.clamp(-256, 256)


def concatenate(a: Tensor, b: Tensor) -> Tensor:
    n_a, n_b = a.shape[1], b.shape[1]
    return np.sqrt((n_a + n_b) / 0.5) * torch.cat([a * 0.5 / np.sqrt(n_a), b * 0.5 / np.sqrt(n_b)], dim=1)


def unet(state: dict, x: Tensor, c_noise: Tensor, one_hot: Tensor | None, levels: int, num_blocks: int) -> Tensor:
    emb = layer(state, "unet.emb_noise", fourier(state, "unet.emb_fourier", c_noise))
    if one_hot is not None:
        emb = add(emb, layer(state, "unet.emb_label", one_hot * np.sqrt(one_hot.shape[1])), 0.5)
    emb = silu(emb)
    sizes = [x.shape[-1] // 2**i for i in range(levels)]
    x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    skips = []
    for i, size in enumerate(sizes):
        at = f"unet.enc.{size}x{size}"
        x = layer(state, f"{at}_conv", x) if i == 0 else block(state, f"{at}_down", x, emb)
        skips.append(x)
        for j in range(num_blocks):
            x = block(state, f"{at}_block{j}", x, emb)
            skips.append(x)
    for i, size in reversed(list(enumerate(sizes))):
        at = f"unet.dec.{size}x{size}"
        for part in ["in0", "in1"] if i == levels - 1 else ["up"]:
            x = block(state, f"{at}_{part}", x, emb)
        for j in range(num_blocks + 1):
            x = block(state, f"{at}_block{j}", concatenate(x, skips.pop()), emb)
    return layer(state, "unet.out_conv", x, state["unet.out_gain"])


def denoise(state: dict, x: Tensor, sigma: Tensor, one_hot: Tensor | None, levels: int, num_blocks: int) -> Tensor:
    """D(x; sigma) for sigma [N], sigma_data = 0.5; one_hot [N, classes], or None for a network without classes."""
    s = sigma[:, None, None, None]
    f = unet(state, x / (s**2 + 0.25).sqrt(), sigma.log() / 4, one_hot, levels, num_blocks)
    return 0.25 / (s**2 + 0.25) * x + s * 0.5 / (s**2 + 0.25).sqrt() * f


def loss(state: dict, images, sigma, noise, one_hot, levels: int, num_blocks: int) -> Tensor:
    """The training loss for each pixel."""
    s = sigma[:, None, None, None]
    u = layer(state, "logvar_linear", fourier(state, "logvar_fourier", sigma.log() / 4))[:, :, None, None]
    d = denoise(state, images + s * noise, sigma, one_hot, levels, num_blocks)
    return (s**2 + 0.25) / (s * 0.5) ** 2 / u.exp() * (d - images) ** 2 + u


@torch.no_grad()
def force_norms(state: dict) -> None:
    for name, w in state.items():
        if name.endswith(".weight"):
            w.copy_(normalize(w, list(range(1, w.ndim))))
