"""Which arms each image experiment measures. They overlap on purpose: a row is made once, whoever asks for it.

All grids are for a main model after T images; the best of each is what the tables report. `longer` has the small grids for main
models trained longer, whose guides are trained in the same proportion.
"""

import dataclasses
from collections.abc import Iterable

from figures.images.arms import Arm, Harm, arm, networks
from figures.images.nets import Net
from figures.images.study import Study

MAIN = Net()
EMAS = (0.05, 0.075, 0.10, 0.15, 0.20, 0.25)  # widths of the main model's average, alone
PAIRS_OF_EMAS = (
    0.05,
    0.10,
    0.15,
    0.20,
)  # of main model and guide together: ratios from a quarter to four, the paper's among them
WEIGHTS = (1.25, 1.5, 2.0)  # of guidance, besides 1
CFG_WEIGHTS = (1.1, 1.25, 1.5, 2.0)
LARGE = (1.5, 2.0, 3.0)  # where guidance acts in part of the noise levels only, or the guide is nearly as good
INTERVALS = ((0.2, 3.0), (0.2, 1.2), (0.1, 1.0), (0.5, 5.0))  # of noise levels, for CFG
AUTO_INTERVALS = ((0.0, 0.5), (0.2, 3.0), (0.5, 80.0))  # for autoguidance
SPREADS = (1.03, 1.05)  # by which unguided images are drawn away from the means of their classes
FACTORS = (1.01, 1.02, 1.03, 1.04, 1.05)  # of truncation
SHARES = (0.25, 0.5, 0.75)  # of autoguidance in a blend
LENGTHS = (1 / 32, 1 / 16, 1 / 8, 1 / 4)  # of guides, in units of T
GUIDE = Net("xs", 1 / 8)  # smaller and less trained, the paper's kind
SAME_RUN = "T/8, main's own run"
EIGHTH = Net("eighth", 1.0)

BASE, STEPS, TRUNCATION = "no guidance", "no guidance, twice the steps", "truncation"
SPREAD = "spread, without a guide"  # unguided images drawn away from the means of their classes
CFG, INTERVAL = "CFG", "CFG, interval"
AUTO, SAME_EMA = "autoguidance (XS, less trained)", "same EMA for both"
TRAINING, CAPACITY, DATA = "less training only", "less capacity only", "less data only"
SNAPSHOT = "snapshot of the same run"
AUTO_INTERVAL, BLEND, NO_LABELS = "autoguidance, interval", "blend", "no labels"
CARRIED = {
    AUTO: "xs",
    TRAINING: "guide",
    SNAPSHOT: "main",
}  # ways of autoguidance that can be carried to longer main models


def auto(w: float, guide: Net, **options) -> Arm:
    return arm("autoguidance", w, guide=guide, **options)


def alone(plan: Study) -> list[Arm]:
    """Every network alone: main by length and EMA width, guides by kind and length."""
    nets = [Net(ema=ema) for ema in EMAS] + [Net(length=length) for length in plan.lengths if length > 1]
    nets += (
        [Net("guide", length) for length in LENGTHS] + [Net("xs", length) for length in (*LENGTHS[1:], 1)] + [EIGHTH]
    )
    return [arm(main=net) for net in nets]


def lengths() -> dict[str, list[Arm]]:
    """Guides of main's capacity by training length, from another seed; that of full length is the main model of the next
    training seed. And, for comparison, an early snapshot of the main model's own run."""
    guides = {f"T/{1 / length:g}": Net("guide", length) for length in LENGTHS}
    guides |= {"T": Net(shift=1), SAME_RUN: Net(length=1 / 8)}
    return {name: [arm(), *(auto(w, guide) for w in WEIGHTS)] for name, guide in guides.items()}


def capacities() -> dict[str, list[Arm]]:
    """Guides of half the width by training length."""
    guides = {f"XS, T/{1 / length:g}": Net("xs", length) for length in LENGTHS[1:]} | {"XS, T": Net("xs")}
    weights = {name: LARGE if guide.length == 1 else WEIGHTS for name, guide in guides.items()}
    return {name: [arm(), *(auto(w, guide) for w in weights[name])] for name, guide in guides.items()}


def widths(weight: float = 1.5) -> list[Arm]:
    """EMA width of main by that of the guide."""
    return [
        auto(weight, dataclasses.replace(GUIDE, ema=g), main=Net(ema=m)) for m in PAIRS_OF_EMAS for g in PAIRS_OF_EMAS
    ]


def methods() -> dict[str, list[Arm]]:
    """The three ways of guidance against the weight."""
    return {
        CFG: [arm(), *(arm("cfg", w) for w in CFG_WEIGHTS)],
        INTERVAL: [arm(), *(arm("cfg", w, interval=INTERVALS[0]) for w in LARGE)],
        "autoguidance": [arm(), *(auto(w, GUIDE) for w in WEIGHTS)],
    }


def controls(plan: Study) -> dict[str, list[Arm]]:
    """What needs no guide: a larger score, more spread, more training."""
    length = max(plan.lengths)
    return {
        f"{TRUNCATION} ×{FACTORS[0]:g}": [arm("truncation", FACTORS[0])],
        f"{SPREAD} ×{SPREADS[-1]:g}": [arm(narrowed=1 / SPREADS[-1])],
        f"{BASE}, main model after {length} T": [arm(main=Net(length=length))],
    }


