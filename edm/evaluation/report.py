"""Numbers and pictures of a trained pair, in files: what closes `python -m edm train`, and what `evaluate` writes."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from edm import sampler
from edm.denoiser import Denoiser
from edm.evaluation.sweep import summary, sweep
from edm.evaluation.yardstick import Yardstick
from edm.generate import generate
from edm.models import Models
from edm.storage.atomic import changes, write_json
from edm.storage.png import save_panels
from edm.storage.rows import digest


def sweep_to_file(
    path: str | Path,
    guided: Callable[[str, float], Denoiser],
    measure_by: Yardstick,
    settings: Mapping[str, object],
    *,
    late: Callable[[], bool] = lambda: False,
    **options,
) -> tuple[Path, list[dict] | None]:
    """`edm.evaluation.sweep.sweep` into a JSON file, row by row; an interrupted one of the same settings is taken up again.

    Returns the file, which is another one than `path` if that holds numbers of other settings (`file_of`), and its rows.
    settings: what the rows depend on, kept in the file beside the floor, the versions and the device. late: asked after
    every row; True stops the sweep, and then the answer is None instead of the rows.
    """
    extractor = measure_by.extractor
    settings = {
        **settings,
        "features": extractor.name,
        "features_version": extractor.version,
        "against": measure_by.against,
    }
    settings = json.loads(json.dumps(settings))
    path = file_of(path, settings)
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    about = dict(
        settings=settings, floor=measure_by.floor, extractor=dict(extractor.info), device=device_name(extractor.device)
    )
    about["versions"] = {"python": platform.python_version(), "torch": torch.__version__}
    for row in sweep(guided, measure_by, done=rows, **options):
        rows = [*rows, row]
        write_json(path, {**about, "rows": rows})
        if late():
            return path, None
    return path, rows


def file_of(path: str | Path, settings: Mapping[str, object]) -> Path:
    """Where numbers of these settings belong: `path`, or beside it if that holds those of others, which stay there.

    Then the file has a digest of the settings in its name, and a line says what differs. Raises ValueError for a file at
    `path` that is not JSON.
    """
    path = Path(path)
    try:
        stored = json.loads(path.read_text()).get("settings", {}) if path.exists() else settings
    except (ValueError, AttributeError):
        raise ValueError(f"{path} is not a file of measurements: give another one, or remove it") from None
    if stored == settings:
        return path
    other = path.with_name(f"{path.stem}-{digest(json.dumps(settings, sort_keys=True))}{path.suffix}")
    tqdm.write(f"{path} stays: it holds other settings ({', '.join(changes(stored, settings))}); these go into {other}")
    return other


def picture(path: str | Path, denoisers: Mapping[str, Denoiser], shape: Sequence[int], classes: Sequence[int] | None,
            rows: int = 4, **options) -> None:  # fmt: skip
    """One grid of images for each denoiser, below one another, from the same seeds: a column for each class."""
    classes = list(classes)[:10] if classes else None
    columns = len(classes) if classes else 10
    panels = []
    for title, denoiser in denoisers.items():
        made = generate(denoiser, range(rows * columns), shape, classes, **options)
        panels.append((title, torch.cat([batch.images for batch in made])))
    save_panels(path, panels, columns)


def device_name(device: torch.device) -> str:
    """The GPU's name, or the CPU with its number of threads."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def sweep_pair(path: Path, found: Models, measure_by: Yardstick, *, arms: list, repeats: int, count: int, steps: int,
            alpha: float = 0.5, interval=None, batch: int = 100, late=lambda: False) -> list[dict] | None:  # fmt: skip
    """Sweep the arms into `path` and print the table; None if `late` stopped it. Sets of seeds follow one another."""
    settings = dict(networks=found.identity, count=count, steps=steps, alpha=alpha, interval=interval)
    path, rows = sweep_to_file(
        path, lambda kind, weight: found.guided(kind, weight, alpha, interval), measure_by, settings, late=late, arms=arms,
        first_seeds=[count * i for i in range(repeats)], count=count, shape=found.shape, classes=found.classes(),
        sigmas=sampler.sigma_steps(steps), batch=batch, device=measure_by.extractor.device,
    )  # fmt: skip
    if rows is not None:
        tqdm.write(f"{summary(rows)}\n{path}: {count} images a number{floor_text(measure_by)}")
    return rows


def floor_text(measure_by: Yardstick) -> str:
    """What a perfect model could reach, for the line below a table."""
    if measure_by.floor is None:
        return ""
    return f"; real test images have Frechet distance {measure_by.floor['frechet_distance']:.3f}"
