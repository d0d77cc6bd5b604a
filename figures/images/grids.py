"""Figures 4 and 8 on images: the same noise at weights 1 to 4, CFG above autoguidance; and figures 5 and 6, weight by blend."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from edm.generate import generate
from edm.grid import grid
from edm.sampler import sigma_steps
from figures.common import Result
from figures.images import settings
from figures.images.family import STUDIES, device
from figures.images.numbers import denoiser, yardstick
from figures.images.plots import about, panels
from figures.images.rows import REPORT, arm, place
from toy2d import plots

COST, NEEDS = "1 min", "the networks of `python -m figures images`"
FAST = dict(data="tiny", count=10)
WEIGHTS, SHARES = (1.0, 2.0, 3.0, 4.0), (0.0, 0.5, 1.0)
NAMES = {"cfg": "CFG", "autoguidance": "autoguidance"}


def compute(data="digits", seed=0, *, count=20, runs=None) -> Result:
    """seed: training seed. count: images in a panel, of noise seeds that nothing was chosen on."""
    plan, runs = STUDIES[data], place(data, runs)
    if seed not in plan.seeds:
        raise ValueError(f"training seed {seed} is not among those of {data}: {', '.join(map(str, plan.seeds))}")
    tasks = {f"{kind} {w:g}": arm(kind, w, guide=settings.GUIDE) for kind in NAMES for w in WEIGHTS}
    for w in WEIGHTS[1:3]:
        tasks |= {f"blend {w:g} {a:g}": arm("blend", w, guide=settings.GUIDE, alpha=a) for a in SHARES}
    images, seeds = yardstick(data, runs).train, range(REPORT[0], REPORT[0] + count)
    options = dict(sigmas=sigma_steps(plan.steps), batch=count, device=device())
    arrays = {}
    for name, task in tasks.items():
        made = generate(
            denoiser(data, seed, task, runs), seeds, images.images.shape[1:], range(images.num_classes), **options
        )
        arrays[name] = torch.cat([part.images for part in made]).numpy()
    numbers = about(data, REPORT[:1], runs) | dict(seed=seed, weights=WEIGHTS, shares=SHARES, images_in_a_panel=count)
    return Result(numbers, arrays)


def draw(result: Result) -> plt.Figure:
    numbers, arrays = result.numbers, result.arrays
    with plots.style():
        figure, axes = panels(4, len(numbers["weights"]), 2.9, 0.9)
        for row, kind in zip(axes, NAMES, strict=False):
            for ax, w in zip(row, numbers["weights"], strict=True):
                show(ax, arrays[f"{kind} {w:g}"], f"{NAMES[kind]}, w = {w:g}" if w != 1 else "no guidance")
        for row, w in zip(axes[2:], numbers["weights"][1:3], strict=True):
            for ax, a in zip(row, numbers["shares"], strict=False):
                show(ax, arrays[f"blend {w:g} {a:g}"], f"blend, w = {w:g}, α = {a:g}")
            row[-1].axis("off")
    return figure


def show(ax, images: np.ndarray, title: str, columns: int = 10) -> None:
    """Images [N, C, H, W] in rows of `columns`, one class a column."""
    picture = grid(torch.from_numpy(images), columns, scale=max(1, 32 // images.shape[-1]))
    ax.imshow(picture.permute(1, 2, 0).squeeze(-1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_title(title, fontsize=8)
    ax.axis("off")
