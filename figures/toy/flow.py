"""An animation: the same points flowing from sigma_max to 0 without guidance, with CFG and with autoguidance."""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from edm.sampler import sample, sigma_steps
from edm.storage.atomic import write_atomic
from figures.engine.plots import grid, image, panels
from figures.engine.result import Result
from figures.toy.fig1 import CENTRE, HALF_WIDTH, caption, title
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.paired import AUTOGUIDANCE_W, CFG_W, SIGMA_MAX, STEPS, draw_start, paper_arms

ARMS = ("none", "cfg", "autoguidance")
HOLD = 16  # frames at the end
GIF_DPI = 150
COST, NEEDS = "15 s", "the shipped 2D models"
VERSION = 2  # raise it when rows or results change their meaning
FAST = dict(n=256, shown=64, pixels=40)


def compute(
    seed: int = 0,
    w: float = AUTOGUIDANCE_W,
    noise_seed: int = 0,
    folder: Path | str = pretrained.FOLDER,
    *,
    n: int = 2**14,
    shown: int = 2048,
    pixels: int = 400,
) -> Result:
    """n: points that are measured, as in figure 1; shown: the first of them, which are drawn."""
    start, sigmas = draw_start(n, noise_seed), sigma_steps(STEPS, sigma_max=SIGMA_MAX)
    arms = paper_arms(seed, w, folder)
    paths = {name: sample(arms[name], start, sigmas, trajectory=True) for name in ARMS}
    axis_x, axis_y, xy = grid(CENTRE, HALF_WIDTH, pixels)
    numbers = {
        "seed": seed, "noise_seed": noise_seed, "n": n, "shown": shown, "w": {"autoguidance": w, "cfg": CFG_W},
        "sigmas": sigmas.tolist(),
        "measured": {name: metrics.evaluate(path[-1]) for name, path in paths.items()},
        "region_level": metrics.region_levels(fractal("A"))[0],
    }  # fmt: skip
    arrays = {f"path_{name}": path[:, :shown].numpy().astype("float16") for name, path in paths.items()}
    return Result(
        numbers,
        arrays | {"axis_x": axis_x, "axis_y": axis_y, "log_prob": image(fractal("A").log_prob(xy)).astype("float16")},
    )


def draw(result: Result):
    """The last frame, as a still; `extras` writes all of them."""
    figure, show = _panels(result)
    show(len(result.numbers["sigmas"]) - 1)
    return figure


def extras(result: Result, out: Path) -> None:
    """Every frame, as NAME.gif. The numbers of the samples stand below when the samples are there, at the end."""
    figure, show = _panels(result)
    frames = [*range(len(result.numbers["sigmas"]))] + [len(result.numbers["sigmas"]) - 1] * HOLD
    movie = FuncAnimation(figure, show, frames=frames)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flow.gif")
        movie.save(path, writer=PillowWriter(fps=8), dpi=GIF_DPI)
        write_atomic(out / "flow.gif", path.read_bytes())
    plt.close(figure)


def _panels(result: Result):
    numbers, a = result.numbers, result.arrays
    with plots.style():
        figure, axes = panels(1, len(ARMS), 3.7)
        clouds = []
        for ax, name in zip(axes[0], ARMS, strict=True):
            log_prob = a["log_prob"].astype("float32")
            plots.region(ax, a["axis_x"], a["axis_y"], log_prob, numbers["region_level"], plots.ORANGE)
            options = dict(c=plots.BLUE, alpha=0.6, linewidths=0, rasterized=True, zorder=2)
            clouds.append(ax.scatter([], [], s=5, **options))
            plots.window(ax, CENTRE, HALF_WIDTH)
            ax.set_title(title(name, numbers["w"]))
            ax.set_xlabel(caption(numbers["measured"][name]), fontsize=8.5, linespacing=1.4)
        figure.suptitle("σ = 0.000", fontsize=10)
        figure.canvas.draw()
        figure.set_layout_engine("none")  # so that no panel moves from frame to frame

    def show(frame: int) -> list:
        for ax, cloud, name in zip(axes[0], clouds, ARMS, strict=True):
            cloud.set_offsets(np.asarray(a[f"path_{name}"][frame], dtype=float))
            ax.xaxis.label.set_visible(frame == len(numbers["sigmas"]) - 1)
        figure.suptitle(f"noise level σ = {numbers['sigmas'][frame]:.3f}", fontsize=10)
        return clouds

    return figure, show
