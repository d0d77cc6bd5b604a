"""Table 1 on images: guidance, its ablations and its controls, each at its best setting, in three feature spaces.

Settings are chosen by the lowest Fréchet distance to the training images in the primary feature space, on average over the
training runs and the noise of the choosing stage. They are reported on other training runs and other noise. Intervals are 95 %,
of paired differences over training runs. Writes table1.md, and table1-short.md, the rows for a page, beside the picture.
"""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from edm.storage.atomic import write_atomic
from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.engine.tables import difference_text, markdown
from figures.images import settings
from figures.images.arms import arm
from figures.images.measure import measure_all
from figures.images.plots import floor
from figures.images.points import TITLES, about, against, arm_of, best, mean, point, setting, title
from figures.images.settings import BASE, NO_LABELS
from figures.images.study import study
from toy2d import plots

COST, NEEDS = (
    "2 h of one core (fashion-16) after fig3 and fig7",
    "the networks of `python -m figures images`",
)
FAST = dict(data="tiny")
VERSION = 1  # raise it when results change their meaning
SHOWN = ("frechet_distance", "autoencoder/frechet_distance", "pixels/frechet_distance", "unbiased", "test_distance",
         "class_agreement", "precision", "recall", "density", "coverage", "class_sd", "nearest", "copies",
         "main_evaluations", "guide_evaluations")  # fmt: skip
DIFFERENCES = ("frechet_distance", "test_distance", "recall", "coverage", "nearest")
FLOORS = {"test": "as many test images", "train": "as many training images"}


