"""PNG files of single images, of grids, and of several grids with titles."""

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from edm.checkpoint import write_atomic


def png(image: Tensor) -> bytes:
    """One image [C, H, W], uint8, C of 1 or 3, as a PNG file."""
    array = image.permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(file, "png")
    return file.getvalue()


def grid(images: Tensor, columns: int, scale: int = 1, gap: int = 2) -> Tensor:
    """Lay out images [N, C, H, W], uint8, in rows of `columns`: [C, H', W'], enlarged `scale` times, white gaps."""
    if images.ndim != 4 or columns < 1:
        raise ValueError(f"need images [N, C, H, W] and at least one column, got {list(images.shape)} and {columns}")
    images = images.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    n, c, h, w = images.shape
    rows = -(-n // columns)
    out = torch.full((c, rows * (h + gap) + gap, columns * (w + gap) + gap), 255, dtype=torch.uint8)
    for i, image in enumerate(images):
        y, x = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        out[:, y : y + h, x : x + w] = image
    return out


def save_grid(path: str | Path, images: Tensor, columns: int) -> None:
    """Write the grid of `images` as a PNG, small images enlarged to about 64 pixels (whole or not at all)."""
    write_atomic(path, png(grid(images, columns, scale=max(1, 48 // images.shape[-1]))))


def save_panels(path: str | Path, panels: Sequence[tuple[str, Tensor]], columns: int) -> None:
    """Write several grids below one another, each with its title, as a PNG (whole or not at all)."""
    import matplotlib.pyplot as plt

    grids = [(title, grid(images, columns, scale=max(1, 48 // images.shape[-1]))) for title, images in panels]
    width = 9.0
    heights = [width * g.shape[1] / g.shape[2] + 0.35 for _, g in grids]
    figure, axes = plt.subplots(len(grids), 1, figsize=(width, sum(heights)), squeeze=False, layout="constrained",
                                gridspec_kw={"height_ratios": heights})  # fmt: skip
    for ax, (title, picture) in zip(axes[:, 0], grids, strict=True):
        ax.imshow(picture.permute(1, 2, 0).squeeze(-1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set_title(title, fontsize=11, loc="left")
        ax.axis("off")
    write_atomic(path, lambda file: figure.savefig(file, format="png", dpi=120))
    plt.close(figure)
