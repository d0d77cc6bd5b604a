"""The 2D model made worse on purpose: hidden units dropped, weights noised or rounded [AG, section 4].

Input noise works on any denoiser and lives in `edm.corruption`. Randomness comes from explicit generators: the same seed gives the
same corrupted model. *Fresh* corruptions change from call to call, as dropout left on at sampling does; *fixed* ones are one
other model, for good.
"""

import copy

import torch
from torch import Tensor

from edm.denoiser import Denoiser, expand_sigma
from toy2d.model import LogDensityMLP


def dropout(
    model: LogDensityMLP, rate: float, generator: torch.Generator | None = None, *, fixed: bool = False
) -> Denoiser:
    """Each hidden activation is set to 0 with probability `rate`, the others are multiplied by 1 / (1 - rate).

    fixed=False: anew for each point in each call, as in training with dropout. fixed=True: one mask for all, drawn here; from
    generators of the same seed, the units dropped at a lower rate are among those dropped at a higher one. Density and score
    stay each other's match: the score is the gradient of the log density that the remaining units give.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout rate must lie in [0, 1), got {rate}")
    if rate == 0:
        return model
    depth = len(model.layers) // 2

    def masks(rows: int) -> list[Tensor]:
        uniform = torch.rand(depth, rows, model.hidden, generator=generator)
        return list((uniform >= rate) / (1 - rate))

    kept = masks(1) if fixed else None

    def denoise(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        level = expand_sigma(sigma, x).expand(len(x), 1)
        score = model.log_density_and_score(x, level, masks(len(x)) if kept is None else kept)[1]
        return x + level**2 * score

    return denoise


def noisy_weights(
    model: LogDensityMLP, amount: float, generator: torch.Generator | None = None, *, fixed: bool = True
) -> Denoiser:
    """Every weight w of the linear layers becomes w + amount rms(row) n, n unit normal.

    fixed=True: drawn once, here; generators of the same seed give the same direction n, so that `amount` only sets how far to
    go. fixed=False: anew in each call.
    """
    if not amount >= 0:
        raise ValueError(f"amount of weight noise must be >= 0, got {amount}")
    if amount == 0:
        return model

    def drawn() -> LogDensityMLP:
        noisy = copy.deepcopy(model)
        for layer in noisy.layers[::2]:
            w = layer.weight.data
            noise = torch.randn(w.shape, generator=generator)
            w.add_(amount * w.square().mean(1, keepdim=True).sqrt() * noise)
        return noisy

    return drawn() if fixed else lambda x, sigma, labels=None: drawn()(x, sigma, labels)


def quantized(model: LogDensityMLP, bits: int) -> LogDensityMLP:
    """Every weight of the linear layers rounded to one of 2^bits values, evenly spaced up to the largest of its row."""
    if bits < 1:
        raise ValueError(f"need at least 1 bit, got {bits}")
    rounded = copy.deepcopy(model)
    for layer in rounded.layers[::2]:
        w = layer.weight.data
        top = w.abs().amax(1, keepdim=True)
        steps = 2**bits - 1
        w.copy_(((w / top + 1) / 2 * steps).round() / steps * 2 * top - top)
    return rounded


def relative_change(a: LogDensityMLP, b: LogDensityMLP) -> float:
    """How far the weights of b are from those of a: root mean square of the change, in units of a's."""
    pairs = [(p.weight, q.weight) for p, q in zip(a.layers[::2], b.layers[::2], strict=True)]
    return (sum((p - q).square().sum() for p, q in pairs) / sum(p.square().sum() for p, _ in pairs)).sqrt().item()
