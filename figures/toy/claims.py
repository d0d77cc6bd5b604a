"""The claims that are tested in two dimensions, over training seeds (`figures.results`)."""

from collections.abc import Callable

import numpy as np

from edm.metrics import paired_difference
from figures.engine.tables import difference_text as show
from figures.engine.verdicts import HOLDS, NOT, OPEN, PARTLY, Claim, Numbers, both, falls, rises


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
    return f"branch TV {show(tv, '+.3f')}, leaves lost {show(leaves, '+.1f')} of 64", falls(tv)


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
    outliers, misplaced = (between(n, "early 2", "small 2", key) for key in ("outliers_99", "misplaced"))
    text = f"at w = 2, less trained minus smaller: outliers {show(outliers)}, misplaced mass {show(misplaced)}"
    return text, both(falls(outliers), falls(misplaced))


def both_best(n: Numbers) -> tuple[str, str]:
    d = between(n, "autoguidance 2", "early 2", "misplaced")
    return f"misplaced mass at w = 2, both minus less trained only: {show(d)}", falls(d)


def interval(n: Numbers) -> tuple[str, str]:
    d = between(n, "autoguidance-interval 3", "autoguidance 3", "misplaced")
    lo, hi = n["interval"]
    return f"at w = 3, {lo} < σ ≤ {hi} minus everywhere: misplaced mass {show(d)}", rises(d)


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


def pushes(n: Numbers) -> tuple[str, str]:
    """Figure 9: at the highest level, how one-sided the two guides push."""
    cfg, auto = (np.array(n["one_sided"][arm])[:, 0] for arm in ("cfg", "autoguidance"))
    d = paired_difference(cfg, auto)
    return f"one-sided at σ = {n['sigmas'][0]:g}: CFG {cfg.mean():.0%}, autoguidance {auto.mean():.0%}", rises(d)


def ends(n: Numbers) -> tuple[str, str]:
    """Figure 2: samples that start from the truth at sigma = 0.03."""
    start, d = np.mean(n["outliers"]["none"]), n["change"]
    changes = f"CFG {show(d['cfg'])}, autoguidance {show(d['autoguidance'])}"
    text = f"outliers of {start:.1%}: {changes}, {len(n['seeds'])} training seeds"
    return text, both(falls(d["cfg"]), falls(d["autoguidance"]))


def product(n: Numbers) -> tuple[str, str]:
    guided, plain = (n["runs"][arm] for arm in ("autoguidance 3", "none"))
    apart, before = (np.mean(run["quartile_distance"]) for run in (guided, plain))
    d = n["difference"]["autoguidance 3"]
    interval = f"{d['mean']:+.2f} ({d['low']:+.2f}, {d['high']:+.2f})".replace("-", "−")
    text = f"quartiles of log q − log product over the samples, w = 3: {apart:.2f} nats apart, unguided {before:.2f}; change "
    density = f"the product is a density at all for {sum(guided['falls_outwards'])} of {len(n['seeds'])} training seeds"
    return f"{text}{interval}; {density}", rises(d)


def data_moments(n: Numbers) -> tuple[str, str]:
    mean, sd = n["moments"]["AB"]["mean"], n["moments"]["AB"]["sd"]
    verdict = HOLDS if max(map(abs, mean)) < 5e-3 and max(abs(s - 0.5) for s in sd) < 5e-3 else NOT
    return f"exactly: mean ({mean[0]:+.4f}, {mean[1]:+.4f}), sd ({sd[0]:.4f}, {sd[1]:.4f})".replace("-", "−"), verdict


def hyperparameters(n: Numbers) -> tuple[str, str]:
    changes = {name: s["difference"]["2"]["outliers_99"]["mean"] for name, s in n["settings"].items()}
    fewer = sum(v < 0 for v in changes.values())
    sure = sum(s["difference"]["2"]["outliers_99"]["high"] < 0 for s in n["settings"].values())
    lost = sum(s["difference"]["2"]["branch_tv"]["low"] > 0 for s in n["settings"].values())
    text = (
        f"at w = 2, of {len(changes)} settings: fewer outliers in {fewer} (certain in {sure}), branch TV up in {lost}"
    )
    return text, HOLDS if sure == len(changes) else PARTLY if fewer > len(changes) / 2 else NOT


