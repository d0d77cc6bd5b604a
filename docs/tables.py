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

from figures.engine.result import GALLERY, load_result  # noqa: E402 (found through the path above)
from figures.engine.tables import difference_text, markdown, minus, percent  # noqa: E402
from figures.images.points import PREFIXES, SPACES, arm_of, best, floor, mean  # noqa: E402
from figures.toy import findings, methods, seeds_tables  # noqa: E402
from figures.toy.seeds import label  # noqa: E402

PLACE = re.compile(r"<!-- table: (\S+) -->\n(.*?)<!-- end of table -->", re.S)
BUDGET = "0.15"  # of branch TV


def stored(name: str) -> Mapping:
    return load_result(name, GALLERY).numbers


def populations() -> str:
    """The two populations of training runs, arm by arm."""
    seeds = stored("seeds")
    two = seeds_tables.populations(seeds["seeds"])
    arms = ("none", "autoguidance 2", "autoguidance 3", "early 2", "cfg 2", "cfg 4", "truncation 1.1")
    forms = {
        "outliers_99": ("outliers", ".1%"),
        "diverged": ("flown off", ".1%"),
        "leaves_lost": ("leaves lost", ".0f"),
    }

    def cell(arm: str, key: str, chosen: Sequence[int]) -> str:
        values = seeds["runs"][arm][key]
        return format(np.mean([values[i] for i in chosen]), forms[key][1]).replace("%", " %")

    head = [
        "",
        *(f"{title}, {name} ({len(chosen)} runs)" for title, _ in forms.values() for name, chosen in two.items()),
    ]
    return markdown(head, [(label(a), *(cell(a, key, c) for key in forms for c in two.values())) for a in arms])


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
    return methods.short(stored("methods"))


def method_claims() -> str:
    """What each paper claims, and the verdict with trained and with exact models."""
    n = stored("methods")
    lines = {world: {line["method"]: line for line in methods.claims(n, world)} for world in n["worlds"]}
    rows = []
    for name, line in lines["trained"].items():
        exact = lines["exact"].get(name)
        rows.append((name, line["claim"], line["against"], line["verdict"], exact["verdict"] if exact else ""))
    return markdown(("method", "claim", "compared with", "trained models", "exact models"), rows)


def image_choice() -> str:
    """What the choosing runs of the image study show: each way of guidance at its best weight, in three feature spaces."""
    weights, guides = (stored(f"fashion-16/{name}") for name in ("fig7", "fig3"))
    rows = {"no guidance": weights["methods"]["CFG"][0]}
    rows |= {name: best(some[1:]) for name, some in weights["methods"].items() if name != "autoguidance"}
    rows |= {name: some[0] for name, some in weights["controls"].items()}
    for part in ("capacities", "lengths"):
        rows |= {f"guide: {arm_of(some[1]).guide.name()}": best(some[1:]) for some in guides[part].values()}
    keys = [prefix + "frechet_distance" for prefix in PREFIXES.values()] + ["recall", "class_sd"]
    cells = [
        [name, f"{p['w']:g}" if p["w"] != 1 else "", *(f"{mean(p, key):.3f}" for key in keys)]
        for name, p in rows.items()
    ]
    cells.append(["as many training images", "", *(f"{floor(weights, key):.3f}" for key in keys)])
    return markdown(("", "w", *(f"distance, {name}" for name in SPACES.values()), "recall", "SD within a class"), cells)


TABLES: dict[str, Callable[[], str]] = {"findings": findings.short} | {
    f.__name__: f
    for f in (populations, equal_coverage, pull, one_sided, product, method_numbers, method_claims, image_choice)
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
