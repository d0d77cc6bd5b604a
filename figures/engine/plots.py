"""Grids of points for pictures, and the layout that the pictures share."""

import math

import matplotlib.pyplot as plt
import numpy as np
import torch


def grid(centre: tuple[float, float], half_width: float, pixels: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Pixel centres along x and y, and all of them as points [pixels^2, 2]."""
    steps = (np.arange(pixels) + 0.5) / pixels * 2 - 1
    axis_x, axis_y = centre[0] + half_width * steps, centre[1] + half_width * steps
    mesh = np.stack(np.meshgrid(axis_x, axis_y), axis=-1).reshape(-1, 2)
    return axis_x, axis_y, torch.tensor(mesh, dtype=torch.float32)


def image(values: torch.Tensor) -> np.ndarray:
    """Values at the points of `grid` as a square picture [pixels, pixels]."""
    side = math.isqrt(len(values))
    return values.detach().numpy().reshape(side, side)


def panels(rows: int, columns: int, width: float = 3.5, height: float = 3.0):
    return plt.subplots(rows, columns, figsize=(width * columns, height * rows), layout="constrained", squeeze=False)


def legend_below(figure, ax, columns: int = 5) -> None:
    """The names in `ax` below all panels."""
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
