"""PNG files: single images, grids, several grids with titles; and folders of images read back."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from edm.storage.atomic import write_atomic


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


def read_images(paths: Sequence[Path]) -> Tensor:  # uint8 [n, C, H, W]
    """Read PNG files of one size. Raises ValueError naming a file that cannot be read or has another size."""
    arrays = []
    for path in paths:
        try:
            array = np.asarray(Image.open(path))
        except OSError as error:
            raise ValueError(f"{path} is not a readable image ({error}): delete it and sample again") from None
        arrays.append(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))
        if arrays[-1].shape != arrays[0].shape:
            raise ValueError(f"{path} has shape {arrays[-1].shape}, but the images before it have {arrays[0].shape}")
    return torch.from_numpy(np.stack(arrays))


def read_folder(folder: str | Path, batch: int = 256) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Batches of images (uint8 [n, C, H, W]) and classes ([n], or None) from a folder that `write_folder` filled.

    Raises FileNotFoundError if it holds no images.
    """
    nested, flat = sorted(Path(folder).glob("[0-9]*/*.png")), sorted(Path(folder).glob("*[0-9].png"))
    paths = nested or flat
    if not paths:
        raise FileNotFoundError(f"no images (CLASS/SEED.png) in {folder}: make them with `python -m edm sample`")
    parts = [paths[start : start + batch] for start in range(0, len(paths), batch)]
    return ((read_images(part), torch.tensor([int(p.parent.name) for p in part]) if nested else None) for part in parts)
