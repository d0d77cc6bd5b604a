"""The one yardstick: what generated images are measured by, in one feature space or in several side by side.

The first space is the primary one: its numbers have their plain names, those of the others stand behind the kind of features,
such as `pixels/frechet_distance`. A row of images is made once and measured in all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from edm import data, features
from edm.evaluation.reference import published, reference
from edm.generate import Batch
from edm.metrics import FeatureSet, collect, evaluate_features, feature_stats, frechet_distance

THREE = ("classifier", "autoencoder", "pixels")  # the spaces of the image study, the primary one first
SMALL = 2**28  # bytes of a training set in which the nearest image is looked for
PARTS = (1, 2, 4)  # into which the images are divided to extrapolate the distance to infinitely many


class Space(NamedTuple):
    """One kind of features, with what real images look like in it."""

    extractor: features.Extractor
    real: FeatureSet  # of the training images
    test: FeatureSet | None = None

    @property
    def kind(self) -> str:
        return self.extractor.name.partition(":")[0]


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Feature spaces, the primary one first, and the real images."""

    spaces: tuple[Space, ...]
    train: data.ImageSet | None = None  # None: published statistics instead of images
    test: data.ImageSet | None = None

    @property
    def extractor(self) -> features.Extractor:
        """That of the primary space."""
        return self.spaces[0].extractor

    @property
    def against(self) -> str:
        """What images are compared with: the name of the real images, or of published statistics a few digits of their sum."""
        return f"statistics {abs(self.real.stats[0]).sum():.8g}" if self.train is None else self.train.name

    @property
    def real(self) -> FeatureSet:
        """The training images in the primary space."""
        return self.spaces[0].real

    @cached_property
    def floor(self) -> dict | None:
        """The numbers that all real test images get in the primary space; None if there are none."""
        return None if self.spaces[0].test is None else evaluate_features(self.spaces[0].test, self.real)

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """`numbers` of generated images as they come from `edm.generate.generate`."""
        made = list(batches)
        labels = None if made[0].labels is None else torch.cat([part.labels for part in made])
        return self.numbers(torch.cat([part.images for part in made]), labels)

    def numbers(self, images: Tensor, labels: Tensor | None) -> dict[str, float]:
        """All numbers of uint8 images [N, C, H, W] that were made for the classes `labels` [N].

        In each space those of `edm.metrics.evaluate_features`; test_distance: the Frechet distance to the test images;
        unbiased: `extrapolated`. Of the pixels: `class_sd` and `memorised`.
        """
        out = {}
        for i, space in enumerate(self.spaces):
            found = collect(space.extractor, chunks(images, labels))
            here = evaluate_features(found, space.real)
            if space.test is not None:
                here["test_distance"] = frechet_distance(found.stats, space.test.stats)
            if found.count == len(found.kept) and found.count >= 8 * max(PARTS):
                here["unbiased"] = extrapolated(found.kept, space.real)
            out |= {
                f"{space.kind}/{key}" if i else key: value for key, value in here.items() if not i or key != "images"
            }
        if labels is not None:
            out["class_sd"] = class_sd(images, labels)
        if self.train is not None and self.train.images.nbytes <= SMALL:
            out |= self.memorised(images)
        return out

    def distances(self, images: Tensor) -> dict[str, float]:
        """The Frechet distance to the training images in each space."""
        return {s.kind: frechet_distance(feature_stats(s.extractor(images)[0]), s.real.stats) for s in self.spaces}

    def memorised(self, images: Tensor) -> dict[str, float]:
        """nearest: root mean square pixel difference (1 is black to white) to the nearest training image, on average.

        copies: share of images that are nearer than all but 1 % of the test images are.
        """
        near = self._nearest(images)
        out = {"nearest": float(near.mean())}
        return out if self.test is None else out | {"copies": float((near < self._copy_limit).mean())}

    @cached_property
    def _pixels(self) -> Tensor:  # [N, pixels], 0 is black and 1 is white
        return (data.to_float(self.train.images) / 2).flatten(1).to(self.extractor.device)

    @cached_property
    def _copy_limit(self) -> float:
        return float(np.quantile(self._nearest(data.as_tensor(self.test.images)), 0.01))

    def _nearest(self, images: Tensor) -> np.ndarray:
        rows = (data.to_float(images) / 2).flatten(1).to(self.extractor.device)
        near = [torch.cdist(part, self._pixels).min(1).values for part in rows.split(250)]
        return (torch.cat(near) / self._pixels.shape[1] ** 0.5).cpu().numpy()


def chunks(images: Tensor, labels: Tensor | None, size: int = 500) -> Iterable[tuple[Tensor, Tensor | None]]:
    """Images and labels, `size` at a time."""
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        yield images[part], None if labels is None else labels[part]


def extrapolated(found: np.ndarray, real: FeatureSet) -> float:
    """The Frechet distance extrapolated to infinitely many images, from features [N, F] (arXiv 1911.07023).

    The distance of N images is too large by about c / N. It is measured on all images, on halves and on quarters; a straight
    line in 1 / N through these gives the distance at 1 / N = 0.
    """
    inverse, distance = [], []
    for parts in PARTS:
        size = len(found) // parts
        pieces = [found[i * size : (i + 1) * size] for i in range(parts)]
        inverse.append(1 / size)
        distance.append(np.mean([frechet_distance(feature_stats(piece), real.stats) for piece in pieces]))
    return float(np.polyfit(inverse, distance, 1)[1])


def class_sd(images: Tensor, labels: Tensor) -> float:
    """Standard deviation of a pixel within its class: the root of the variance, averaged over pixels and classes; 1 is white."""
    x = images.flatten(1).double() / 255
    classes = [x[labels == k] for k in labels.unique()]
    return float(torch.stack([rows.var(0) for rows in classes if len(rows) > 1]).mean().sqrt())


def yardstick(name: str, extractor: str | Sequence[str] | None, folder: str | Path, device, statistics: str | None = None,
              *, cache: str | Path | None = None, epochs: int | None = None) -> Yardstick:  # fmt: skip
    """The images of data set `name` under one kind of features or several (default: a classifier of that data set).

    statistics: a file of published reference statistics instead of the images. Files are kept in `cache`, by default
    FOLDER/cache. epochs: of the training of features that are trained.
    """
    cache = Path(folder, "cache") if cache is None else Path(cache)
    wanted = (extractor or f"classifier:{name}",) if extractor is None or isinstance(extractor, str) else extractor
    options = dict(folder=folder, cache=cache, device=device) | ({} if epochs is None else {"epochs": epochs})
    found = [features.load(kind, **options) for kind in wanted]
    if statistics is not None:
        return Yardstick(tuple(Space(e, published(statistics, e)) for e in found))
    train = data.load(name, "train", folder)
    try:
        test = data.load(name, "test", folder)
    except FileNotFoundError:  # a prepared folder need not have test images
        test = None
    held_out = [None if test is None else reference(test, e, cache) for e in found]
    spaces = [Space(e, reference(train, e, cache), out) for e, out in zip(found, held_out, strict=True)]
    return Yardstick(tuple(spaces), train, test)
