"""The claims that are tested in two dimensions, over training seeds (`figures.results`).

Each claim has one primary measurement, the first in its text, fixed here before the numbers are seen. Two guides are compared at
equal coverage, never at one weight.
"""

from collections.abc import Callable

import numpy as np

from edm.metrics import paired_difference
from figures.engine.tables import difference_text as show
from figures.engine.verdicts import (
    HOLDS,
    NOT,
    OPEN,
    PARTLY,
    QUARTER,
    Claim,
    Judged,
    Numbers,
    as_good,
    both,
    chance,
    falls,
    no_gain,
    rises,
    undone,
)

EQUAL_TV = 0.15  # the branch TV within which two guides are compared
SAME_TV, SAME_LEAVES = 0.01, 1.0  # changes of branch TV and of leaves lost that count as none
SAME_OUTLIERS = 0.005  # half a point: a change of the share of outliers that counts as none


def change(n: Numbers, arm: str, key: str) -> dict:
    """Paired difference of an arm of `seeds` to no guidance."""
    return n["difference"][arm][key]


def within_equal_coverage(n: Numbers, a: str, b: str) -> tuple[dict, str]:
    """Fewest outliers of two families of `seeds` at a branch TV of at most EQUAL_TV: the difference, and both as text."""
    found = [n["outliers_within_budget"][family][str(EQUAL_TV)] for family in (a, b)]
    d = paired_difference(*found)
    return (
        d,
        f"outliers at a branch TV of {EQUAL_TV} or less: {np.mean(found[0]):.1%} against {np.mean(found[1]):.1%}, {show(d)}",
    )


def fewer_outliers(weight: int) -> Callable[[Numbers], Judged]:
    """Verdict: autoguidance at this weight lowers the share of outliers."""

    def judge(n: Numbers) -> Judged:
        d, start = change(n, f"autoguidance {weight}", "outliers_99"), np.mean(n["runs"]["none"]["outliers_99"])
        return Judged(f"outliers {show(d)} of {start:.1%}", falls(d), chance(d))

    return judge


def diversity(weight: int) -> Callable[[Numbers], Judged]:
    """Verdict: at this weight branch TV rises by less than SAME_TV, and fewer than SAME_LEAVES leaves are lost."""

    def judge(n: Numbers) -> Judged:
        tv, leaves = (change(n, f"autoguidance {weight}", key) for key in ("branch_tv", "leaves_lost"))
        text = f"branch TV {show(tv, '+.3f')}, leaves lost {show(leaves, '+.1f')} of 64"
        return Judged(text, both(as_good(tv, SAME_TV), as_good(leaves, SAME_LEAVES)), chance(tv, SAME_TV))

    return judge


def cfg_diversity(n: Numbers) -> Judged:
    tv, leaves = (change(n, "cfg 4", key) for key in ("branch_tv", "leaves_lost"))
    text = f"at w = 4 branch TV {show(tv, '+.3f')}, leaves lost {show(leaves, '+.1f')} of 64"
    return Judged(text, both(rises(tv), rises(leaves)), chance(tv))


def better_guide(a: str, b: str) -> Callable[[Numbers], Judged]:
    """Verdict: at equal coverage guides of family a leave fewer outliers than those of family b."""

    def judge(n: Numbers) -> Judged:
        d, text = within_equal_coverage(n, a, b)
        return Judged(text, falls(d), chance(d))

    return judge


def truncation(n: Numbers) -> Judged:
    lost = change(n, "truncation 1.4", "leaves_lost")
    outliers = np.mean(n["runs"]["truncation 1.4"]["outliers_99"])
    return Judged(f"leaves lost {show(lost, '+.1f')} of 64, outliers {outliers:.1%}", rises(lost), chance(lost))


