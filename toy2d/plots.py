"""Drawing in the plane. Functions take arrays and an Axes, and never compute anything but layout."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

# Okabe and Ito's colours: distinct for every common kind of colour blindness
BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442"
)  # fmt: skip
INK, GREY, PALE = "#222222", "#9A9A9A", "#E9E9E9"
ARM_COLOURS = {"none": BLUE, "cfg": ORANGE, "autoguidance": GREEN, "truncation": PURPLE, "exact": GREY}
ARM_NAMES = {
    "exact": "Ground truth", "none": "No guidance", "cfg": "CFG", "truncation": "Naive truncation",
    "autoguidance": "Autoguidance", "early": "Less trained only", "small": "Smaller only",
}  # fmt: skip
DENSITY = LinearSegmentedColormap.from_list("density", ["#FFFFFF", "#DCEBF6", "#A9CFE8", "#5FA6D3", "#2B7BB9"])
STYLE = {
    "font.size": 9, "axes.titlesize": 9, "figure.dpi": 100, "pdf.fonttype": 42, "axes.linewidth": 0.6, "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip


def style():
    """Context in which the figures are drawn: legible type, vector text."""
    return mpl.rc_context(STYLE)


def window(ax: Axes, centre: tuple[float, float], half_width: float) -> None:
    """A square panel without ticks."""
    ax.set(xlim=(centre[0] - half_width, centre[0] + half_width), ylim=(centre[1] - half_width, centre[1] + half_width))
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color(GREY)


def region(ax: Axes, axis_x, axis_y, log_prob, level: float, colour: str, fill: float = 0.25) -> None:
    """Where log_prob [H, W] exceeds `level`: a tint with a thin outline, below the points."""
    ax.contourf(axis_x, axis_y, log_prob, levels=[level, np.inf], colors=[colour], alpha=fill, zorder=1)
    options = dict(linewidths=0.5, linestyles="solid", zorder=1)
    ax.contour(axis_x, axis_y, log_prob, levels=[level], colors=[colour], **options)


def fade(ax: Axes, axis_x, axis_y, share: float = 0.15) -> None:
    """What is drawn already vanishes towards the edges of the axes, over this share of their width."""
    x, y = (np.linspace(0, 1, len(axis)) for axis in (axis_x, axis_y))
    x, y = (np.minimum(v, 1 - v) for v in (x, y))
    veil = np.ones((len(y), len(x), 4))
    veil[..., 3] = 1 - np.clip(np.minimum(x[None], y[:, None]) / share, 0, 1)
    ax.imshow(veil, origin="lower", extent=extent(axis_x, axis_y), zorder=1)


def points(ax: Axes, xy, colour: str = BLUE, size: float = 1.0, alpha: float = 0.6) -> None:
    """Points [N, 2], rasterised so that a PDF of thousands stays small."""
    ax.scatter(xy[:, 0], xy[:, 1], s=size, c=colour, alpha=alpha, linewidths=0, rasterized=True, zorder=2)


def density(ax: Axes, axis_x, axis_y, log_density, span: float = 6.0, top: float | None = None):
    """A log density [H, W] as tints, from `span` nats below `top` (default: its maximum); returns them for a colour bar."""
    shown = np.clip(log_density - (np.max(log_density) if top is None else top), -span, 0)
    return ax.imshow(
        shown, origin="lower", extent=extent(axis_x, axis_y), cmap=DENSITY, vmin=-span, vmax=0, interpolation="bilinear"
    )


def ratio(ax: Axes, axis_x, axis_y, log_ratio, levels):
    """A log ratio [H, W] in two colours about 0, a tint between neighbouring levels; returns them for a colour bar.

    What is masked stays empty.
    """
    tints = ax.contourf(axis_x, axis_y, log_ratio, levels=levels, cmap="PuOr_r", extend="both")
    tints.set_edgecolor("face")
    return tints


def contours(ax: Axes, axis_x, axis_y, log_density, levels, colour: str = INK, width: float = 0.4) -> None:
    """Lines of equal log density [H, W] at ascending `levels`."""
    ax.contour(axis_x, axis_y, log_density, levels=levels, colors=colour, linewidths=width, linestyles="solid")


def arrows(ax: Axes, xy, vectors, unit: float, longest: float = np.inf, colour: str = INK):
    """Vectors [N, 2] at points [N, 2]: a vector of length 1 is drawn `unit` long. Longer ones than `longest` are cut to it."""
    norms = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    shown = vectors * (np.minimum(norms, longest) / norms * unit)[:, None]
    options = dict(angles="xy", scale_units="xy", scale=1, width=0.006, headwidth=3.5, headlength=4)
    return ax.quiver(*xy.T, *shown.T, color=colour, **options)


def paths(ax: Axes, trajectory, colour: str = INK) -> None:
    """Trajectories [T, N, 2], ending in a dot."""
    ax.plot(trajectory[:, :, 0], trajectory[:, :, 1], color=colour, linewidth=0.6, alpha=0.8)
    ax.scatter(*trajectory[-1].T, s=6, color=colour, linewidths=0, zorder=3)


def extent(axis_x, axis_y) -> tuple[float, float, float, float]:
    """Edges of an image whose pixel centres are given."""
    dx, dy = (axis_x[1] - axis_x[0]) / 2, (axis_y[1] - axis_y[0]) / 2
    return axis_x[0] - dx, axis_x[-1] + dx, axis_y[0] - dy, axis_y[-1] + dy
