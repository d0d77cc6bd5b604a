"""Guidance methods of many papers on images: the shipped pair, one row a method, strengths chosen on other noise than reported.

The twin of the 2D experiment `methods`. The guides are the shipped worse model, and the main model without its class.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from edm import metrics, models
from edm.adaptive import guide_projected, guide_rescaled
from edm.correctors import cfgpp_steps, feedback_steps, projected_steps
from edm.data import to_uint8
from edm.evaluation.yardstick import Yardstick, yardstick
from edm.guidance import guide, guide_scheduled, guide_segmented, noisier, stages, truncate, unconditional
from edm.sampler import randn, sample, seeded, sigma_steps
from edm.storage.atomic import write_atomic
from edm.storage.rows import run_rows
from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.engine.tables import markdown, minus
from figures.toy.contestants import PAPERS
from toy2d import plots
from toy2d.methods import Counted, Models

COST, NEEDS = "1 h of one core (fashion-16)", "the data set; the shipped pair of networks"
VERSION = 1  # raise it when rows change their meaning
FAST = dict(data="digits", count=40, steps=4, methods=("no guidance", "SGG", "FBG, tracked"))
CHOOSE, REPORT = 50_000, 40_000  # first noise seeds of the choice and of the report
LOW, HIGH = 0.2, 3.0  # noise levels between which guidance acts, see RESULTS.md
SPLIT, EARLY = 0.5, 5.0
SMALL, LARGE = (1.25, 1.5, 2.0), (1.5, 2.0, 3.0)
CHECKED = ("no guidance", "autoguidance", "self-guidance")  # does a number depend on the arithmetic?
KEYS = ("frechet_distance", "recall", "precision", "class_agreement", "evaluations")
# Models, strength, start, sigmas, labels, one noise seed an image -> images.
Method = Callable[[Models, float, Tensor, Tensor, Tensor, list[int]], Tensor]


def ode(make: Callable) -> Method:
    """A method that makes a denoiser, with Heun's sampler."""
    return lambda m, s, x, sigmas, labels, seeds: sample(make(m, s), x, sigmas, labels)


def steps(function: Callable) -> Method:
    """A method that has its own steps."""

    def images(*given) -> Tensor:
        *_, last = function(*given)
        return last.x

    return images


def feedback(m: Models, share: float, x: Tensor, sigmas: Tensor, labels: Tensor, seeds: list[int]):
    """Twice as many steps, as each costs one evaluation of each model."""
    sigmas = sigma_steps(2 * (len(sigmas) - 1))
    noise = seeded([seed + 2**31 for seed in seeds])  # not that of the start
    return feedback_steps(m.main, m.uncond, x, sigmas, labels, mixing=1 - share, generator=noise)


def cfgpp(m: Models, s: float, x: Tensor, sigmas: Tensor, labels: Tensor, seeds: list[int]):
    return cfgpp_steps(m.main, m.uncond, s, x, sigma_steps(2 * (len(sigmas) - 1)), labels)


def by_stages(w: float):
    return stages([1 + (w - 1) / 4, w, 1 + (w - 1) / 4], [HIGH, LOW])


METHODS: dict[str, tuple[Sequence[float], Method]] = {
    "no guidance": ((1.0,), ode(lambda m, w: m.main)),
    "autoguidance": (SMALL, ode(lambda m, w: guide(m.main, m.weak, w))),
    "CFG": (SMALL, ode(lambda m, w: guide(m.main, m.uncond, w))),
    "truncation": ((1.015, 1.03), ode(lambda m, w: truncate(m.main, w))),
    "CFG, interval": (LARGE, ode(lambda m, w: guide(m.main, m.uncond, w, (LOW, HIGH)))),
    "stages": (LARGE, ode(lambda m, w: guide_scheduled(m.main, m.uncond, by_stages(w)))),
    "negative window": (SMALL, ode(lambda m, w: guide_scheduled(m.main, m.uncond, stages([0.5, w], [EARLY])))),
    "SGG": (SMALL, ode(lambda m, w: guide_segmented(m.main, m.uncond, m.weak, (w, w), SPLIT))),
    "self-guidance": (SMALL, ode(lambda m, w: guide(m.main, noisier(m.main, lambda sigma: sigma / 10), w))),
    "APG": (LARGE, ode(lambda m, w: guide_projected(m.main, m.uncond, w))),
    "APG, momentum": (
        LARGE,
        steps(lambda m, w, x, sigmas, labels, _: projected_steps(m.main, m.uncond, w, x, sigmas, labels)),
    ),
    "CFG-Zero*, scale only": (SMALL, ode(lambda m, w: guide_rescaled(m.main, m.uncond, w))),
    "FBG, tracked": ((0.0, 0.2, 0.5), steps(feedback)),
    "CFG++": ((0.15, 0.2, 0.3), steps(cfgpp)),
}


@cache
def measured_by(data: str) -> Yardstick:
    return yardstick(data, None, "data", "cpu")


