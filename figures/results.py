"""The page of results: what the paper claims, what we measured, and whether it holds. From the stored results alone.

`python -m figures.results` writes RESULTS.md. Verdicts follow from the numbers by rules (`figures.engine.verdicts`).
With --collect it first takes the results in figures/out into the gallery.
"""

import argparse
import shutil
from pathlib import Path

from edm.metrics import paired_difference
from edm.storage.atomic import write_atomic
from figures.engine.result import GALLERY, IN_CHECKOUT, OUT, load_result
from figures.engine.tables import difference_text, markdown
from figures.engine.verdicts import Claim, Judged, holm
from figures.images.claims import claims
from figures.toy import findings, methods, seeds_tables
from figures.toy.claims import TWO_D
from figures.toy.claims_theory import THEORY
from toy2d.gaussian import guided_std

PAGE = Path(__file__).parents[1] / "RESULTS.md"
TITLE = """\
# What holds

This page sets what the paper claims beside what we measured. The first ten lines are what we found in two dimensions, where density
and score are known exactly. Every number is read from a stored result; `python -m figures NAME` makes that result again, and
`python -m figures.results` makes this page. The [glossary](docs/glossary.md) explains the terms.

## Ten findings
"""
HOW_TO_READ = """
## How to read the tables

Numbers in brackets are 95 % intervals (Student's t) of paired differences, over training seeds unless a line says otherwise.
Changes of shares are in percentage points. Each claim has one primary measurement, the first in its line. It was fixed in code
before the numbers were made (the modules `claims`, and the rules in `figures/engine/verdicts.py`). The verdicts mean this:

- **holds**, **does not hold**: the whole interval of the primary measurement says so. Where a line shows a second measurement,
  both must say so.
- **holds partly**: one measurement says so and the other does not.
- **not decided**: the interval leaves both open.
- **no harm to undo**: the corruption did no certain harm, so guidance had nothing to undo.

Two things count as equal only if the whole interval lies within a stated margin. "Without reducing diversity" allows 0.01 of
branch TV and one leaf. A search is as good as the grid if it loses less than a quarter of what the grid's best gains. A corruption
is undone if less than a quarter of its damage is certainly left. Two guides are compared at equal coverage: for each training seed
the fewest outliers at a branch TV of 0.15 or less.

The column *Holm* says whether the line also survives Holm's correction for the number of lines in its table, at 5 % in all. Lines
without a random part have no entry.
"""
NOTES = """
**Diversity in two dimensions and elsewhere.** The line "without reducing diversity" does not hold here. Others who used this
fractal, and images, report better quality *and* diversity ([2509.15267](https://arxiv.org/abs/2509.15267)). They measure diversity
in other ways, and at the weights at which quality is best. Two dimensions also exaggerate: theory says that what CFG distorts
vanishes as the dimension grows ([2502.07849](https://arxiv.org/abs/2502.07849)), while with very many classes it stays
([2602.00716](https://arxiv.org/abs/2602.00716)). So read this line as a statement about low dimension.

**The solver has converged.** All of this uses 32 steps down to σ = .002. With 128 steps, or with 256 down to .0005, the
mean share of outliers changes by at most {outliers_off}. Branch TV changes by at most {tv_off}. Autoguidance at w = 2
changes outliers by {gain}. With 256 steps it changes them by {gain_more}.
(`python -m figures steps`: four arms, eight training seeds.)

### Two populations of training runs

The model's log density holds a term that grows with the distance from the data if a trained number, its *gain*, comes out
positive. That happened in three of the eight runs. Their unguided samples have more outliers, and with guidance some of their
trajectories fly off. The means above average over both kinds of run.

{by_gain}
### Models trained by the authors' own program

Three pairs were trained by the program that the paper's authors publish and measured in the same way (elsewhere, not by this code;
the numbers are in `figures/gallery/authors_program.json`). They lose as many leaves as ours, so that loss is no fault of our
training. Means, with the least and greatest of the seeds.

{authors}
The networks behind the paper's own Figure 1 are a download that this project has not had. Whoever has a connection can measure
them: put the three files into one folder, and `python -m figures fig1 --models FOLDER` draws Figure 1 with them.

### Guidance methods of other papers

Each method may choose its strength on four training seeds: the fewest outliers among strengths that keep branch TV within
{budget} of the floor. The table shows the four other seeds. So all are compared at equal coverage and none at a fixed weight.
Certainly fewer outliers and certainly less misplaced mass than no guidance: {best}.

{methods}
What each paper claims, and what we see at equal coverage:

{method_claims}
### The same methods on images

One pair of networks, the shipped one for Fashion-MNIST at 16 x 16, made {images} images a number in {steps} steps. Strengths were
chosen on other noise. The distance to the training images, in the classifier's features, is {none:.3f} without guidance, and
{floor:.3f} for as many real images. It is least with {first}: {least:.3f}. Truncation, which needs no guide, makes
{control:.0%} of that gain. Recall is {recall_none:.3f} without guidance and {recall_real:.3f} for real images; methods that raise
it: {raised}. This is one training run in one feature space, so there is no interval and no verdict. In spaces that never saw a
label guidance does not gain as it does here ([the page on images](docs/images.md)).
([All methods](figures/gallery/fashion-16/methods_images.md), [picture](figures/gallery/fashion-16/methods_images.png).)
"""
THEORY_HEADING = "Theory in two dimensions"
TOY = "In two dimensions, where everything is exact"
THEORY_NOTES = """
**What the last step costs.** The paper's sampler ends at σ = .002 and takes one Euler step from there to 0. Even with the true
score that step leaves a leaf at {leaf:.1%} of its width, however many steps come before. So in the paper's setting less guidance
restores a leaf. For blurs of .004 and .008 the closed form says w = {coarse:.2f} there. With steps down to .0002 it
says {fine:.2f}.

**Why the leaves do not follow.** A leaf that is alone in the plane does follow the prediction. In the tree it has a sister nearby,
and a blur of .01 makes the two overlap. Then mass moves between them, and a width says little about either.
"""
IMAGES = {"On Fashion-MNIST at 16 x 16, five training runs of every network": "fashion-16"}


