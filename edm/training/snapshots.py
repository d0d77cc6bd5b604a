"""Networks out of a training folder: a stored average, or one of any other width, reconstructed from the snapshots."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from safetensors import safe_open
from torch import Tensor

from edm import network
from edm.ema import combine, posthoc_coefficients


class Snapshot(NamedTuple):
    path: Path
    images: int  # when it was taken
    std: float  # width of its average


class StoredTensors(Mapping):
    """A safetensors file as a mapping that reads a tensor when it is asked for: memory for one, not for all."""

    def __init__(self, path: Path):
        self.file = safe_open(path, "pt")

    def __getitem__(self, name: str) -> Tensor:
        return self.file.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.file.keys())

    def __len__(self) -> int:
        return len(self.file.keys())


def snapshots(folder: str | Path) -> list[Snapshot]:
    """All snapshots in a training folder, in order of time. Raises FileNotFoundError if there are none."""
    found = []
    for path in sorted(Path(folder).glob("snapshot-*.safetensors")):
        if match := re.fullmatch(r"snapshot-(\d+)-(\d\.\d+)\.safetensors", path.name):
            found.append(Snapshot(path, int(match[1]), float(match[2])))
    if not found:
        raise FileNotFoundError(f"no snapshots in {folder}: train first, for instance with `python -m edm train`")
    return found


def reconstruct(folder: str | Path, std: float, images: int | None = None) -> network.EDM2Denoiser:
    """The network averaged with relative width `std` after `images` training images (default: the last snapshot's).

    A stored snapshot is returned as it is; anything else is the least-squares combination of all snapshots taken until
    then [EDM2, eq. 135]. Raises ValueError for a width outside (0, 0.29) or a time that has no snapshot.
    """
    found = snapshots(folder)
    times = sorted({s.images for s in found})
    images = times[-1] if images is None else images
    if images not in times:
        raise ValueError(f"{folder} has no snapshot after {images} images: choose from {', '.join(map(str, times))}")
    for snapshot in found:
        if snapshot.images == images and abs(snapshot.std - std) < 5e-4:
            return network.load(snapshot.path)
    used = [s for s in found if s.images <= images]
    coefficients = posthoc_coefficients([s.images for s in used], [s.std for s in used], images, std)[:, 0]
    denoiser = network.load(used[-1].path)
    denoiser.load_state_dict(combine([StoredTensors(s.path) for s in used], coefficients))
    return denoiser


def load(path: str | Path, std: float | None = None, images: int | None = None) -> network.EDM2Denoiser:
    """A network from a .safetensors file, or from a training folder: width `std` (default: the widest stored one).

    Raises FileNotFoundError if there is nothing at `path`.
    """
    path = Path(path)
    if path.is_dir():
        return reconstruct(path, max(s.std for s in snapshots(path)) if std is None else std, images)
    if not path.exists():
        raise FileNotFoundError(f"no network at {path}: train one with `python -m edm train`, or give another path")
    if std is not None or images is not None:
        raise ValueError(f"{path} is one network: an EMA width or a time can be chosen only from a training folder")
    return network.load(path)


def data_name(path: str | Path) -> str | None:
    """Name of the data set that a network of this program was trained on; None for published networks."""
    path = Path(path)
    if path.is_dir():
        return json.loads((path / "config.json").read_text())["data"]
    return None if path.suffix == ".pkl" else network.metadata(path)["extra"].get("data")
