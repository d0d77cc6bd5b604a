"""The raw network F of EDM2, configuration G (arXiv 2312.02696): a U-Net whose every layer preserves magnitudes.

There are no biases, no group norms and no learned scales beyond a few gains. State-dict names are the published ones.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-4
CHANNELS_PER_HEAD = 64  # of attention; fewer channels than that are one head
BRANCH = 0.3  # share t of the new branch in x' = mp_sum(x, branch(x), t): convolutions and attention [EDM2, eq. 88]
CLIP = 256.0  # activations are clipped to [-CLIP, CLIP], which they hardly reach: float16 ends at 65 504


def mp_silu(x: Tensor) -> Tensor:
    """SiLU that keeps unit variance [EDM2, eq. 81]."""
    return F.silu(x) / 0.596


def mp_sum(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Blend of two unit-variance tensors, share t of b, that has unit variance [EDM2, eq. 88]."""
    return torch.lerp(a, b, t) / math.hypot(1 - t, t)


def mp_cat(a: Tensor, b: Tensor) -> Tensor:
    """Concatenate channels so that a and b contribute equally whatever their widths [EDM2, eq. 103 with t = 1/2]."""
    n_a, n_b = a.shape[1], b.shape[1]
    scale = math.sqrt((n_a + n_b) / 2)
    return torch.cat([a * (scale / math.sqrt(n_a)), b * (scale / math.sqrt(n_b))], dim=1)


