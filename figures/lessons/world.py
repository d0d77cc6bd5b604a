"""The 2D world before any learning (notebook 01): its densities, what noise erases, its scores."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from figures.engine.plots import grid, image
from figures.engine.result import Result
from toy2d import metrics, plots
from toy2d.fractal import BRANCHES, branch_depths, fractal

CENTRE, HALF_WIDTH = (0.0, 0.0), 1.6  # both trees
SIGMAS = (0.0, 0.03, 0.1, 0.3, 1.0)
MASS = 0.99


def depth_shares() -> list[dict]:
    """For each depth of one tree: number of branches, their share of the mass, and their mean width.

    The width is the standard deviation across a branch: the smaller one of each of its Gaussians.
    """
    depths, weights = branch_depths(), metrics.branch_weights(fractal("A"))
    width = torch.linalg.eigvalsh(fractal("A").covariances.double())[:, 0].sqrt().reshape(len(depths), -1).mean(1)
    return [
        {
            "depth": d,
            "branches": int((depths == d).sum()),
            "share": weights[depths == d].sum().item(),
            "width": width[depths == d].mean().item(),
        }
        for d in range(int(depths.max()) + 1)
    ]


def compute_levels(sigmas=SIGMAS, *, pixels: int = 240, n: int = 2**14) -> Result:
    """Density of each class and of both, noised to each level; sigma 0 is the data.

    numbers["levels"]: for each class and sigma the log density above which lie 99 % of n true points.
    """
    axis_x, axis_y, xy = grid(CENTRE, HALF_WIDTH, pixels)
    arrays, levels = {"axis_x": axis_x, "axis_y": axis_y}, {"A": [], "B": []}
    for i, sigma in enumerate(sigmas):
        for name in ("A", "B", "AB"):
            arrays[f"{name}_{i}"] = image(fractal(name).log_prob(xy, sigma))
        for name, found in levels.items():
            x = fractal(name).sample(n, sigma, torch.Generator().manual_seed(0))
            found.append(fractal(name).log_prob(x, sigma).quantile(1 - MASS).item())
    return Result({"sigmas": tuple(sigmas), "levels": levels}, arrays)


def draw_levels(result: Result, notes: list[str] | None = None, width: float = 2.4):
    """Blue: density of both classes. Lines: where class A (orange) and B (grey) hold 99 % of their mass. Notes stand below."""
    a, sigmas, levels = result.arrays, result.numbers["sigmas"], result.numbers["levels"]
    with plots.style():
        figure, axes = plt.subplots(
            1, len(sigmas), figsize=(width * len(sigmas), 1.17 * width), layout="constrained", squeeze=False
        )
        for i, (ax, sigma) in enumerate(zip(axes[0], sigmas, strict=True)):
            plots.density(ax, a["axis_x"], a["axis_y"], a[f"AB_{i}"])
            for name, colour in (("B", plots.GREY), ("A", plots.ORANGE)):
                values, level = a[f"{name}_{i}"], levels[name][i]
                if values.min() < level < values.max():  # else the line is outside the window
                    plots.contours(ax, a["axis_x"], a["axis_y"], values, levels=[level], colour=colour, width=0.8)
            plots.window(ax, CENTRE, HALF_WIDTH)
            ax.set_title(f"σ = {sigma:g}")
            ax.set_xlabel(notes[i] if notes else "", fontsize=8)
    return figure


def mass_level(log_density: np.ndarray, mass: float = MASS) -> float:
    """The log density above which lies `mass` of what a picture [H, W] holds; the density need not be normalised."""
    values = np.sort(log_density.ravel().astype(np.float64))[::-1]
    held = np.cumsum(np.exp(values - values[0]))
    return float(values[np.searchsorted(held, mass * held[-1])])


def knowledge(sigmas, n: int = 4096, seed: int = 0) -> dict[str, np.ndarray]:
    """What a noisy point still tells, averaged over n points of both classes at each level.

    branches: how many branches it could have come from, exp(entropy of the posterior over all 254). right: the probability
    that the posterior gives to the class it was drawn from. Both exact but for the average over points.
    """
    both = fractal("AB")
    out = {"sigma": np.asarray(sigmas, float), "branches": [], "right": []}
    for sigma in sigmas:
        generator = torch.Generator().manual_seed(seed)
        x = torch.cat([fractal(name).sample(n // 2, sigma, generator) for name in "AB"])
        posterior = both.posterior(x.double(), sigma)  # [n, 254], A's branches first
        entropy = -torch.special.xlogy(posterior, posterior).sum(1)
        in_a = posterior[:, :BRANCHES].sum(1)
        out["branches"].append(entropy.mean().exp().item())
        out["right"].append(torch.cat([in_a[: n // 2], 1 - in_a[n // 2 :]]).mean().item())
    return {k: np.asarray(v) for k, v in out.items()}


def draw_knowledge(runs: list[dict[str, np.ndarray]]):
    """One line a seed. Dotted on the left: the same count for the masses of the branches, without any point."""
    masses = metrics.branch_weights(fractal("AB"))
    blind = torch.special.entr(masses).sum().exp().item()
    with plots.style():
        figure, axes = plt.subplots(1, 2, figsize=(8.6, 2.8), layout="constrained")
        for ax, key, colour in zip(axes, ("branches", "right"), (plots.BLUE, plots.ORANGE), strict=True):
            for run in runs:
                ax.plot(run["sigma"], run[key], color=colour, linewidth=1)
            ax.set(xscale="log", xlabel="noise level σ")
        axes[0].axhline(blind, color=plots.GREY, linestyle=":", linewidth=0.9)
        axes[0].set(
            yscale="log", title="branches a noisy point could come from", yticks=[1, 2, 5, 10, 20, round(blind)]
        )
        axes[0].minorticks_off()
        axes[0].yaxis.set_major_formatter(plt.matplotlib.ticker.ScalarFormatter())
        axes[1].set(title="probability of its true class", ylim=(0.45, 1.02))
        axes[1].yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=0))
    return figure


def draw_field(*sigmas: float, centre=(0.45, 1.22), half_width: float = 0.3, pixels: int = 160, arrows: int = 11):
    """Class A's density at each sigma, and sigma^2 times its score on a lattice of points, drawn to scale.

    Below: the median length of the arrows.
    """
    axis_x, axis_y, xy = grid(centre, half_width, pixels)
    _, _, lattice = grid(centre, half_width, arrows)
    truth = fractal("A")
    with plots.style():
        figure, axes = plt.subplots(
            1, len(sigmas), figsize=(3.2 * len(sigmas), 3.6), layout="constrained", squeeze=False
        )
        for ax, sigma in zip(axes[0], sigmas, strict=True):
            plots.density(ax, axis_x, axis_y, image(truth.log_prob(xy, sigma)))
            step = sigma**2 * truth.score(lattice, sigma).numpy()
            plots.arrows(ax, lattice.numpy(), step, unit=1)
            plots.window(ax, centre, half_width)
            ax.set_title(f"σ = {sigma:g}")
            ax.set_xlabel(f"median length of an arrow: {np.median(np.linalg.norm(step, axis=1)):.3f}", fontsize=8)
    return figure
