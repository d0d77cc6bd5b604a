"""Files that are whole or not there, and numbers in the form that JSON takes."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np


def write_atomic(path: str | Path, content: Callable[[BinaryIO], object] | bytes | str) -> None:
    """Write a file whole or not at all: into `NAME.PID.tmp`, to the disk, then renamed into place.

    content: bytes, text (as UTF-8), or a function that writes into the open file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            content(file) if callable(content) else file.write(
                content.encode() if isinstance(content, str) else content
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)  # the rename itself, too, must reach the disk
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=1) + "\n")


def plain(value):
    """Python numbers for JSON, rounded to 6 significant digits; nan becomes null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
