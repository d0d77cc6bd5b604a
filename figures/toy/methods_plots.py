"""The pictures of `figures.toy.methods`: one of trained models, one of exact ones."""

from collections.abc import Iterable, Mapping

import numpy as np

from figures.engine.plots import panels, percent
from figures.toy.contestants import KINDS, PAPERS
from toy2d import plots

MANY = 6  # methods in a panel
FAINT = "#D4D4D4"
STYLES = (
    (plots.VERMILLION, "o"),
    (plots.SKY, "s"),
    (plots.PURPLE, "^"),
    (plots.BLUE, "v"),
    (plots.INK, "D"),
    ("#8C6D31", "X"),
)
BASELINES = {"autoguidance": plots.GREEN, "CFG": plots.ORANGE}
LIMITS = {
    "trained": (0.55, 0.24),
    "exact": (0.55, 0.03),
}  # of branch TV and outliers; stronger guidance than that is left out
TITLES = {"trained": "trained models", "exact": "exact models: there is no error to repair"}


def groups(found: Iterable[str]) -> dict[str, list[str]]:
    """Panel -> its methods: a panel a kind, two where there are many, those that are compared with CFG in one of their own."""
    out = {}
    for kind in KINDS:
        some = [name for name in found if PAPERS[name].kind == kind]
        cfg = [name for name in some if PAPERS[name].against == "CFG"]
        parts = (
            {kind: some} if len(some) <= MANY else {f"{kind}, for CFG": cfg, kind: [n for n in some if n not in cfg]}
        )
        out |= {title: part for title, part in parts.items() if part}
    return out


def draw(numbers: Mapping, world: str):
    """Outliers against branch TV, a line a method along its strengths; the methods of the other panels are grey."""
    w = numbers["worlds"][world]
    found, shown = w["methods"], groups(w["methods"])
    with plots.style():
        figure, axes = panels((len(shown) + 2) // 2, 2, 2.75, sharex=True, sharey=True)
        for ax, (title, names), letter in zip(axes.flat, shown.items(), "abcdef", strict=False):
            for name in (name for some in shown.values() for name in some if name not in names):
                draw_line(ax, found[name], world, FAINT, None, 1.0)
            for name, colour in BASELINES.items():
                draw_line(ax, found[name], world, colour, None, 3.0)
            for name, (colour, marker) in zip(names, STYLES, strict=False):
                draw_line(ax, found[name], world, colour, marker, 1.3, name)
            draw_marks(ax, w)
            ax.set_title(f"({letter}) {title}")
            ax.legend(frameon=False, fontsize=8, ncols=2, loc="upper left", borderaxespad=0, columnspacing=1.2)
            ax.tick_params(labelbottom=True, labelleft=True)
            ax.set(xlabel="branch TV", ylabel="outliers")
        right, top = LIMITS[world]
        axes[0, 0].set(xlim=(0, right), ylim=(-0.01 * top, top))
        percent(axes[0, 0].yaxis)
        for ax in axes.flat[len(shown) :]:
            ax.axis("off")
        draw_key(axes.flat[len(shown)])
        figure.suptitle(TITLES[world], fontsize=10)
    return figure


def draw_line(
    ax, method: Mapping, world: str, colour: str, marker: str | None, width: float, label: str | None = None
) -> None:
    """The mean over seeds of each strength inside the limits; a ring marks the strength that was chosen."""
    x, y = (np.mean(method["curve"][key], axis=1) for key in ("branch_tv", "outliers"))
    inside = (x <= LIMITS[world][0]) & (y <= LIMITS[world][1])
    ax.plot(x[inside], y[inside], color=colour, marker=marker, markersize=4, linewidth=width, label=label)
    i = method["strengths"].index(method["strength"])
    if marker and inside[i]:
        ax.plot(x[i], y[i], "o", markersize=10, markerfacecolor="none", markeredgecolor=colour)


def draw_marks(ax, world: Mapping) -> None:
    """No guidance, true samples, and the most branch TV at which a strength could be chosen."""
    none = [np.mean(world["methods"]["no guidance"]["curve"][key]) for key in ("branch_tv", "outliers")]
    ax.plot(*none, "P", color=plots.INK, markersize=7)
    ax.plot(world["floor"]["branch_tv"], world["floor"]["outliers"], "*", color=plots.INK, markersize=11)
    ax.axvline(world["limit"], color=plots.GREY, linewidth=1, linestyle=":")


def draw_key(ax) -> None:
    """What is the same in all panels."""
    for name, colour in BASELINES.items():
        ax.plot([], [], color=colour, linewidth=3, label=name)
    ax.plot([], [], color=FAINT, linewidth=2, label="methods of the other panels")
    ax.plot([], [], "P", color=plots.INK, markersize=7, label="no guidance")
    ax.plot([], [], "*", color=plots.INK, markersize=11, label="true samples")
    ax.plot([], [], "o", color=plots.INK, markersize=10, markerfacecolor="none", label="strength that was chosen")
    ax.plot([], [], color=plots.GREY, linestyle=":", label="most branch TV that was allowed")
    ax.legend(
        frameon=False,
        fontsize=8.5,
        title_fontsize=8.5,
        loc="center",
        title="in all panels (what lies beyond the axes is left out)",
    )