def measured(study: str) -> list[Claim]:
    """The claims on an image study whose results are in the gallery; none before its Table 1 is reported.

    Results of an earlier study do not state their arithmetic, and do not count.
    """

    def current(result: str) -> bool:
        path = GALLERY / f"{result}.json"
        return path.is_file() and "arithmetic" in load_result(result, GALLERY).numbers

    return [claim for claim in claims(study) if current(f"{study}/table1") and current(claim.result)]


CLAIMS = {TOY: TWO_D, THEORY_HEADING: THEORY}
CLAIMS |= {heading: listed for heading, study in IMAGES.items() if (listed := measured(study))}


def page(claims: dict[str, list[Claim]]) -> str:
    """The page as Markdown: findings, how to read it, and a table for each heading."""
    lines = [TITLE]
    lines.append(findings.table().rstrip())
    lines.append(HOW_TO_READ.rstrip())
    for heading, listed in claims.items():
        lines += [f"\n## {heading}\n", table(listed).rstrip()]
        if heading == TOY:
            lines.append(notes().rstrip())
        if heading == THEORY_HEADING:
            lines.append(theory_notes().rstrip())
    return "\n".join(lines) + "\n"


def table(listed: list[Claim]) -> str:
    """The claims with what was measured and the verdict, as Markdown."""
    rows = []
    for claim in listed:
        file = f"figures/gallery/{claim.result}"
        judged = Judged(*claim.judge(load_result(claim.result, GALLERY).numbers))
        rows.append((claim, judged, f"[{claim.result}]({file}.png), [JSON]({file}.json)"))
    said = {True: "yes", False: "no", None: ""}
    sure = [said[survives] for survives in holm([judged.p for _, judged, _ in rows])]
    return markdown(
        ["the paper says", "its number", "we measured", "verdict", "Holm", "look at"],
        [
            [claim.text, claim.paper, judged.measured, f"**{judged.verdict}**", survives, where]
            for (claim, judged, where), survives in zip(rows, sure, strict=True)
        ],
    )


