"""What the pictures of the image study share: what a reader must know of the study, curves over training seeds, the floor."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np

from edm import metrics
from edm.report import device_name
from figures.images import family
from figures.images.family import STUDIES
from figures.images.numbers import Yardstick, yardstick
from figures.images.rows import place
from toy2d import plots

COLOURS = (plots.GREEN, plots.ORANGE, plots.PURPLE, plots.SKY, plots.VERMILLION, plots.BLUE)


def about(study: str, firsts: Sequence[int], runs=None) -> dict:
    """What a reader needs to judge the numbers, and the numbers of real images under the same yardstick."""
    plan = STUDIES[study]
    return {
        "data": plan.data,
        "images_for_a_number": plan.count,
        "sampler_steps": plan.steps,
        "device": device_name(family.device()),
        "training_seeds": list(plan.seeds),
        "first_noise_seeds": list(firsts),
        "training_length": plan.config.images,
        "weights_of_networks": {size: family.parameters(plan, size) for size in family.SIZES},
        "floors": floors(yardstick(study, place(study, runs)), plan.count),
    }


@lru_cache(maxsize=4)
def floors(by: Yardstick, count: int, draws: int = 3) -> dict[str, list[dict]]:
    """Numbers of as many real images as are generated, as many of each class: test images, and training images (what a model
    that knows the training set by heart would get). Drawn without replacement where there are enough."""
    rows: dict[str, list[dict]] = {"test": [], "train": []}
    for name, split in (("test", by.test), ("train", by.train)):
        share = [np.arange(count)[k :: split.num_classes].size for k in range(split.num_classes)]
        for draw in range(draws):
            rng = np.random.default_rng(draw)
            places = [np.flatnonzero(split.labels == k) for k in range(split.num_classes)]
            chosen = np.concatenate(
                [rng.choice(place, n, replace=n > len(place)) for place, n in zip(places, share, strict=True)]
            )
            found = metrics.collect(by.extractor, [(split.images[chosen], split.labels[chosen])])
            rows[name].append(by.numbers(found, split.images[chosen]))
    return rows


def curve(
    ax, x: Sequence[float], some: Sequence[Mapping], key: str, colour: str, label: str | None = None, **style
) -> None:
    """Mean over training seeds as a line, each seed as a small dot."""
    values = np.array([p["values"][key] for p in some])  # [points, seeds]
    ax.plot(x, values.mean(1), "o-", color=colour, markersize=4, linewidth=1.4, label=label, **style)
    for seed in values.T:
        ax.plot(x, seed, ".", color=colour, markersize=3, alpha=0.5)


def floor(ax, floors: Mapping[str, Sequence[Mapping]], key: str, label: bool = False) -> None:
    """Dotted: as many test images as are generated. Dashed: as many training images."""
    for name, line, text in (("test", ":", "test images"), ("train", "--", "training images")):
        values = [row[key] for row in floors[name] if row.get(key) is not None]
        if values:
            ax.axhline(np.mean(values), color=plots.GREY, linestyle=line, linewidth=0.9, label=text if label else None)


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


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n"


def panels(rows: int, columns: int, width: float = 3.5, height: float = 3.0):
    return plt.subplots(rows, columns, figsize=(width * columns, height * rows), layout="constrained", squeeze=False)


def legend_below(figure, ax, columns: int = 5) -> None:
    """The names in `ax` below all panels."""
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
