"""Rules by which a claim holds or does not: what the page of results is made with."""

from collections.abc import Callable
from dataclasses import dataclass

HOLDS, PARTLY, NOT, OPEN = "holds", "holds partly", "does not hold", "not decided"
Numbers = dict  # of one stored result


@dataclass(frozen=True)
class Claim:
    """One line of the page."""

    text: str  # what the paper says
    result: str  # name of the stored result
    judge: Callable[[Numbers], tuple[str, str]]  # the stored numbers -> what we measured, and the verdict
    paper: str = ""  # the paper's number, where it has one


def falls(d: dict) -> str:
    """Verdict on 'this gets smaller': the whole 95 % interval must lie below zero."""
    return HOLDS if d["high"] < 0 else NOT if d["low"] > 0 else OPEN


def rises(d: dict) -> str:
    """Verdict on 'this gets larger', or 'this does not help' where smaller is better."""
    return HOLDS if d["low"] > 0 else NOT if d["high"] < 0 else OPEN


def both(*verdicts: str) -> str:
    """Verdict on several claims in one."""
    return HOLDS if set(verdicts) == {HOLDS} else PARTLY if HOLDS in verdicts else NOT if NOT in verdicts else OPEN
