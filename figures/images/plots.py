"""What the pictures of the image study share: curves over training seeds, the floor of real images, small tables."""

from collections.abc import Mapping, Sequence

import numpy as np

from toy2d import plots

COLOURS = (plots.GREEN, plots.ORANGE, plots.PURPLE, plots.SKY, plots.VERMILLION, plots.BLUE)
STYLES = tuple(zip(COLOURS, "osv^DX", strict=True))  # a colour and a marker


def curve(
    ax, x: Sequence[float], some: Sequence[Mapping], key: str, colour: str, label: str | None = None, **style
) -> None:
    """Mean over training seeds as a line, each seed as a small dot. style: of the line."""
    values = np.array([p["values"][key] for p in some])  # [points, seeds]
    style = dict(marker="o", markersize=4, linewidth=1.5) | style
    ax.plot(x, values.mean(1), color=colour, label=label, **style)
    for seed in values.T:
        ax.plot(x, seed, ".", color=colour, markersize=3, alpha=0.5)


def floor(ax, floors: Mapping[str, Sequence[Mapping]], key: str, label: bool = False) -> None:
    """Dotted: as many test images as are generated. Dashed: as many training images."""
    for name, line, text in (("test", ":", "test images"), ("train", "--", "training images")):
        values = [row[key] for row in floors[name] if row.get(key) is not None]
        if values:
            ax.axhline(np.mean(values), color=plots.GREY, linestyle=line, linewidth=1, label=text if label else None)


def heat(ax, table: Sequence, rows: Sequence, columns: Sequence, low: bool = True) -> None:
    """A small table as a picture with its numbers; light and bold is best, the lowest or the highest."""
    table = np.asarray(table, float)
    worse = (table if low else -table) / (np.ptp(table) or 1)
    ax.imshow(worse, cmap="Greys", aspect="auto", vmin=worse.min() - 0.1, vmax=worse.max() + 1)
    for (i, j), value in np.ndenumerate(table):
        bold = value == (table.min() if low else table.max())
        ax.text(j, i, f"{value:.3f}", ha="center", va="center", fontsize=9, weight="bold" if bold else "normal")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
