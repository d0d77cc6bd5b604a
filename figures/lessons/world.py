"""The 2D world before any learning (notebook 01): its moments, what noise erases, its scores, the denoiser as an average."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from figures.engine.plots import grid, image
from figures.engine.result import Result
from toy2d import plots
from toy2d.fractal import BRANCHES, fractal

CENTRE, HALF_WIDTH = (0.0, 0.0), 1.6  # both trees
SIGMAS = (0.0, 0.03, 0.1, 0.3, 1.0)
MASS = 0.99


def depth_shares() -> list[dict]:
    """For each depth of one tree: number of branches and their share of the mass."""
    from toy2d.fractal import branch_depths
    from toy2d.metrics import branch_weights

    depths, weights = branch_depths(), branch_weights(fractal("A"))
    return [
        {"depth": d, "branches": int((depths == d).sum()), "share": weights[depths == d].sum().item()}
        for d in range(int(depths.max()) + 1)
    ]


def compute_levels(sigmas=SIGMAS, *, pixels: int = 240) -> Result:
    """Density of each class and of both, noised to each level; sigma 0 is the data."""
    axis_x, axis_y, xy = grid(CENTRE, HALF_WIDTH, pixels)
    arrays = {"axis_x": axis_x, "axis_y": axis_y}
    for i, sigma in enumerate(sigmas):
        for name in ("A", "B", "AB"):
            arrays[f"{name}_{i}"] = image(fractal(name).log_prob(xy, sigma))
    return Result({"sigmas": tuple(sigmas)}, arrays)


def draw_levels(result: Result):
    """Tints: density of both classes. Lines: where class A (orange) and B (grey) hold 99 % of their mass."""
    a, sigmas = result.arrays, result.numbers["sigmas"]
    with plots.style():
        width = 2.4 * len(sigmas)
        figure, axes = plt.subplots(1, len(sigmas), figsize=(width, 2.8), layout="constrained", squeeze=False)
        for i, (ax, sigma) in enumerate(zip(axes[0], sigmas, strict=True)):
            plots.density(ax, a["axis_x"], a["axis_y"], a[f"AB_{i}"])
            for name, colour in (("B", plots.GREY), ("A", plots.ORANGE)):
                values = a[f"{name}_{i}"]
                level = mass_level(values)
                plots.contours(ax, a["axis_x"], a["axis_y"], values, levels=[level], colour=colour, width=0.8)
            plots.window(ax, CENTRE, HALF_WIDTH)
            ax.set_title(f"σ = {sigma:g}")
    return figure


def mass_level(log_density: np.ndarray, mass: float = MASS) -> float:
    """The log density above which lies `mass` of what a picture [H, W] holds; the density need not be normalised."""
    values = np.sort(log_density.ravel().astype(np.float64))[::-1]
    held = np.cumsum(np.exp(values - values[0]))
    return float(values[np.searchsorted(held, mass * held[-1])])


def knowledge(sigmas, n: int = 4096, seed: int = 0) -> dict[str, np.ndarray]:
    """What a noisy point still tells, averaged over n points of both classes at each level.

    branches: how many branches it could have come from, exp(entropy of the posterior over all 254). right: probability
    that the posterior gives the class it was drawn from. Both exact but for the average over points.
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
    """One line a seed."""
    with plots.style():
        figure, axes = plt.subplots(1, 2, figsize=(8.6, 2.8), layout="constrained")
        for ax, key, colour in zip(axes, ("branches", "right"), (plots.BLUE, plots.ORANGE), strict=True):
            for run in runs:
                ax.plot(run["sigma"], run[key], color=colour, linewidth=1)
            ax.set(xscale="log", xlabel="noise level σ")
        axes[0].set(yscale="log", title="branches a noisy point could come from", yticks=[1, 2, 10, 100, 254])
        axes[0].yaxis.set_major_formatter(plt.matplotlib.ticker.ScalarFormatter())
        axes[1].set(title="probability of naming its class rightly", ylim=(0.45, 1.02))
        axes[1].yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=0))
    return figure


def draw_field(sigma: float, *, centre=(0.45, 1.22), half_width: float = 0.3, pixels: int = 160, arrows: int = 13):
    """Class A's density at sigma, and its score on a lattice of points: length in units of sigma."""
    axis_x, axis_y, xy = grid(centre, half_width, pixels)
    _, _, lattice = grid(centre, half_width, arrows)
    truth = fractal("A")
    with plots.style():
        figure, ax = plt.subplots(figsize=(3.6, 3.8), layout="constrained")
        plots.density(ax, axis_x, axis_y, image(truth.log_prob(xy, sigma)))
        step = sigma * truth.score(lattice, sigma).numpy()  # unit length: one sigma from where the data should be
        ax.quiver(*lattice.numpy().T, *step.T, angles="xy", scale=28, width=0.005, color=plots.INK)
        plots.window(ax, centre, half_width)
        ax.set_title(f"density and score at σ = {sigma:g}")
    return figure


def monte_carlo_denoiser(x: Tensor, sigma: float, n: int = 2**16, seed: int = 0) -> Tensor:  # [N, 2]
    """E[y | x] as a weighted mean over n samples y of class A, weights N(x; y, sigma^2 I): no mixture formula, no score."""
    y = fractal("A").sample(n, generator=torch.Generator().manual_seed(seed))
    weight = (-(torch.cdist(x, y) ** 2) / (2 * sigma**2)).softmax(1)  # [N, n]
    return weight @ y