def interval(n: Numbers) -> Judged:
    """Does an interval bring less than a quarter of what autoguidance itself gains at equal coverage?"""
    d, text = within_equal_coverage(n, "autoguidance-interval", "autoguidance")
    plain = np.mean(n["runs"]["none"]["outliers_99"])
    gain = plain - np.mean(n["outliers_within_budget"]["autoguidance"][str(EQUAL_TV)])
    lo, hi = n["interval"]
    return Judged(f"{lo} < σ ≤ {hi} against everywhere, {text}", no_gain(d, QUARTER * gain), chance(d))


def sensitivity(n: Numbers) -> Judged:
    def reach(family: str) -> np.ndarray:  # [seeds]: misplaced mass at w = 3 above that at w = 1.25
        return np.subtract(n["runs"][f"{family} 3"]["misplaced"], n["runs"][f"{family} 1.25"]["misplaced"])

    d = paired_difference(reach("autoguidance"), reach("cfg"))
    means = [100 * reach(family).mean() for family in ("autoguidance", "cfg")]
    text = f"misplaced mass from w = 1.25 to 3: autoguidance +{means[0]:.0f}, CFG +{means[1]:.0f} points"
    return Judged(text, falls(d), chance(d))


def free_gain(n: Numbers) -> Judged:
    """Not the paper's words: is there any setting that is better in quality and coverage taken together?"""
    best = min(n["best"].values(), key=lambda c: c["chosen_on"]["misplaced"]["mean"])
    lo, hi = best["interval"]
    d, tv = best["reported"]["misplaced"], best["reported"]["branch_tv"]
    text = f"misplaced mass {show(d)}, branch TV {show(tv, '+.3f')}: {best['kind']}, {lo:g} < σ ≤ {hi:g}, w = {best['w']:g}"
    return Judged(f"{text}, chosen on the other half of the seeds", falls(d), chance(d))


def design_length(n: Numbers) -> Judged:
    """Of the main model's capacity, is a guide of intermediate training better than the least and the most trained?"""
    cells = [c for c in n["cells"] if c["hidden"] == max(n["hidden"]) and c["ema"] == n["emas"][0]]
    outliers = {c["length"]: c["outliers_99"] for c in cells}
    short, *between, full = sorted(outliers)
    best = min(between, key=lambda length: np.mean(outliers[length]))
    ends = [paired_difference(outliers[best], outliers[end]) for end in (full, short)]
    text = f"outliers at most {n['budget']} of branch TV above none: T/{full // best} minus T {show(ends[0])}, "
    text += f"minus T/{full // short} {show(ends[1])}, {len(n['seeds'])} seeds"
    return Judged(text, both(*map(falls, ends)), chance(ends[0]))


def design_average(n: Numbers) -> Judged:
    """Over all widths and lengths: widest minus narrowest average of the guide."""
    narrow, wide = ([c["outliers_99"] for c in n["cells"] if c["ema"] == e] for e in (min(n["emas"]), max(n["emas"])))
    d = paired_difference(np.mean(wide, 0), np.mean(narrow, 0))
    text = f"outliers, EMA {max(n['emas']):g} minus {min(n['emas']):g} of the guide, over widths and lengths: {show(d)}"
    same = d["low"] > -SAME_OUTLIERS and d["high"] < SAME_OUTLIERS
    return Judged(text, NOT if same else HOLDS if d["high"] < 0 or d["low"] > 0 else OPEN, chance(d))


def cheap_search(n: Numbers) -> Judged:
    """Is what the search finds not worse than the grid's best by more than a quarter of what that one gains?"""
    saved = n["grid_samples"] / np.mean([s["samples"] for s in n["searches"]])
    at = {arm: [np.mean(s["misplaced"][arm]) for s in n["searches"]] for arm in ("none", "found", "grid_best")}
    regret, gain = (paired_difference(at[a], at[b]) for a, b in (("found", "grid_best"), ("none", "grid_best")))
    text = f"misplaced mass on fresh noise, found minus grid's best {show(regret, '+.2%')}, which gains {show(gain, '+.2%')}; "
    text += f"{saved:.1f} times fewer samples"
    verdict = OPEN if rises(gain) != HOLDS else as_good(regret, QUARTER * gain["mean"])
    return Judged(text, verdict if saved >= 10 else NOT, chance(regret, QUARTER * gain["mean"]))


