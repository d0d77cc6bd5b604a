"""Figure 2 of the paper: why a weaker guide helps. Densities, their ratio and its pull, and what becomes of samples.

Upper row: CFG, as in the paper. Lower row: the same with the autoguidance guide, and the true density and trajectories to compare.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from edm.denoiser import score
from edm.guidance import guide
from edm.sampler import sample, sigma_steps
from figures.engine.plots import grid, image
from figures.engine.result import Result
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.mixture import GaussianMixture
from toy2d.paired import AUTOGUIDANCE_W, CFG_W, STEPS

CENTRE, HALF_WIDTH, SIGMA_MID = (0.45, 1.22), 0.3, 0.03
SPACING = 0.045  # between the starting points that are drawn
COST, NEEDS = "10 s", "the shipped 2D models"
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(n=2**14, pixels=40)


def compute(seed=0, w=AUTOGUIDANCE_W, noise_seed=0, folder=pretrained.FOLDER, *, n=2**16, pixels=300) -> Result:
    """n: true samples at SIGMA_MID, of which those in the window are followed to sigma = 0."""
    truth = fractal("A")
    main, uncond, small = (pretrained.load(kind, seed, folder) for kind in ("main", "uncond", "guide"))
    weak = {"cfg": uncond, "autoguidance": small}
    weights = {"cfg": CFG_W, "autoguidance": w}
    axis_x, axis_y, xy = grid(CENTRE, HALF_WIDTH, pixels)
    start = in_window(truth.sample(n, SIGMA_MID, torch.Generator().manual_seed(noise_seed)))
    shown = spread_out(start, SPACING)
    arms = {"exact": truth, "none": main} | {k: guide(main, g, weights[k]) for k, g in weak.items()}
    sigmas = sigma_steps(STEPS, sigma_max=SIGMA_MID)

    arrays = {"axis_x": axis_x, "axis_y": axis_y, "shown": shown.numpy()}
    arrays["true_density"] = image(truth.log_prob(xy))
    for name, model in {"exact": truth, "none": main, **weak}.items():
        arrays[f"density_{name}"] = image(log_density(model, xy))
        arrays[f"score_{name}"] = score(model(shown, SIGMA_MID), shown, SIGMA_MID).numpy()
    for name, arm in arms.items():
        arrays[f"path_{name}"] = sample(arm, shown, sigmas, trajectory=True).numpy()
    ends = {name: sample(arm, start, sigmas) for name, arm in arms.items()}
    numbers = {
        "seed": seed, "noise_seed": noise_seed, "sigma_mid": SIGMA_MID, "w": weights, "followed": len(start), "shown": len(shown),
        "region_level": metrics.region_levels(truth)[0],
        "ends": {name: measure(end, truth) for name, end in ends.items()},
    }  # fmt: skip
    return Result(numbers, {k: v.astype("float32") for k, v in arrays.items()})


def log_density(model, xy: torch.Tensor) -> torch.Tensor:
    return model.log_prob(xy, SIGMA_MID) if isinstance(model, GaussianMixture) else model.log_density(xy, SIGMA_MID)


def in_window(x: torch.Tensor) -> torch.Tensor:
    return x[((x - torch.tensor(CENTRE)).abs() < HALF_WIDTH).all(1)]


def spread_out(x: torch.Tensor, spacing: float) -> torch.Tensor:
    """In their order, the points that keep `spacing` from all those already taken."""
    taken = x[:1]
    for point in x[1:2000]:
        if (taken - point).norm(dim=1).min() >= spacing:
            taken = torch.cat([taken, point[None]])
    return taken


def measure(end: torch.Tensor, truth: GaussianMixture) -> dict[str, float]:
    """Where the followed samples ended: outliers (99 % region), those that flew off among them; mean log density of the rest."""
    log_prob = truth.log_prob(metrics.converged(end)).double()
    flown = len(end) - len(log_prob)
    outside = int((log_prob < metrics.region_levels(truth)[0]).sum())
    return {"outliers_99": (outside + flown) / len(end), "log_prob": log_prob.mean().item()}


def draw(result: Result):
    numbers, a = result.numbers, result.arrays
    sigma = f"$\\sigma$ = {SIGMA_MID}"
    with plots.style():
        figure, axes = plt.subplots(2, 5, figsize=(13.0, 5.7), layout="constrained")
        for row, (base, arm) in zip(axes, (("none", "cfg"), ("exact", "autoguidance")), strict=True):
            weak = {"cfg": "unconditional guide", "autoguidance": "smaller, less trained guide"}[arm]
            for ax in row:
                plots.window(ax, CENTRE, HALF_WIDTH)
            for ax, name in ((row[0], base), (row[1], arm)):
                plots.density(ax, a["axis_x"], a["axis_y"], a[f"density_{name}"])
                truth_contours(ax, numbers, a)
                plots.arrows(ax, a["shown"], a[f"score_{name}"], length=0.05)
            plots.ratio(ax := row[2], a["axis_x"], a["axis_y"], centred_ratio(a, arm), span=6)
            truth_contours(ax, numbers, a)
            plots.arrows(ax, a["shown"], a["score_none"] - a[f"score_{arm}"], length=0.05)
            for ax, name in ((row[3], base), (row[4], arm)):
                plots.region(ax, a["axis_x"], a["axis_y"], a["true_density"], numbers["region_level"], plots.ORANGE)
                plots.paths(ax, a[f"path_{name}"])
                end = numbers["ends"][name]
                ax.set_xlabel(
                    f"outliers {end['outliers_99']:.1%} of {numbers['followed']}, mean log p {end['log_prob']:.2f}",
                    fontsize=8,
                )
            row[0].set_title({"none": f"(a) main model, {sigma}", "exact": f"truth, {sigma}"}[base])
            row[1].set_title(f"{'(b) ' if base == 'none' else ''}{weak}")
            row[2].set_title(f"{'(c) ' if base == 'none' else ''}main / guide, and its pull")
            row[3].set_title({"none": "(d) trajectories, no guidance", "exact": "trajectories, true score"}[base])
            name = "(e) CFG" if arm == "cfg" else "autoguidance"
            row[4].set_title(f"{name}, $w$ = {numbers['w'][arm]:g}")
    return figure


def truth_contours(ax, numbers: dict, a: dict) -> None:
    plots.contours(ax, a["axis_x"], a["axis_y"], a["density_exact"], levels=[-3, -1, 1], colour=plots.GREY, width=0.6)


def centred_ratio(a: dict, arm: str) -> np.ndarray:
    """log(main / guide), zero in the middle of what the truth covers: both are known up to a constant only."""
    log_ratio = a["density_none"] - a[f"density_{arm}"]
    return log_ratio - np.median(log_ratio[a["density_exact"] > -1])