def notes() -> str:
    """What stands below the table of two dimensions."""
    compared, solver = (load_result(name, GALLERY).numbers for name in ("methods", "steps"))
    changes = [change for arm in solver["arms"] for change in arm["change"]]
    none, guided = (next(a["at"] for a in solver["arms"] if a["arm"] == name) for name in ("none", "autoguidance 2"))
    gains = [paired_difference(g["outliers_99"], n["outliers_99"]) for g, n in zip(guided, none, strict=True)]
    return NOTES.format(
        outliers_off=f"{max(100 * abs(c['outliers_99']['mean']) for c in changes):.1f} points",
        tv_off=f"{max(abs(c['branch_tv']['mean']) for c in changes):.3f}",
        gain=f"{difference_text(gains[0])}",
        gain_more=f"{difference_text(gains[-1])}",
        by_gain=seeds_tables.by_gain(load_result("seeds", GALLERY).numbers),
        authors=seeds_tables.authors_beside_ours(),
        budget=compared["budget"],
        best=findings.methods_text(compared),
        methods=methods.short(compared),
        method_claims=methods.claims_markdown(compared),
        **methods_on_images(),
    )


def methods_on_images() -> dict:
    """What the page says of the methods on images."""
    n = load_result("fashion-16/methods_images", GALLERY).numbers
    rows, floor = {r["method"]: r for r in n["rows"]}, n["floor"]
    fd, recall = ({name: r[key] for name, r in rows.items()} for key in ("frechet_distance", "recall"))
    first, none = min(fd, key=fd.__getitem__), fd["no guidance"]
    raised = [name for name in recall if recall[name] > recall["no guidance"]]
    return dict(
        images=n["count"], steps=n["steps"], none=none, floor=floor["frechet_distance"], first=first, least=fd[first],
        control=(none - fd["truncation"]) / (none - fd[first]), recall_none=recall["no guidance"],
        recall_real=floor["recall"], raised=", ".join(raised) or "none",
    )  # fmt: skip


def theory_notes() -> str:
    """What stands below the table of the theory."""
    small = [r for r in load_result("theory", GALLERY).numbers["restoring"] if r["main"] == 0.004]
    by_end = sorted((r["sigma_min"], r["leaves"]["predicted"]) for r in small)
    return THEORY_NOTES.format(
        leaf=guided_std(0.004, 0.008, 1, sigma_min=0.002) / 0.004, fine=by_end[0][1], coarse=by_end[-1][1]
    )


def collect() -> None:
    """Copy what README, notebooks and the page of results show from figures/out into the gallery."""
    for study in ("", "digits", "fashion-16"):
        (GALLERY / study).mkdir(exist_ok=True)
        for path in (OUT / study).glob("*"):
            if (
                path.suffix in (".png", ".json", ".md", ".gif")
                or path.suffix == ".npz"
                and path.stat().st_size < 100_000
            ):
                shutil.copy(path, GALLERY / study)


def main() -> None:
    p = argparse.ArgumentParser("python -m figures.results", description=__doc__.split("\n\n")[0])
    p.add_argument("--collect", action="store_true", help="first copy the results in figures/out into figures/gallery")
    collected = p.parse_args().collect
    if not IN_CHECKOUT:
        p.error("the page and the gallery belong to the repository: run this in a checkout of it")
    if collected:
        collect()
    write_atomic(PAGE, page(CLAIMS))
    print(PAGE.name)


if __name__ == "__main__":
    main()
