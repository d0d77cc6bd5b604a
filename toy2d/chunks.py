"""Points in the plane, some rows at a time: what the mixture, the model and the compiled versions of both share."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from edm.denoiser import expand_sigma

Rows = Tensor | tuple[Tensor, ...]  # what a function makes of some rows


def in_chunks(
    function: Callable[[Tensor, Tensor], Rows], x: Tensor, sigma: float | Tensor, chunk: int, *, fill: bool = False
) -> Rows:
    """function(x, sigma) on at most `chunk` rows at a time, its tensors put together again. It gets x [n, 2], sigma [n, 1].

    fill: every call has exactly `chunk` rows; the last ones are filled up and what comes of that is cut off again. Raises
    ValueError if x is not [N, 2], or for a sigma that `edm.denoiser.expand_sigma` refuses.
    """
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"x must have shape [N, 2], got {list(x.shape)}")
    level = expand_sigma(sigma, x).expand(len(x), 1).contiguous()  # strides of 0 are slow
    rows = len(x)
    if fill and rows % chunk:
        missing = chunk - rows % chunk
        x, level = pad(x, (0, 0, 0, missing)), pad(level, (0, 0, 0, missing), value=1.0)
    parts = [function(*part) for part in zip(x.split(chunk), level.split(chunk), strict=True)]
    if isinstance(parts[0], tuple):
        return tuple(torch.cat(column)[:rows] for column in zip(*parts, strict=True))
    return torch.cat(parts)[:rows]
