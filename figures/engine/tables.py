"""Numbers as text: Markdown tables, and differences with their intervals."""

from collections.abc import Iterable, Mapping, Sequence


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n"


def difference_text(d: Mapping[str, float], form: str = "+.1%") -> str:
    """A paired difference (`edm.metrics.paired_difference`) with its 95 % interval: '−2.1 (−3.3, −0.9) %'."""
    mean, low, high = (f"{d[k]:{form}}".replace("-", "−") for k in ("mean", "low", "high"))
    return f"{mean} ({low}, {high})".replace("%", "") + (" %" if form.endswith("%") else "")
