"""Paired runs in 2D: the same starting points through every arm of the comparison."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from edm.denoiser import Denoiser
from edm.guidance import guide, truncate
from edm.sampler import Step, heun_steps, seeded, sigma_steps
from toy2d import metrics, pretrained
from toy2d.fractal import fractal
from toy2d.model import LogDensityMLP

Runs = dict[str, dict[str, list[float]]]  # arm -> number -> one value for each seed
SIGMA_MAX = 5.0  # the paper starts the 2D samples here
STEPS = 32
AUTOGUIDANCE_W, CFG_W, TRUNCATION = 3.0, 4.0, 1.40  # the paper's settings in figure 1


def paper_arms(
    seed: int = 0,
    w: float = AUTOGUIDANCE_W,
    folder: Path | str = pretrained.FOLDER,
    models: Path | str | None = None,
) -> dict[str, Denoiser]:
    """The arms of figure 1 by name; w is autoguidance's weight.

    The models are those of a training seed, or, with `models`, the authors' own (`toy2d.pretrained.load_published`) in that folder.
    """

    def load(kind: str) -> LogDensityMLP:
        return pretrained.load(kind, seed, folder) if models is None else pretrained.load_published(kind, models)

    main = load("main")
    return {
        "none": main,
        "cfg": guide(main, load("uncond"), CFG_W),
        "truncation": truncate(main, TRUNCATION),
        "autoguidance": guide(main, load("guide"), w),
    }


def draw_start(n: int, seed: int = 0, sigma_max: float = SIGMA_MAX) -> Tensor:  # [n, 2]
    """Exact samples of p_A(x; sigma_max). Point i has a generator of its own: it is the same for every n <= 2^20."""
    if not 0 <= seed < 2**12 or not 0 < n <= 2**20:
        raise ValueError(f"need 0 <= seed < 4096 and 0 < n <= 2^20, got {seed=}, {n=}")
    return _start(n, seed, sigma_max).clone()


@lru_cache(maxsize=4)
def _start(n: int, seed: int, sigma_max: float) -> Tensor:
    first = seed << 20
    return fractal("A").sample(n, sigma_max, seeded(range(first, first + n)))


def run_steps(denoiser: Denoiser, start: Tensor, sigma_max: float = SIGMA_MAX) -> Iterator[Step]:
    """The paper's 2D sampler: 32 Heun steps from sigma_max to 0, yielding every state."""
    return heun_steps(denoiser, start, sigma_steps(STEPS, sigma_max=sigma_max))


@torch.no_grad()
def run(denoiser: Denoiser, start: Tensor, progress: bool = False, desc: str = "sampling") -> Tensor:  # [N, 2]
    """The samples at sigma = 0. A progress bar shows in a terminal only: notebooks and logs keep no trace of it."""
    hidden = None if progress else True  # tqdm's word for "unless this is a terminal"
    for step in tqdm(run_steps(denoiser, start), total=STEPS + 1, disable=hidden, desc=desc, leave=False):
        x = step.x
    return x


def measure(samples: Tensor) -> dict[str, float]:
    """What every arm is measured by: `toy2d.metrics.evaluate` against class A."""
    return metrics.evaluate(samples)


def over_seeds(
    arms: Callable[[int], Mapping[str, Denoiser]],
    seeds: Iterable[int],
    n: int = 4096,
    measure: Callable[[Tensor], dict[str, float]] = measure,
) -> Runs:
    """Run arms(seed) of each training seed from n points of noise seed `seed`: every arm from the same, so rows are paired."""
    out: Runs = {}
    for seed in seeds:
        start = draw_start(n, seed)
        for name, denoiser in arms(seed).items():
            for key, value in measure(run(denoiser, start)).items():
                out.setdefault(name, {}).setdefault(key, []).append(value)
    return out


def difference(runs: Runs, arm: str, baseline: str, key: str) -> np.ndarray:  # [seeds]
    """arm minus baseline, seed by seed."""
    return np.asarray(runs[arm][key]) - np.asarray(runs[baseline][key])
