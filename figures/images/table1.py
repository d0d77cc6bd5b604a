"""Table 1 on images: guidance and its ablations, weight and EMA width chosen on some noise seeds and reported on others.

Chosen is the lowest Fréchet distance to the training images, on average over training seeds. Intervals are 95 %, of paired
differences over training seeds. Writes table1.md, and table1-short.md, which the README shows, beside the picture.
"""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from edm.storage.atomic import write_atomic
from figures.engine.plots import legend_below, panels
from figures.engine.result import Result
from figures.engine.tables import difference_text, markdown
from figures.images import measure, settings
from figures.images.measure import measure_all
from figures.images.plots import floor
from figures.images.points import TITLES, about, against, best, mean, point, setting_of
from figures.images.settings import REPORT, SELECT
from toy2d import plots

COST, NEEDS = "15 min (digits), 25 min (fashion-16) after fig3 and fig7", "the networks of `python -m figures images`"
VERSION = measure.VERSION
FAST = dict(data="tiny")
SHOWN = (
    "frechet_distance",
    "test_distance",
    "class_agreement",
    "precision",
    "recall",
    "density",
    "coverage",
    "nearest",
    "copies",
)
DIFFERENCES = ("frechet_distance", "test_distance", "recall", "coverage", "nearest")
BASE = "no guidance"
FLOORS = {"test": "as many test images", "train": "as many training images"}
NO_LABELS = "no labels"


def candidates() -> dict[str, list[dict]]:
    """The settings from which each row of the table is chosen: those that fig3 and fig7 show."""
    methods, capacities, lengths = settings.methods(), settings.capacities(), settings.lengths()
    full = capacities.pop("XS, T")
    del lengths["T"], lengths[settings.SAME_RUN]
    widths = settings.widths()
    labels = settings.unconditional()
    smaller = [task for tasks in capacities.values() for task in tasks]
    rows = {
        BASE: [task for task in settings.networks() if task["main"][:2] == ["main", 1]],
        "CFG": methods["CFG"],
        "CFG, interval": methods["CFG, interval"],
        "autoguidance (XS, less trained)": smaller + widths,
        "same EMA for both": smaller + [task for task in widths if task["main"][2] == task["guide"][2]],
        "less training only": [task for tasks in lengths.values() for task in tasks],
        "less capacity only": full,
        NO_LABELS: [task for task in labels if task["w"] == 1],
        f"{NO_LABELS}, autoguidance": labels,
    }
    guided = {name: [task for task in tasks if task["w"] != 1] for name, tasks in rows.items()}
    return {name: guided[name] or tasks for name, tasks in rows.items()}


def compute(data="digits", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    options = dict(runs=runs, store=store, workers=workers, minutes=minutes)
    arms = candidates()
    rows = measure_all(data, [a for tasks in arms.values() for a in tasks], desc="table 1, choosing", **options)
    chosen = {name: best([point(rows, task) for task in tasks]) for name, tasks in arms.items()}
    tasks = {name: setting_of(p) for name, p in chosen.items()}
    rows = measure_all(data, tasks.values(), REPORT, desc="table 1, reporting", **options)
    reported = {name: point(rows, task) for name, task in tasks.items()}
    numbers = about(data, REPORT, runs) | dict(chosen_on=list(SELECT), candidates={n: len(a) for n, a in arms.items()})
    return Result(numbers | dict(rows={name: _row(name, reported, chosen[name]) for name in reported}))


def _row(name: str, reported: Mapping, chosen: Mapping) -> dict:
    base = reported[NO_LABELS if name.startswith(NO_LABELS) else BASE]
    row = dict(reported[name], chosen_at=mean(chosen))
    if reported[name] is not base:
        row["difference"] = {key: against(row, base, key) for key in DIFFERENCES}
        ratios = np.divide(row["values"]["frechet_distance"], base["values"]["frechet_distance"])
        row["change"] = [float(r) - 1 for r in ratios]
    return row


def setting(row: Mapping) -> str:
    """How a row was sampled, in a few words."""
    size, part, ema, _ = row["main"]
    words = [f"w = {row['w']:g}"] if row["w"] != 1 else []
    words.append(f"EMA {ema:g}")
    if row["guide"]:
        size, part, ema, _ = row["guide"]
        words[-1] += f" / {ema:g}"
        words.append(f"{'XS' if size == 'xs' else 'same size'}, T{f'/{part}' if part > 1 else ''}")
    return ", ".join(words)


def draw(result: Result) -> plt.Figure:
    rows, floors = result.numbers["rows"], result.numbers["floors"]
    names = [name for name in rows if not name.startswith(NO_LABELS)]  # those are far off the scale
    keys = ("frechet_distance", "test_distance", "precision", "recall", "coverage")
    with plots.style():
        figure, axes = panels(1, len(keys), 2.5, 3.6)
        for ax, key in zip(axes[0], keys, strict=True):
            for i, name in enumerate(names):
                values = rows[name]["values"][key]
                colour = plots.BLUE if name == BASE else plots.ORANGE if name.startswith("CFG") else plots.GREEN
                ax.plot(values, [i] * len(values), "o", markersize=3, color=colour, alpha=0.5)
                ax.plot(np.mean(values), i, "|", markersize=14, markeredgewidth=2, color=colour)
            _vertical(ax, floors, key)
            ax.set(title=TITLES[key].replace(" distance to ", " distance\nto "), yticks=range(len(names)))
            ax.set_yticklabels(names if ax is axes[0, 0] else [])
            ax.invert_yaxis()
        legend_below(figure, axes[0, 0])
    return figure


def _vertical(ax, floors: Mapping, key: str) -> None:
    """The floor of `plots.floor` for numbers along x."""
    flat = plt.figure().subplots()
    floor(flat, floors, key, label=True)
    for line in flat.lines:
        ax.axvline(line.get_ydata()[0], color=line.get_color(), linestyle=line.get_linestyle(), linewidth=0.9,
                   label=line.get_label() if key == "frechet_distance" else None)  # fmt: skip
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
        if name.startswith(NO_LABELS) or name == "same EMA for both":
            continue
        cells = []
        for key in keys:
            cells += [
                _cell(row["values"][key]),
                difference_text(row["difference"][key], "+.3f") if "difference" in row else "",
            ]
        rows.append([name, setting(row), *cells, _cell(row["values"]["class_agreement"], spread=False)])
    header = ["", "chosen", "FD to training images", "Δ", "FD to test images", "Δ", "recall", "Δ", "class agreement"]
    return markdown(header, rows)


def text(result: Result) -> str:
    """The table in Markdown: mean ± standard deviation over training seeds; apart, the spread over sets of noise seeds."""
    numbers = result.numbers
    rows = [
        [name, "", *(_cell([r.get(key) for r in numbers["floors"][kind]]) for key in SHOWN), "", ""]
        for kind, name in FLOORS.items()
    ]
    for name, row in numbers["rows"].items():
        gap = row.get("difference", {}).get("frechet_distance")
        change = f"{gap['mean']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})" if gap else ""
        noise = f"{row['noise']['frechet_distance']:.3f}" if "noise" in row else ""
        rows.append([name, setting(row), *(_cell(row["values"].get(key)) for key in SHOWN), noise, change])
    header = [
        "",
        "chosen",
        *(TITLES[key] for key in SHOWN),
        "noise of Fréchet distance",
        "Δ Fréchet distance, 95 % interval",
    ]
    return markdown(header, rows)


def _cell(values, spread: bool = True) -> str:
    values = [v for v in values or [] if v is not None]
    if not values:
        return ""
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if spread and len(values) > 1 else "")
