"""The claims that are tested on images, over the training runs of every network (`figures.results`).

Weights and averages were chosen on other noise seeds than those reported.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edm.metrics import paired_difference
from figures.engine.tables import difference_text as show
from figures.engine.verdicts import HOLDS, NOT, OPEN, PARTLY, Claim, Numbers, both, falls, rises
from figures.images.points import against, best, mean

AUTO, CFG = "autoguidance (XS, less trained)", "CFG"


def method(name: str, keeps_recall: bool = True) -> Callable[[Numbers], tuple[str, str]]:
    """Verdict: the Frechet distance falls, and, where that is claimed, recall does not."""

    def judge(n: Numbers) -> tuple[str, str]:
        row, none = n["rows"][name], n["rows"]["no labels" if "labels" in name else "no guidance"]
        fd, recall = (row["difference"][k] for k in ("frechet_distance", "recall"))
        text = f"FD to training images {mean(none):.3f} {show(fd, '+.3f')} at w = {row['w']:g}, recall {show(recall, '+.3f')}"
        return text, PARTLY if keeps_recall and falls(fd) == HOLDS and recall["high"] < 0 else falls(fd)

    return judge


def single_images(n: Numbers) -> tuple[str, str]:
    """Quality of each image on its own: precision, and how often the classifier agrees with the class."""
    row, none = n["rows"][AUTO], n["rows"]["no guidance"]
    gaps = {key: against(row, none, key) for key in ("precision", "class_agreement")}
    text = ", ".join(f"{key.replace('_', ' ')} {mean(none, key):.3f} {show(gap, '+.3f')}" for key, gap in gaps.items())
    return text, both(*map(rises, gaps.values()))


def compared(a: str, b: str) -> Callable[[Numbers], tuple[str, str]]:
    """Verdict on 'a has the lower Frechet distance'."""

    def judge(n: Numbers) -> tuple[str, str]:
        d = against(n["rows"][a], n["rows"][b])
        return f"FD of {a} minus {b}: {show(d, '+.3f')}", falls(d)

    return judge


def a_fifth_below(n: Numbers) -> tuple[str, str]:
    """The goal set for a small data set: 20 % below the best unguided distance without loss of recall or coverage."""
    row = n["rows"][AUTO]
    relative = paired_difference(row["change"], [0.0] * len(row["change"]))
    recall, coverage = row["difference"]["recall"], row["difference"]["coverage"]
    text = f"FD to training images {show(relative)} of the best unguided one; "
    text += f"recall {show(recall, '+.3f')}, coverage {show(coverage, '+.3f')}"
    lost = recall["high"] < 0 or coverage["high"] < 0
    return text, NOT if lost else HOLDS if relative["high"] <= -0.2 else PARTLY if relative["mean"] <= -0.2 else NOT


def unseen(n: Numbers) -> tuple[str, str]:
    """Against images that no model has seen."""
    d = n["rows"][AUTO]["difference"]["test_distance"]
    redrawn = np.mean([r["test_distance"] for r in n["floors"]["train"]])
    start = mean(n["rows"]["no guidance"], "test_distance")
    return f"FD to test images {start:.3f} {show(d, '+.3f')}; as many training images are at {redrawn:.3f}", falls(d)


def best_length(n: Numbers) -> tuple[str, str]:
    """Figure 3: of the main model's capacity, each length at its best weight. Holds if T/16 is certainly better than all others;
    partly if an intermediate length is certainly better than both ends; not if an end is than all between."""
    found = {name: best(points) for name, points in n["lengths"].items() if "own" not in name}
    first, second, *_ = sorted(found, key=lambda name: mean(found[name]))
    beaten = {name for name in found if name != first and falls(against(found[first], found[name])) == HOLDS}
    ends = {"T/32", "T"}
    if first in ends:
        verdict = NOT if found.keys() - ends <= beaten else OPEN
    elif first == "T/16" and len(beaten) == len(found) - 1:
        verdict = HOLDS
    else:
        verdict = PARTLY if ends <= beaten else OPEN
    text = ", ".join(f"{name} {mean(p):.3f} (w = {p['w']:g})" for name, p in found.items())
    return f"lowest FD: {text}; {first} minus {second} {show(against(found[first], found[second]), '+.3f')}", verdict


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
    return f"FD from w = 1.25 to 2: {means}; difference {show(d, '+.3f')}", falls(d)


def shared_width(n: Numbers) -> tuple[str, str]:
    """Figure 3: is some pair of different EMA widths better than the best pair of equal ones?"""
    equal = best(p for p in n["widths"] if p["main"][2] == p["guide"][2])
    other = best(p for p in n["widths"] if p["main"][2] != p["guide"][2])
    d = against(other, equal)
    unequal = f"{other['main'][2]:g} / {other['guide'][2]:g}"
    text = f"best of {len(n['widths'])} pairs of widths: equal {equal['main'][2]:g}, unequal {unequal}"
    return f"{text}; FD {show(d, '+.3f')}", falls(d)


def search(n: Numbers) -> tuple[str, str]:
    """From a tenth of the images or fewer, the search finds a gain, and what it finds is the grid's best within noise: not
    certainly worse, or by less than the grid's best differs from itself between sets of noise."""
    regret, saved = n["regret"], n["times_fewer"]
    text = f"{saved:.1f} times fewer images; on fresh noise found minus grid's best: FD {show(regret, '+.3f')} "
    text += f"(between sets of noise {n['noise']:.3f}), found minus no guidance {show(n['gain'], '+.3f')}"
    within = regret["low"] <= 0 or regret["high"] <= n["noise"]
    return text, NOT if not within or saved < 10 else falls(n["gain"])


