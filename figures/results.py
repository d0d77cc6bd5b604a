"""The page of results: what the paper claims, what we measured, and whether it holds. From the stored results alone.

`python -m figures.results` writes RESULTS.md. Verdicts follow from the numbers by rules that stand here; nobody types them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edm.metrics import paired_difference
from figures.common import GALLERY, load_result, write
from figures.common import difference_text as show

PAGE = Path(__file__).parents[1] / "RESULTS.md"
HOLDS, PARTLY, NOT, OPEN = "holds", "holds partly", "does not hold", "not decided"
Numbers = dict  # of one stored result


@dataclass(frozen=True)
class Claim:
    """One line of the page."""

    text: str  # what the paper says
    result: str  # name of the stored result
    judge: Callable[[Numbers], tuple[str, str]]  # the stored numbers -> what we measured, and the verdict


def falls(d: dict) -> str:
    """Verdict on 'this gets smaller': the whole 95 % interval must lie below zero."""
    return HOLDS if d["high"] < 0 else NOT if d["low"] > 0 else OPEN


def rises(d: dict) -> str:
    return HOLDS if d["low"] > 0 else NOT if d["high"] < 0 else OPEN


def no_rise(d: dict) -> str:
    """Verdict on 'this does not get larger'."""
    return NOT if d["low"] > 0 else HOLDS if d["high"] < 0 else OPEN


INTRODUCTION = """\
# What holds

Each claim of the paper beside our number and a verdict. Brackets are 95 % intervals of paired differences, over training
seeds unless it says otherwise; a verdict follows from them by the rules in `figures/results.py`: *holds* and *does not hold*
need the whole interval on one side, *not decided* is everything else. This page is made from the stored results
(`python -m figures.results`)."""


def page(claims: dict[str, list[Claim]]) -> str:
    """The page as Markdown, a table for each heading."""
    lines = [INTRODUCTION]
    for heading, listed in claims.items():
        lines += [f"\n## {heading}\n", "| the paper says | we measured | verdict | look at |", "|---|---|---|---|"]
        for claim in listed:
            numbers = load_result(claim.result, GALLERY).numbers
            where = f"[{claim.result}](figures/gallery/{claim.result}.png)"
            measured, verdict = claim.judge(numbers)
            lines.append(f"| {claim.text} | {measured} | **{verdict}** | {where} |")
    return "\n".join(lines) + "\n"


# --- 2D, over training seeds


def change(n: Numbers, arm: str, key: str) -> dict:
    """Paired difference of an arm of `seeds` to no guidance."""
    return n["difference"][arm][key]


def between(n: Numbers, a: str, b: str, key: str) -> dict:
    """Paired difference of two arms of `seeds`."""
    return paired_difference(n["runs"][a][key], n["runs"][b][key])


def outliers_at_w3(n: Numbers) -> tuple[str, str]:
    three, two = (change(n, f"autoguidance {w}", "outliers_99") for w in (3, 2))
    verdict = HOLDS if falls(three) == HOLDS else PARTLY if falls(two) == HOLDS else NOT
    start = np.mean(n["runs"]["none"]["outliers_99"])
    return f"{start:.1%} of outliers without guidance; change {show(three)}, at w = 2 {show(two)}", verdict


def diversity(n: Numbers) -> tuple[str, str]:
    tv = change(n, "autoguidance 3", "branch_tv")
    leaves = change(n, "autoguidance 3", "leaves_lost")
    return f"branch TV {show(tv, '+.3f')}, leaves lost {show(leaves, '+.1f')} of 64", no_rise(tv)


def cfg_diversity(n: Numbers) -> tuple[str, str]:
    tv = change(n, "cfg 4", "branch_tv")
    return f"at w = 4 branch TV {show(tv, '+.3f')}, outliers {show(change(n, 'cfg 4', 'outliers_99'))}", rises(tv)


def cfg_against_autoguidance(n: Numbers) -> tuple[str, str]:
    tv = between(n, "autoguidance 2", "cfg 2", "branch_tv")
    outliers = between(n, "autoguidance 2", "cfg 2", "outliers_99")
    verdict = falls(tv) if falls(outliers) != NOT else PARTLY
    return f"at w = 2, autoguidance minus CFG: branch TV {show(tv, '+.3f')}, outliers {show(outliers)}", verdict


def at_equal_coverage(n: Numbers) -> tuple[str, str]:
    found = n["outliers_within_budget"]
    d = paired_difference(found["autoguidance"]["0.15"], found["cfg"]["0.15"])
    return f"fewest outliers within branch TV 0.15, autoguidance minus CFG: {show(d)}", falls(d)


def truncation(n: Numbers) -> tuple[str, str]:
    lost = change(n, "truncation 1.4", "leaves_lost")
    outliers = np.mean(n["runs"]["truncation 1.4"]["outliers_99"])
    return f"leaves lost {show(lost, '+.1f')} of 64, outliers {outliers:.1%}", rises(lost)


def training_or_capacity(n: Numbers) -> tuple[str, str]:
    d = between(n, "early 2", "small 2", "outliers_99")
    less, smaller = (change(n, f"{kind} 2", "outliers_99") for kind in ("early", "small"))
    return f"at w = 2 outliers: less trained {show(less)}, smaller {show(smaller)}; difference {show(d)}", falls(d)


def both_best(n: Numbers) -> tuple[str, str]:
    d = between(n, "autoguidance 2", "early 2", "misplaced")
    return f"misplaced mass at w = 2, both minus less trained only: {show(d)}", falls(d)


def interval(n: Numbers) -> tuple[str, str]:
    d = between(n, "autoguidance-interval 3", "autoguidance 3", "misplaced")
    lo, hi = n["interval"]
    return f"at w = 3, {lo} < σ ≤ {hi} minus everywhere: misplaced mass {show(d)}", no_gain(d)


def no_gain(d: dict) -> str:
    """Verdict on 'this does not help', for a number that is better when smaller."""
    return NOT if d["high"] < 0 else HOLDS


def sensitivity(n: Numbers) -> tuple[str, str]:
    def reach(family: str) -> np.ndarray:  # [seeds]: misplaced mass at w = 3 above that at w = 1.25
        return np.subtract(n["runs"][f"{family} 3"]["misplaced"], n["runs"][f"{family} 1.25"]["misplaced"])

    d = paired_difference(reach("autoguidance"), reach("cfg"))
    means = [100 * reach(family).mean() for family in ("autoguidance", "cfg")]
    return f"misplaced mass from w = 1.25 to 3: autoguidance +{means[0]:.0f}, CFG +{means[1]:.0f} points", falls(d)


def free_gain(n: Numbers) -> tuple[str, str]:
    """Not the paper's words: is there any setting that is better in quality and coverage taken together?"""
    best = min(n["best"].values(), key=lambda c: c["chosen_on"]["misplaced"]["mean"])
    lo, hi = best["interval"]
    d, tv = best["reported"]["misplaced"], best["reported"]["branch_tv"]
    text = f"chosen on half of the seeds: {best['kind']} as guide, {lo:g} < σ ≤ {hi:g}, w = {best['w']:g}; on the others misplaced "
    return text + f"{show(d)}, branch TV {show(tv, '+.3f')}", falls(d)


