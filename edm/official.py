"""NVIDIA's published networks and reference statistics: download, read safely (`edm.storage.unpickle`), convert once.

Their authors license the weights under CC BY-NC-SA 4.0: no commercial use. Nothing of them is part of this project.
"""

import shutil
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from edm import network
from edm.storage import unpickle
from edm.storage.atomic import write_atomic
from edm.storage.unpickle import Array, Record, RefusedPickle

__all__ = ["PRESETS", "Published", "RefusedPickle", "convert", "fetch", "load", "read", "read_stats"]

BASE_URL = "https://nvlabs-fi-cdn.nvidia.com/edm2/posthoc-reconstructions/"


class Preset(NamedTuple):
    """A setting of the paper's table: files of the main model and of its guide, and the guidance weight."""

    main: str
    guide: str | None = None
    weight: float = 1.0


_S, _XS = "edm2-img64-s-1073741-{}.pkl", "edm2-img64-xs-0134217-{}.pkl"  # XS was trained an eighth as long
PRESETS = {  # ImageNet 64x64, EDM2-S, guide EDM2-XS; each at the EMA widths that are best for its measure [AG, table 1]
    "img64-s": Preset(_S.format("0.075")),  # FID 1.58
    "img64-s-dino": Preset(_S.format("0.160")),  # FD_DINOv2 58.52
    "img64-s-autoguidance": Preset(_S.format("0.045"), _XS.format("0.110"), 1.70),  # FID 1.01
    "img64-s-autoguidance-dino": Preset(_S.format("0.105"), _XS.format("0.175"), 2.20),  # FD_DINOv2 31.85
}


class Published(NamedTuple):
    """What a published file says of its network."""

    class_name: str  # "Precond" for images, "ToyModel" for the 2D study
    kwargs: dict[str, Any]  # the arguments it was made with, as published
    tensors: dict[str, Tensor]  # state dict, in the stored dtype


def read(path: str | Path) -> Published:
    """Name, arguments and weights of the network in a published pickle, without running anything from the file.

    Raises FileNotFoundError; RefusedPickle for a file that asks for more than weights need; ValueError for one that is
    damaged, or holds no network.
    """
    root = unpickle.load(path)
    found = root.items.get("ema") if isinstance(root, Record) and root.items else root
    if not isinstance(found, Record) or not isinstance(found.state, dict) or "_init_kwargs" not in found.state:
        raise ValueError(f"{path} holds no published network")
    try:
        if found.state.get("_init_args"):
            raise ValueError("its network was made with positional arguments")
        return Published(found.kind, _plain(found.state["_init_kwargs"], _Visits()), _state_dict(found, _Visits()))
    except ValueError as error:
        raise ValueError(f"{path} holds a network that cannot be read: {error}") from error


def load(path: str | Path) -> network.EDM2Denoiser | Published:
    """The network of a published pickle, as a `Denoiser` on the CPU, in float32, in evaluation mode.

    For a 2D network the answer is `Published`, with float32 tensors and the arguments of `toy2d.model.LogDensityMLP`.
    `use_fp16` of a published network is dropped: set `dtype`, or use `for_sampling`. Errors as in `read`.
    """
    found = read(path)
    try:
        if found.class_name == "Precond":
            return network.build({k: v for k, v in found.kwargs.items() if k != "use_fp16"}, found.tensors)
        if found.class_name == "ToyModel":
            known = {"hidden_dim": "hidden", "num_layers": "layers"}
            if found.kwargs.get("sigma_data", 0.5) != 0.5 or not found.kwargs.keys() <= {*known, "sigma_data"}:
                raise ValueError(f"a 2D model with arguments {found.kwargs} is not known here")
            kwargs = {known[k]: v for k, v in found.kwargs.items() if k in known}
            return found._replace(kwargs=kwargs, tensors={k: v.float() for k, v in found.tensors.items()})
        raise ValueError(f"networks of class {found.class_name!r:.80} are not known here: only Precond and ToyModel")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def convert(path: str | Path, out: str | Path) -> None:
    """Write the image network of a published pickle as safetensors, in float16 as published, for `network.load`."""
    denoiser = load(path)
    if not isinstance(denoiser, network.EDM2Denoiser):
        raise ValueError(f"{path} holds a 2D network: only image networks are converted")
    network.save(out, denoiser, {"source": Path(path).name}, dtype=torch.float16)


