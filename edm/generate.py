"""Images from denoisers: seed by seed, guided in any way, as a stream or as a folder of PNG files.

The image of a seed depends on the seed, its class and the denoiser alone, not on the batch, the number of processes or
what was made before (up to float rounding). So every guidance method starts from the same noise, and a run can be
stopped at any time and go on later.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from edm import guidance, sampler
from edm.data import to_uint8
from edm.denoiser import Denoiser
from edm.storage.atomic import write_atomic, write_json
from edm.storage.png import png
from edm.training.distributed import World

KINDS = ("none", "autoguidance", "cfg", "blend")


class Batch(NamedTuple):
    seeds: list[int]
    labels: Tensor | None  # int64 [n]
    images: Tensor  # uint8 [n, C, H, W], on the CPU


def guided(main: Denoiser, kind: str, weight: float, *, guide: Denoiser | None = None, uncond: Denoiser | None = None,
           alpha: float = 0.5, interval: tuple[float, float] | None = None) -> Denoiser:  # fmt: skip
    """One of the guidance methods of `edm.guidance` by name (`KINDS`).

    "none": main alone. "autoguidance": by `guide`, a worse version of main. "cfg": by `uncond`, or by main without its
    class if that is None. "blend": by both, share alpha of autoguidance [AG, eq. 6]. interval: guide only for
    lo < sigma <= hi. Raises ValueError for an unknown kind or a guide that is missing.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown guidance {kind!r}: choose from {', '.join(KINDS)}")
    if kind == "none":
        return main
    uncond = guidance.unconditional(main) if uncond is None else uncond
    if kind == "cfg":
        return guidance.guide(main, uncond, weight, interval)
    if guide is None:
        raise ValueError(f"kind {kind!r} needs a guide, a worse version of main: got guide=None")
    if kind == "autoguidance":
        return guidance.guide(main, guide, weight, interval)
    w_uncond, w_guide = guidance.blend_weights(weight, alpha)
    return guidance.guide_several(main, [(uncond, w_uncond), (guide, w_guide)], interval)


@torch.no_grad()
def generate(
    denoiser: Denoiser,
    seeds: Sequence[int],
    shape: Sequence[int],
    classes: Sequence[int] | None = None,
    *,
    sigmas: Tensor | None = None,
    batch: int = 64,
    device: torch.device | str = "cpu",
) -> Iterator[Batch]:
    """Yield the images of `seeds`, [C, H, W] = shape, in order, `batch` at a time.

    Seed s gets class classes[s % len(classes)]: balanced, and no different in a different batch. Noise is drawn on the
    CPU, one generator a seed, so a GPU starts from the same. A last batch that is not full is filled up and cut, since
    compiled networks want one size. sigmas: `edm.sampler.sigma_steps()` if None.
    """
    sigmas = sampler.sigma_steps() if sigmas is None else sigmas
    seeds = [int(s) for s in seeds]
    for start in range(0, len(seeds), batch):
        part = seeds[start : start + batch]
        full = part + part[-1:] * (min(batch, len(seeds)) - len(part))
        labels = torch.tensor([classes[s % len(classes)] for s in full], device=device) if classes else None
        noise = sampler.randn(len(full), shape, sampler.seeded(full)).to(device)
        images = sampler.sample(denoiser, noise * float(sigmas[0]), sigmas, labels)[: len(part)]
        yield Batch(part, None if labels is None else labels[: len(part)].cpu(), to_uint8(images).cpu())


def image_path(folder: str | Path, seed: int, label: int | None) -> Path:
    """FOLDER/CLASS/SEED.png, or FOLDER/SEED.png without classes."""
    return Path(folder, *([] if label is None else [f"{label:04d}"]), f"{seed:06d}.png")


def settings_in(record: Path) -> dict:
    """The settings that `write_folder` kept. Raises ValueError that names the file if it is damaged."""
    try:
        return dict(json.loads(record.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{record} is damaged ({error}): remove its folder, or choose another one") from None


def write_folder(
    folder: str | Path,
    denoiser: Denoiser,
    seeds: Sequence[int],
    shape: Sequence[int],
    classes: Sequence[int] | None = None,
    *,
    settings: dict,
    world: World | None = None,
    batch: int = 64,
    **options: Any,
) -> int:
    """Write the images of `seeds` as PNG files (`image_path`), skipping those that exist; how many were made here.

    settings: what made them, kept in FOLDER/sample.json; ValueError if the folder holds images of other settings.
    world: the processes that share the work. Other arguments as for `generate`.
    """
    folder, world = Path(folder), world or World()
    settings = json.loads(json.dumps({**settings, "classes": classes}))
    record = folder / "sample.json"
    if record.exists() and (stored := settings_in(record)) != settings:
        different = sorted(k for k in stored.keys() | settings.keys() if stored.get(k) != settings.get(k))
        changes = ", ".join(f"{k} {stored.get(k)!r} -> {settings.get(k)!r}" for k in different)
        raise ValueError(f"{folder} holds images made otherwise ({changes}): choose another folder or remove this one")
    world.wait()
    if world.main:
        write_json(record, settings)

    def path(seed: int) -> Path:
        return image_path(folder, seed, classes[seed % len(classes)] if classes else None)

    missing = [s for s in list(seeds)[world.rank :: world.size] if not path(s).exists()]
    with tqdm(total=len(missing), unit="img", desc=folder.name, disable=not world.main) as bar:
        for made in generate(denoiser, missing, shape, classes, batch=batch, device=world.device, **options):
            for seed, image in zip(made.seeds, made.images, strict=True):
                write_atomic(path(seed), png(image), durable=False)
            bar.update(len(made.seeds))
    world.wait()
    return len(missing)