def pushes(n: Numbers) -> Judged:
    """Figure 9: at the highest level, how one-sided the two guides push."""
    cfg, auto = (np.array(n["one_sided"][arm])[:, 0] for arm in ("cfg", "autoguidance"))
    d = paired_difference(cfg, auto)
    text = f"one-sided at σ = {n['sigmas'][0]:g}: CFG {cfg.mean():.0%}, autoguidance {auto.mean():.0%}"
    return Judged(text, rises(d), chance(d))


def ends(n: Numbers) -> Judged:
    """Figure 2: samples that start from the truth at sigma = 0.03."""
    start, auto, cfg = np.mean(n["outliers"]["none"]), n["change"]["autoguidance"], n["change"]["cfg"]
    text = f"outliers of {start:.1%}: autoguidance {show(auto)}, CFG {show(cfg)}, {len(n['seeds'])} training seeds"
    return Judged(text, both(falls(auto), falls(cfg)), chance(auto))


def product(n: Numbers) -> Judged:
    guided, plain = (n["runs"][arm] for arm in ("autoguidance 3", "none"))
    apart, before = (np.mean(run["quartile_distance"]) for run in (guided, plain))
    d = n["difference"]["autoguidance 3"]
    interval = f"{d['mean']:+.2f} ({d['low']:+.2f}, {d['high']:+.2f})".replace("-", "−")
    text = f"quartiles of log q − log product over the samples, w = 3: {apart:.2f} nats apart, unguided {before:.2f}; change "
    density = f"the product is a density at all for {sum(guided['falls_outwards'])} of {len(n['seeds'])} training seeds"
    return Judged(f"{text}{interval}; {density}", rises(d), chance(d))


def data_moments(n: Numbers) -> Judged:
    mean, sd = n["moments"]["AB"]["mean"], n["moments"]["AB"]["sd"]
    verdict = HOLDS if max(map(abs, mean)) < 5e-3 and max(abs(s - 0.5) for s in sd) < 5e-3 else NOT
    text = f"exactly: mean ({mean[0]:+.4f}, {mean[1]:+.4f}), sd ({sd[0]:.4f}, {sd[1]:.4f})".replace("-", "−")
    return Judged(text, verdict)


def hyperparameters(n: Numbers) -> Judged:
    changes = [s["difference"]["2"] for s in n["settings"].values()]
    fewer, sure = (sum(c["outliers_99"][key] < 0 for c in changes) for key in ("mean", "high"))
    lost = sum(c["branch_tv"]["low"] > 0 for c in changes)
    text = (
        f"outliers at w = 2, of {len(changes)} settings: fewer in {fewer} (certain in {sure}); branch TV up in {lost}"
    )
    return Judged(text, HOLDS if sure == len(changes) else PARTLY if fewer > len(changes) / 2 else NOT)


def denoising(n: Numbers) -> Judged:
    d, gain = n["denoising"]["unguided"]["outliers_99"], n["denoising"]["gain_of_guidance"]
    text = f"outliers {show(d)} with denoising targets; change of guidance's gain {show(gain)}, {len(n['more_seeds'])} seeds"
    return Judged(text, rises(d), chance(d))


def corrupted_pair(main: str, weak: str) -> Callable[[Numbers], Judged]:
    """Verdict: less than a quarter of the rise of misplaced mass is left at the chosen weight (`verdicts.undone`)."""

    def judge(n: Numbers) -> Judged:
        pair = next(p for p in n["pairs"] if (p["main"], p["weak"]) == (main, weak))
        damage, gain, left = (pair[k]["misplaced"] for k in ("damage", "gain", "left"))
        verdict = undone(damage, gain, left)
        text = f"misplaced mass: corrupted {show(damage)}"
        if pair["weight"] == 1:
            return Judged(
                f"{text}; no weight above 1 helps", verdict if rises(damage) != HOLDS else NOT, chance(damage)
            )
        text += f", guided at w = {pair['weight']:g} {show(gain)}, left {show(left)}"
        return Judged(text, verdict, chance(left, QUARTER * damage["mean"]))

    return judge


