"""A cheap search over guidance settings, instead of a grid: successive halving on shared noise.

All candidates are measured on few samples, the better part of them on more, and so on (Jamieson and Talwalkar 2016,
arXiv 1502.07943). Since every candidate starts from the same noise, differences between candidates are seen with far fewer
samples than each candidate's own number would need; and the samples of a round are kept for the next.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

Candidate = TypeVar("Candidate")


class Round(NamedTuple):
    """One round of the search."""

    count: int  # samples that each candidate is measured on
    scores: dict[int, float]  # index of the candidate -> its score, best first


class Search(NamedTuple):
    """What `successive_halving` returns."""

    best: int  # index of the candidate with the lowest score in the last round
    rounds: list[Round]
    samples: int  # drawn in all, those of earlier rounds being kept


def successive_halving(
    candidates: Sequence[Candidate],
    score: Callable[[Candidate, int], float],
    counts: Sequence[int],
    keep: float = 0.25,
) -> Search:
    """The candidate with the lowest score, from far fewer samples than measuring each on counts[-1].

    score(candidate, count): the candidate's number on its first `count` samples; sample i starts from the same noise for
    every candidate. counts: increasing; a share `keep` of the candidates, at least one, survives each round but the last.
    Raises ValueError if there is nothing to choose from, counts do not increase, or keep lies outside (0, 1).
    """
    if not candidates or not counts or any(b <= a for a, b in zip((0, *counts), counts, strict=False)):
        raise ValueError(f"need candidates and increasing counts, got {len(candidates)} and {list(counts)}")
    if not 0 < keep < 1:
        raise ValueError(f"keep must lie between 0 and 1, got {keep}")
    alive, rounds, samples, before = list(range(len(candidates))), [], 0, 0
    for count in counts:
        scores = {i: float(score(candidates[i], count)) for i in alive}
        samples += len(alive) * (count - before)
        ranked = sorted(alive, key=scores.__getitem__)
        rounds.append(Round(count, {i: scores[i] for i in ranked}))
        alive, before = ranked[: max(1, round(keep * len(ranked)))], count
    return Search(ranked[0], rounds, samples)