def read_stats(path: str | Path) -> dict[str, Any]:
    """Published reference statistics: arrays by name, e.g. {"fid": {"mu": [D], "sigma": [D, D]}, ...}.

    .pkl files are read by the same safe machine as networks, .npz files by numpy without objects. Errors as in `read`.
    """
    if not Path(path).is_file() or not zipfile.is_zipfile(path):
        stats = unpickle.load(path)
        if not isinstance(stats, (dict, Record)):
            raise ValueError(f"{path} holds no statistics, but a {type(stats).__name__}")
        try:
            return _plain(stats, _Visits())
        except ValueError as error:
            raise ValueError(f"{path} holds something else than statistics: {error}") from error
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged, or no file of plain arrays: {error}") from error


def fetch(name: str | Path, folder: str | Path, base_url: str = BASE_URL) -> Path:
    """Path of a published file: `name` itself if it is a file, else folder/name, downloaded from base_url if not there.

    Raises FileNotFoundError, saying which file to put where, if it cannot be downloaded; ValueError for a bad name.
    """
    if Path(name).is_file():
        return Path(name)
    if Path(name).name != str(name):
        raise FileNotFoundError(f"no file {name}")
    path, url = Path(folder) / name, f"{base_url.rstrip('/')}/{urllib.parse.quote(str(name))}"
    if path.is_file():
        return path
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"base_url must begin with https:// or http://, got {base_url}")

    def receive(file: BinaryIO) -> None:
        with urllib.request.urlopen(url, timeout=60) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            with tqdm.wrapattr(file, "write", total=size or None, desc=str(name)) as sink:
                shutil.copyfileobj(answer, sink)
            if size and file.tell() != size:
                raise OSError(f"the connection broke after {file.tell()} of {size} bytes")

    try:
        write_atomic(path, receive)
    except OSError as error:  # URLError and timeouts among them
        raise FileNotFoundError(
            f"{url} could not be downloaded ({error}). Get that file by other means and put it at {path.absolute()}"
        ) from error
    return path


class _Visits:
    """Counts the objects visited in a file, whose objects may contain each other, or be very many times the same."""

    def __init__(self) -> None:
        self.count = 0

    def enter(self, depth: int) -> None:
        self.count += 1
        if self.count > 100_000 or depth > 16:
            raise ValueError("it has too many objects, or too deeply nested ones")


def _state_dict(module: Record, visits: _Visits, prefix: str = "", depth: int = 0) -> dict[str, Tensor]:
    """Parameters and buffers of a module of the file and of its submodules, by their published names."""
    visits.enter(depth)
    if not isinstance(module, Record) or not isinstance(module.state, dict):
        raise ValueError(f"{prefix.rstrip('.') or 'the root'} is not a module")
    out = {}
    for name, tensor in [*_items(module.state.get("_parameters")), *_items(module.state.get("_buffers"))]:
        if isinstance(tensor, Tensor):
            out[f"{prefix}{name}"] = tensor
        elif tensor is not None:
            raise ValueError(f"{prefix}{name} is not a tensor")
    for name, child in _items(module.state.get("_modules")):
        if child is not None:
            out |= _state_dict(child, visits, f"{prefix}{name}.", depth + 1)
    return out


def _items(group: Any) -> list[tuple[str, Any]]:
    """Names and values of a dictionary of the file, plain or ordered."""
    group = group.items if isinstance(group, Record) else group
    if not isinstance(group, dict):
        raise ValueError(f"a dictionary is missing; there is a {type(group).__name__}")
    return list(group.items())


def _plain(value: Any, visits: _Visits, depth: int = 0) -> Any:
    """Nested dictionaries, lists, numbers, words and arrays of the file as ordinary Python and numpy objects."""
    visits.enter(depth)
    if isinstance(value, (Record, dict)):
        return {name: _plain(inner, visits, depth + 1) for name, inner in _items(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, visits, depth + 1) for inner in value]
    if isinstance(value, Array) and isinstance(value.value, np.ndarray):
        return value.value
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        return value
    raise ValueError(f"a {type(value).__name__} is no number, word or array")
