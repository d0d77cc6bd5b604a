"""Images and labels, in one form whatever they come from, and the endless stream of batches that training reads.

| name          | training images     | classes | source                                                   |
|---------------|---------------------|---------|----------------------------------------------------------|
| digits        | 1 437, 1 x 8 x 8    | 10      | scikit-learn, always there                               |
| fashion-mnist | 60 000, 1 x 32 x 32 | 10      | idx files; 28 x 28 with a border of 2 zeros              |
| fashion-16    | 60 000, 1 x 16 x 16 | 10      | the same, each 2 x 2 pixels averaged: for a CPU          |
| cifar10       | 50 000, 3 x 32 x 32 | 10      | torchvision, with its checksums; trained with flips      |
| a folder      | any, 3 x R x R      | any     | ImageNet or your own images, once through `prepare`      |
"""

import gzip
import hashlib
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edm.storage.imagefolder import prepare, read_prepared

__all__ = ["ImageSet", "NAMES", "batches", "load", "prepare", "to_float", "to_uint8"]

NAMES = ("digits", "fashion-mnist", "fashion-16", "cifar10")
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # of the Debian package dataset-fashion-mnist


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images. Raises ValueError if the arrays do not fit together."""

    images: np.ndarray  # uint8 [N, C, H, W], in memory or memory-mapped
    labels: np.ndarray  # int64 [N], 0 <= label < num_classes
    num_classes: int
    name: str  # with the split, such as "digits/train"
    flip: bool = False  # a mirror image is as good a training image

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8 or len(self.images) == 0:
            raise ValueError(
                f"{self.name}: images must be uint8 [N, C, H, W], got {self.images.dtype} {self.images.shape}"
            )
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int64:
            got = f"{self.labels.dtype} {self.labels.shape}"
            raise ValueError(f"{self.name}: {len(self.images)} images need as many int64 labels, got {got}")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= self.num_classes:
            raise ValueError(f"{self.name}: labels run from {low} to {high}, but there are {self.num_classes} classes")

    def __len__(self) -> int:
        return len(self.images)

    def in_order(self, batch_size: int = 256) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every image once, as (images, labels) of at most batch_size."""
        for start in range(0, len(self), batch_size):
            yield self.images[start : start + batch_size], self.labels[start : start + batch_size]

    @cached_property
    def fingerprint(self) -> str:
        """Name, shape and a digest of the labels and of 100 images spread over the set: tells cached results apart."""
        digest = hashlib.sha256(self.labels.tobytes())
        for row in np.linspace(0, len(self) - 1, 100).astype(int):
            digest.update(self.images[row].tobytes())
        return f"{self.name} {self.images.shape} {digest.hexdigest()}"

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    @property
    def resolution(self) -> int:
        return self.images.shape[-1]


def load(name: str, split: str = "train", folder: str | Path = "data") -> ImageSet:
    """An image set by name (`NAMES`), or by the path of a folder that `prepare` wrote.

    split: "train" or "test". For a prepared folder P it is P/train or P/test if those exist; otherwise P itself is the
    training set. folder: where data sets lie and downloads go. Raises ValueError for unknown names and damaged files,
    FileNotFoundError for missing ones; both name the file and say what to do.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    readers = {"digits": _digits, "fashion-mnist": _fashion_mnist, "fashion-16": _fashion_16, "cifar10": _cifar10}
    if name in readers:
        return readers[name](split, Path(folder))
    path = next((p for p in (Path(name), Path(folder, name)) if p.exists()), None)
    if path is None:
        raise ValueError(
            f"unknown data set {name!r}: choose from {', '.join(NAMES)} or give a folder that `prepare` wrote"
        )
    if path.is_file():
        raise ValueError(f"{path} is not prepared: run `python -m edm prepare {path} data/NAME`, then load 'NAME'")
    title = path.resolve().name
    if (path / split).is_dir():
        path = path / split
    elif split == "test":
        raise FileNotFoundError(
            f"{path} has no test images: prepare them into {path / 'test'}, the rest into {path / 'train'}"
        )
    images, labels, classes = read_prepared(path)
    return ImageSet(images, labels, len(classes), f"{title}/{split}")


def to_float(images: np.ndarray | Tensor) -> Tensor:
    """uint8 pixels to float32 in [-1, 1]: x / 127.5 - 1. Any shape."""
    return as_tensor(images).float() / 127.5 - 1


def as_tensor(images: np.ndarray | Tensor) -> Tensor:
    """Images as a tensor; a copy if they are memory-mapped read-only."""
    return images if isinstance(images, Tensor) else torch.from_numpy(np.require(images, requirements=["C", "W"]))


def to_uint8(images: Tensor) -> Tensor:
    """[-1, 1] back to the nearest uint8 pixel; values outside are clipped. Raises ValueError for NaN or infinity."""
    if not torch.isfinite(images).all():
        raise ValueError("images hold values that are not finite: sampling or training has diverged")
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def batches(
    image_set: ImageSet, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world_size: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless training batches: images uint8 [B, C, H, W] and labels int64 [B], with B = batch_size / world_size.

    The stream is a fixed sequence of images for each seed: epoch after epoch, each a new shuffle with new coin tosses
    for the flips. A batch is the next batch_size images of it. So starting at image number `start` goes on exactly
    where a run stopped after `start` images, and the ranks' shares, one after the other, are a single process's batch.
    Raises ValueError if the batch does not divide by world_size or start is negative.
    """
    if batch_size < 1 or world_size < 1 or batch_size % world_size:
        raise ValueError(
            f"batch size {batch_size} must be a positive multiple of the number of processes, {world_size}"
        )
    if start < 0 or not 0 <= rank < world_size:
        raise ValueError(f"need start >= 0 and 0 <= rank < {world_size}, got {start=}, {rank=}")

    @lru_cache(maxsize=2)
    def epoch(number: int) -> tuple[np.ndarray, np.ndarray]:  # [N], [N]
        rng = np.random.default_rng([seed, number])
        order = rng.permutation(len(image_set))
        return order, rng.random(len(image_set)) < (0.5 if image_set.flip else 0)

    def stream() -> Iterator[tuple[Tensor, Tensor]]:
        share = batch_size // world_size
        first = start + rank * share
        while True:
            numbers, places = np.divmod(np.arange(first, first + share), len(image_set))
            parts = [[plan[places[numbers == n]] for plan in epoch(int(n))] for n in np.unique(numbers)]
            rows, flips = (np.concatenate(part) for part in zip(*parts, strict=True))
            images = image_set.images[rows]
            images[flips] = images[flips, ..., ::-1]
            yield torch.from_numpy(np.asarray(images)), torch.from_numpy(image_set.labels[rows])
            first += batch_size

    return stream()