def compute(data="fashion-16", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    plan, options = study(data), dict(runs=runs, store=store, workers=workers, minutes=minutes)
    arms = settings.candidates(plan)
    rows = measure_all(
        plan, [made for some in arms.values() for made in some], plan.choosing, desc="choosing", **options
    )
    chosen = {name: best([point(rows, made) for made in some]) for name, some in arms.items()}
    wanted = {name: arm_of(p) for name, p in chosen.items()}
    check = arm(main=wanted[BASE].main, arithmetic="float32")  # does a verdict depend on the arithmetic?
    auto = dict(kind="autoguidance", w=wanted[settings.AUTO].w, main=wanted[settings.AUTO].main)
    check_auto = arm(**auto, guide=wanted[settings.AUTO].guide, arithmetic="float32")
    rows = measure_all(plan, [*wanted.values(), check, check_auto], plan.reporting, desc="reporting", **options)
    reported = {name: point(rows, made) for name, made in wanted.items()}
    numbers = about(plan, plan.reporting, runs) | dict(
        chosen_on=list(plan.choosing.seeds), candidates={name: len(some) for name, some in arms.items()},
        float32={BASE: point(rows, check), settings.AUTO: point(rows, check_auto)},
    )  # fmt: skip
    return Result(numbers | dict(rows={name: _row(name, reported, chosen[name]) for name in reported}))


def _row(name: str, reported: Mapping, chosen: Mapping) -> dict:
    base = reported[NO_LABELS if name.startswith(NO_LABELS) else BASE]
    row = dict(reported[name], chosen_at=mean(chosen), setting=setting(reported[name]))
    if reported[name] is not base:
        row["difference"] = {key: against(row, base, key) for key in DIFFERENCES}
        ratios = np.divide(row["values"]["frechet_distance"], base["values"]["frechet_distance"])
        row["change"] = [float(r) - 1 for r in ratios]
    return row


def draw(result: Result) -> plt.Figure:
    rows, floors = result.numbers["rows"], result.numbers["floors"]
    names = [name for name in rows if not name.startswith(NO_LABELS)]  # those are far off the scale
    wanted = (
        "frechet_distance",
        "autoencoder/frechet_distance",
        "pixels/frechet_distance",
        "precision",
        "recall",
        "coverage",
    )
    keys = [key for key in wanted if key in rows[BASE]["values"]]
    with plots.style():
        figure, axes = panels(1, len(keys), 1.3 + 0.26 * len(names), sharey=True)
        for ax, key in zip(axes[0], keys, strict=True):
            for i, name in enumerate(names):
                values = rows[name]["values"][key]
                guided = name not in (BASE, settings.STEPS, settings.TRUNCATION, settings.SPREAD)
                colour = plots.ORANGE if name.startswith("CFG") else plots.GREEN if guided else plots.BLUE
                ax.plot(values, [i] * len(values), "o", markersize=4, color=colour, alpha=0.5)
                ax.plot(np.mean(values), i, "|", markersize=12, markeredgewidth=2.5, color=colour)
            _vertical(ax, floors, key)
            ax.set_title(title(key).replace(" distance to ", " distance\nto ").replace(", ", ",\n"))
            ax.xaxis.set_major_locator(MaxNLocator(3))
            ax.grid(axis="y", color=plots.PALE, linewidth=0.6)
            ax.set_axisbelow(True)
        axes[0, 0].set_yticks(range(len(names)), names)
        axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
        legend_below(figure)
    return figure


def _vertical(ax, floors: Mapping, key: str) -> None:
    """The floor of `plots.floor` for numbers along x."""
    flat = plt.figure().subplots()
    floor(flat, floors, key, label=True)
    for line in flat.lines:
        ax.axvline(line.get_ydata()[0], color=line.get_color(), linestyle=line.get_linestyle(), linewidth=1,
                   label=line.get_label())  # fmt: skip
    plt.close(flat.figure)


def extras(result: Result, out: Path) -> None:
    write_atomic(out / "table1.md", text(result))
    write_atomic(out / "table1-short.md", short(result))


def short(result: Result) -> str:
    """The rows with labels and the numbers that matter most, in Markdown; intervals in brackets."""
    keys = ("frechet_distance", "test_distance", "recall")
    rows = []
    for kind in ("test", "train"):
        found = [
            _cell([r[key] for r in result.numbers["floors"][kind]], spread=False) for key in (*keys, "class_agreement")
        ]
        rows.append([FLOORS[kind], "", found[0], "", found[1], "", found[2], "", found[3]])
    for name, row in result.numbers["rows"].items():
        if name.startswith(NO_LABELS) or name == settings.SAME_EMA:
            continue
        cells = []
        for key in keys:
            gap = difference_text(row["difference"][key], "+.3f") if "difference" in row else ""
            cells += [_cell(row["values"][key]), gap]
        agreement = _cell(row["values"]["class_agreement"], spread=False)
        rows.append([name, row["setting"], *cells, agreement])
    header = ["", "chosen", "FD to training images", "Δ", "FD to test images", "Δ", "recall", "Δ", "class agreement"]
    return markdown(header, rows)


def text(result: Result) -> str:
    """The table in Markdown: mean ± standard deviation over training runs; how it was measured stands above it."""
    numbers = result.numbers
    keys = [key for key in SHOWN if key in numbers["rows"][BASE]["values"]]
    real = {name: numbers["floors"][kind] for kind, name in FLOORS.items()}
    rows = [[name, "", *(_cell([r.get(key) for r in some]) for key in keys), ""] for name, some in real.items()]
    for name, row in numbers["rows"].items():
        gap = row.get("difference", {}).get("frechet_distance")
        change = f"{gap['mean']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})" if gap else ""
        rows.append([name, row["setting"], *(_cell(row["values"].get(key)) for key in keys), change])
    header = ["", "chosen", *(title(key) if key.rpartition("/")[2] in TITLES else key.replace("_", " ") for key in keys),
              "Δ Fréchet distance, 95 % interval"]  # fmt: skip
    return above(numbers) + "\n" + markdown(header, rows)


def above(numbers: Mapping) -> str:
    """How the numbers of a table were measured, for the line above it."""
    return (
        f"{len(numbers['training_seeds'])} training runs, {numbers['images_for_a_number']} images a number, "
        f"{numbers['sampler_steps']} steps of the sampler, networks in {numbers.get('arithmetic', 'float32')}.\n"
    )


def _cell(values, spread: bool = True) -> str:
    values = [v for v in values or [] if v is not None]
    if not values:
        return ""
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if spread and len(values) > 1 else "")
