"""From 2D to images, for the notebooks: paired runs of the digit networks in pictures and numbers, and what they compete with."""

import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from edm import data, sampler
from edm.denoiser import Denoiser, expand_sigma
from edm.evaluation.sweep import sweep
from edm.evaluation.yardstick import Yardstick, yardstick
from edm.generate import generate
from edm.storage import png

Panels = Mapping[str, Tensor]  # title -> uint8 [n, C, H, W]


# ---- the best denoiser of a finite set


def memory(images: Tensor):
    """The exact denoiser of the set itself, the minimum of the training loss: every image a spike. images: [M, C, H, W]."""
    flat = images.flatten(1)

    def denoiser(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        s = expand_sigma(sigma, x).flatten()
        logits = -torch.cdist(x.flatten(1), flat).square() / (2 * s[:, None] ** 2)
        return (logits.softmax(1) @ flat).reshape(x.shape)

    return denoiser


def nearest(images: Tensor, stored: Tensor) -> Tensor:  # [N]
    """Root mean square over pixels of the difference to the nearest stored image, both in [-1, 1]; 1 is black to white."""
    return torch.cdist(images.flatten(1), stored.flatten(1)).min(1).values / (2 * math.sqrt(images[0].numel()))


# ---- paired runs


def ruler(epochs: int | None = None) -> Yardstick:
    """What digits are measured by. It trains the classifier (15 seconds on two cores); nothing is left on disk."""
    with tempfile.TemporaryDirectory() as cache:
        return yardstick("digits", None, "data", "cpu", cache=cache, epochs=epochs)


def images_of(
    denoiser, seeds: Iterable[int], steps: int = 12, shape: Sequence[int] = (1, 8, 8)
) -> tuple[Tensor, Tensor]:
    """Images of the seeds, uint8 [n, *shape], and their classes [n]: seed s makes class s mod 10, from its own noise."""
    made = list(generate(denoiser, list(seeds), shape, range(10), sigmas=sampler.sigma_steps(steps), batch=100))
    return torch.cat([m.images for m in made]), torch.cat([m.labels for m in made])


def paired_runs(
    arms: Mapping[str, Denoiser], first_seeds: Sequence[int], count: int, measure_by: Yardstick, steps: int = 12
) -> dict[str, dict[str, list[float]]]:
    """Every denoiser from the same seeds: {arm: {number: one value for each set of seeds}}, as in `figures.lessons.paired`.

    The numbers are those of `edm.evaluation.yardstick.Yardstick`.
    """
    options = dict(shape=(1, 8, 8), classes=range(10), sigmas=sampler.sigma_steps(steps), batch=100)
    out: dict[str, dict[str, list[float]]] = {}
    rows = sweep(lambda name, weight: arms[name], measure_by, arms=[(name, 1.0) for name in arms],
                 first_seeds=first_seeds, count=count, **options)  # fmt: skip
    for row in rows:
        for key, value in row.items():
            if key not in ("guidance", "weight", "first_seed", "seconds"):
                out.setdefault(row["guidance"], {}).setdefault(key, []).append(value)
    return out


# ---- pictures


def draw_panels(panels: Panels, columns: int, scale: int | None = None):
    """Grids of images below one another, each with its title; in every grid the same place has the same noise."""
    rows = {}
    for title, images in panels.items():
        rows[title] = png.grid(images, columns, scale=scale or max(1, 40 // images.shape[-1]))
    width = 7.6
    heights = [width * g.shape[1] / g.shape[2] + 0.3 for g in rows.values()]
    figure, axes = plt.subplots(len(rows), 1, figsize=(width, sum(heights)), squeeze=False, layout="constrained",
                                gridspec_kw={"height_ratios": heights})  # fmt: skip
    for ax, (title, picture) in zip(axes[:, 0], rows.items(), strict=True):
        ax.imshow(picture.permute(1, 2, 0).squeeze(-1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set_title(title, fontsize=10, loc="left")
        ax.axis("off")
    return figure


def noised(images: Tensor, sigmas: Sequence[float], denoiser, labels: Tensor, seed: int = 0) -> Panels:
    """Images [n, C, H, W] in [-1, 1], noised to each level, and what a denoiser makes of them; scaled to be visible."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    noisy, clean = [], []
    with torch.no_grad():
        for sigma in sigmas:
            x = images + sigma * noise
            noisy.append(data.to_uint8(x / math.sqrt(1 + sigma**2)))
            clean.append(data.to_uint8(denoiser(x, sigma, labels)))
    return {"noisy": torch.cat(noisy), "denoised": torch.cat(clean)}
