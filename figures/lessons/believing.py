"""Numbers of images, and what they can be trusted with (notebooks 10 and 11): feature spaces, and pictures of distances."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from edm import data, features
from edm.evaluation.unlabelled import train_autoencoder
from toy2d import plots

COLOURS = dict(zip(
    ("no guidance", "truncation ×1.03", "CFG, w = 1.5", "CFG in an interval, w = 2", "autoguidance, w = 1.5"),
    (plots.BLUE, plots.PURPLE, plots.ORANGE, plots.VERMILLION, plots.GREEN), strict=True,
))  # fmt: skip
Features = Callable[[Tensor], Tensor]  # uint8 images [N, C, H, W] -> [N, 64]


def first(images: data.ImageSet, n: int) -> data.ImageSet:
    """The first n images of a set."""
    return data.ImageSet(images.images[:n], images.labels[:n], images.num_classes, images.name)


def feature_spaces(train: data.ImageSet, epochs: int) -> dict[str, Features]:
    """Three ways to turn an image into 64 numbers, made from these images alone; two of them are trained here.

    classifier: the last layer of a network that learned the classes. autoencoder: the middle of a network that learned to copy
    images. pixels: the principal components of the pixels.
    """
    classifier = features.train_classifier(train, epochs=epochs)
    copier, _ = train_autoencoder(train, epochs=epochs)
    flat = data.to_float(train.images).flatten(1)
    centre = flat.mean(0)
    axes = torch.linalg.eigh(torch.cov(flat.T))[1].flip(1)[:, :64]  # of the largest variances

    def in_parts(run: Features) -> Features:
        @torch.no_grad()
        def call(images: Tensor) -> Tensor:
            return torch.cat([run(data.to_float(part)) for part in data.as_tensor(images).split(500)])

        return call

    return {
        "classifier": in_parts(lambda x: classifier(x)[0]),
        "autoencoder": in_parts(copier.encode),
        "pixels": in_parts(lambda x: (x.flatten(1) - centre) @ axes),
    }


def beside(plain: Tensor, guided: Tensor, title: str) -> dict[str, Tensor]:
    """Panels for `pictures.draw_panels`: unguided uint8 images above guided ones, with how much a pixel changes between them."""
    moved = (guided.float() - plain.float()).square().mean().sqrt() / 255
    return {"no guidance": plain, f"{title}: a pixel changes by {moved:.3f} (root mean square)": guided}


def path(pair: Mapping, key: str, form: str) -> str:
    """A number before a corruption, after it, and guided: means over training seeds, from the stored result of `corruptions`."""
    return " → ".join(format(np.mean(pair[stage][key]), form) for stage in ("clean", "corrupted", "guided"))


def draw_steps(
    steps: Sequence[int],
    distances: Mapping[str, Sequence[float]],
    errors: Mapping[str, Sequence[float]],
    reference: int,
) -> Figure:
    """Left: Fréchet distance of each method against the steps of the sampler. Right: how far pixels are from their end."""
    with plots.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.3), layout="constrained")
        for ax, rows in ((left, distances), (right, errors)):
            for name, values in rows.items():
                ax.plot(steps, values, "o-", markersize=4, color=COLOURS[name], label=name)
            ax.set(xscale="log", yscale="log", xlabel="steps of the sampler")
            ax.set_xticks(steps, [str(n) for n in steps])
            ax.minorticks_off()
        left.set_title("Fréchet distance, classifier features")
        right.set_title(f"difference of pixels from {reference} steps")
        left.legend(frameon=False, fontsize=8)
    return figure


def draw_spaces(found: Mapping[str, Mapping[str, float]], floors: Mapping[str, float]) -> Figure:
    """A panel for each feature space: a dot for each method, and a dashed line for as many real images."""
    with plots.style():
        figure, axes = plt.subplots(1, len(floors), figsize=(10.0, 2.7), layout="constrained", sharey=True)
        names = list(found)
        for ax, (space, floor) in zip(axes, floors.items(), strict=True):
            for i, name in enumerate(names):
                value = found[name][space]
                ax.plot([floor, value], [i, i], color=plots.GREY, linewidth=0.8)
                ax.plot(value, i, "o", color=COLOURS[name], markersize=7)
                ax.text(value, i - 0.18, f"{value:.2f}", ha="center", va="bottom", fontsize=7.5)
            ax.axvline(floor, color=plots.GREY, linestyle="--", linewidth=0.9)
            top = max(found[name][space] for name in names)
            ax.set(
                title={"pixels": "pixel components"}.get(space, f"{space} features"),
                xlabel="Fréchet distance",
                xlim=(0, 1.15 * top),
            )
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set_ylim(len(names) - 0.5, -0.8)
    return figure


def draw_counts(counts: Sequence[int], real: Sequence[float], made: Mapping[str, Sequence[float]]) -> Figure:
    """Distance against the number of images: real test images in gray, generated ones in color up to as many as there are."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(6.0, 3.3), layout="constrained")
        ax.plot(counts, real, "o-", color=plots.GREY, markersize=4, label="real test images")
        for name, values in made.items():
            ax.plot(counts[: len(values)], values, "o-", color=COLOURS[name], markersize=4, label=name)
        ax.set(xscale="log", yscale="log", xlabel="number of images", ylabel="Fréchet distance")
        ax.set_xticks(counts, [str(n) for n in counts])
        ax.minorticks_off()
        ax.legend(frameon=False, fontsize=8)
    return figure


def draw_narrowing(
    factors: np.ndarray, lines: Mapping[str, np.ndarray], dots: Mapping[str, tuple], xlabel: str
) -> Figure:
    """Width against a factor or a weight: predictions as lines, measurements (x, y) as dots; 1 is the true width."""
    colours = (plots.GREEN, plots.ORANGE, plots.BLUE, plots.PURPLE)
    with plots.style():
        figure, ax = plt.subplots(figsize=(6.0, 3.3), layout="constrained")
        for (name, values), colour in zip(lines.items(), colours, strict=False):
            ax.plot(factors, values, color=colour, label=name)
        for (name, (x, y)), colour in zip(dots.items(), (plots.INK, *colours[1:]), strict=False):
            ax.plot(x, y, "o", color=colour, markersize=5, label=name)
        ax.axhline(1, color=plots.GREY, linestyle=":", linewidth=0.8)
        ax.set(xlabel=xlabel, ylabel="width / true width")
        ax.legend(frameon=False, fontsize=8)
    return figure
