"""The networks that sampling works with: a main model and its guides, from wherever they are, ready on a device."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edm import network, official
from edm.denoiser import Denoiser
from edm.generate import guided
from edm.training import snapshots

CHECKPOINTS = Path(__file__).parent / "checkpoints"  # networks that come with the program


@dataclass(frozen=True, eq=False)
class Models:
    """A main model with what may guide it, and what its images are."""

    main: network.EDM2Denoiser
    guide: network.EDM2Denoiser | None
    uncond: network.EDM2Denoiser | None
    data: str | None  # data set of the training, None if the file does not say
    identity: dict[str, str]  # digest of the weights of each network

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.main.img_shape

    def classes(self, wanted: list[int] | None = None) -> list[int] | None:
        """The classes to sample: those wanted, or all; None for a network without classes. ValueError for unknown ones."""
        known = range(self.main.label_dim)
        if wanted and (bad := [c for c in wanted if c not in known]):
            knows = f"classes 0 to {len(known) - 1}" if known else "no classes"
            raise ValueError(f"class {bad[0]} does not exist: the network knows {knows}")
        return (wanted or list(known)) or None

    def guided(
        self, kind: str, weight: float, alpha: float = 0.5, interval: tuple[float, float] | None = None
    ) -> Denoiser:
        """The main model guided as `edm.generate.guided` says."""
        return guided(self.main, kind, weight, guide=self.guide, uncond=self.uncond, alpha=alpha, interval=interval)


def load(
    main: str | Path,
    guide: str | Path | None = None,
    uncond: str | Path | None = None,
    *,
    ema: float | None = None,
    ema_guide: float | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    compile: bool = False,
) -> Models:
    """Read the networks (training folder, .safetensors, or published .pkl) and make them ready.

    ema, ema_guide: widths to take from training folders, of main and of the guides (default: the widest stored one).
    dtype: of the U-Net; None is float16 on a GPU and float32 on the CPU. Raises FileNotFoundError, or ValueError if the
    networks make images of different shapes.
    """
    device, identity = torch.device(device), {}
    found: dict[str, Any] = {}  # EDM2Denoiser or None by name
    for name, path, width in (("main", main, ema), ("guide", guide, ema_guide), ("uncond", uncond, ema_guide)):
        if path is None:
            found[name] = None
            continue
        denoiser = official.load(path) if Path(path).suffix == ".pkl" else snapshots.load(path, width)
        if not isinstance(denoiser, network.EDM2Denoiser):
            raise ValueError(f"{path} holds a 2D network: this command makes images")
        identity[name] = digest(denoiser)
        denoiser = denoiser.to(device).for_sampling(
            dtype or (torch.float16 if device.type == "cuda" else torch.float32)
        )
        if compile:
            denoiser.compile()
        found[name] = denoiser
        if denoiser.img_shape != found["main"].img_shape:
            raise ValueError(
                f"{name} {path} makes images of shape {denoiser.img_shape}, main {main} of shape {found['main'].img_shape}: "
                "a guide must be of the same kind"
            )
    return Models(**found, data=snapshots.data_name(main), identity=identity)


def shipped_names() -> list[str]:
    """Names of the pairs that come with the program."""
    return [path.name.removesuffix("-main.safetensors") for path in sorted(CHECKPOINTS.glob("*-main.safetensors"))]


def shipped_path(name: str, role: str = "main") -> Path:
    """The file of a pair that comes with the program. role: "main" or "guide". Raises FileNotFoundError for other names."""
    if name not in shipped_names():
        raise FileNotFoundError(f"no networks of {name!r} come with the program, only of {', '.join(shipped_names())}")
    return CHECKPOINTS / f"{name}-{role}.safetensors"


def shipped(name: str = "digits", **options: Any) -> Models:
    """A main model and its guide that come with the program.

    digits: training seed 0 of `python -m figures images`, made into these files by `figures.images.nets.ship`. main:
    32 channels, 722 539 weights, 1 100 batches of 128. guide: the same network from another seed (100) after
    an eighth of that. fashion-16: garments of 16 x 16 pixels, 16 channels, 3 072 batches of 128; guide: half the width
    after an eighth of that. All are averages of width 0.10 in float16. options: as for `load`. Raises FileNotFoundError for
    other names.
    """
    return load(shipped_path(name), shipped_path(name, "guide"), **options)


def digest(denoiser: network.EDM2Denoiser) -> str:
    """First 16 hexadecimal digits of the SHA-256 of all weights."""
    out = hashlib.sha256()
    for tensor in denoiser.state_dict().values():
        out.update(tensor.contiguous().numpy().tobytes())
    return out.hexdigest()[:16]