def blends() -> dict[str, list[Arm]]:
    """Total weight by share of autoguidance; the ends are CFG and autoguidance."""
    return {f"{w:g}": [arm("blend", w, guide=GUIDE, alpha=share) for share in (0, *SHARES, 1)] for w in (1.5, 2.0)}


def unconditional() -> list[Arm]:
    """All networks without their labels."""
    return [arm(labels=False), *(auto(w, GUIDE, labels=False) for w in (*WEIGHTS, 2.5))]


def candidates(plan: Study) -> dict[str, list[Arm]]:
    """The arms from which each row of the table is chosen."""
    by_length, smaller, pairs = lengths(), capacities(), widths()
    capacity = smaller.pop("XS, T")
    both = [made for arms in smaller.values() for made in arms]
    labels = unconditional()
    rows = {
        BASE: [arm(main=Net(ema=ema)) for ema in EMAS],
        STEPS: [arm(steps=2 * plan.steps)],
        TRUNCATION: [arm("truncation", k) for k in FACTORS],
        SPREAD: [arm(narrowed=1 / k) for k in SPREADS],
        CFG: methods()[CFG] + [arm("cfg", 1.25, main=Net(ema=ema)) for ema in (0.05, 0.20)],
        INTERVAL: [arm("cfg", w, interval=part) for part in INTERVALS for w in LARGE]
        + [arm("cfg", 2.0, main=Net(ema=ema), interval=INTERVALS[0]) for ema in (0.05, 0.20)],
        AUTO: both + pairs,
        SAME_EMA: both + [made for made in pairs if made.main.ema == made.guide.ema],
        TRAINING: [made for name in by_length if name not in ("T", SAME_RUN) for made in by_length[name]],
        CAPACITY: capacity,
        DATA: [auto(w, EIGHTH) for w in WEIGHTS],
        SNAPSHOT: [auto(w, Net(length=length)) for length in LENGTHS[1:] for w in WEIGHTS],
        AUTO_INTERVAL: [auto(w, GUIDE, interval=part) for part in AUTO_INTERVALS for w in LARGE[:2]],
        BLEND: [made for arms in blends().values() for made in arms if made.kind == "blend"],
        NO_LABELS: labels[:1],
        f"{NO_LABELS}, autoguidance": labels[1:],
    }
    return {name: [a for a in arms if a.kind != "none"] or arms for name, arms in rows.items()}


def longer(length: int, ema: float, interval: tuple[float, float], ways: Iterable[str]) -> dict[str, list[Arm]]:
    """Small grids for a main model after length · T images, with what was chosen at T: EMA width and CFG's interval.

    ways: of autoguidance (`CARRIED`), whose guides are trained an eighth and a sixteenth as long as the main model.
    """
    main = Net(length=length, ema=ema)
    rows = {
        BASE: [arm(main=main)],
        TRUNCATION: [arm("truncation", k, main=main) for k in (1.01, 1.03)],
        INTERVAL: [arm("cfg", w, main=main, interval=interval) for w in LARGE],
    }
    for way in ways:
        guides = [Net(CARRIED[way], length / part, ema) for part in (8, 16)]
        rows[way] = [auto(w, guide, main=main) for guide in guides for w in WEIGHTS]
    return rows


HARMS = {kind: (0.05, 0.10) for kind in ("dropout", "one mask", "eight masks")} | {"noise": (0.1, 0.2)}
RESTORING = (1.5, 2.0, 2.1, 2.5)  # weights for raised noise, about the one that restores the width of Gaussians, 2.10
DROPOUT_WEIGHTS = (1.25, 1.5, 2.0, 2.25)


def harmed(kind: str) -> dict[str, Arm]:
    """The main model with as much harm as it has when it is guided, and with as much as its guide has."""
    main, guide = HARMS[kind]
    return {"main": arm(harm=Harm(kind, main)), "guide": arm(harm=Harm(kind, guide))}


def repairs(kind: str, other: str) -> list[Arm]:
    """The harmed main model guided by itself with twice as much harm, of the same kind or of another."""
    weights = RESTORING if kind == other == "noise" else DROPOUT_WEIGHTS if kind == other else (1.5,)
    if kind == "eight masks":
        weights = (1.5, 2.25)  # eight times the cost
    harms = dict(harm=Harm(kind, HARMS[kind][0]), guide_harm=Harm(other, HARMS[other][1]))
    return [auto(w, MAIN, **harms) for w in weights]


MISMATCHED = (("dropout", "noise"), ("noise", "dropout"))
NARROWED = (1.02, 1.05, 1.1)  # unguided images drawn towards the means of their classes: raised noise without the noise


def corruptions() -> list[Arm]:
    """All arms of the corruption experiment."""
    out = [arm(), *(arm(narrowed=f) for f in NARROWED)]
    for kind in HARMS:
        out += [*harmed(kind).values(), *repairs(kind, kind)]
    return out + [made for kind, other in MISMATCHED for made in repairs(kind, other)]


def nets_of(plan: Study) -> list[Net]:
    """Every network that the study may need, for `figures.images.nets.keep`."""
    arms = alone(plan) + corruptions()
    for some in (*candidates(plan).values(), *lengths().values(), *capacities().values()):
        arms += some
    for length in plan.lengths[1:]:
        for some in longer(length, MAIN.ema, INTERVALS[0], CARRIED).values():
            arms += some
    return list(dict.fromkeys(net for made in arms for net in networks(made)))
