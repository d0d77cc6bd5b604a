"""Figures 4 to 6 and 8 on images: the same noise at weights 1 to 3, under CFG, autoguidance and a blend of both."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import torch

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
    """A row for each arm, a column for each class, all from the same noise: no guidance, and the weights of each blend."""
    numbers, arrays = result.numbers, result.arrays
    rows = {"no guidance": arrays["none"]}
    for a in numbers["shares"]:
        rows |= {f"{SHARES[a]}\nw = {w:g}": arrays[f"{w:g} {a:g}"] for w in numbers["weights"]}
    with plots.style():
        above = [0.3 * (i > 0 and (i - 1) % len(numbers["weights"]) == 0) for i in range(len(rows))]
        figure, axes = panels(len(rows), 1, 0.72, height_ratios=[1 + space for space in above])
        for ax, (name, images), space in zip(axes[:, 0], rows.items(), above, strict=True):
            show(ax, images, name, space)
    return figure


def show(ax, images: np.ndarray, name: str, above: float, columns: int = 10) -> None:
    """The first of the images [N, C, H, W], one of each class, in a row. above: space there, in heights of an image."""
    strip = np.concatenate(list(images[:columns].transpose(0, 2, 3, 1)), axis=1)  # [H, columns W, C]
    ax.imshow(strip if strip.shape[-1] > 1 else strip[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_ylim(len(strip) - 0.5, -0.5 - above * len(strip))
    ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
