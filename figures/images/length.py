"""What guidance gains when the main model is trained longer, beside what the training gains by itself.

Main models after T, 2 T and 4 T, each with guides that were trained an eighth and a sixteenth as long. EMA width, CFG's interval
and the two ways of autoguidance are chosen at T; weights and the length of the guide are chosen again at each length, from a small
grid. All of it on the choosing stage; the numbers are of the reporting stage.
"""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from edm.storage.atomic import write_atomic
from figures.engine.plots import legend_below, panels, plain_ticks
from figures.engine.result import Result
from figures.engine.tables import difference_text, markdown
from figures.images import settings
from figures.images.measure import measure_all
from figures.images.plots import floor
from figures.images.points import about, against, arm_of, best, mean, point, setting, title
from figures.images.settings import AUTO, BASE, CARRIED, INTERVAL, SNAPSHOT, TRAINING, TRUNCATION
from figures.images.study import study
from figures.images.table1 import above
from toy2d import plots

COST, NEEDS = "1.5 h of one core (fashion-16) after table1", "the networks of `python -m figures images`"
FAST = dict(data="tiny")
VERSION = 1  # raise it when results change their meaning
KEY = "frechet_distance"
KEYS = (KEY, "autoencoder/frechet_distance", "pixels/frechet_distance", "recall")
WAYS = 2  # ways of autoguidance that are carried on
COLOURS = {BASE: plots.BLUE, TRUNCATION: plots.PURPLE, INTERVAL: plots.VERMILLION, AUTO: plots.GREEN,
           TRAINING: plots.SKY, SNAPSHOT: plots.ORANGE}  # fmt: skip


def compute(data="fashion-16", *, store=None, workers=None, minutes=None, runs=None) -> Result:
    plan, options = study(data), dict(runs=runs, store=store, workers=workers, minutes=minutes)
    at_T = settings.candidates(plan)
    rows = measure_all(
        plan, [a for name in (BASE, INTERVAL, *CARRIED) for a in at_T[name]], plan.choosing, desc="at T", **options
    )
    first = {name: best(point(rows, made) for made in at_T[name]) for name in (BASE, INTERVAL, *CARRIED)}
    ways = sorted(CARRIED, key=lambda name: mean(first[name]))[:WAYS]
    ema, interval = arm_of(first[BASE]).main.ema, arm_of(first[INTERVAL]).interval
    grids = {n: settings.longer(n, ema, interval, ways) for n in plan.lengths}
    wanted = [made for some in grids.values() for arms in some.values() for made in arms]
    rows = measure_all(plan, wanted, plan.choosing, desc="longer", **options)
    chosen = {
        n: {name: best(point(rows, made) for made in arms) for name, arms in some.items()} for n, some in grids.items()
    }
    wanted = [arm_of(p) for some in chosen.values() for p in some.values()]
    rows = measure_all(plan, wanted, plan.reporting, desc="reporting", **options)
    numbers = about(plan, plan.reporting, runs) | dict(
        chosen_on=list(plan.choosing.seeds), ways=ways, lengths=list(plan.lengths)
    )
    numbers["rows"] = {str(n): {name: point(rows, arm_of(p)) for name, p in some.items()} for n, some in chosen.items()}
    return Result(numbers | dict(gains=gains(numbers["rows"])))


def gains(rows: Mapping[str, Mapping[str, dict]]) -> dict[str, dict[str, dict]]:
    """Per length and arm, the paired difference of the distance to no guidance at that length; and of no guidance itself to
    no guidance at the length before, which is what the training gains."""
    out: dict = {}
    for before, n in zip([None, *rows], rows, strict=False):
        base = rows[n][BASE]
        out[n] = {name: against(p, base, KEY) for name, p in rows[n].items() if name != BASE}
        if before is not None:
            out[n]["training twice as long"] = against(base, rows[before][BASE], KEY)
    return out


def draw(result: Result) -> plt.Figure:
    """Each number against the main model's training length; a dot for each training run."""
    numbers = result.numbers
    lengths = [int(n) for n in numbers["rows"]]
    keys = [key for key in KEYS if key in numbers["rows"]["1"][BASE]["values"]]
    markers = dict(zip(COLOURS, "Dx^osv", strict=True))
    with plots.style():
        figure, axes = panels((len(keys) + 1) // 2, 2, 2.6)
        for ax in axes.flat[len(keys) :]:
            ax.axis("off")
        for ax, key in zip(axes.flat, keys, strict=False):
            for name in numbers["rows"]["1"]:
                values = np.array([numbers["rows"][str(n)][name]["values"][key] for n in lengths])  # [lengths, runs]
                options = dict(marker=markers[name], markersize=5, label=name)
                ax.plot(lengths, values.mean(1), color=COLOURS[name], **options)
                ax.plot(lengths, values, ".", markersize=3, alpha=0.5, color=COLOURS[name])
            floor(ax, numbers["floors"], key, label=True)
            ax.set(xscale="log", xlabel="main model's training length / T", title=title(key))
            plain_ticks(ax.xaxis, lengths)
        legend_below(figure)
    return figure


def extras(result: Result, out: Path) -> None:
    write_atomic(out / "length.md", text(result))


def text(result: Result) -> str:
    """A table in Markdown, a line for each length and arm."""
    numbers, lines = result.numbers, []
    for n, some in numbers["rows"].items():
        for name, p in some.items():
            gap = numbers["gains"][n].get(name)
            cells = [f"{mean(p, key):.3f}" for key in KEYS]
            lines.append([f"{n} T", name, setting(p), *cells, difference_text(gap, "+.3f") if gap else ""])
        if (gap := numbers["gains"][n].get("training twice as long")) is not None:
            lines.append([f"{n} T", "what the training gained", "", "", "", "", "", difference_text(gap, "+.3f")])
    header = ["main model", "", "chosen", *map(title, KEYS), "Δ Fréchet distance, 95 % interval"]
    return above(numbers) + "\n" + markdown(header, lines)