def _digits(split: str, folder: Path) -> ImageSet:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)  # [1797, 64], values 0 ... 16
    parts = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=0, stratify=labels)
    rows = np.sort(parts[split == "test"])
    pixels = np.round(images[rows] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    return ImageSet(pixels, labels[rows].astype(np.int64), 10, f"digits/{split}")


def _fashion_mnist(split: str, folder: Path) -> ImageSet:
    stem = "train" if split == "train" else "t10k"
    raw = folder / "FashionMNIST" / "raw"  # where torchvision puts it
    files = f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"
    places = (folder, folder / "fashion-mnist", raw, DEBIAN_FASHION_MNIST)
    found = next((place for place in places if _plain_or_gz(place / files[0])), None)
    if found is None:
        _download("FashionMNIST", folder, f"the four idx files in {folder / 'fashion-mnist'}")
        found = raw
    images, labels = (_read_idx(found / file) for file in files)
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise ValueError(
            f"{found / files[0]} {images.shape} and {files[1]} {labels.shape} do not make labelled 28 x 28 images"
        )
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None]
    return ImageSet(padded, labels.astype(np.int64), 10, f"fashion-mnist/{split}")


def _fashion_16(split: str, folder: Path) -> ImageSet:
    whole = _fashion_mnist(split, folder)
    halves = whole.images.reshape(len(whole), 1, 16, 2, 16, 2).mean((3, 5))
    return ImageSet(np.round(halves).astype(np.uint8), whole.labels, 10, f"fashion-16/{split}")


def _plain_or_gz(path: Path) -> Path | None:
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.is_file()), None)


def _read_idx(stem: Path) -> np.ndarray:
    """Array of an idx file, plain or .gz: two zeros, type 8 (uint8), rank, sizes as big-endian int32, then the data."""
    path = _plain_or_gz(stem)
    if path is None:
        raise FileNotFoundError(f"{stem} (or .gz) is missing; the files of a data set belong in one folder")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} is truncated or not a gzip file ({error}); delete it and download it again"
        ) from error
    rank = content[3] if len(content) > 3 else 0
    shape = np.frombuffer(content[4 : 4 + 4 * rank], ">i4").tolist() if len(content) >= 4 + 4 * rank else []
    if content[:3] != b"\x00\x00\x08" or rank == 0 or len(content) != 4 + 4 * rank + math.prod(shape):
        raise ValueError(
            f"{path} is truncated or not an idx file ({len(content)} bytes); delete it and download it again"
        )
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _cifar10(split: str, folder: Path) -> ImageSet:
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    raw = folder / CIFAR10.base_folder
    if not raw.is_dir():
        _download("CIFAR10", folder, f"the unpacked folder {CIFAR10.base_folder} of {CIFAR10.filename} in {folder}")
    meta = (CIFAR10.meta["filename"], CIFAR10.meta["md5"])
    for file, md5 in (
        *CIFAR10.train_list,
        *CIFAR10.test_list,
        meta,
    ):  # pickles: opened only if they are the published ones
        if not (raw / file).is_file():
            raise FileNotFoundError(
                f"{raw / file} is missing; delete {raw} to download it anew, or unpack {CIFAR10.filename} there"
            )
        if not check_integrity(raw / file, md5):
            raise ValueError(f"{raw / file} does not have the published MD5 sum {md5}; delete {raw} and get it again")
    source = CIFAR10(folder, train=split == "train")
    images = np.ascontiguousarray(source.data.transpose(0, 3, 1, 2))
    return ImageSet(images, np.array(source.targets, np.int64), 10, f"cifar10/{split}", flip=True)


def _download(dataset: str, folder: Path, by_hand: str) -> None:
    """Let torchvision fetch a data set into folder; it verifies checksums."""
    import torchvision.datasets

    try:
        getattr(torchvision.datasets, dataset)(folder, download=True)
    except (OSError, RuntimeError) as error:  # no network, no space, wrong checksum
        raise FileNotFoundError(
            f"{dataset} is not in {folder} and could not be downloaded ({error}); put {by_hand}"
        ) from error
