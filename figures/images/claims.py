"""The claims that are tested on images, over the training runs of every network (`figures.results`).

The primary measurement is the Fréchet distance in the classifier's features. A claim about a distance *holds* if it holds there and
in one other feature space; if it holds there alone it holds partly. The text says which spaces disagree. Recall is judged by its
distance to the recall of as many real images. Settings were chosen on other training runs and other noise than are reported.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from edm.metrics import paired_difference
from figures.engine.tables import difference_text as show
from figures.engine.verdicts import HOLDS, NOT, OPEN, PARTLY, Claim, Numbers, both, falls, rises
from figures.images import settings
from figures.images.points import PREFIXES, SPACES, against, best, floor, mean, nearer
from figures.images.settings import AUTO, BASE, CAPACITY, CFG, DATA, INTERVAL, NO_LABELS, STEPS, TRAINING, TRUNCATION

FD = "frechet_distance"
NO_LABELS_AUTO = f"{NO_LABELS}, autoguidance"
Judged = tuple[str, str]


def in_spaces(a: Mapping, b: Mapping, rule: Callable[[dict], str] = falls, key: str = FD) -> Judged:
    """Verdict on 'a has the lower distance than b' (or another rule) in all feature spaces, the primary one first."""
    found = {space: against(a, b, prefix + key) for space, prefix in PREFIXES.items()}
    verdicts = {space: rule(d) for space, d in found.items()}
    primary, *others = verdicts.values()
    text = f"FD {show(found['classifier'], '+.3f')}"
    text += "".join(f", {SPACES[space]} {show(d, '+.3f')}" for space, d in found.items() if space != "classifier")
    opposite = {HOLDS: NOT, NOT: HOLDS}.get(primary)
    disagree = [SPACES[space] for space, verdict in verdicts.items() if verdict == opposite]
    text += f" (disagrees: {', '.join(disagree)})" if disagree else ""
    return text, spaces_verdict(primary, others)


def spaces_verdict(primary: str, others: list[str]) -> str:
    """Whatever is certain needs the primary space and one other; the primary one alone is 'partly', or nothing decided."""
    if primary in others:
        return primary
    if primary == HOLDS:
        return PARTLY
    return PARTLY if primary == NOT and HOLDS in others else OPEN


def method(name: str, keeps_recall: bool = True) -> Callable[[Numbers], Judged]:
    """Verdict: the distance falls, and, where that is claimed, recall is not further from that of real images."""

    def judge(n: Numbers) -> Judged:
        row, none = n["rows"][name], n["rows"][NO_LABELS if name.startswith(NO_LABELS) else BASE]
        text, verdict = in_spaces(row, none)
        gap = nearer(row, none, "recall", floor(n, "recall"))
        recalls = f"{mean(none, 'recall'):.3f} to {mean(row, 'recall'):.3f}, real images {floor(n, 'recall'):.3f}"
        text = f"{mean(none):.3f} to {mean(row):.3f} at w = {row['w']:g}: {text}; recall {recalls}"
        return text, PARTLY if keeps_recall and verdict == HOLDS and gap["low"] > 0 else verdict

    return judge


def compared(a: str, b: str, rule: Callable[[dict], str] = falls) -> Callable[[Numbers], Judged]:
    """Verdict on 'a has the lower distance than b'."""

    def judge(n: Numbers) -> Judged:
        text, verdict = in_spaces(n["rows"][a], n["rows"][b], rule)
        return f"{a} {mean(n['rows'][a]):.3f}, {b} {mean(n['rows'][b]):.3f}: {text}", verdict

    return judge


def no_help(name: str) -> Callable[[Numbers], Judged]:
    """Verdict on 'this does not help': its distance is not certainly lower than without."""

    def judge(n: Numbers) -> Judged:
        base = n["rows"][AUTO if name == settings.AUTO_INTERVAL else BASE]
        text, verdict = in_spaces(n["rows"][name], base)
        flipped = {HOLDS: NOT, PARTLY: PARTLY, NOT: HOLDS, OPEN: OPEN}
        return f"{mean(base):.3f} to {mean(n['rows'][name]):.3f}: {text}", flipped[verdict]

    return judge


def single_images(n: Numbers) -> Judged:
    """Quality of each image on its own: precision and density, and how often the classifier agrees with the class."""
    row, none = n["rows"][AUTO], n["rows"][BASE]
    gaps = {key: against(row, none, key) for key in ("precision", "density", "class_agreement")}
    text = ", ".join(f"{key.replace('_', ' ')} {mean(none, key):.3f} {show(gap, '+.3f')}" for key, gap in gaps.items())
    return text, both(*map(rises, gaps.values()))


def best_length(n: Numbers) -> Judged:
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


def sensitivity(n: Numbers) -> Judged:
    """How much the distance rises from w = 1.25 to 2."""
    rise = {}
    for name in ("autoguidance", CFG):
        at = {p["w"]: np.array(p["values"][FD]) for p in n["methods"][name]}
        rise[name] = at[2.0] - at[1.25]
    d = paired_difference(rise["autoguidance"], rise[CFG])
    means = ", ".join(f"{name} {values.mean():+.3f}" for name, values in rise.items())
    return f"FD from w = 1.25 to 2: {means}; difference {show(d, '+.3f')}", falls(d)


def shared_width(n: Numbers) -> Judged:
    """Are different EMA widths better than equal ones, each chosen among its kind?"""
    text, verdict = in_spaces(n["rows"][AUTO], n["rows"][settings.SAME_EMA])
    return f"{mean(n['rows'][settings.SAME_EMA]):.3f} to {mean(n['rows'][AUTO]):.3f}: {text}", verdict


def search(n: Numbers) -> Judged:
    """From a tenth of the images, the search finds a gain, and what it finds is not certainly worse than the grid's best."""
    regret, saved = n["regret"], n["times_fewer"]
    text = (
        f"{saved:.1f} times fewer images; on other training runs found minus grid's best: FD {show(regret, '+.3f')}, "
    )
    text += f"found minus no guidance {show(n['gain'], '+.3f')}"
    return text, NOT if regret["low"] > 0 or saved < 10 else falls(n["gain"])