def claims(study: str) -> list[Claim]:
    """The claims on a study, whose results lie in the gallery's folder of that name."""
    listed = [
        Claim("CFG lowers the distance (Table 1)", "table1", method(CFG, keeps_recall=False), "2.56 to 2.23 at w = 1.4"),
        Claim("Autoguidance lowers it and keeps recall (Table 1)", "table1", method(AUTO), "2.56 to 1.34 at w = 2.1"),
        Claim("… further than CFG (Table 1)", "table1", compared(AUTO, CFG), "1.34 against 2.23"),
        Claim("… further than CFG with an interval (Table 1)", "table1", compared(AUTO, "CFG, interval"), "1.34 against 1.68"),
        Claim("Autoguidance makes single images better (section 1)", "table1", single_images, "pictures"),
        Claim("Autoguidance lowers it without labels, too (Table 1)", "table1", method("no labels, autoguidance"), "11.67 to 3.86"),
        Claim("Less training alone lowers it, too (Table 1)", "table1", method("less training only"), "2.56 to 1.51"),
        Claim(
            "… and more than less capacity alone (Table 1)", "table1", compared("less training only", "less capacity only"),
            "1.51 against 2.13",
        ),
        Claim(
            "Both together are better than less training alone (Table 1)", "table1", compared(AUTO, "less training only"),
            "1.34 against 1.51",
        ),
        Claim("A guide of intermediate training is best, T/16 (Figure 3)", "fig3", best_length, "T/16"),
        Claim("Main model and guide want different EMA widths (Figure 3)", "fig3", shared_width, ".070 / .125: 1.34, equal: 1.53"),
        Claim("Autoguidance is less sensitive to w than CFG (Figure 7)", "fig7", sensitivity, "a picture"),
        Claim("*ours:* a fifth below the best unguided distance, recall and coverage kept", "table1", a_fifth_below),
        Claim("*ours:* autoguidance is nearer to unseen images, too", "table1", unseen),
        Claim("*ours:* a search replaces the grid at a tenth of its images", "image_search", search),
        Claim(
            "Guidance undoes dropout that both share (section 4)", "image_corruptions",
            image_corruption("dropout, guide dropout"), "2.56; corrupted 4.98, guided at w = 2.25 2.55",
        ),
        Claim(
            "Guidance undoes input noise that both share (section 4)", "image_corruptions",
            image_corruption("noise, guide noise"), "2.56; corrupted 3.96, guided at w = 2 2.56",
        ),
        Claim("Mismatched corruptions: w = 1 stays best (section 4)", "image_corruptions", mismatched, "w = 1"),
    ]  # fmt: skip
    return [replace(c, result=str(Path(study, c.result))) for c in listed]
