"""Figure 2 of the paper: why a weaker guide helps. Densities, their ratio and its pull, and what becomes of samples.

Upper row: CFG, as in the paper. Lower row: the same with the autoguidance guide, and the true density and trajectories to compare.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from edm.denoiser import score
from edm.guidance import guide
from edm.sampler import sample, sigma_steps
from figures.engine.plots import bar_below, grid, image
from figures.engine.result import Result
from toy2d import metrics, plots, pretrained
from toy2d.fractal import fractal
from toy2d.mixture import GaussianMixture
from toy2d.paired import AUTOGUIDANCE_W, CFG_W, STEPS

CENTRE, HALF_WIDTH, SIGMA_MID = (0.45, 1.22), 0.3, 0.03
SPACING = 0.045  # between the starting points that are drawn
ARROW, LONGEST = 0.06, 2.0  # how long an arrow of 1 / sigma is drawn, and the longest one, in units of 1 / sigma
LEVELS = np.arange(-6, 6.1, 1)  # of the log ratio
NEGLIGIBLE = 9.0  # nats below the maximum of the main model's density
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
    """A row for each guide. All arrows have one scale, which a key shows; colour bars stand below the last row."""
    numbers, a = result.numbers, result.arrays
    with plots.style():
        figure, axes = plt.subplots(2, 5, figsize=(8.8, 4.55), layout="constrained")
        letters, arrows = iter("abcdefghij"), {}
        for row, (base, arm) in zip(axes, (("none", "cfg"), ("exact", "autoguidance")), strict=True):
            titles = (
                {"none": "main model", "exact": "truth"}[base] + f", $\\sigma$ = {SIGMA_MID}",
                {"cfg": "unconditional guide", "autoguidance": "weaker guide"}[arm],
                "main / guide, its pull",
                {"none": "no guidance", "exact": "true score"}[base],
                f"{plots.ARM_NAMES[arm]}, $w$ = {numbers['w'][arm]:g}",
            )
            for ax, text in zip(row, titles, strict=True):
                plots.window(ax, CENTRE, HALF_WIDTH)
                ax.set_title(f"({next(letters)}) {text}")
            for ax, name in ((row[0], base), (row[1], arm)):
                tints = plots.density(ax, a["axis_x"], a["axis_y"], a[f"density_{name}"])
                truth_contours(ax, a)
                arrows[name] = draw_arrows(ax, a, a[f"score_{name}"])
            colours = plots.ratio(row[2], a["axis_x"], a["axis_y"], centred_ratio(a, arm), LEVELS)
            truth_contours(row[2], a)
            draw_arrows(row[2], a, a["score_none"] - a[f"score_{arm}"])
            for ax, name in ((row[3], base), (row[4], arm)):
                plots.region(ax, a["axis_x"], a["axis_y"], a["true_density"], numbers["region_level"], plots.ORANGE)
                plots.paths(ax, a[f"path_{name}"])
                end = numbers["ends"][name]
                log_prob = f"mean log p {end['log_prob']:.2f}".replace("-", "−")
                ax.set_xlabel(f"outliers {end['outliers_99']:.1%}\n{log_prob}", fontsize=8.5)
        text = f"1/σ in all panels, at most {LONGEST:g}/σ"
        axes[0, 0].quiverkey(arrows["none"], 0.1, -0.12, ARROW, text, labelpos="E", fontproperties={"size": 8.5})
        for ax in axes[1, :2]:
            bar_below(ax, tints, "log density, from its top", [-6, -4, -2, 0])
        bar_below(axes[1, 2], colours, "log ratio, nats", [-6, -3, 0, 3, 6])
    return figure


def draw_arrows(ax, a: dict, vectors: np.ndarray):
    """Vectors at the points shown, on one scale."""
    return plots.arrows(ax, a["shown"], SIGMA_MID * vectors, unit=ARROW, longest=LONGEST)


def truth_contours(ax, a: dict) -> None:
    plots.contours(ax, a["axis_x"], a["axis_y"], a["density_exact"], levels=[-3, -1, 1], colour=plots.GREY, width=0.6)


def centred_ratio(a: dict, arm: str) -> np.ma.MaskedArray:
    """log(main / guide), zero in the middle of what the truth covers: both are known up to a constant only.

    Masked where the main model has next to no samples.
    """
    log_ratio = a["density_none"] - a[f"density_{arm}"]
    shown = log_ratio - np.median(log_ratio[a["density_exact"] > -1])
    return np.ma.masked_where(a["density_none"] < a["density_none"].max() - NEGLIGIBLE, shown)