def keeps_helping(way: str | None) -> Callable[[Numbers], Judged]:
    """Verdict: at the longest training the arm still lowers the distance. None: the best way of autoguidance."""

    def judge(n: Numbers) -> Judged:
        longest = str(max(n["lengths"]))
        rows = n["rows"][longest]
        name = way or min(n["ways"], key=lambda w: mean(rows[w]))
        text, verdict = in_spaces(rows[name], rows[BASE])
        each = ", ".join(f"{k} T {mean(r[BASE]):.3f} to {mean(r[name]):.3f}" for k, r in n["rows"].items())
        return f"{name}: {each}; at {longest} T {text}", verdict

    return judge


def beats_training(n: Numbers) -> Judged:
    """The best way of autoguidance at T against no guidance after the longest training."""
    longest = str(max(n["lengths"]))
    name = min(n["ways"], key=lambda w: mean(n["rows"]["1"][w]))
    guided, trained = n["rows"]["1"][name], n["rows"][longest][BASE]
    text, verdict = in_spaces(guided, trained)
    return f"{name} at T {mean(guided):.3f}, no guidance at {longest} T {mean(trained):.3f}: {text}", verdict


def image_corruption(pair: str) -> Callable[[Numbers], Judged]:
    """Verdict: corruption harms, guidance gains, and nothing certain is left."""

    def judge(n: Numbers) -> Judged:
        v = n["verdicts"][pair]
        d, left = v["difference"][FD], v["left"]
        text = f"FD {v['whole']:.3f}, corrupted {v['unguided']:.3f}, guided at w = {v['w']:g} {v['guided']:.3f} ({show(d, '+.3f')})"
        if v["unguided"] <= v["whole"]:
            return text, OPEN
        return text, falls(d) if falls(d) != HOLDS else HOLDS if left["low"] <= 0 else PARTLY

    return judge


def narrows(n: Numbers) -> Judged:
    """Raised noise divides the SD within a class by its factor, and guidance at the predicted weight restores it."""
    found, predicted = n["alone"]["noise"]["main"], n["predicted"]["with_steps"]["1.1"]
    at = min(n["pairs"]["noise, guide noise"], key=lambda p: abs(p["w"] - n["predicted"]["restoring_weight"]))
    whole, harmed, restored = (mean(p, "class_sd") for p in (n["whole"], found, at))
    text = f"SD {whole:.4f}, with raised noise {harmed:.4f} (predicted {predicted:.4f}), guided at w = {at['w']:g} {restored:.4f}"
    near = abs(harmed - predicted) < 0.3 * (whole - predicted) and abs(restored - whole) < 0.3 * (whole - harmed)
    return text, HOLDS if near else PARTLY if harmed < whole < restored + 0.3 * (whole - harmed) else NOT