def unit_rms(x: Tensor, dim: int) -> Tensor:
    """x / (eps + rms of x over `dim`), in x's dtype; computed in at least float32, where squares cannot overflow."""
    norm = torch.linalg.vector_norm(x, dim=dim, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
    return (x / (EPS + norm / math.sqrt(x.shape[dim]))).to(x.dtype)


class Fourier(nn.Module):
    """Random Fourier features of a number, [N] -> [N, features] [EDM2, eq. 75]; stored with the weights."""

    freqs: Tensor
    phases: Tensor

    def __init__(self, features: int):
        super().__init__()
        self.register_buffer("freqs", 2 * math.pi * torch.randn(features))
        self.register_buffer("phases", 2 * math.pi * torch.rand(features))

    def forward(self, c: Tensor) -> Tensor:
        return math.sqrt(2) * torch.cos(torch.outer(c, self.freqs.to(c.dtype)) + self.phases.to(c.dtype))


class Linear(nn.Module):
    """Magnitude-preserving linear layer, or convolution of size `kernel` with zero padding [EDM2, eq. 47 and 66].

    A row w of the stored weight is used as gain * w / (eps + |w|/sqrt(n)) / sqrt(n), n the fan-in: its length is moot.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int | None = None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, *([kernel, kernel] if kernel else [])))
        self.frozen = False  # True: `weight` holds the weight in use

    def forward(self, x: Tensor, gain: Tensor | None = None) -> Tensor:
        weight = self.weight_in_use(gain, x.dtype)
        return F.linear(x, weight) if weight.ndim == 2 else F.conv2d(x, weight, padding=weight.shape[-1] // 2)

    def weight_in_use(self, gain: Tensor | None, dtype: torch.dtype) -> Tensor:
        if self.frozen:
            return self.weight.to(dtype) if gain is None else (self.weight * gain).to(dtype)
        weight = self.weight.to(torch.promote_types(dtype, torch.float32))
        scale = 1 / (self.row_norms(weight) * math.sqrt(weight[0].numel()))
        return (weight * (scale if gain is None else scale * gain)).to(dtype)

    def row_norms(self, weight: Tensor) -> Tensor:
        """eps + |w|/sqrt(n) of every row, shaped to broadcast against the weight."""
        norm = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)
        return EPS + norm / math.sqrt(weight[0].numel())

    @torch.no_grad()
    def force_norm(self) -> None:
        """Bring every stored row to norm sqrt(n), so that the learning rate acts on directions as intended."""
        if self.frozen:
            raise ValueError("a copy made for sampling holds the weights in use and cannot be trained")
        self.weight.div_(self.row_norms(self.weight))

    @torch.no_grad()
    def freeze(self, dtype: torch.dtype) -> None:
        """Replace the stored weight by the weight in use, in `dtype`."""
        self.weight = nn.Parameter(self.weight_in_use(None, dtype), requires_grad=False)
        self.frozen = True


class Block(nn.Module):
    """Residual block of the encoder ("enc") or decoder ("dec"), with resampling and attention [EDM2, figure 21]."""

    def __init__(
        self,
        side: Literal["enc", "dec"],
        in_channels: int,
        out_channels: int,
        emb_channels: int,
        *,
        resample: Literal["down", "up"] | None = None,
        attention: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        if attention and out_channels % min(out_channels, CHANNELS_PER_HEAD):
            raise ValueError(
                f"attention needs a multiple of {CHANNELS_PER_HEAD} channels, got {out_channels}, or fewer than that; change "
                "model_channels, channel_mult or attn_resolutions (the lowest resolution has attention in any case)"
            )
        self.side, self.resample, self.dropout = side, resample, dropout
        self.emb_gain = nn.Parameter(torch.zeros(()))
        self.conv_res0 = Linear(out_channels if side == "enc" else in_channels, out_channels, 3)
        self.emb_linear = Linear(emb_channels, out_channels)
        self.conv_res1 = Linear(out_channels, out_channels, 3)
        self.conv_skip = Linear(in_channels, out_channels, 1) if in_channels != out_channels else None
        self.attn_qkv = Linear(out_channels, 3 * out_channels, 1) if attention else None
        self.attn_proj = Linear(out_channels, out_channels, 1) if attention else None

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:  # [N, C, H, W], [N, E] -> [N, C', H', W']
        if self.resample == "down":
            x = F.avg_pool2d(x, 2)
        elif self.resample == "up":
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        if self.side == "enc":
            x = unit_rms(x if self.conv_skip is None else self.conv_skip(x), dim=1)
        y = self.conv_res0(mp_silu(x))
        scale = self.emb_linear(emb, gain=self.emb_gain) + 1  # [N, C']
        y = mp_silu(y * scale[:, :, None, None])
        y = self.conv_res1(F.dropout(y, self.dropout, self.training))
        if self.side == "dec" and self.conv_skip is not None:
            x = self.conv_skip(x)
        x = mp_sum(x, y, BRANCH)
        if self.attn_qkv is not None and self.attn_proj is not None:
            x = mp_sum(x, self.attn_proj(self.attend(self.attn_qkv(x))), BRANCH)
        return x.clip(-CLIP, CLIP)

    @staticmethod
    def attend(qkv: Tensor) -> Tensor:  # [N, 3C, H, W] -> [N, C, H, W]
        """Attention with queries, keys and values of unit magnitude."""
        n, c, h, w = qkv.shape
        size = min(c // 3, CHANNELS_PER_HEAD)
        qkv = qkv.permute(0, 2, 3, 1).reshape(n, h * w, -1, size, 3)  # tokens, heads, channels, (q, k, v)
        qkv = unit_rms(qkv, dim=3).permute(4, 0, 1, 2, 3).contiguous()  # the fast kernels want channels side by side
        q, k, v = qkv.transpose(2, 3)  # each [N, heads, tokens, channels]
        out = F.scaled_dot_product_attention(q, k, v)
        return out.transpose(1, 2).reshape(n, h, w, c // 3).permute(0, 3, 1, 2)


class UNet(nn.Module):
    """F(x; c_noise, labels). It runs in the dtype of x; the embedding of noise level and class in that of c_noise."""

    def __init__(
        self,
        resolution: int,
        img_channels: int,
        label_dim: int,
        model_channels: int,
        channel_mult: Sequence[int],
        num_blocks: int,
        attn_resolutions: Sequence[int],
        dropout: float,
    ):
        super().__init__()
        widths = [model_channels * m for m in channel_mult]
        sizes = [resolution >> level for level in range(len(widths))]
        emb = max(widths)
        self.label_dim = label_dim
        self.out_gain = nn.Parameter(torch.zeros(()))
        self.emb_fourier = Fourier(widths[0])
        self.emb_noise = Linear(widths[0], emb)
        self.emb_label = Linear(label_dim, emb) if label_dim else None

        self.enc = nn.ModuleDict()
        channels, skips = img_channels + 1, []
        for size, width in zip(sizes, widths, strict=True):
            at, attention = f"{size}x{size}", size in attn_resolutions
            if size == resolution:
                self.enc[f"{at}_conv"] = Linear(channels, width, 3)
                channels = width
            else:
                self.enc[f"{at}_down"] = Block("enc", channels, channels, emb, resample="down", dropout=dropout)
            skips.append(channels)
            for i in range(num_blocks):
                self.enc[f"{at}_block{i}"] = Block("enc", channels, width, emb, attention=attention, dropout=dropout)
                channels = width
                skips.append(channels)

        self.dec = nn.ModuleDict()
        for size, width in zip(sizes[::-1], widths[::-1], strict=True):
            at, attention = f"{size}x{size}", size in attn_resolutions
            if size == sizes[-1]:
                self.dec[f"{at}_in0"] = Block("dec", channels, channels, emb, attention=True, dropout=dropout)
                self.dec[f"{at}_in1"] = Block("dec", channels, channels, emb, dropout=dropout)
            else:
                self.dec[f"{at}_up"] = Block("dec", channels, channels, emb, resample="up", dropout=dropout)
            for i in range(num_blocks + 1):
                joined = channels + skips.pop()
                self.dec[f"{at}_block{i}"] = Block("dec", joined, width, emb, attention=attention, dropout=dropout)
                channels = width
        self.out_conv = Linear(channels, img_channels, 3)

    def forward(self, x: Tensor, c_noise: Tensor, labels: Tensor | None) -> Tensor:
        """x: [N, C, R, R]; c_noise: [N]; labels: one-hot [N, label_dim], or None without classes. Shape of x."""
        emb = self.emb_noise(self.emb_fourier(c_noise))
        if self.emb_label is not None and labels is not None:
            emb = mp_sum(emb, self.emb_label(labels * math.sqrt(self.label_dim)), 0.5)
        emb = mp_silu(emb).to(x.dtype)
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)  # a constant channel in place of biases
        skips = []
        for block in self.enc.values():
            x = block(x, emb) if isinstance(block, Block) else block(x)
            skips.append(x)
        for name, block in self.dec.items():
            x = block(mp_cat(x, skips.pop()) if "block" in name else x, emb)
        return self.out_conv(x, gain=self.out_gain)
