"""Files that are whole or not there, and values in the form that JSON takes."""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np


def write_atomic(
    path: str | Path, content: Callable[[BinaryIO], object] | bytes | str, *, durable: bool = True
) -> None:
    """Write a file whole or not at all: into `NAME.PID.tmp` first, which is then renamed.

    content: bytes, text (as UTF-8), or a function that writes into the open file. durable: wait until the disk has the
    file, so that it outlives a power cut; False is faster, for files that are quickly made again. A killed process
    leaves the old file or the new one in both cases.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)  # the rename itself, too, must reach the disk
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=1) + "\n")


def plain(value: object, digits: int | None = None):
    """`value` in the types that JSON has: lists for tuples and arrays, text for keys, Python's numbers for numpy's.

    digits: how results are written. Floats are rounded to so many significant digits; nan and infinity become null.
    Without it every number stays what it is.
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v, digits) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v, digits) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and digits is not None:
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def changes(old: object, new: object, name: str = "") -> Iterator[str]:
    """What differs between two values of JSON, entry by entry: 'config.lr 0.01 -> 0.02'."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from changes(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif old != new:
        yield f"{name} {old!r} -> {new!r}"