def converged(n: Numbers) -> Judged:
    """Is the solver's error at the study's steps below a tenth of each difference between two arms?"""
    error = n["error"]
    worst = max(error["of"], key=lambda name: abs(error["of"][name]))
    share = {name: abs(d["error"] / d["difference"]) for name, d in error["differences"].items()}
    largest = max(share, key=share.__getitem__)
    text = f"at {error['steps']} steps FD is off by at most {abs(error['of'][worst]):.3f} ({worst}), a difference between two arms "
    text += f"by at most {share[largest]:.0%} of it ({largest}: {error['differences'][largest]['difference']:+.3f})"
    gains = [value for name, value in share.items() if name.endswith("minus none")]
    return text, HOLDS if max(share.values()) < 0.1 else PARTLY if max(gains) < 0.1 else NOT


def claims(study: str) -> list[Claim]:
    """The claims on a study, whose results lie in the gallery's folder of that name."""
    listed = [
        Claim("*ours:* the sampler has converged", "convergence", converged),
        Claim("CFG lowers the distance (Table 1)", "table1", method(CFG, keeps_recall=False), "2.56 to 2.23 at w = 1.4"),
        Claim("Autoguidance lowers it and keeps recall (Table 1)", "table1", method(AUTO), "2.56 to 1.34 at w = 2.1"),
        Claim("… further than CFG (Table 1)", "table1", compared(AUTO, CFG), "1.34 against 2.23"),
        Claim("… further than CFG with an interval (Table 1)", "table1", compared(AUTO, INTERVAL), "1.34 against 1.68"),
        Claim("*control:* … further than truncation, which needs no guide", "table1", compared(AUTO, TRUNCATION)),
        Claim("*control:* … further than twice the steps without guidance", "table1", compared(AUTO, STEPS)),
        Claim("Autoguidance makes single images better (section 1)", "table1", single_images, "pictures"),
        Claim("Autoguidance lowers it without labels, too (Table 1)", "table1", method(NO_LABELS_AUTO), "11.67 to 3.86"),
        Claim("Less training alone lowers it, too (Table 1)", "table1", method(TRAINING), "2.56 to 1.51"),
        Claim("… and more than less capacity alone (Table 1)", "table1", compared(TRAINING, CAPACITY), "1.51 against 2.13"),
        Claim("Both together are better than less training alone (Table 1)", "table1", compared(AUTO, TRAINING),
              "1.34 against 1.51"),
        Claim("Less data alone does not help (section 5)", "table1", no_help(DATA), "no gain"),
        Claim("An interval on top of autoguidance does not help (section 5)", "table1", no_help(settings.AUTO_INTERVAL), "no gain"),
        Claim("Main model and guide want different EMA widths (Table 1)", "table1", shared_width, "equal 1.53, different 1.34"),
        Claim("A guide of intermediate training is best, T/16 (Figure 3)", "fig3", best_length, "T/16"),
        Claim("Autoguidance is less sensitive to w than CFG (Figure 7)", "fig7", sensitivity, "a picture"),
        Claim("*ours:* autoguidance still helps a main model trained longest", "length", keeps_helping(None)),
        Claim("*ours:* CFG in an interval still does", "length", keeps_helping(INTERVAL)),
        Claim("*ours:* autoguidance at T does more than training to the longest", "length", beats_training),
        Claim("*ours:* a search replaces the grid at a tenth of its images", "image_search", search),
        Claim("Guidance undoes dropout that both share (section 4)", "image_corruptions",
              image_corruption("dropout, guide dropout"), "2.56; corrupted 4.98, guided at w = 2.25 2.55"),
        Claim("… one mask all along a trajectory", "image_corruptions", image_corruption("one mask, guide one mask")),
        Claim("… the mean of eight masks", "image_corruptions", image_corruption("eight masks, guide eight masks")),
        Claim("Guidance undoes input noise that both share (section 4)", "image_corruptions",
              image_corruption("noise, guide noise"), "2.56; corrupted 3.96, guided at w = 2 2.56"),
        Claim("*ours:* raised noise narrows the classes as computed, guidance restores them", "image_corruptions", narrows),
    ]  # fmt: skip
    return [replace(c, result=str(Path(study, c.result))) for c in listed]
