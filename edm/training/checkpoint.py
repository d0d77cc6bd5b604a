"""Training checkpoints as safetensors plus JSON.

A checkpoint is `checkpoint-{images}.safetensors` with every tensor and `checkpoint-{images}.json` beside it with the
numbers and the SHA-256 of the tensors. The JSON is written last: without it the checkpoint does not exist.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from edm.storage.atomic import write_atomic, write_json


def save(folder: str | Path, images: int, tensors: Mapping[str, Tensor], info: Mapping[str, object]) -> Path:
    """Store a checkpoint taken after `images` training images, then remove all but the two newest. Returns its path."""
    folder = Path(folder)
    path = folder / f"checkpoint-{images:010d}.safetensors"
    data = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    write_atomic(path, data)
    write_json(path.with_suffix(".json"), {**info, "images": images, "sha256": hashlib.sha256(data).hexdigest()})
    for old in _found(folder)[:-2]:
        old.with_suffix(".json").unlink(missing_ok=True)
        old.unlink(missing_ok=True)
    return path


def load(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and numbers of one checkpoint. Raises ValueError that names the file when it is damaged or incomplete."""
    path = Path(path)
    try:
        info = json.loads(path.with_suffix(".json").read_text())
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: incomplete checkpoint ({error})") from None
    if not isinstance(info, dict) or hashlib.sha256(data).hexdigest() != info.get("sha256"):
        raise ValueError(f"{path}: damaged checkpoint, its content does not match the SHA-256 in {path.stem}.json")
    return safetensors.torch.load(data), info


def newest(folder: str | Path, warn: Callable[[str], object] = print) -> tuple[dict[str, Tensor], dict] | None:
    """The newest checkpoint in `folder` that is sound, or None. Damaged ones are named through `warn` and skipped."""
    for path in reversed(_found(Path(folder))):
        try:
            return load(path)
        except ValueError as error:
            warn(f"{error}; skipped")
    return None


def _found(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("checkpoint-*.safetensors") if re.fullmatch(r"checkpoint-\d{10}", p.stem))