def mismatched(n: Numbers) -> Judged:
    """w = 1 is chosen, or what another weight gains on other noise is not certain."""
    pairs = [p for p in n["pairs"] if p["main"] != p["weak"]]
    best = sum(p["weight"] == 1 for p in pairs)
    gains = sum(p["weight"] != 1 and falls(p["gain"]["misplaced"]) == HOLDS for p in pairs)
    text = f"w = 1 chosen in {best} of {len(pairs)} mismatched pairs; another weight certainly gains in {gains}"
    return Judged(f"{text}; {len(n['seeds'])} training seeds", HOLDS if not gains else PARTLY)


TWO_D = [
    Claim("Mean 0 and standard deviation 0.5 per axis over both classes", "robustness", data_moments, "0 and 0.5"),
    Claim("Autoguidance removes outliers: w = 3 (Figure 1e)", "seeds", fewer_outliers(3)),
    Claim("… w = 2", "seeds", fewer_outliers(2)),
    Claim("… without reducing diversity: w = 3 (Figure 1e)", "seeds", diversity(3)),
    Claim("… w = 2", "seeds", diversity(2)),
    Claim("CFG reduces diversity (Figure 1c)", "seeds", cfg_diversity),
    Claim("At equal coverage, autoguidance leaves fewer outliers than CFG", "seeds", better_guide("autoguidance", "cfg")),
    Claim("Naive truncation at 1.4 loses the small branches (Figure 1d)", "seeds", truncation),
    Claim("Less training makes the better guide than less capacity (Table 1, images)", "seeds", better_guide("early", "small")),
    Claim("Both together make the best guide (Table 1, images)", "seeds", better_guide("autoguidance", "early")),
    Claim("A guidance interval on top of autoguidance does not help (images)", "seeds", interval),
    Claim("Autoguidance is less sensitive to w than CFG (Figure 7, images)", "seeds", sensitivity),
    Claim("*ours:* some guidance is better in quality and coverage taken together", "intervals", free_gain),
    Claim("A guide of intermediate training is best (Figure 3, images: T/16)", "guide_design", design_length),
    Claim("The guide's EMA width matters (Figure 3, images)", "guide_design", design_average),
    Claim("Near the data a weaker guide pulls outliers back (Figure 2)", "pull", ends),
    Claim("At high noise CFG pushes to one side, autoguidance does not (Figure 9)", "pull", pushes),
    Claim("What is sampled is not p₁(p₁/p₀)^(w−1)", "product", product),
    Claim("The phenomena stay over a wide range of parameters", "robustness", hyperparameters),
    Claim("*ours:* exact score matching gives a better model than denoising", "robustness", denoising),
    Claim("Guidance undoes dropout that both models share (section 4)", "corruptions", corrupted_pair("dropout", "dropout")),
    Claim("*ours:* … where the guide drops what the main model drops, and more", "corruptions",
          corrupted_pair("nested dropout", "nested dropout")),
    Claim("Guidance undoes input noise that both share (section 4)", "corruptions", corrupted_pair("noise", "noise")),
    Claim("*ours:* … input noise on the exact score", "corruptions", corrupted_pair("exact noise", "exact noise")),
    Claim("*ours:* … weight noise in a shared direction", "corruptions", corrupted_pair("weights", "weights")),
    Claim("*ours:* … weight noise in unrelated directions", "corruptions", corrupted_pair("weights apart", "weights apart")),
    Claim("Mismatched corruptions: w = 1 stays best (section 4)", "corruptions", mismatched),
    Claim("*ours:* a search replaces the grid at a tenth of its samples", "search", cheap_search),
]  # fmt: skip
