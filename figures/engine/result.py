"""What the figures share: a result is numbers and arrays; a picture is drawn from it and from nothing else."""

import importlib.metadata
import io
import json
import platform
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from edm.storage.atomic import plain, write_atomic, write_json

FIGURES = Path(__file__).parents[1]
# Results never go into an installed package: a checkout of the project is known by its pyproject.toml.
IN_CHECKOUT = (FIGURES.parent / "pyproject.toml").is_file()
OUT = FIGURES / "out" if IN_CHECKOUT else Path("figures-out")  # of the current folder
GALLERY = FIGURES / "gallery"  # results that come with the project
DPI = 200  # of a PNG: twice what a page shows


@dataclass
class Result:
    """Numbers go to NAME.json, arrays (if any) to NAME.npz; together they redraw NAME.png and NAME.pdf."""

    numbers: dict
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def facts(device: str = "cpu") -> dict:
    """What a reader needs to judge or repeat the numbers. device: what they were computed on."""
    try:
        project = importlib.metadata.version("diffusion-guidance")
    except importlib.metadata.PackageNotFoundError:
        project = "not installed"
    return {
        "project": project,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": device,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def check_folder(out: Path) -> None:
    """Fail before the work, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise ValueError(f"cannot write to {out} ({error.strerror}): choose another folder with --out") from error


def save_result(name: str, result: Result, out: Path) -> None:
    if result.arrays:
        write_atomic(out / f"{name}.npz", lambda file: np.savez_compressed(file, **result.arrays))
    write_json(out / f"{name}.json", plain(result.numbers, digits=6))


def load_result(name: str, out: Path = GALLERY) -> Result:
    try:
        numbers = json.loads((out / f"{name}.json").read_text())
        if not (out / f"{name}.npz").exists():
            return Result(numbers)
        with np.load(out / f"{name}.npz") as stored:
            return Result(numbers, dict(stored))
    except (OSError, ValueError, BadZipFile) as error:
        raise ValueError(
            f"cannot redraw {name}: no whole result in {out} ({error}); run it without --redraw"
        ) from error


def save_picture(name: str, figure: Figure, out: Path) -> None:
    """Write the picture as NAME.pdf and NAME.png; equal pictures are equal files, since no date is kept."""
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {})):
        picture = io.BytesIO()
        figure.savefig(picture, format=kind, dpi=DPI, bbox_inches="tight", metadata=metadata)
        write_atomic(out / f"{name}.{kind}", few_colours(picture) if kind == "png" else picture.getvalue())
    matplotlib.pyplot.close(figure)


def few_colours(picture: io.BytesIO, colours: int = 256) -> bytes:
    """The same PNG in so many colours: with 256 less than half of the bytes, and nothing that an eye would see."""
    stored = io.BytesIO()
    options = dict(method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    Image.open(picture).convert("RGB").quantize(colours, **options).save(stored, "png", optimize=True)
    return stored.getvalue()
