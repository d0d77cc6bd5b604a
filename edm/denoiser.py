"""The one contract of the project, and the arithmetic every denoiser shares.

A *denoiser* is any callable `D(x, sigma, labels=None) -> Tensor` of x's shape, with x of shape [N, ...] and sigma a number
or a tensor [N]: the expected clean data given x = data + sigma * unit normal noise. Networks, the exact mixture, a guided
pair, a corrupted model: all are denoisers, so they compose by plain function calls.
"""

from typing import Protocol

import torch
from torch import Tensor


class Denoiser(Protocol):
    """Anything that can be called like this; nothing needs to inherit from it."""

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        """The expected clean data given x [N, ...] at noise level sigma (a number or [N]); shape of x."""
        ...


def expand_sigma(sigma: float | Tensor, x: Tensor) -> Tensor:
    """Noise level as a tensor that broadcasts against x: [N, 1, ...] (or [1, 1, ...] for one level), in x's dtype and device.

    Raises ValueError if sigma is negative, not finite, or neither one number nor one number per row of x. Tensors that
    live on an accelerator are not read back to check their values.
    """
    # Python numbers are float64: as float32 they would spoil work in float64.
    level = sigma if isinstance(sigma, Tensor) else torch.as_tensor(sigma, dtype=torch.float64)
    if level.device.type == "cpu" and not ((level >= 0) & level.isfinite()).all():
        raise ValueError(f"sigma must be finite and >= 0, got {sigma}")
    if level.numel() not in (1, x.shape[0]) or (level.numel() > 1 and level.shape[0] != x.shape[0]):
        raise ValueError(f"sigma must be one number or have shape [{x.shape[0]}], got shape {list(level.shape)}")
    return level.to(device=x.device, dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1))


def score(denoised: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
    """Score of the noised distribution, (D(x; sigma) - x) / sigma^2 [EDM, eq. 3]. Shape of x."""
    return (denoised - x) / expand_sigma(sigma, x) ** 2
