"""The picture of `figures.toy.target`."""

from collections.abc import Mapping

import numpy as np

from figures.engine.plots import legend_below, panels
from toy2d import plots

METHODS = {
    "target": "the target itself", "ode": "guided ODE", "sde": "guided SDE", "weights": "SDE, Feynman–Kac weights",
    "densities": "SDE, weights from densities",
}  # fmt: skip
COLOURS = dict(zip(METHODS, (plots.INK, plots.GREEN, plots.SKY, plots.ORANGE, plots.PURPLE), strict=True))
NAMES = {"none": "no guidance", "cfg": "CFG", "autoguidance": "autoguidance"}


def draw(numbers: Mapping):
    """Branch TV of the target and of every sampler: left with exact models, right with trained ones.

    Small dots are seeds, large ones their means, diamonds those of more particles.
    """
    with plots.style():
        figure, axes = panels(1, 2, 4.6)
        for ax, models, title in zip(axes[0], ("exact", "trained"), ("exact scores", "trained models"), strict=True):
            draw_models(ax, numbers, models)
            ax.set_title(title)
        for method, name in METHODS.items():
            axes[0, 1].plot([], [], "o", color=COLOURS[method], markersize=6, label=name)
        axes[0, 1].plot([], [], "D", color=plots.GREY, markersize=6, label="more particles")
        axes[0, 1].plot([], [], "--", color=plots.GREY, linewidth=1, label="true samples")
        legend_below(figure)
    return figure


def draw_models(ax, numbers: Mapping, models: str) -> None:
    rows = [r for r in numbers["rows"] if r["models"] == models]
    shown = (
        {(r["models"], r["arm"], r["weight"], r.get("seed")) for r in rows if r["method"] == "target"}
        if models == "trained"
        else None
    )
    rows = [r for r in rows if shown is None or (r["models"], r["arm"], r["weight"], r.get("seed")) in shown]
    arms = list(dict.fromkeys((r["arm"], r["weight"]) for r in rows))
    for y, (arm, weight) in enumerate(arms):
        for i, method in enumerate(METHODS):
            here = [r for r in rows if (r["arm"], r["weight"], r["method"]) == (arm, weight, method)]
            for j, count in enumerate(sorted({r["count"] for r in here})):
                values = [r["branch_tv"] for r in here if r["count"] == count]
                at = y + 0.15 * (i - 2) + 0.05 * j
                ax.plot(values, [at] * len(values), ".", color=COLOURS[method], markersize=4, alpha=0.6)
                ax.plot(np.mean(values), at, "D" if j else "o", color=COLOURS[method], markersize=6)
    ax.axvline(numbers["floor"]["branch_tv"], color=plots.GREY, linewidth=1, linestyle="--")
    seeds = {a: len({r.get("seed") for r in rows if (r["arm"], r["weight"]) == a}) for a in arms}
    names = [f"{NAMES[arm]}\nw = {w:g}" + (f"\n{seeds[arm, w]} runs" if models == "trained" else "") for arm, w in arms]
    ax.set_yticks(range(len(arms)), names)
    ax.set(xlabel="mass in wrong branches (branch TV)", xlim=(0, 1.02), ylim=(len(arms) - 0.4, -0.6))
