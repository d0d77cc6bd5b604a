"""The ten findings of the page of results: a sentence, its number, its evidence; from the stored results. README shows five.

A sentence whose number no longer supports it is an error: then the sentence must be written anew.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edm.metrics import paired_difference
from figures.engine.result import GALLERY, load_result
from figures.engine.tables import difference_text, markdown, percent, size
from figures.engine.verdicts import HOLDS, NOT, OPEN, Numbers, falls, rises
from figures.toy import claims_theory
from figures.toy.claims_theory import runs, tv
from figures.toy.contestants import PAPERS
from figures.toy.seeds_tables import populations


class Finding(NamedTuple):
    """A sentence with its number and whether that supports it."""

    text: str
    result: str  # name of the stored result
    number: Callable[[Numbers], str]
    verdict: Callable[[Numbers], str]

    def told(self) -> tuple[str, str]:
        """The sentence, and its number. Raises ValueError if the stored result no longer supports the sentence."""
        numbers = load_result(self.result, GALLERY).numbers
        if (said := self.verdict(numbers)) != HOLDS:
            raise ValueError(
                f"the stored {self.result} no longer supports {self.text!r} ({said}): reword it in findings.py"
            )
        return self.text, self.number(numbers)


def change(arm: str, key: str) -> Callable[[Numbers], dict]:
    return lambda n: n["difference"][arm][key]


FEWER, LOST = change("autoguidance 2", "outliers_99"), change("autoguidance 2", "leaves_lost")


def outliers_fall(n: Numbers) -> str:
    before, after = (percent(n["runs"][arm]["outliers_99"]) for arm in ("none", "autoguidance 2"))
    return f"from {before} to {after}: {difference_text(FEWER(n))}"


def leaves_rise(n: Numbers) -> str:
    before, after = (np.mean(n["runs"][arm]["leaves_lost"]) for arm in ("none", "autoguidance 2"))
    return f"from {before:.0f} to {after:.0f} of 64 leaves: {size(LOST(n), 1, 0)} more"


def within_budget(n: Numbers) -> list[list[float]]:
    """The fewest outliers of autoguidance and of CFG, for each training seed, within the bound of branch TV."""
    return [n["outliers_within_budget"][family]["0.15"] for family in ("autoguidance", "cfg")]


def equal_coverage(n: Numbers) -> dict:
    return paired_difference(*within_budget(n))


def equal_coverage_text(n: Numbers) -> str:
    ours, cfg = map(percent, within_budget(n))
    return f"{ours} against {cfg}: {difference_text(equal_coverage(n))}"


def best_setting(n: Numbers) -> dict:
    return min(n["best"].values(), key=lambda c: c["chosen_on"]["misplaced"]["mean"])


def snapshot_helps(n: Numbers) -> str:
    best = best_setting(n)
    low = best["kind"] == "early" and best["interval"][1] == 0.06
    return falls(best["reported"]["misplaced"]) if low else NOT


def restoring(n: Numbers) -> str:
    found = n["noise_weight"]
    return f"w = {found['spread']:.2f}, predicted {found['predicted']:.2f}"


def branch_tv(models: str, arm: str, weight: float) -> Callable[[Numbers], str]:
    """Branch TV of the target and of the ODE's samples, for the runs whose target is a density."""

    def number(n: Numbers) -> str:
        target, ode = (runs(n, models, arm, weight, method) for method in ("target", "ode"))
        return f"branch TV {np.mean(tv(target)):.2f}, sampled {np.mean(tv({s: ode[s] for s in target})):.2f}"

    return number


def low_noise(n: Numbers) -> str:
    arm = next(a for a in n["arms"] if a["weight"] == 2 and a["who"] == "both")
    below = np.array(arm["below"]["outliers"])[:, n["levels"].index(0.05)]
    return f"{percent(arm['without']['outliers'])} to {percent(below)}"


def better_in_both(n: Numbers) -> tuple[list[str], int]:
    """Methods of papers with certainly fewer outliers and certainly less misplaced mass than no guidance; and of how many."""
    found = n["worlds"]["trained"]["methods"]
    change = {m: found[m]["difference"]["no guidance"] for m in found if PAPERS[m].number and m != "no guidance"}
    return [m for m, d in change.items() if both_fall(d)], len(change)


def both_fall(d: dict) -> bool:
    return falls(d["outliers"]) == falls(d["misplaced"]) == HOLDS


def methods_text(n: Numbers) -> str:
    names, count = better_in_both(n)
    return f"{len(names)} of {count}: {', '.join(names)}"


def by_gain(n: Numbers) -> tuple[list[float], list[float]]:
    """Shares of unguided outliers in runs of negative and of positive gain."""
    values = n["runs"]["none"]["outliers_99"]
    negative, positive = ([values[i] for i in chosen] for chosen in populations(n["seeds"]).values())
    return negative, positive


SHORT = 5  # README shows the first ones
FINDINGS = [
    Finding("Autoguidance removes outliers (w = 2)", "seeds", outliers_fall, lambda n: falls(FEWER(n))),
    Finding("It costs variety: leaves become empty (w = 2)", "seeds", leaves_rise, lambda n: rises(LOST(n))),
    Finding("At equal coverage, eight runs leave open whether autoguidance or CFG leaves fewer outliers", "seeds",
            equal_coverage_text, lambda n: HOLDS if falls(equal_coverage(n)) == OPEN else NOT),
    Finding("An early snapshot as guide, used at σ ≤ 0.06 only, gains more quality than it costs coverage", "intervals",
            lambda n: f"misplaced mass {difference_text(best_setting(n)['reported']['misplaced'])}", snapshot_helps),
    Finding("Theory predicts the weight that restores the true spread when the main model takes in 10 % too much noise and "
            "the guide 20 % (exact scores)", "theory", restoring, lambda n: claims_theory.raised_noise(n).verdict),
    Finding("With exact scores it is CFG's sampler that loses the branches, not its target (w = 4)", "target",
            branch_tv("exact", "cfg", 4.0), lambda n: claims_theory.sampler_loses(n).verdict),
    Finding("With trained models autoguidance's target is worse than its samples (w = 2)", "target",
            branch_tv("trained", "autoguidance", 2.0), lambda n: claims_theory.trained_target(n).verdict),
    Finding("Outliers arise at low noise: the true score below σ = .05 mends them", "where", low_noise,
            lambda n: claims_theory.acts("below", "outliers", "+.1%")(n).verdict),
    Finding("At equal coverage, few methods have fewer outliers and less misplaced mass than no guidance", "methods",
            methods_text, lambda n: HOLDS if 4 * len(better_in_both(n)[0]) < better_in_both(n)[1] else NOT),
    Finding("The sign of one trained number, the gain, splits the training runs (unguided outliers)", "seeds",
            lambda n: " or ".join(map(percent, by_gain(n))),
            lambda n: HOLDS if max(by_gain(n)[0]) < min(by_gain(n)[1]) else NOT),
]  # fmt: skip


def table(count: int = len(FINDINGS)) -> str:
    """The first findings in Markdown, a line each, linked to their pictures."""
    rows = [(*f.told(), f"[{f.result}](figures/gallery/{f.result}.png)") for f in FINDINGS[:count]]
    return markdown(("finding", "number", "evidence"), rows)


def short() -> str:
    """Those that need the fewest words, for README."""
    return table(SHORT)