def design_length(n: Numbers) -> tuple[str, str]:
    """The guide of the main model's capacity: is T/16 better than any other length, and as good as the best?"""
    lengths = n["lengths"]
    same = {
        c["length"]: c["outliers_99"]
        for c in n["cells"]
        if c["hidden"] == max(n["hidden"]) and c["ema"] == n["emas"][0]
    }
    best = min(same, key=lambda length: np.mean(same[length]))
    d = paired_difference(same[max(lengths) // 16], same[best]) if best * 16 != max(lengths) else None
    text = f"at the main model's capacity, at most {n['budget']} of branch TV lost: T/{max(lengths) // best} is best"
    if d is None:
        return text, HOLDS
    return f"{text}, outliers at T/16 minus there {show(d)}, {len(n['seeds'])} seeds", NOT if d["low"] > 0 else OPEN


def design_average(n: Numbers) -> tuple[str, str]:
    """Over all widths and lengths: widest minus narrowest average of the guide."""
    narrow, wide = ([c["outliers_99"] for c in n["cells"] if c["ema"] == e] for e in (min(n["emas"]), max(n["emas"])))
    d = paired_difference(np.mean(wide, 0), np.mean(narrow, 0))
    text = f"guide's EMA {max(n['emas']):g} minus {min(n['emas']):g}, mean over widths and lengths: outliers {show(d)}"
    return text, HOLDS if d["high"] < 0 or d["low"] > 0 else OPEN


def cheap_search(n: Numbers) -> tuple[str, str]:
    saved = n["grid_samples"] / np.mean([s["samples"] for s in n["searches"]])
    worse = [s["regret"] for s in n["searches"]]
    regret = paired_difference([r["mean"] for r in worse], [0.0] * len(worse))
    verdict = HOLDS if saved >= 10 and regret["low"] <= 0 else PARTLY
    return f"{saved:.1f} times fewer samples; found minus grid's best on fresh noise {show(regret, '+.2%')}", verdict


TWO_D = [
    Claim("Autoguidance removes outliers at w = 3 (Figure 1e)", "seeds", outliers_at_w3),
    Claim("… without reducing diversity (Figure 1e)", "seeds", diversity),
    Claim("CFG reduces diversity (Figure 1c)", "seeds", cfg_diversity),
    Claim("At equal weight, CFG pays more coverage than autoguidance", "seeds", cfg_against_autoguidance),
    Claim("At equal coverage, autoguidance leaves fewer outliers than CFG", "seeds", at_equal_coverage),
    Claim("Naive truncation at 1.4 loses the small branches (Figure 1d)", "seeds", truncation),
    Claim("Less training makes the better guide than less capacity (Table 1, images)", "seeds", training_or_capacity),
    Claim("Both together make the best guide (Table 1, images)", "seeds", both_best),
    Claim("A guidance interval on top of autoguidance does not help (images)", "seeds", interval),
    Claim("Autoguidance is less sensitive to w than CFG (Figure 7, images)", "seeds", sensitivity),
    Claim("*ours:* some guidance is better in quality and coverage taken together", "intervals", free_gain),
    Claim("A guide trained T/16 is best (Figure 3, images)", "design", design_length),
    Claim("The guide's EMA width matters (Figure 3, images)", "design", design_average),
    Claim("*ours:* a search replaces the grid at a tenth of its samples", "search", cheap_search),
]


CLAIMS = {"In two dimensions, where everything is exact": TWO_D}


def main() -> None:
    write(PAGE, lambda p: p.write_text(page(CLAIMS)))
    print(PAGE.name)


if __name__ == "__main__":
    main()
