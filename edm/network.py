"""The EDM2 denoiser for images: preconditioning around the U-Net, presets, and its file format (safetensors)."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edm.denoiser import expand_sigma
from edm.storage.atomic import write_atomic
from edm.unet import Fourier, Linear, UNet


class EDM2Denoiser(nn.Module):
    """EDM2 network [EDM2, configuration G], preconditioned [EDM, table 1]: a denoiser (`edm.denoiser`) for images.

    img_resolution, img_channels: images are [N, img_channels, img_resolution, img_resolution], values about [-1, 1].
    label_dim: number of classes, 0 for none. model_channels: width c. channel_mult: width at each resolution, full size
    first, in units of c. num_blocks: blocks at each resolution. attn_resolutions: where the blocks have attention (the
    lowest resolution has some in any case). dropout: probability, in training. sigma_data: standard deviation of data.

    Weights are float32. `dtype` is that of the U-Net's arithmetic (float32, float16, bfloat16, float64) and may be
    changed at any time; everything outside the U-Net is at least float32.
    """

    def __init__(
        self,
        img_resolution: int,
        img_channels: int,
        label_dim: int,
        *,
        model_channels: int = 192,
        channel_mult: Sequence[int] = (1, 2, 3, 4),
        num_blocks: int = 3,
        attn_resolutions: Sequence[int] = (16, 8),
        dropout: float = 0.0,
        sigma_data: float = 0.5,
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__()
        if img_resolution % 2 ** (len(channel_mult) - 1):
            raise ValueError(f"img_resolution {img_resolution} cannot be halved {len(channel_mult) - 1} times")
        if not 0 <= dropout < 1 or not sigma_data > 0:
            raise ValueError(f"need 0 <= dropout < 1 and sigma_data > 0, got {dropout=}, {sigma_data=}")
        self.kwargs = dict(  # what `save` writes, to build the network again
            img_resolution=img_resolution,
            img_channels=img_channels,
            label_dim=label_dim,
            model_channels=model_channels,
            channel_mult=tuple(channel_mult),
            num_blocks=num_blocks,
            attn_resolutions=tuple(attn_resolutions),
            dropout=dropout,
            sigma_data=sigma_data,
        )
        self.img_shape, self.label_dim = (img_channels, img_resolution, img_resolution), label_dim
        self.sigma_data, self.dtype = sigma_data, dtype
        self.unet = UNet(
            img_resolution, img_channels, label_dim, model_channels, channel_mult, num_blocks, attn_resolutions, dropout
        )
        self.logvar_fourier = Fourier(128)
        self.logvar_linear = Linear(128, 1)

    def forward(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        """Expected image given x = image + sigma * noise [EDM, eq. 7]. Shape and dtype of x.

        labels: class numbers [N] (integers), or one-hot rows [N, label_dim] of any dtype, or None for no class. A
        network without classes ignores labels, so that it can guide one that has them. Raises ValueError for wrong
        shapes, and for classes that do not exist (not checked on an accelerator).
        """
        if x.shape[1:] != self.img_shape:
            raise ValueError(f"x must be [N, {', '.join(map(str, self.img_shape))}], got {list(x.shape)}")
        work = torch.promote_types(self.dtype, torch.float32)
        out_dtype, x = x.dtype, x.to(work)
        s = expand_sigma(sigma, x)
        total = s**2 + self.sigma_data**2
        c_skip, c_out, c_in = self.sigma_data**2 / total, s * self.sigma_data / total.sqrt(), 1 / total.sqrt()
        f = self.unet((c_in * x).to(self.dtype), c_noise(s).expand(len(x)), self.one_hot(labels, x))
        return (c_skip * x + c_out * f.to(work)).to(out_dtype)

    def log_variance(self, sigma: float | Tensor) -> Tensor:
        """Learned log variance u(sigma) of the loss [EDM2, eq. 21]. sigma: N numbers of any shape. [N, 1, 1, 1]."""
        weight = self.logvar_linear.weight
        c = c_noise(torch.as_tensor(sigma, device=weight.device).to(weight.dtype))
        return self.logvar_linear(self.logvar_fourier(c)).reshape(-1, 1, 1, 1)

    def one_hot(self, labels: Tensor | None, x: Tensor) -> Tensor | None:
        """Labels in any accepted form as rows [N, label_dim] like x; None for a network without classes."""
        if not self.label_dim:
            return None
        if labels is None:
            return x.new_zeros(len(x), self.label_dim)
        if labels.shape == (len(x), self.label_dim):
            return labels.to(x)
        if labels.shape != (len(x),) or labels.is_floating_point():
            raise ValueError(
                f"labels must be class numbers, integers of shape [{len(x)}], or one-hot rows of shape "
                f"[{len(x)}, {self.label_dim}]; got {labels.dtype} of shape {list(labels.shape)}"
            )
        if labels.device.type == "cpu" and not ((labels >= 0) & (labels < self.label_dim)).all():
            raise ValueError(f"classes must lie in 0...{self.label_dim - 1}, got {labels.tolist()}")
        return F.one_hot(labels.to(x.device, torch.int64), self.label_dim).to(x.dtype)

    def normalize_weights(self) -> None:
        """Forced weight normalisation [EDM2, section 2.3]: a step of the training loop, before every forward."""
        for layer in self.linears():
            layer.force_norm()

    def linears(self) -> list[Linear]:
        return [module for module in self.modules() if isinstance(module, Linear)]

    def for_sampling(self, dtype: torch.dtype | None = None) -> "EDM2Denoiser":
        """A copy for sampling: weights normalised once for all and stored in `dtype` (default: self.dtype).

        It is laid out channels-last, which convolutions prefer. It can be neither trained nor saved.
        """
        out = copy.deepcopy(self).eval().requires_grad_(False)
        out.dtype = dtype or self.dtype
        in_float32 = {out.unet.emb_noise, out.unet.emb_label, out.logvar_linear}  # at least
        for layer in out.linears():
            layer.freeze(torch.promote_types(out.dtype, torch.float32) if layer in in_float32 else out.dtype)
        return out.to(memory_format=torch.channels_last)

    def compile(self, **options: Any) -> None:
        """Compile the whole U-Net in place, for fixed shapes; options go to `torch.compile`."""
        self.unet.compile(**{"fullgraph": True, "dynamic": False, **options})


def c_noise(sigma: Tensor) -> Tensor:  # [N]
    """How the network is told the noise level: ln(sigma) / 4 [EDM, table 1]. Finite at sigma = 0, where D(x) = x."""
    return sigma.flatten().clamp(min=torch.finfo(sigma.dtype).tiny).log() / 4


_DIGITS = dict(img_resolution=8, img_channels=1, label_dim=10, model_channels=32, channel_mult=(1, 2), num_blocks=1)
_IMG16 = dict(img_resolution=16, img_channels=1, label_dim=10, model_channels=16, channel_mult=(1, 2, 4), num_blocks=1)
_IMG32 = dict(img_resolution=32, img_channels=3, label_dim=10, model_channels=64, channel_mult=(1, 2, 2), num_blocks=2)
_IMG64 = dict(img_resolution=64, img_channels=3, label_dim=1000)
PRESETS: Mapping[str, dict] = {  # keyword arguments of EDM2Denoiser; img64 as published [EDM2, table 6]
    "digits": dict(_DIGITS, attn_resolutions=(4,)),
    "img16": dict(_IMG16, attn_resolutions=()),
    "img32": dict(_IMG32, attn_resolutions=(8,)),
    "img64-xs": dict(_IMG64, model_channels=128),
    "img64-s": dict(_IMG64, model_channels=192),
    "img64-m": dict(_IMG64, model_channels=256, dropout=0.1),
    "img64-l": dict(_IMG64, model_channels=320, dropout=0.1),
    "img64-xl": dict(_IMG64, model_channels=384, dropout=0.1),
}


def save(
    path: str | Path, denoiser: EDM2Denoiser, extra: Mapping | None = None, *, dtype: torch.dtype = torch.float32
) -> None:
    """Write a network as safetensors: tensors in `dtype`, its arguments and `extra` (what JSON can hold) as metadata.

    The file appears whole or not at all. Raises ValueError for a copy made by
    `for_sampling`, which has lost its stored weights.
    """
    if any(layer.frozen for layer in denoiser.linears()):
        raise ValueError("a copy made for sampling cannot be saved: save the network that it was made from")
    tensors = {name: tensor.to("cpu", dtype).contiguous() for name, tensor in denoiser.state_dict().items()}
    info = {"kwargs": json.dumps(denoiser.kwargs), "extra": json.dumps(dict(extra or {}))}
    write_atomic(path, safetensors.torch.save(tensors, info))


def metadata(path: str | Path) -> dict:
    """What `save` wrote beside the tensors: {"kwargs": arguments of EDM2Denoiser, "extra": ...}. Errors as in `load`."""
    return _read(path)[0]


def load(path: str | Path) -> EDM2Denoiser:
    """The network that `save` wrote: float32, on the CPU, in evaluation mode.

    Raises FileNotFoundError, or ValueError if the file is damaged or holds something else.
    """
    info, tensors = _read(path)
    try:
        return build(info["kwargs"], tensors)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def build(kwargs: Mapping, tensors: Mapping[str, Tensor]) -> EDM2Denoiser:
    """A network from its arguments and stored weights: float32, in evaluation mode. It draws no random numbers.

    Raises ValueError if the arguments make no network, or one that the tensors do not fit; a file's claims about sizes
    are compared with its tensors before anything of those sizes is made.
    """
    try:
        if kwargs.get("num_blocks", 3) * len(kwargs.get("channel_mult", (1, 2, 3, 4))) > len(tensors):
            raise ValueError(f"{len(tensors)} tensors are too few for its blocks")
        with torch.device("meta"):
            denoiser = EDM2Denoiser(**kwargs)
        shapes = {name: list(tensor.shape) for name, tensor in denoiser.state_dict().items()}
        found = {name: list(tensor.shape) for name, tensor in tensors.items()}
        if wrong := sorted(name for name in shapes | found if shapes.get(name) != found.get(name)):
            name = wrong[0]
            raise ValueError(f"{len(wrong)} tensors differ; {name} should be {shapes.get(name)}, is {found.get(name)}")
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise ValueError(f"the weights do not fit the network they are said to be: {error}") from error
    copies = {name: tensor.to(torch.float32, copy=True).contiguous() for name, tensor in tensors.items()}
    denoiser.load_state_dict(copies, assign=True)
    return denoiser.eval()


def _read(path: str | Path) -> tuple[dict, dict[str, Tensor]]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"no network file {path}")
    try:
        with safetensors.safe_open(path, "pt") as file:  # tensors are mapped from disk, not read, until used
            info = {key: json.loads((file.metadata() or {})[key]) for key in ("kwargs", "extra")}
            return info, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged, or not a network saved by this program: {error!r}") from error
