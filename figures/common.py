"""What the figures share: a result is numbers and arrays; a picture is drawn from it and from nothing else."""

import json
import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

OUT = Path(__file__).parent / "out"
GALLERY = Path(__file__).parent / "gallery"  # results that come with the project


@dataclass
class Result:
    """Numbers go to NAME.json, arrays (if any) to NAME.npz; together they redraw NAME.png and NAME.pdf."""

    numbers: dict
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def facts() -> dict:
    """What a reader needs to judge or repeat the numbers."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": "cpu",
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def check_folder(out: Path) -> None:
    """Fail before the work, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"cannot write to {out} ({error.strerror}): choose another folder with --out") from error


def write(path: Path, writer: Callable[[Path], None]) -> Path:
    """Let `writer` fill a temporary file and put it in place only when it is whole."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        writer(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def save_result(name: str, result: Result, out: Path) -> None:
    if result.arrays:
        write(out / f"{name}.npz", lambda p: np.savez_compressed(p, **result.arrays))
    text = json.dumps(plain(result.numbers), indent=1)
    write(out / f"{name}.json", lambda p: p.write_text(text + "\n"))


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
    for suffix in (".pdf", ".png"):
        write(out / f"{name}{suffix}", lambda p: figure.savefig(p, bbox_inches="tight", metadata=_undated(p)))
    matplotlib.pyplot.close(figure)


def _undated(path: Path) -> dict:
    return {"CreationDate": None} if path.suffix == ".pdf" else {}


def plain(value):
    """Python numbers for JSON, rounded to 6 significant digits; nan becomes null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def difference_text(d: dict, form: str = "+.1%") -> str:
    """A paired difference (`edm.metrics.paired_difference`) with its 95 % interval: '−2.1 (−3.3, −0.9) %'."""
    mean, low, high = (f"{d[k]:{form}}".replace("-", "−") for k in ("mean", "low", "high"))
    return f"{mean} ({low}, {high})".replace("%", "") + (" %" if form.endswith("%") else "")


def grid(centre: tuple[float, float], half_width: float, pixels: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Pixel centres along x and y, and all of them as points [pixels^2, 2]."""
    steps = (np.arange(pixels) + 0.5) / pixels * 2 - 1
    axis_x, axis_y = centre[0] + half_width * steps, centre[1] + half_width * steps
    mesh = np.stack(np.meshgrid(axis_x, axis_y), axis=-1).reshape(-1, 2)
    return axis_x, axis_y, torch.tensor(mesh, dtype=torch.float32)


def image(values: torch.Tensor) -> np.ndarray:
    """Values at the points of `grid` as a square picture [pixels, pixels]."""
    side = math.isqrt(len(values))
    return values.detach().numpy().reshape(side, side)
