"""Corruptions on images, explained: the main model harmed, and guided by itself harmed twice as much [AG, section 4].

*Raised input noise* narrows what is sampled: the SD of every direction is divided by the factor f of the noise, and guidance of
f_1 by f_0 restores it at w = ln f_0 / (ln f_0 - ln f_1), 2.10 for 1.1 and 1.2 (`toy2d.gaussian`). A control shows what narrowing
alone does to the distance: unguided images drawn towards the means of their classes. *Dropout* comes in three kinds: new features
in every call, the same ones all along a trajectory, and the mean of eight calls.
"""

import matplotlib.pyplot as plt
import torch

from edm.corruption import raise_noise
from edm.sampler import sample, sigma_steps
from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.images import settings
from figures.images.arms import arm
from figures.images.measure import measure_all
from figures.images.plots import STYLES, curve, floor
from figures.images.points import about, against, best, mean, point, title
from figures.images.points import floor as real
from figures.images.study import study
from toy2d import gaussian, plots

COST, NEEDS = "50 min of one core (fashion-16)", "the networks of `python -m figures images`"
FAST = dict(data="tiny")
VERSION = 1  # raise it when results change their meaning
KEYS = ("frechet_distance", "autoencoder/frechet_distance", "recall", "class_sd")


def compute(data="fashion-16", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    """Everything is measured on the choosing stage: nothing is chosen here, all weights are shown."""
    plan = study(data)
    arms = settings.corruptions()
    rows = measure_all(
        plan, arms, plan.choosing, runs=runs, store=store, workers=workers, minutes=minutes, desc="corruptions"
    )
    alone = {kind: {role: point(rows, made) for role, made in settings.harmed(kind).items()} for kind in settings.HARMS}
    pairs = {
        f"{a}, guide {b}": [alone[a]["main"], *(point(rows, made) for made in settings.repairs(a, b))]
        for a, b in (*((kind, kind) for kind in settings.HARMS), *settings.MISMATCHED)
    }
    numbers = about(plan, plan.choosing, runs)
    numbers |= dict(whole=point(rows, arm()), alone=alone, pairs=pairs)
    numbers["narrowed"] = {f"{f:g}": point(rows, arm(narrowed=f)) for f in settings.NARROWED}
    numbers["predicted"] = predictions(numbers)
    return Result(numbers | dict(verdicts={name: verdict(some, numbers["whole"]) for name, some in pairs.items()}))


def predictions(numbers: dict) -> dict:
    """What Gaussians say of raised noise: the SD within a class without guidance, and the weight that restores it.

    class_sd: the closed form, which is that of infinitely many steps; with_steps: the study's sampler on a Gaussian.
    """
    factors = [1 + amount for amount in settings.HARMS["noise"]]
    sd = mean(numbers["whole"], "class_sd")
    return dict(
        class_sd={f"{f:g}": gaussian.noised_std(sd, f) for f in factors},
        with_steps={f"{f:g}": sampled_sd(sd, f, numbers["sampler_steps"]) for f in factors},
        restoring_weight=gaussian.noise_restoring_weight(*factors), real_sd=real(numbers, "class_sd"),
    )  # fmt: skip


def sampled_sd(sd: float, factor: float, steps: int, n: int = 20_000) -> float:
    """SD of what the sampler makes of a Gaussian of SD `sd` with raised noise. sd: pixels from 0 to 1; networks see -1 to 1."""
    generator = torch.Generator().manual_seed(0)
    harmed = raise_noise(gaussian.ideal_denoiser(2 * sd), factor, generator)
    levels = sigma_steps(steps)
    start = float(levels[0]) * torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return float(sample(harmed, start, levels).std()) / 2


def verdict(some: list[dict], whole: dict) -> dict:
    """The best guided point of a pair against no guidance, and against the main model that is not harmed."""
    unguided, guided = best(p for p in some if p["w"] == 1), best(p for p in some if p["w"] != 1)
    return dict(
        unguided=mean(unguided), guided=mean(guided), w=guided["w"], whole=mean(whole),
        difference={key: against(guided, unguided, key) for key in KEYS if key in guided["values"]},
        left=against(guided, whole),
    )  # fmt: skip


def draw(result: Result) -> plt.Figure:
    """A column for each kind of harm to the main model, a line for each kind of harm to its guide, a row for each number."""
    numbers = result.numbers
    keys = [key for key in KEYS if key in numbers["whole"]["values"]]
    kinds = list(dict.fromkeys(name.split(", guide ")[0] for name in numbers["pairs"]))
    styles = dict(zip(kinds, STYLES, strict=False))
    with plots.style():
        figure, axes = panels(len(keys), len(kinds), 2.3, sharex="col", sharey="row")
        for row, key in zip(axes, keys, strict=True):
            for ax, kind in zip(row, kinds, strict=True):
                for name, some in numbers["pairs"].items():
                    main, other = name.split(", guide ")
                    if main == kind:
                        colour, marker = styles[other]
                        label = f"guide harmed by {other}"
                        curve(ax, [p["w"] for p in some], some, key, colour, label, marker=marker)
                ends = [1.0, max(p["w"] for some in numbers["pairs"].values() for p in some)]
                label = "main not harmed, no guidance"
                curve(ax, ends, [numbers["whole"]] * 2, key, plots.BLUE, label, linestyle="--", marker="")
                floor(ax, numbers["floors"], key, label=True)
                if kind == "noise" and "predicted" in numbers:
                    draw_noise(ax, numbers, key)
            row[0].set_ylabel(title(key).replace(" to training images", "").replace(", ", ",\n"))
        for upper, lower, kind in zip(axes[0], axes[-1], kinds, strict=True):
            upper.set_title(f"main harmed by {kind}")
            lower.set_xlabel("guidance weight w")
        legend_below(figure, 3)
    return figure


def draw_noise(ax, numbers: dict, key: str) -> None:
    """The weight that should restore what raised noise narrows, and unguided images that are narrowed without the noise."""
    at = numbers["predicted"]["restoring_weight"]
    ax.axvline(at, color=plots.INK, linewidth=0.8, linestyle="-.", label=f"restoring weight, predicted: {at:.2f}")
    for p in numbers["narrowed"].values():
        ax.plot(1, mean(p, key), "x", color=plots.INK, markersize=5, label="narrowed, without noise")
