"""What a small network learns of the score, and what it does not (notebook 02): errors, densities, where outliers lie."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from edm.sampler import sample, sigma_steps
from figures.engine.plots import grid
from figures.lessons.world import MASS, mass_level
from toy2d import metrics, plots
from toy2d.fractal import branch_depths, fractal
from toy2d.paired import SIGMA_MAX, STEPS, draw_start

CENTRE, HALF_WIDTH = (0.30, 0.30), 1.2  # class A, as in figure 1
RED = "#C8102E"  # outliers; no other picture needs a red that stands apart from a tint
COLOURS = {"main": plots.BLUE, "early": plots.SKY, "small": plots.VERMILLION, "guide": plots.GREEN}


def draw_errors(sigmas, curves: dict[str, list[np.ndarray]]):
    """Error against noise level: a line for each seed of each model, [len(sigmas)] each."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
        for name, lines in curves.items():
            for i, line in enumerate(lines):
                ax.plot(sigmas, line, color=COLOURS[name], linewidth=1, label=None if i else name)
        ax.set(xscale="log", yscale="log", xlabel="noise level σ", ylabel="σ² |model − true score|² / 2")
        ax.legend(frameon=False)
    return figure


@cache
def _true_picture(sigma: float, pixels: int) -> tuple[Tensor, np.ndarray]:
    _, _, xy = grid(CENTRE, HALF_WIDTH, pixels)
    return xy, fractal("A").log_prob(xy, sigma).double().numpy()


def coverage_of_density(model, sigma: float, pixels: int = 400) -> dict[str, float]:
    """The model's own density, normalised on a grid of figure 1's window, against the truth at this noise level.

    kl_p_q: nats, small if the model puts density wherever the truth has some. kl_q_p: large if it also puts density where
    the truth has none. outside: share of the model's mass outside the region that holds 99 % of the truth.
    """
    xy, log_p = _true_picture(sigma, pixels)
    log_q = model.log_density(xy, sigma).double().numpy()
    log_p, log_q = (v - np.logaddexp.reduce(v) for v in (log_p, log_q))
    p, q = np.exp(log_p), np.exp(log_q)
    return {
        "kl_p_q": float((p * (log_p - log_q)).sum()),
        "kl_q_p": float((q * (log_q - log_p)).sum()),
        "outside": float(q[log_p < mass_level(log_p, MASS)].sum()),
    }


def states_at(model, sigma: float, n: int = 4096, noise_seed: int = 0, num_steps: int = STEPS) -> Tensor:  # [n, 2]
    """Where the sampler with this model is when it comes down to noise level sigma."""
    levels = sigma_steps(num_steps, sigma, SIGMA_MAX)[:-1]
    return sample(model, draw_start(n, noise_seed), levels)


def error_off_data(model, sigma: float, n: int = 4096, noise_seed: int = 0) -> dict[str, float]:
    """Mean score error at true points of this level, and at the model's own states that left the truth's 99 % region."""
    truth = fractal("A")
    x = truth.sample(n, sigma, torch.Generator().manual_seed(noise_seed))
    level = truth.log_prob(x, sigma).quantile(1 - MASS)
    own = states_at(model, sigma, n, noise_seed)
    off = own[truth.log_prob(own, sigma) < level]
    return {
        "on_data": metrics.score_error(model, x, sigma).mean().item(),
        "off_data": metrics.score_error(model, off, sigma).mean().item() if len(off) else float("nan"),
        "share_off": len(off) / n,
    }


def outliers_by_depth(samples: Tensor) -> list[dict]:
    """For each depth of branch: share of the samples that belong to it (by posterior), and of those the outliers."""
    truth = fractal("A")
    x = samples[samples.norm(dim=1) < metrics.DIVERGED_RADIUS]
    depth = branch_depths()[truth.posterior(x).argmax(1)]
    out = outside(x)
    return [
        {"depth": d, "share": (depth == d).float().mean().item(), "outliers": out[depth == d].float().mean().item()}
        for d in range(int(depth.max()) + 1)
    ]


def outside(samples: Tensor) -> Tensor:  # [N] bool
    """Which samples lie outside the region that holds 99 % of the truth; those that flew off do."""
    truth = fractal("A")
    return ~(truth.log_prob(samples) >= metrics.region_levels(truth)[0])  # not a number is outside, too


def draw_outliers(panels: dict[str, Tensor], *, centre=(0.45, 1.0), half_width: float = 0.5, pixels: int = 300,
                  width: float = 3.1, coverage: bool = False, columns: int | None = None):  # fmt: skip
    """Samples [N, 2] of each panel in a window, outliers in red, over the region of the truth; numbers stand below.

    coverage: whether the branches' numbers stand there too. width: of a panel, in inches. columns: all panels in one row if None.
    """
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    axis_x, axis_y, xy = grid(centre, half_width, pixels)
    truth = fractal("A")
    log_prob = truth.log_prob(xy).reshape(pixels, pixels).numpy()
    with plots.style():
        figure, axes = plt.subplots(
            rows, columns, figsize=(width * columns, 1.12 * width * rows), layout="constrained", squeeze=False
        )
        figure.get_layout_engine().set(hspace=0.05 if rows > 1 else 0)  # numbers keep away from the title below them
        for ax, (name, samples) in zip(axes.flat, panels.items(), strict=False):
            off = outside(samples)
            plots.region(ax, axis_x, axis_y, log_prob, metrics.region_levels(truth)[0], plots.GREY)
            plots.points(ax, samples[~off].numpy(), plots.BLUE, size=2)
            plots.points(ax, samples[off].numpy(), RED, size=7, alpha=0.9)
            plots.window(ax, centre, half_width)
            label = f"outliers {off.float().mean():.1%} of all samples"
            if coverage:
                m = metrics.evaluate(samples)
                label = f"outliers {m['outliers_99']:.1%}\nTV {m['branch_tv']:.3f}, leaves lost {m['leaves_lost']:.0f}"
            ax.set_title(name)
            ax.set_xlabel(label, fontsize=8)
        for ax in axes.flat[len(panels) :]:
            ax.axis("off")
    return figure
