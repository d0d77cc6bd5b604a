"""What the walkthrough notebooks share: captions, tables, sliders. In a kernel they display; as plain Python they print."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from figures.engine import tables
from figures.engine.result import few_colours

DPI = 90
COLOURS = 128  # of a stored picture: a quarter of the bytes


def in_kernel() -> bool:
    """Whether this is a notebook, where things can be displayed."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def show(figure: Figure, caption: str) -> None:
    """The figure, and below it what to see and the number that proves it (Markdown). The figure is closed."""
    if in_kernel():
        from IPython.display import Image as Picture
        from IPython.display import display

        display(Picture(png(figure), alt=plain(caption)))
    plt.close(figure)
    say(caption)


def png(figure: Figure) -> bytes:
    """The figure as a PNG of few colours: notebooks keep their pictures in the repository."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
    return few_colours(drawn, COLOURS)


def say(markdown: str) -> None:
    """Text with numbers in it, as Markdown."""
    if in_kernel():
        from IPython.display import Markdown, display

        display(Markdown(markdown))
    else:
        print(plain(markdown))


def plain(markdown: str) -> str:
    """Markdown without its marks of emphasis and mathematics."""
    return markdown.replace("**", "").replace("`", "").replace("$", "")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows of cells under a header. Raises ValueError for a row of another length."""
    say(tables.markdown(header, rows).rstrip())


def spread(values: Sequence[float], form: str = ".3g") -> str:
    """Mean ± standard deviation over seeds: spread([0.117, 0.13], ".1%") is '12.4 ± 0.9 %'; one value stands alone."""
    values = np.asarray(values, np.float64)
    numbers = [float(values.mean()), float(values.std(ddof=1))] if values.size > 1 else [float(values.mean())]
    forms = form, form.lstrip("+")  # a deviation has no sign
    text = " ± ".join("–" if math.isnan(v) else format(v, f) for v, f in zip(numbers, forms, strict=False))
    return text.replace("%", "") + " %" if form.endswith("%") else text


def slider(draw: Callable[..., Figure], live: bool = True, **options: Sequence | Mapping) -> None:
    """One slider for each option, over its values; `draw(**chosen)` gives the figure. As plain Python it does nothing.

    An option that is a mapping, title -> value, becomes a menu of the titles, the first one chosen. Where the notebook is
    not live, a line says how to get the slider. The static pictures above show some of its settings, for those who only read.
    """
    if not in_kernel():
        return
    if not live:
        say("*A slider stands here after you run this cell in Jupyter.*")
        return
    import ipywidgets
    from IPython.display import Image as Picture
    from IPython.display import display

    def redraw(**chosen):
        figure = draw(**chosen)
        display(Picture(png(figure)))
        plt.close(figure)

    def control(name: str, values: Sequence | Mapping):
        title = name.replace("_", " ")
        if isinstance(values, Mapping):
            return ipywidgets.Dropdown(options=list(values.items()), description=title)
        middle = values[len(values) // 2]
        return ipywidgets.SelectionSlider(options=values, value=middle, description=title, continuous_update=False)

    widgets = {name: control(name, values) for name, values in options.items()}
    display(ipywidgets.VBox([*widgets.values(), ipywidgets.interactive_output(redraw, widgets)]))


def reveal(answer: str | None, right: str, because: str) -> None:
    """The right letter of a question and why. In a notebook, who has not answered yet (None) has to unfold it."""
    solution = f"**The answer is ({right}).** {because}"
    if answer is not None:
        say(f"You said {answer}. {solution}")
    elif in_kernel():
        first = "No letter yet: write yours above and run both cells again. Or look at the answer."
        say(f"<details><summary>{first}</summary>\n\n{solution}\n\n</details>")
    else:
        say(solution)


def embed(page: str, state: str = "", height: int = 760) -> None:
    """A local HTML page in a frame, opened at `#state`. Nothing where there is no such page or no live kernel."""
    if in_kernel() and Path(page).is_file():
        from IPython.display import IFrame, display

        display(IFrame(f"{page}#{state}", width="100%", height=height))
