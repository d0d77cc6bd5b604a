"""Numbers as text: Markdown tables, and differences with their intervals."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table of cells under a header. Raises ValueError for a row of another length."""
    lines = []
    for row in (header, *rows):
        if len(row) != len(header):
            raise ValueError(f"{len(header)} columns, but a row of {len(row)}: {row}")
        lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n"


def minus(text: str) -> str:
    """Numbers in a text with the sign for minus instead of a hyphen."""
    return text.replace("-", "−")


def difference_text(d: Mapping[str, float], form: str = "+.1%") -> str:
    """A paired difference (`edm.metrics.paired_difference`) with its 95 % interval: '−2.1 (−3.3, −0.9) %'."""
    mean, low, high = (minus(f"{d[k]:{form}}") for k in ("mean", "low", "high"))
    return f"{mean} ({low}, {high})".replace("%", "") + (" %" if form.endswith("%") else "")


def percent(values: Sequence[float]) -> str:
    """The mean of shares: '12.4 %'."""
    return f"{np.mean(values):.1%}".replace("%", " %")


def size(d: Mapping[str, float], scale: float = 100, digits: int = 1) -> str:
    """A paired difference without its sign: '2.6 (2.2 to 3.0)'."""
    low, high = sorted((abs(d["low"]), abs(d["high"])))
    mean, low, high = (f"{scale * v:.{digits}f}" for v in (abs(d["mean"]), low, high))
    return f"{mean} ({low} to {high})"
