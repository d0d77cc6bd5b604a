"""Rules by which a claim holds or does not: what the page of results is made with.

Every rule reads a paired difference with its 95 % interval (`edm.metrics.paired_difference`). Each claim has one primary
measurement, which is fixed in the modules `claims` before the numbers are seen. Some have a second one beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy import stats

HOLDS, PARTLY, NOT, OPEN = "holds", "holds partly", "does not hold", "not decided"
NO_HARM = "no harm to undo"  # what was to be undone did not happen
VERDICTS = (HOLDS, PARTLY, NOT, OPEN, NO_HARM)
QUARTER = 0.25  # of a gain, or of a damage: so much less is as good, so much left is undone
LEVEL = 0.05  # of Holm's correction
Numbers = dict  # of one stored result


class Judged(NamedTuple):
    """What a claim comes to: the measurement as text, the verdict, and the probability of so much by chance alone."""

    measured: str
    verdict: str
    p: float | None = None  # of the primary measurement; None for what is exact or counted


@dataclass(frozen=True)
class Claim:
    """One line of the page."""

    text: str  # what the paper says
    result: str  # name of the stored result
    judge: Callable[[Numbers], tuple]  # the stored numbers -> the fields of Judged
    paper: str = ""  # the paper's number, where it has one


def falls(d: dict) -> str:
    """Verdict on 'this gets smaller': the whole 95 % interval must lie below zero."""
    return HOLDS if d["high"] < 0 else NOT if d["low"] > 0 else OPEN


def rises(d: dict) -> str:
    """Verdict on 'this gets larger', or 'this does not help' where smaller is better."""
    return HOLDS if d["low"] > 0 else NOT if d["high"] < 0 else OPEN


def as_good(d: dict, margin: float) -> str:
    """Verdict on 'this is not worse' where smaller is better: it needs an interval that ends below the stated margin."""
    return HOLDS if d["high"] < margin else NOT if d["low"] > margin else OPEN


def no_gain(d: dict, margin: float) -> str:
    """Verdict on 'this brings nothing' where smaller is better: any gain is certainly less than the stated margin."""
    return NOT if d["high"] < 0 else HOLDS if d["low"] > -margin else OPEN


def undone(damage: dict, gain: dict, left: dict) -> str:
    """Verdict on 'guidance undoes this damage': certainly less than a quarter of it is left.

    Partly: guidance certainly gains, but more may be left. No harm to undo: the damage is not certain in the first place.
    """
    if rises(damage) != HOLDS:
        return NO_HARM
    if as_good(left, QUARTER * damage["mean"]) == HOLDS:
        return HOLDS
    return PARTLY if falls(gain) == HOLDS else NOT if rises(gain) == HOLDS else OPEN


def both(*verdicts: str) -> str:
    """Verdict on several claims in one, or on a primary measurement with a second one beside it."""
    return HOLDS if set(verdicts) == {HOLDS} else PARTLY if HOLDS in verdicts else NOT if NOT in verdicts else OPEN


def chance(d: dict, margin: float = 0.0) -> float:
    """Two-sided p of a mean difference as far from `margin` as this one, by Student's t. It follows from the interval."""
    error = (d["high"] - d["low"]) / 2 / stats.t.ppf(0.975, d["pairs"] - 1)
    away = abs(d["mean"] - margin)
    return float(2 * stats.t.sf(away / error, d["pairs"] - 1)) if error > 0 else float(away == 0)


def holm(values: Sequence[float | None]) -> list[bool | None]:
    """Which of several p survive Holm's correction at LEVEL (Holm 1979); None where there is no p.

    The smallest is compared with LEVEL / n, the next with LEVEL / (n - 1), and so on up to the first that fails.
    """
    known = [i for i, p in enumerate(values) if p is not None]
    out: list[bool | None] = [None if p is None else False for p in values]
    for rank, i in enumerate(sorted(known, key=lambda i: values[i])):
        if values[i] > LEVEL / (len(known) - rank):
            break
        out[i] = True
    return out
