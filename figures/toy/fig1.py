"""Figure 1 of the paper: the fractal and what four samplers make of it, with outliers and coverage under each panel."""

from pathlib import Path

import matplotlib.pyplot as plt

from figures.engine.plots import grid, image, panels
from figures.engine.result import Result
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.paired import AUTOGUIDANCE_W, CFG_W, TRUNCATION, draw_start, paper_arms, run

CENTRE, HALF_WIDTH = (0.40, 0.42), 1.15  # all of class A
LOOP, LOOP_WIDTH = (0.47, 0.36), 0.26  # the loop that autoguidance fills at high weights, and half its width
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
    """A panel for each arm; the last one is the loop of the panel before it, four times as large."""
    numbers = result.numbers
    with plots.style():
        figure, axes = panels(2, 3, 3.2)
        figure.get_layout_engine().set(hspace=0.07)  # the numbers of a panel keep away from the title of the one below
        for ax, name, letter in zip(axes.flat, PANELS, "abcde", strict=False):
            draw_samples(ax, result, name, size=1.2)
            plots.window(ax, CENTRE, HALF_WIDTH)
            ax.set_title(f"({letter}) {title(name, numbers['w'])}")
            ax.set_xlabel(caption(numbers["measured"][name]), fontsize=8.5, linespacing=1.4)
        last, loop = axes.flat[4], axes.flat[5]
        corner = LOOP[0] - LOOP_WIDTH, LOOP[1] - LOOP_WIDTH
        last.add_patch(plt.Rectangle(corner, 2 * LOOP_WIDTH, 2 * LOOP_WIDTH, fill=False, color=plots.INK, linewidth=1))
        draw_samples(loop, result, "autoguidance", size=4)
        plots.window(loop, LOOP, LOOP_WIDTH)
        loop.spines[:].set(color=plots.INK, linewidth=1)
        loop.set_title("(f) the loop in (e), enlarged")
        handles = [
            plt.Line2D([], [], linestyle="", marker="o", markersize=3, color=plots.BLUE, label="samples"),
            plt.Rectangle((0, 0), 1, 1, facecolor=plots.ORANGE, alpha=0.35, label="where 99 % of class A lie"),
            plt.Rectangle((0, 0), 1, 1, facecolor=plots.GREY, alpha=0.35, label="class B"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def draw_samples(ax, result: Result, name: str, size: float) -> None:
    """Both classes' regions, and the samples of an arm. Class B, which goes on outside, fades towards the edges."""
    axis_x, axis_y = result.arrays["axis_x"], result.arrays["axis_y"]
    log_prob = {k: result.arrays[f"log_prob_{k}"].astype(float) for k in "AB"}
    level = result.numbers["region_level"]
    plots.region(ax, axis_x, axis_y, log_prob["B"], level["B"], plots.GREY)
    plots.fade(ax, axis_x, axis_y)
    plots.region(ax, axis_x, axis_y, log_prob["A"], level["A"], plots.ORANGE)
    plots.points(ax, result.arrays[f"samples_{name}"], size=size, alpha=0.5)


def caption(m: dict) -> str:
    """Outliers, those that flew off among them, and coverage."""
    flown = f" (flown off {m['diverged']:.2%})" if m["diverged"] else ""
    return f"outliers {m['outliers_99']:.1%}{flown}\nleaves lost {m['leaves_lost']:.0f} of 64, branch TV {m['branch_tv']:.3f}"
