"""Figure 1 of the paper: the fractal and what four samplers make of it, with outliers and coverage under each panel."""

from pathlib import Path

import matplotlib.pyplot as plt

from figures.engine.plots import grid, image
from figures.engine.result import Result
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.paired import AUTOGUIDANCE_W, CFG_W, TRUNCATION, draw_start, paper_arms, run

CENTRE, HALF_WIDTH = (0.30, 0.30), 1.2
PANELS = ("exact", "none", "cfg", "truncation", "autoguidance")
COST, NEEDS = "20 s", "the shipped 2D models"
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(n=256, pixels=60)


def compute(
    seed: int = 0,
    w: float = AUTOGUIDANCE_W,
    noise_seed: int = 0,
    folder: Path | str = pretrained.FOLDER,
    *,
    models: Path | None = None,
    n: int = 2**14,
    pixels: int = 700,
) -> Result:
    """Sample every arm from the same `n` starting points and measure it. seed: of the shipped models; w: autoguidance.

    models: a folder with the authors' own three networks, to be used instead (`toy2d.pretrained.PUBLISHED` names the files).
    """
    start, arms = draw_start(n, noise_seed), paper_arms(seed, w, folder, models)
    samples = {name: run(arm, start, progress=True, desc=name) for name, arm in arms.items()}
    samples["exact"] = fractal("A").sample(n, generator=metrics.fresh_generator())
    axis_x, axis_y, xy = grid(CENTRE, HALF_WIDTH, pixels)
    numbers = {
        "models": "shipped" if models is None else "published", "seed": seed if models is None else None,
        "noise_seed": noise_seed, "n": n,
        "w": {"autoguidance": w, "cfg": CFG_W, "truncation": TRUNCATION},
        "measured": {name: metrics.evaluate(samples[name]) for name in PANELS},
        "region_level": {name: metrics.region_levels(fractal(name))[0] for name in "AB"},
    }  # fmt: skip
    arrays = {f"samples_{name}": samples[name].numpy() for name in PANELS} | {
        f"log_prob_{name}": image(fractal(name).log_prob(xy)).astype("float16") for name in "AB"
    }
    return Result(numbers, arrays | {"axis_x": axis_x, "axis_y": axis_y})


def title(name: str, weights: dict) -> str:
    label = {"cfg": "$w$ = {:g}", "autoguidance": "$w$ = {:g}", "truncation": "score × {:.2f}"}.get(name)
    return plots.ARM_NAMES[name] + (f", {label.format(weights[name])}" if label else "")


def draw(result: Result):
    numbers, arrays = result.numbers, result.arrays
    with plots.style():
        figure, axes = plt.subplots(1, len(PANELS), figsize=(13.0, 3.3), layout="constrained")
        for ax, name, letter in zip(axes, PANELS, "abcde", strict=True):
            for classes, colour in (("B", plots.GREY), ("A", plots.ORANGE)):
                grid_xy = arrays["axis_x"], arrays["axis_y"], arrays[f"log_prob_{classes}"].astype(float)
                plots.region(ax, *grid_xy, numbers["region_level"][classes], colour)
            plots.points(ax, arrays[f"samples_{name}"], size=0.8, alpha=0.5)
            plots.window(ax, CENTRE, HALF_WIDTH)
            ax.set_title(f"({letter}) {title(name, numbers['w'])}")
            ax.set_xlabel(caption(numbers["measured"][name]), fontsize=8, linespacing=1.5)
    return figure


def caption(m: dict) -> str:
    """Outliers, those that flew off among them, and coverage."""
    flown = f", flown off among them {m['diverged']:.2%}" if m["diverged"] else ""
    return (
        f"outliers {m['outliers_99']:.1%}{flown}\n"
        f"branches: TV {m['branch_tv']:.3f}, leaves lost {m['leaves_lost']:.0f}/64"
    )
