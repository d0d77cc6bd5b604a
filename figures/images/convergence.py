"""How many steps the sampler needs on images, and what turned the order of the methods round in an earlier study.

Four arms at fixed weights, of the networks that come with the program: distance, recall and pixel error against 128 steps, in
float32. Then one thing at a time is changed from what the earlier study did (12 steps, 500 images, noise seeds from 0) to what
this one does: steps, number of images, block of noise; and, where training runs are at hand, EMA widths and training run.
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from edm.evaluation.report import device_name
from edm.evaluation.yardstick import THREE
from edm.metrics import paired_difference
from edm.storage.rows import Store, run_rows
from figures.engine.plots import legend_below, panels, plain_ticks
from figures.engine.result import Result
from figures.images.arms import Arm, arm, as_dict, from_dict
from figures.images.measure import images_of, measure_tasks, place, ruler, settings_of, task
from figures.images.nets import Net
from figures.images.study import Study, device, study
from toy2d import plots

COST, NEEDS = "40 min (fashion-16) on one core, 15 min (digits)", "the shipped networks"
FAST = dict(data="digits", count=20, steps=(2, 4), reference=6, stream=(20, 40), old_steps=2, blocks=(0, 500))
VERSION = 1  # raise it when rows change their meaning
STEPS, REFERENCE = (8, 12, 16, 24, 32, 48, 64), 128
OLD = dict(steps=12, count=500, first=0)  # of the earlier study
BLOCKS = (0, 10_000, 20_000, 30_000)  # first noise seeds of blocks of 500; and that of STREAM
FIRST, STREAM = 40_000, (500, 1000, 2000, 5000)  # numbers of images out of one stream
EMAS = (0.05, 0.10)  # of main model and guide, in `by_run`
MAIN, GUIDE = Net("shipped main"), Net("shipped guide")
INTERVAL = (0.2, 3.0)
ARMS: dict[str, Arm] = {
    "none": arm(main=MAIN),
    "CFG": arm("cfg", 1.5, main=MAIN),
    "CFG, interval": arm("cfg", 2.0, main=MAIN, interval=INTERVAL),
    "autoguidance": arm("autoguidance", 1.5, main=MAIN, guide=GUIDE),
    "truncation": arm("truncation", 1.03, main=MAIN),
}
COLOURS = {"none": plots.BLUE, "CFG": plots.ORANGE, "CFG, interval": plots.VERMILLION, "autoguidance": plots.GREEN,
           "truncation": plots.PURPLE}  # fmt: skip


def converge(plan: str, runs: Path, arm: Mapping, first: int, count: int, steps: list[int], reference: int) -> dict:
    """One arm at every number of steps, from the same noise: {"at": {steps: numbers}, "study_arithmetic": numbers}.

    Numbers are distances and recall, and `error`, the root mean square difference of pixels from the reference's. In float32;
    at the study's own number of steps also in the study's arithmetic.
    """
    study_ = study(plan)

    def images(n: int, arithmetic: str) -> tuple[Tensor, Tensor]:
        made = from_dict(dict(arm) | {"steps": n, "arithmetic": arithmetic})
        parts = list(images_of(study_, 0, made, range(first, first + count), runs, Counter()))
        return torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts])

    def numbers(pixels: Tensor, labels: Tensor) -> dict:
        found = ruler(study_, runs).numbers(pixels, labels)
        kept = {k: v for k, v in found.items() if k.rpartition("/")[2] in ("frechet_distance", "recall", "class_sd")}
        return kept | {"error": float((pixels.float() - last.float()).square().mean().sqrt() / 255)}

    last, labels = images(reference, "float32")
    at = {str(reference): numbers(last, labels)} | {str(n): numbers(*images(n, "float32")) for n in steps}
    return {"at": at, "study_arithmetic": numbers(*images(study_.steps, study_.arithmetic))}


def compute(data="fashion-16", *, count=250, steps=STEPS, reference=REFERENCE, stream=STREAM, old_steps=OLD["steps"],
            blocks=BLOCKS, store=None, workers=None, minutes=None, runs=None) -> Result:  # fmt: skip
    """count: images for the errors. The other arguments are the constants above, smaller for a quick look."""
    plan = study(data)
    runs = place(plan, runs)
    tasks = [
        dict(arm=as_dict(a), first=FIRST, count=count, steps=list(steps), reference=reference) for a in ARMS.values()
    ]
    about = settings_of(plan, runs) | {"runs": None}  # these networks come with the program
    found = run_rows(converge, tasks, shared=dict(plan=plan.name, runs=runs), settings=about, workers=workers, desc="steps",
                     store=dataclasses.replace(store or Store(runs), path=runs / "convergence", version=VERSION),
                     device=device_name(device()))  # fmt: skip
    numbers = dict(data=data, device=device_name(device()), steps=[*steps, reference], images=count, first_noise_seed=FIRST,
                   arms={name: as_dict(a) for name, a in ARMS.items()}, settled=plan.steps, arithmetic=plan.arithmetic,
                   by_steps={name: row["at"] for name, row in zip(ARMS, found, strict=True)})  # fmt: skip
    numbers["study_arithmetic"] = {name: row["study_arithmetic"] for name, row in zip(ARMS, found, strict=True)}
    numbers["error"] = solver_errors(numbers, str(plan.steps if plan.steps in steps else steps[-1]), str(reference))
    options = dict(runs=runs, store=store, workers=workers, minutes=minutes)
    numbers["turned"] = turned(plan, stream, old_steps, blocks, **options)
    numbers["by_run"] = by_run(plan, (old_steps, plan.steps), min(stream), **options)
    return Result(numbers)


def solver_errors(numbers: Mapping, settled: str, reference: str) -> dict:
    """How far each distance, and each difference between two arms, is off at the study's steps: against the reference's."""
    at = {
        name: {n: row[n]["frechet_distance"] for n in (settled, reference)} for name, row in numbers["by_steps"].items()
    }
    off = {name: row[settled] - row[reference] for name, row in at.items()}
    pairs = {f"{b} minus {a}": dict(difference=at[b][reference] - at[a][reference], error=off[b] - off[a])
             for a, b in itertools.combinations(at, 2)}  # fmt: skip
    return dict(steps=settled, of=off, differences=pairs)


def turned(plan: Study, stream: Sequence[int], old_steps: int, blocks: Sequence[int], **options) -> dict:
    """Distances by steps and number of images of one stream, and by steps and block of as many images as the old study had."""
    names = [(name, n) for n in (old_steps, plan.steps) for name in ARMS]
    arms = {(name, n): arm_with(ARMS[name], n) for name, n in names}
    few = min(stream)
    long = measure_tasks(
        plan, [task(a, 0, FIRST, max(stream), stream) for a in arms.values()], desc="stream", **options
    )
    tasks = [task(a, 0, first, few, (few,)) for first in blocks for a in arms.values()]
    short = measure_tasks(plan, tasks, desc="blocks", **options)
    by_number = {f"{name} {n}": row.numbers["of_first"] for (name, n), row in zip(names, long, strict=True)}
    by_block: dict = {f"{name} {n}": {str(FIRST): by_number[f"{name} {n}"][str(few)]} for name, n in names}
    for row, (first, (name, n)) in zip(short, [(f, name) for f in blocks for name in names], strict=True):
        by_block[f"{name} {n}"][str(first)] = row.numbers["of_first"][str(few)]
    keys = ("recall", "class_sd", "main_evaluations", "guide_evaluations", "unbiased")
    whole = {f"{name} {n}": {k: row.numbers[k] for k in keys} for (name, n), row in zip(names, long, strict=True)}
    orders = {str(n): {space: order(by_block, n, space) for space in THREE} for n in (old_steps, plan.steps)}
    return dict(old_steps=old_steps, steps=plan.steps, count=few, by_number=by_number, by_block=by_block, whole=whole,
                autoguidance_minus_interval=orders)  # fmt: skip


def run_arms() -> dict[str, Arm]:
    """The arms by EMA widths of main model and guide, from training runs; the guide is the paper's kind, XS after T/8."""
    arms = {}
    for m in EMAS:
        main = Net(ema=m)
        arms |= {
            f"none, EMA {m:g}": arm(main=main),
            f"CFG, interval, EMA {m:g}": arm("cfg", 2.0, main=main, interval=INTERVAL),
        }
        for g in EMAS:
            arms[f"autoguidance, EMA {m:g} / {g:g}"] = arm("autoguidance", 1.5, main=main, guide=Net("xs", 1 / 8, g))
    return arms


