"""The ten findings that open the page of results: one line each, with one number, taken from the stored results."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from figures.engine.verdicts import Numbers
from figures.toy.claims_theory import runs, tv


class Finding(NamedTuple):
    """A sentence with a gap {} for its number."""

    text: str
    result: str  # name of the stored result
    number: Callable[[Numbers], str]


def points(value: float) -> str:
    """A difference of shares in percentage points, without its sign."""
    return f"{100 * abs(value):.1f} points"


def fewer(n: Numbers) -> str:
    plain = np.mean(n["runs"]["none"]["outliers_99"])
    return f"{points(n['difference']['autoguidance 2']['outliers_99']['mean'])} of {100 * plain:.1f}"


def lost(n: Numbers) -> str:
    return f"{np.mean(n['runs']['autoguidance 2']['leaves_lost']):.0f} of the 64 leaves"


def equal_coverage(n: Numbers) -> str:
    found = n["outliers_within_budget"]
    return " against ".join(f"{np.mean(found[family]['0.15']):.1%}" for family in ("autoguidance", "cfg"))


def gain(n: Numbers) -> str:
    best = min(n["best"].values(), key=lambda c: c["chosen_on"]["misplaced"]["mean"])
    return points(best["reported"]["misplaced"]["mean"])


def restoring(n: Numbers) -> str:
    found = n["noise_weight"]
    return f"{found['spread']:.2f} (predicted {found['predicted']:.2f})"


def target_exact(n: Numbers) -> str:
    return " to ".join(f"{np.mean(tv(runs(n, 'exact', 'cfg', 4.0, method))):.2f}" for method in ("target", "ode"))


def target_trained(n: Numbers) -> str:
    target, ode = (runs(n, "trained", "autoguidance", 2.0, method) for method in ("target", "ode"))
    return f"{np.mean(tv(target)):.2f} against {np.mean([ode[seed]['branch_tv'] for seed in target]):.2f}"


def low_noise(n: Numbers) -> str:
    arm = next(a for a in n["arms"] if a["weight"] == 2 and a["who"] == "both")
    i = n["levels"].index(0.05)
    before, after = (float(np.mean(v)) for v in (arm["without"]["outliers"], np.array(arm["below"]["outliers"])[:, i]))
    return f"from {before:.1%} to {after:.1%}"


def best_method(n: Numbers) -> str:
    found = n["worlds"]["trained"]["methods"]
    change = {name: m["difference"]["no guidance"] for name, m in found.items() if "no guidance" in m["difference"]}
    both = [name for name, d in change.items() if d["outliers"]["high"] < 0 and d["misplaced"]["high"] < 0]
    return f"{len(both)} of {len(change)} methods ({', '.join(both)})"


def flown(n: Numbers) -> str:
    shipped, negative = (100 * np.mean(n["runs"][run]["3"]["diverged"]) for run in ("shipped", "negative"))
    return f"from {shipped:.1f} % of the trajectories to {negative:.1f} %"


FINDINGS = [
    Finding("At w = 2 autoguidance removes {} of outliers.", "seeds", fewer),
    Finding("It does not keep diversity in two dimensions: at w = 2 it loses {}.", "seeds", lost),
    Finding("At equal coverage it leaves about as many outliers as CFG: {}.", "seeds", equal_coverage),
    Finding("Guided by its own early snapshot at low noise only, the main model misplaces {} less of the mass.", "intervals",
            gain),
    Finding("A main model with 10 % too much input noise, guided by one with 20 %, has the true spread at w = {}.", "theory",
            restoring),
    Finding("With exact scores CFG's target keeps the branches and its sampler loses them: branch TV rises from {}.", "target",
            target_exact),
    Finding("With trained models the target is worse than the samples: branch TV {} at w = 2.", "target", target_trained),
    Finding("Outliers arise at low noise: with the true score below σ = .05 they fall {}.", "where", low_noise),
    Finding("At equal coverage, fewer outliers and less misplaced mass together are what {} can give.", "methods", best_method),
    Finding("Where the model's density is made to fall far away, the flown-off points at w = 3 fall {}.", "gain", flown),
]  # fmt: skip


def line(finding: Finding, numbers: Numbers, gallery: str) -> str:
    """A finding as an item of a Markdown list, linked to its picture."""
    text = finding.text.format(f"**{finding.number(numbers)}**")
    return f"1. {text} [{finding.result}]({gallery}/{finding.result}.png)"