def row(
    data: str, method: str, strength: float, first: int, count: int, steps: int, batch: int, arithmetic: str
) -> dict:
    """The numbers of the images of seeds first ... first + count - 1."""
    pair, run, by = models.shipped(data), METHODS[method][1], measured_by(data)
    main, weak = (d.for_sampling(getattr(torch, arithmetic)) for d in (pair.main, pair.guide))
    counted = Models(0, *(Counted(d) for d in (main, weak, unconditional(main), weak, weak)))
    sigmas, parts = sigma_steps(steps), []
    for start in range(first, first + count, batch):
        seeds = list(range(start, min(start + batch, first + count)))
        labels = torch.tensor([s % main.label_dim for s in seeds])
        x = randn(len(seeds), pair.shape, seeded(seeds)) * float(sigmas[0])
        parts.append((to_uint8(run(counted, strength, x, sigmas, labels, seeds)), labels))
    found = metrics.evaluate_features(metrics.collect(by.extractor, parts), by.real)
    return {k: found[k] for k in KEYS[:-1]} | {"evaluations": sum(counted.evaluations()) / count}


def compute(
    data="fashion-16",
    *,
    count=1000,
    steps=32,
    methods: Sequence[str] | None = None,
    batch=100,
    arithmetic="bfloat16",
    store=None,
    workers=None,
) -> Result:
    """count: images of each number. methods: names (default: all). The strength is that of the least Frechet distance.

    arithmetic: of the networks; the report of CHECKED is made in float32 as well.
    """
    names = [name for name in METHODS if methods is None or name in methods]
    common = dict(data=data, count=count, steps=steps, batch=batch)

    def measured(pairs: list[tuple[str, float]], first: int, arithmetic: str = arithmetic) -> list[dict]:
        tasks = [dict(method=name, strength=s, first=first, arithmetic=arithmetic, **common) for name, s in pairs]
        return run_rows(row, tasks, store=store, workers=workers, desc="choice" if first == CHOOSE else "report")

    tried = measured([(name, s) for name in names for s in METHODS[name][0]], CHOOSE)
    best = [min((r for r in tried if r["method"] == name), key=lambda r: r["frechet_distance"]) for name in names]
    chosen = [(r["method"], r["strength"]) for r in best]
    rows = measured(chosen, REPORT)
    check = measured([(name, s) for name, s in chosen if name in CHECKED], REPORT, "float32")
    numbers = {**common, "arithmetic": arithmetic, "tried": tried, "rows": rows, "check": check}
    return Result(numbers | {"floor": measured_by(data).floor})


def draw(result: Result):
    """A row for each method at the strength reported, the best distance above: Fréchet distance and recall."""
    numbers = result.numbers
    rows = sorted(numbers["rows"], key=lambda r: r["frechet_distance"])
    marks = {"no guidance": plots.BLUE, "CFG": plots.ORANGE, "autoguidance": plots.GREEN}
    titles = {"frechet_distance": "Fréchet distance, classifier features", "recall": "recall"}
    with plots.style():
        figure, axes = panels(1, 2, 0.9 + 0.26 * len(rows), sharey=True)
        for ax, (key, title) in zip(axes[0], titles.items(), strict=True):
            for y, r in enumerate(rows):
                colour = marks.get(r["method"], plots.INK)
                ax.plot(r[key], y, "o", color=colour, markersize=6 if r["method"] in marks else 4)
            if key in numbers["floor"]:
                ax.axvline(
                    numbers["floor"][key], color=plots.GREY, linewidth=1, linestyle=":", label="real test images"
                )
            ax.set_title(title)
            ax.grid(axis="y", color=plots.PALE, linewidth=0.6)
            ax.set_axisbelow(True)
        axes[0, 0].set_yticks(range(len(rows)), [f"{r['method']}, {r['strength']:g}" for r in rows])
        axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
        legend_below(figure)
    return figure


def extras(result: Result, out: Path) -> None:
    write_atomic(out / "methods_images.md", text(result.numbers))


def changes(numbers: Mapping) -> dict[str, tuple[float, float]]:
    """Of each method at its strength, the change of the distance to no guidance: on the noise of the report, and on that of
    the choice. They differ by chance, and the second is too good, because the strength was chosen there."""
    out = {}
    for r in numbers["rows"]:
        of_choice = [t for t in numbers["tried"] if t["strength"] == r["strength"] or t["method"] == "no guidance"]
        blocks = [{t["method"]: t["frechet_distance"] for t in rows} for rows in (numbers["rows"], of_choice)]
        out[r["method"]] = tuple(block[r["method"]] - block["no guidance"] for block in blocks)
    return out


def text(numbers: Mapping) -> str:
    """A table in Markdown, the lowest distance first."""
    change, lines = changes(numbers), []
    for r in sorted(numbers["rows"], key=lambda r: r["frechet_distance"]):
        name, paper = r["method"], PAPERS[r["method"]].number
        cells = [name, f"[{paper}](https://arxiv.org/abs/{paper})" if paper else "", f"{r['strength']:g}"]
        cells += [f"{r['frechet_distance']:.3f}"]
        cells += [minus(f"{d:+.3f}") if name != "no guidance" else "" for d in change[name]]
        cells += [f"{r[key]:.3f}" for key in ("recall", "precision")] + [f"{r['class_agreement']:.1%}".replace("%", " %")]
        lines.append([*cells, f"{r['evaluations']:.0f}"])
    head = ["method", "paper", "strength", "Fréchet distance", "change to no guidance", "change, other noise"]
    return markdown([*head, "recall", "precision", "class agreement", "network calls"], lines)