def by_run(plan: Study, steps: Sequence[int], count: int, first: int = FIRST, **options) -> dict | None:
    """The same comparison by training run, EMA widths and steps; None where the choosing stage's runs are not at hand."""
    names = [(name, n, seed) for seed in plan.choosing.seeds for n in steps for name in run_arms()]
    arms = run_arms()
    try:
        tasks = [task(arm_with(arms[name], n), seed, first, count, (count,)) for name, n, seed in names]
        rows = measure_tasks(plan, tasks, desc="training runs", **options)
    except FileNotFoundError:
        return None
    made = zip(names, rows, strict=True)
    return dict(count=count, first_noise_seed=first, rows=[
        dict(arm=name, steps=n, seed=seed, recall=row.numbers["recall"]) | row.numbers["of_first"][str(count)]
        for (name, n, seed), row in made
    ])  # fmt: skip


def arm_with(made: Arm, steps: int) -> Arm:
    return from_dict(as_dict(made) | {"steps": steps})


def order(by_block: Mapping, steps: int, space: str, a: str = "autoguidance", b: str = "CFG, interval") -> dict:
    """Distance of a minus that of b over the blocks of noise, with its 95 % interval: which of the two is ahead?"""
    values = [[row[space] for row in by_block[f"{name} {steps}"].values()] for name in (a, b)]
    return paired_difference(*values)


