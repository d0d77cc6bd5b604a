"""What is wrong with a picture, as far as a machine can see: text that is small, cut off or overprinted, and lines that are cut."""

from itertools import combinations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

PAGE = 800  # pixels, the width at which a page shows a picture
SMALLEST = 7 * 96 / 72  # 7 points at that width, in pixels


def problems(figure: Figure) -> list[str]:
    """One line for each fault. Text of which a tenth is covered by other text counts as overprinted."""
    drawn = drawn_texts(figure)
    page, scale = figure.bbox, PAGE / figure.get_tightbbox().width / 72
    found = [f"{text!r} is cut off" for text, box, _ in drawn if not inside(box, page)]
    found += [f"{text!r} is {size * scale:.1f} pixels high" for text, _, size in drawn if size * scale < SMALLEST]
    for (a, box_a, _), (b, box_b, _) in combinations(drawn, 2):
        if overlap(box_a, box_b) > 0.1:
            found.append(f"{a!r} covers {b!r}")
    return found + [f"line {line.get_label()!r} is cut by its axes" for line in figure.findobj(Line2D) if is_cut(line)]


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox, float]]:
    """Every text that is really drawn, its box and its size in points."""
    figure.canvas.draw()  # a layout of panels of fixed shape settles when it is drawn again, as it is when it is saved
    found, draw = {}, Text.draw

    def spy(text, renderer, *args, **options):
        if text.get_visible() and text.get_text().strip():
            found[id(text)] = text.get_text(), Text.get_window_extent(text, renderer), text.get_fontsize()
        draw(text, renderer, *args, **options)

    Text.draw = spy
    try:
        figure.canvas.draw()
    finally:
        Text.draw = draw
    return list(found.values())


def inside(box: Bbox, page: Bbox) -> bool:
    return box.x0 >= page.x0 - 1 and box.y0 >= page.y0 - 1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1


def overlap(a: Bbox, b: Bbox) -> float:
    """Area that two boxes share, in units of the smaller one's area."""
    shared = Bbox.intersection(a, b)
    if shared is None or shared.width <= 0 or shared.height <= 0:
        return 0.0
    return shared.width * shared.height / min(a.width * a.height, b.width * b.height)


def is_cut(line: Line2D) -> bool:
    """Whether a line in the coordinates of the data leaves the axes. Maps, which have no ticks, are windows on more."""
    ax = line.axes
    if ax is None or line.get_transform() != ax.transData or not (len(line.get_xdata()) and len(ax.get_xticks())):
        return False
    points = ax.transAxes.inverted().transform(ax.transData.transform(line.get_xydata()))
    points = points[np.isfinite(points).all(1)]
    return bool(len(points) and (points.min() < -0.01 or points.max() > 1.01))


def names(figure: Figure) -> set[str]:
    """What the legends of a picture name."""
    return {text.get_text() for legend in figure.findobj(Legend) for text in legend.get_texts()}
