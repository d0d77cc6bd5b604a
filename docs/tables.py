"""Tables of README and of these pages, made from the stored results: `python docs/tables.py` writes them into their places.

A place is a pair of lines, `<!-- table: NAME -->` and `<!-- end of table -->`. NAME is a function of this file, or a file in
`figures/gallery`. A test compares what stands between the lines with what is made here.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edm.metrics import paired_difference  # noqa: E402 (found through the path above)
from figures.engine.result import GALLERY, load_result  # noqa: E402
from figures.engine.tables import difference_text, markdown, minus  # noqa: E402
from figures.engine.verdicts import HOLDS, NOT, OPEN, falls, rises  # noqa: E402
from figures.toy import claims_theory, contestants, methods  # noqa: E402
from figures.toy.findings import low_noise, target_exact  # noqa: E402
from figures.toy.seeds import label  # noqa: E402

PLACE = re.compile(r"<!-- table: (\S+) -->\n(.*?)<!-- end of table -->", re.S)
BASELINES = ("no guidance", "autoguidance", "CFG")
CONTROLS = ("Euler", "SIMS, true samples")
BUDGET = "0.15"  # of branch TV


def stored(name: str) -> Mapping:
    return load_result(name, GALLERY).numbers


def percent(values: Sequence[float]) -> str:
    return f"{np.mean(values):.1%}".replace("%", " %")


def size(d: Mapping[str, float], scale: float = 100, digits: int = 1) -> str:
    """A change without its sign: '2.6 (2.2 to 3.0)'."""
    low, high = sorted((abs(d["low"]), abs(d["high"])))
    mean, low, high = (f"{scale * v:.{digits}f}" for v in (abs(d["mean"]), low, high))
    return f"{mean} ({low} to {high})"


def sure(sentence: str, verdict: str) -> str:
    """The sentence. Raises ValueError if its number is not certain: then the sentence must be written anew."""
    if verdict != HOLDS:
        raise ValueError(f"the stored results no longer support: {sentence!r} ({verdict}); reword it in docs/tables.py")
    return sentence


def link(name: str) -> str:
    return f"[{name}](figures/gallery/{name}.json)"


def findings() -> str:
    """What README says was found: a sentence, its number, its evidence. A sentence that is no longer certain is an error."""
    seeds, product = stored("seeds"), stored("product")
    runs, change, within = seeds["runs"], seeds["difference"], seeds["outliers_within_budget"]
    fewer, lost = change["autoguidance 2"]["outliers_99"], change["autoguidance 3"]["leaves_lost"]
    equal = paired_difference(within["autoguidance"][BUDGET], within["cfg"][BUDGET])
    best = min(stored("intervals")["best"].values(), key=lambda c: c["chosen_on"]["misplaced"]["mean"])
    both, where = best["reported"]["misplaced"], f"σ ≤ {best['interval'][1]:g}"
    guide = {"early": "An early snapshot", "guide": "A smaller and less trained model"}[best["kind"]]
    apart = [np.mean(product["runs"][arm]["quartile_distance"]) for arm in ("autoguidance 3", "none")]
    shared = next(p for p in stored("corruptions")["pairs"] if p["main"] == p["weak"] == "weights")
    back, harm = (shared[key]["misplaced"] for key in ("gain", "damage"))
    coverage = "At equal coverage, autoguidance leaves fewer outliers than CFG."
    if falls(equal) == OPEN:
        coverage = "At equal coverage, eight runs leave open whether autoguidance or CFG is cleaner."
    others, ahead = ahead_of_cfg()
    negative, positive = populations_of("none", "outliers_99")
    rows = [
        ("Autoguidance removes outliers (w = 2).", falls(fewer),
         f"{size(fewer)} of {percent(runs['none']['outliers_99'])}", "seeds"),
        ("It costs variety: leaves become empty (w = 3).", rises(lost), f"{size(lost, 1, 0)} of 64 leaves", "seeds"),
        ("With exact scores it is CFG's sampler that loses the branches, not its target (w = 4).",
         claims_theory.sampler_loses(stored("target")).verdict, f"branch TV {target_exact(stored('target'))}", "target"),
        ("Outliers arise at low noise: the truth below σ = .05 mends them.",
         claims_theory.acts("below", "outliers", "+.1%")(stored("where")).verdict, low_noise(stored("where")), "where"),
        (coverage, HOLDS if falls(equal) == OPEN else falls(equal), difference_text(equal), "seeds"),
        (f"{guide} as guide, at {where} only, improves both together.", falls(both),
         f"misplaced −{size(both)} points", "intervals"),
        ("Guidance does not sample the product of densities it is named after.", rises(product["difference"]["autoguidance 3"]),
         f"{apart[0]:.1f} nats apart, unguided {apart[1]:.1f}", "product"),
        ("It undoes most of a fault that both models share, such as noise in their weights.",
         falls(back) if -back["mean"] > harm["mean"] / 2 else NOT,
         f"{-100 * back['mean']:.1f} of {100 * harm['mean']:.1f} points misplaced", "corruptions"),
        ("At equal coverage, most other methods are not certainly cleaner than CFG.",
         HOLDS if 2 * len(ahead) < len(others) else NOT,
         f"{len(ahead)} of {len(others)} are", "methods"),
        ("The sign of one trained number, the gain, splits the training runs.", rises_between("none", "outliers_99"),
         f"{negative} or {positive} outliers", "seeds"),
    ]  # fmt: skip
    return markdown(
        ("finding", "number", "evidence"),
        [(sure(text, verdict), value, link(name)) for text, verdict, value, name in rows],
    )


def rises_between(arm: str, key: str) -> str:
    """Are all runs with a positive gain above all runs with a negative one?"""
    values, gains = np.array(stored("seeds")["runs"][arm][key], float), np.array(stored("product")["gains"]["main"])
    return HOLDS if values[gains > 0].min() > values[gains < 0].max() else OPEN


def ahead_of_cfg() -> tuple[list[str], list[str]]:
    """The methods of other papers that were compared, and those of them with certainly fewer outliers than CFG."""
    found = stored("methods")["worlds"]["trained"]["methods"]
    others = [name for name in found if name not in (*BASELINES, *CONTROLS)]
    return others, [name for name in others if falls(found[name]["difference"]["CFG"]["outliers"]) == HOLDS]


def populations_of(arm: str, key: str, form: str = ".1%") -> tuple[str, str]:
    """Mean over the training seeds whose main model has a negative gain, and over those with a positive one."""
    values, gains = np.array(stored("seeds")["runs"][arm][key], float), np.array(stored("product")["gains"]["main"])
    return tuple(f"{values[which].mean():{form}}".replace("%", " %") for which in (gains < 0, gains > 0))


def populations() -> str:
    """The two populations of training runs, arm by arm."""
    gains = np.array(stored("product")["gains"]["main"])
    arms = ("none", "autoguidance 2", "autoguidance 3", "early 2", "cfg 2", "cfg 4", "truncation 1.1")
    head = ["", f"outliers, gain < 0 ({sum(gains < 0)} runs)", f"gain > 0 ({sum(gains > 0)} runs)"]
    head += ["flown off, gain < 0", "gain > 0", "leaves lost, gain < 0", "gain > 0"]
    keys = (("outliers_99", ".1%"), ("diverged", ".1%"), ("leaves_lost", ".0f"))
    return markdown(
        head, [(label(a), *(cell for key, form in keys for cell in populations_of(a, key, form))) for a in arms]
    )


def equal_coverage() -> str:
    """The fewest outliers of each family within the budget of branch TV."""
    found = stored("seeds")["outliers_within_budget"]
    names = {
        "cfg": "CFG",
        "cfg-interval": "CFG, 0.01 < σ ≤ 0.5",
        "autoguidance": "autoguidance (smaller and less trained)",
    }
    names |= {
        "early": "guide less trained only",
        "early-interval": "guide less trained only, 0.01 < σ ≤ 0.5",
        "truncation": "naive truncation",
    }
    values = {name: [v for v in found[key][BUDGET] if v is not None] for key, name in names.items() if key in found}
    return markdown(
        ("method", f"fewest outliers within a branch TV of {BUDGET}"), [(n, percent(v)) for n, v in values.items()]
    )


def pull() -> str:
    """Samples that start from the truth at sigma = 0.03, inside the window of Figure 2."""
    n = stored("pull")
    names = {"exact": "exact score", "none": "no guidance", "autoguidance": "autoguidance, w = 3", "cfg": "CFG, w = 4"}
    changes = {arm: difference_text(n["change"][arm]) if arm in n["change"] else "" for arm in names}
    return markdown(
        ("from σ = 0.03 with", "end as outliers", "change"),
        [(t, percent(n["outliers"][a]), changes[a]) for a, t in names.items()],
    )


def one_sided() -> str:
    """How one-sided each guide pushes, by noise level."""
    n = stored("pull")
    names = {"cfg": "CFG", "autoguidance": "autoguidance"}
    rows = [(title, *(f"{v:.2f}" for v in np.mean(n["one_sided"][arm], axis=0))) for arm, title in names.items()]
    return markdown(("guide", *(f"σ = {s:g}" for s in n["sigmas"])), rows)


def product() -> str:
    """How far apart log q and log product are, and for how many training runs the product is a density."""
    n = stored("product")
    names = {
        "none": "no guidance",
        "autoguidance 2": "autoguidance, w = 2",
        "autoguidance 3": "autoguidance, w = 3",
        "cfg 4": "CFG, w = 4",
    }
    rows = [
        (
            t,
            f"{np.mean(n['runs'][a]['quartile_distance']):.1f}",
            f"{sum(n['runs'][a]['falls_outwards'])} of {len(n['seeds'])}",
        )
        for a, t in names.items()
    ]
    return markdown(("sampled with", "quartile distance in nats", "the product is a density for"), rows)


def method_numbers() -> str:
    """Every method at the strength that half of the training seeds chose; means over the other half."""
    found = stored("methods")["worlds"]["trained"]["methods"]
    rows = []
    for name, m in found.items():
        paper, r = contestants.PAPERS[name].number, m["report"]
        cells = [percent(r["outliers"]), f"{np.mean(r['branch_tv']):.3f}", percent(r["misplaced"])]
        against = m["difference"].get("CFG")
        cells += [difference_text(against["outliers"]) if against else "", f"{np.mean(r['evaluations']):.0f}"]
        rows.append((name, f"[{paper}](https://arxiv.org/abs/{paper})" if paper else "", *cells))
    head = ("method", "paper", "outliers", "branch TV", "misplaced", "outliers, change to CFG", "network calls")
    return markdown(head, rows)


def method_claims() -> str:
    """What each paper claims, and the verdict with trained and with exact models."""
    n = stored("methods")
    lines = {world: {line["method"]: line for line in methods.claims(n, world)} for world in n["worlds"]}
    rows = []
    for name, line in lines["trained"].items():
        exact = lines["exact"].get(name)
        rows.append((name, line["claim"], line["against"], line["verdict"], exact["verdict"] if exact else ""))
    return markdown(("method", "claim", "compared with", "trained models", "exact models"), rows)


TABLES: dict[str, Callable[[], str]] = {
    f.__name__: f
    for f in (findings, populations, equal_coverage, pull, one_sided, product, method_numbers, method_claims)
}


def table(name: str) -> str:
    """The table of that name. Raises KeyError for a name that is neither a function here nor a file in the gallery."""
    path = GALLERY / name
    return path.read_text() if path.is_file() else minus_in_numbers(TABLES[name]())


def minus_in_numbers(text: str) -> str:
    """A hyphen before a digit becomes a minus sign, but not in a link."""
    return re.sub(r"(?<=[ (])-(?=\d)", minus("-"), text)


def pages() -> list[Path]:
    """README and the pages written by hand."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def main() -> int:
    for path in pages():
        old = path.read_text()
        new = PLACE.sub(lambda m: f"<!-- table: {m[1]} -->\n{table(m[1])}<!-- end of table -->", old)
        if new != old:
            path.write_text(new)
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