def denoising(n: Numbers) -> tuple[str, str]:
    d, gain = n["denoising"]["unguided"]["outliers_99"], n["denoising"]["gain_of_guidance"]
    text = f"outliers {show(d)} with denoising targets; change of guidance's gain {show(gain)}, {len(n['more_seeds'])} seeds"
    return text, rises(d)


def corrupted_pair(main: str, weak: str) -> Callable[[Numbers], tuple[str, str]]:
    """Verdict: the corruption does harm, guidance gains, and what is left of the harm is not certain to be any.

    Judged by the misplaced mass, or by the leaves lost where the misplaced mass shows no harm.
    """

    def judge(n: Numbers) -> tuple[str, str]:
        pair = next(p for p in n["pairs"] if (p["main"], p["weak"]) == (main, weak))
        key, name, form = "misplaced", "misplaced", "+.1%"
        if rises(pair["damage"][key]) != HOLDS:
            key, name, form = "leaves_lost", "leaves lost", "+.1f"
        damage, gain, left = (pair[k][key] for k in ("damage", "gain", "left"))
        text = f"{name}: corrupted {show(damage, form)}, guided at w = {pair['weight']:g} {show(gain, form)}, "
        text += f"left {show(left, form)}"
        if rises(damage) != HOLDS:
            return text, OPEN
        if pair["weight"] == 1:
            return f"{name}: corrupted {show(damage, form)}; no weight above 1 helps", NOT
        return text, falls(gain) if falls(gain) != HOLDS else HOLDS if left["low"] <= 0 else PARTLY

    return judge


def mismatched(n: Numbers) -> tuple[str, str]:
    pairs = [p for p in n["pairs"] if p["main"] != p["weak"]]
    best = sum(p["weight"] == 1 for p in pairs)
    return f"w = 1 best in {best} of {len(pairs)} mismatched pairs, {len(n['seeds'])} training seeds", (
        HOLDS if best == len(pairs) else PARTLY
    )


TWO_D = [
    Claim("Mean 0 and standard deviation 0.5 per axis over both classes", "robustness", data_moments, "0 and 0.5"),
    Claim("Autoguidance removes outliers at w = 3 (Figure 1e), and at w = 2", "seeds", outliers_at_w3),
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
    Claim("A guide of intermediate training is best, T/16 (Figure 3, images)", "guide_design", design_length),
    Claim("The guide's EMA width matters (Figure 3, images)", "guide_design", design_average),
    Claim("Near the data a weaker guide pulls outliers back (Figure 2)", "pull", ends),
    Claim("At high noise CFG pushes to one side, autoguidance does not (Figure 9)", "pull", pushes),
    Claim("What is sampled is not p₁(p₁/p₀)^(w−1)", "product", product),
    Claim("The phenomena stay over a wide range of parameters", "robustness", hyperparameters),
    Claim("*ours:* exact score matching gives a better model than denoising", "robustness", denoising),
    Claim(
        "Guidance undoes dropout that both models share (section 4)",
        "corruptions",
        corrupted_pair("dropout", "dropout"),
    ),
    Claim("Guidance undoes input noise that both share (section 4)", "corruptions", corrupted_pair("noise", "noise")),
    Claim("*ours:* … input noise on the exact score", "corruptions", corrupted_pair("exact noise", "exact noise")),
    Claim("*ours:* … weight noise in a shared direction", "corruptions", corrupted_pair("weights", "weights")),
    Claim(
        "*ours:* … weight noise in unrelated directions",
        "corruptions",
        corrupted_pair("weights apart", "weights apart"),
    ),
    Claim("Mismatched corruptions: w = 1 stays best (section 4)", "corruptions", mismatched),
    Claim("*ours:* a search replaces the grid at a tenth of its samples", "search", cheap_search),
]