def draw(result: Result) -> plt.Figure:
    """Above: by steps. Below: what turned the order round."""
    numbers, about = result.numbers, result.numbers["turned"]
    steps = [int(n) for n in numbers["steps"]]
    keys = {
        "frechet_distance": "Fréchet distance",
        "recall": "recall",
        "error": f"pixel error against {steps[-1]} steps",
    }
    with plots.style():
        figure, axes = panels(2, 3, 2.8)
        for ax, (key, title) in zip(axes[0], keys.items(), strict=True):
            for name, row in numbers["by_steps"].items():
                some = steps[:-1] if key == "error" else steps
                ax.plot(some, [row[str(n)][key] for n in some], "o-", markersize=3, color=COLOURS[name], label=name)
            ax.axvline(numbers["settled"], color=plots.GREY, linestyle=":", linewidth=1, label="steps of the study")
            ax.set(xscale="log", xlabel="steps of the sampler", title=title)
            plain_ticks(ax.xaxis, steps[:: max(1, len(steps) // 4)])
        axes[0, 2].set_yscale("log")
        first, *blocks_at = axes[1]
        for name, colour in COLOURS.items():
            for n, style, ax in ((about["old_steps"], "o--", blocks_at[0]), (about["steps"], "o-", blocks_at[1])):
                row = about["by_number"][f"{name} {n}"]
                counts = sorted(map(int, row))
                first.plot(counts, [row[str(c)]["classifier"] for c in counts], style, markersize=3, color=colour)
                blocks = about["by_block"][f"{name} {n}"]
                starts = sorted(blocks, key=int)
                ax.plot(range(len(starts)), [blocks[b]["classifier"] for b in starts], "o", color=colour)
                plain_ticks(ax.xaxis, range(len(starts)), [f"{int(b) / 1000:g}" for b in starts])
                ax.set(xlabel="first noise seed, in thousands", title=f"{about['count']} images, {n} steps")
        first.set(xscale="log", xlabel="images", ylabel="Fréchet distance")
        first.set_title(f"dashed: {about['old_steps']} steps, solid: {about['steps']}")
        plain_ticks(first.xaxis, counts)
        top = max(ax.get_ylim()[1] for ax in blocks_at)
        for ax in blocks_at:
            ax.set_ylim(0, top)
        axes[0, 1].set_xlabel(f"steps of the sampler ({numbers['images']} images)")
        legend_below(figure, 6)
    return figure
