"""Figures 4 to 6 and 8 on images: the same noise at weights 1 to 3, under CFG, autoguidance and a blend of both."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import torch

from edm.storage.png import grid
from figures.engine.plots import panels
from figures.engine.result import Result
from figures.images import settings
from figures.images.arms import arm
from figures.images.measure import images_of, place
from figures.images.points import about
from figures.images.study import study
from toy2d import plots

COST, NEEDS = "1 min", "the networks of `python -m figures images`"
FAST = dict(data="tiny", count=10)
VERSION = 1  # raise it when results change their meaning
WEIGHTS = (1.5, 2.0, 3.0)
SHARES = {0.0: "CFG", 0.5: "half of each", 1.0: "autoguidance"}  # of autoguidance in the blend


def compute(data="fashion-16", seed=0, *, count=20, runs=None) -> Result:
    """seed: training seed. count: images in a panel. Raises ValueError for a seed that the study does not have."""
    plan = study(data)
    if seed not in plan.seeds:
        raise ValueError(f"training seed {seed} is not among those of {data}: {', '.join(map(str, plan.seeds))}")
    runs = place(plan, runs)
    arms = {f"{w:g} {a:g}": arm("blend", w, guide=settings.GUIDE, alpha=a) for w in WEIGHTS for a in SHARES}
    first, arrays = plan.reporting.firsts(seed)[0], {}  # of a block in which nothing looks at single images
    for name, made in ({"none": arm()} | arms).items():
        parts = images_of(plan, seed, made, range(first, first + count), runs, Counter())
        arrays[name] = torch.cat([part.images for part in parts]).numpy()
    numbers = about(plan, plan.reporting, runs)
    return Result(numbers | dict(seed=seed, weights=WEIGHTS, shares=list(SHARES), images_in_a_panel=count), arrays)


def draw(result: Result) -> plt.Figure:
    numbers, arrays = result.numbers, result.arrays
    weights, shares = numbers["weights"], numbers["shares"]
    with plots.style():
        figure, axes = panels(1 + len(weights), len(shares), 3.8, 1.1)
        middle = len(shares) // 2
        show(axes[0, middle], arrays["none"], "no guidance")
        for row, w in zip(axes[1:], weights, strict=True):
            for ax, a in zip(row, shares, strict=True):
                show(ax, arrays[f"{w:g} {a:g}"], f"{SHARES[a]}, w = {w:g}")
        for ax in np.delete(axes[0], middle):
            ax.axis("off")
    return figure


def show(ax, images: np.ndarray, title: str, columns: int = 10) -> None:
    """Images [N, C, H, W] in rows of `columns`, one class a column."""
    picture = grid(torch.from_numpy(images), columns, scale=max(1, 32 // images.shape[-1]))
    ax.imshow(picture.permute(1, 2, 0).squeeze(-1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_title(title, fontsize=8)
    ax.axis("off")
