"""The claims that are tested on digits, over three training runs of every network (`figures.results`).

Weights and averages were chosen on other noise seeds than those reported.
"""

from collections.abc import Callable

import numpy as np

from edm.metrics import paired_difference
from figures.common import difference_text as show
from figures.verdicts import HOLDS, NOT, OPEN, PARTLY, Claim, Numbers, both, falls, rises


def method(name: str) -> Callable[[Numbers], tuple[str, str]]:
    """Verdict: the Frechet distance falls, and recall does not."""

    def judge(n: Numbers) -> tuple[str, str]:
        row, none = n["rows"][name], n["rows"]["no labels" if "labels" in name else "no guidance"]
        start = np.mean(none["values"]["frechet_distance"])
        fd, recall = (row["difference"][k] for k in ("frechet_distance", "recall"))
        text = (
            f"FD to training images {start:.3f} {show(fd, '+.3f')} at w = {row['w']:g}, recall {show(recall, '+.3f')}"
        )
        return text, PARTLY if falls(fd) == HOLDS and recall["high"] < 0 else falls(fd)

    return judge


def compared(a: str, b: str) -> Callable[[Numbers], tuple[str, str]]:
    """Verdict on 'a has the lower Frechet distance'."""

    def judge(n: Numbers) -> tuple[str, str]:
        values = (n["rows"][name]["values"]["frechet_distance"] for name in (a, b))
        d = paired_difference(*values)
        return f"FD of {a} minus {b}: {show(d, '+.3f')}", falls(d)

    return judge


def a_fifth_below(n: Numbers) -> tuple[str, str]:
    """The goal set for a small data set: 20 % below the best unguided distance without loss of recall or coverage."""
    row = n["rows"]["autoguidance (XS, less trained)"]
    relative = paired_difference(row["change"], [0.0] * len(row["change"]))
    recall, coverage = row["difference"]["recall"], row["difference"]["coverage"]
    text = f"FD to training images {show(relative)} of the best unguided one; "
    text += f"recall {show(recall, '+.3f')}, coverage {show(coverage, '+.3f')}"
    lost = recall["high"] < 0 or coverage["high"] < 0
    return text, NOT if lost else HOLDS if relative["high"] <= -0.2 else PARTLY if relative["mean"] <= -0.2 else NOT


def unseen(n: Numbers) -> tuple[str, str]:
    """Against images that no model has seen."""
    d = n["rows"]["autoguidance (XS, less trained)"]["difference"]["test_distance"]
    redrawn = np.mean([r["test_distance"] for r in n["floors"]["train"]])
    start = np.mean(n["rows"]["no guidance"]["values"]["test_distance"])
    return f"FD to test images {start:.3f} {show(d, '+.3f')}; redrawn training images are at {redrawn:.3f}", falls(d)


def best_length(n: Numbers) -> tuple[str, str]:
    """Figure 3: of the main model's capacity, the guide's length with the lowest distance at its best weight."""
    found = {}
    for name, points in n["lengths"].items():
        if "own" not in name:
            found[name] = min((np.mean(p["values"]["frechet_distance"]), p["w"]) for p in points)
    text = ", ".join(
        f"{name} {fd:.3f}" + (f" (w = {w:g})" if w != 1 else " (w = 1)") for name, (fd, w) in found.items()
    )
    best = min(found, key=lambda name: found[name][0])
    return f"lowest FD: {text}", HOLDS if best == "T/16" else NOT if best in ("T/32", "T") else PARTLY


def image_corruption(pair: str) -> Callable[[Numbers], tuple[str, str]]:
    """Verdict: corruption harms, guidance gains, and nothing certain is left."""

    def judge(n: Numbers) -> tuple[str, str]:
        v = n["verdicts"][pair]
        d, left = v["difference"]["frechet_distance"], v["left"]
        text = f"FD {v['whole']:.3f}, corrupted {v['unguided']:.3f}, guided at w = {v['w']:g} {v['guided']:.3f} ({show(d, '+.3f')})"
        if v["unguided"] <= v["whole"]:
            return text, OPEN
        return text, falls(d) if falls(d) != HOLDS else HOLDS if left["low"] <= 0 else PARTLY

    return judge


def mismatched(n: Numbers) -> tuple[str, str]:
    """w = 1 stays best when the guide is corrupted in another way than the main model."""
    pairs = {
        name: n["verdicts"][name]["difference"]["frechet_distance"]
        for name in ("dropout, guide noise", "noise, guide dropout")
    }
    text = "; ".join(f"{name}: FD {show(d, '+.3f')}" for name, d in pairs.items())
    return text, both(*(rises(d) for d in pairs.values()))


def sensitivity(n: Numbers) -> tuple[str, str]:
    """How much the Frechet distance rises from w = 1.25 to 2."""
    rise = {}
    for name in ("autoguidance", "CFG"):
        at = {p["w"]: np.array(p["values"]["frechet_distance"]) for p in n["methods"][name]}
        rise[name] = at[2.0] - at[1.25]
    d = paired_difference(rise["autoguidance"], rise["CFG"])
    means = ", ".join(f"{name} +{values.mean():.3f}" for name, values in rise.items())
    return f"FD from w = 1.25 to 2: {means}", falls(d)


def shared_width(n: Numbers) -> tuple[str, str]:
    """Figure 3: is some pair of different EMA widths better than the best pair of equal ones?"""
    pairs = {(p["main"][2], p["guide"][2]): p["values"]["frechet_distance"] for p in n["widths"]}
    equal = min((k for k in pairs if k[0] == k[1]), key=lambda k: np.mean(pairs[k]))
    other = min((k for k in pairs if k[0] != k[1]), key=lambda k: np.mean(pairs[k]))
    d = paired_difference(pairs[other], pairs[equal])
    text = f"best of {len(pairs)} pairs of widths: equal {equal[0]:g}, unequal {other[0]:g} / {other[1]:g}"
    return f"{text}; FD {show(d, '+.3f')}", falls(d)


AUTO, CFG = "autoguidance (XS, less trained)", "CFG"
DIGITS = [
    Claim("CFG lowers the distance (Table 1)", "table1", method(CFG)),
    Claim("Autoguidance lowers it (Table 1)", "table1", method(AUTO)),
    Claim("… further than CFG (Table 1)", "table1", compared(AUTO, CFG)),
    Claim("… further than CFG with an interval (Table 1)", "table1", compared(AUTO, "CFG, interval")),
    Claim("Autoguidance lowers it without labels, too (Table 1)", "table1", method("no labels, autoguidance")),
    Claim("Less training alone gives most of the gain (Table 1)", "table1", method("less training only")),
    Claim(
        "… and more than less capacity alone (Table 1)", "table1", compared("less training only", "less capacity only")
    ),
    Claim(
        "Both together are better than less training alone (Table 1)", "table1", compared(AUTO, "less training only")
    ),
    Claim("A guide of intermediate training is best, T/16 (Figure 3)", "fig3", best_length),
    Claim("Main model and guide want different EMA widths (Figure 3)", "fig3", shared_width),
    Claim("Autoguidance is less sensitive to w than CFG (Figure 7)", "fig7", sensitivity),
    Claim("*ours:* a fifth below the best unguided distance, recall and coverage kept", "table1", a_fifth_below),
    Claim("*ours:* autoguidance is nearer to unseen images, too", "table1", unseen),
    Claim(
        "Guidance undoes dropout that both share (section 4)",
        "image_corruptions",
        image_corruption("dropout, guide dropout"),
    ),
    Claim(
        "Guidance undoes input noise that both share (section 4)",
        "image_corruptions",
        image_corruption("noise, guide noise"),
    ),
]
