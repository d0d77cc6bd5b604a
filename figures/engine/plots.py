"""Grids of points for pictures, and the layout that the pictures share."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator, PercentFormatter

WIDTH = 8.0  # inches of a picture; pages show it 800 pixels wide, where 7 points are 10 pixels


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


def panels(rows: int, columns: int, height: float = 3.0, **options):
    """A picture of the page's width with rows of panels, each row `height` inches: the figure, and axes [rows, columns]."""
    size = (WIDTH, height * rows)
    return plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **options)


def legend_below(figure: Figure, columns: int = 4) -> None:
    """The names in all panels, each once, below them."""
    handles = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)


def bar_below(ax: Axes, coloured, label: str, ticks: Sequence[float]) -> None:
    """A colour bar under a panel, as wide as the panel, which keeps its size."""
    bar = ax.figure.colorbar(coloured, cax=ax.inset_axes((0.04, -0.1, 0.92, 0.045)), orientation="horizontal")
    bar.set_ticks(ticks, labels=[f"{t:g}".replace("-", "−") for t in ticks])
    bar.ax.tick_params(labelsize=8, length=2, pad=1.5)
    bar.set_label(label, fontsize=8.5, labelpad=1.5)
    bar.outline.set_visible(False)


def percent(axis: Axis, decimals: int = 0) -> None:
    """Ticks of shares, as per cent: whole ones, where the axis is long enough."""
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1, decimals=decimals))


def plain_ticks(axis: Axis, values: Sequence[float], labels: Sequence[str] | None = None) -> None:
    """These ticks and no others, also on a logarithmic axis. labels: default is the numbers as they are."""
    axis.set_major_locator(FixedLocator(list(values)))
    axis.set_major_formatter(FixedFormatter([f"{v:g}" for v in values] if labels is None else list(labels)))
    axis.set_minor_locator(NullLocator())
