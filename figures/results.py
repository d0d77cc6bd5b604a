"""The page of results: what the paper claims, what we measured, and whether it holds. From the stored results alone.

`python -m figures.results` writes RESULTS.md. Verdicts follow from the numbers by rules (`figures.engine.verdicts`).
With --collect it first takes the results in figures/out into the gallery.
"""

import argparse
import shutil
from pathlib import Path

from edm.storage.atomic import write_atomic
from figures.engine.result import GALLERY, IN_CHECKOUT, OUT, load_result
from figures.engine.tables import markdown
from figures.engine.verdicts import Claim, Judged, holm
from figures.images.claims import claims
from figures.toy.claims import TWO_D

PAGE = Path(__file__).parents[1] / "RESULTS.md"
INTRODUCTION = """\
# What holds

Claims of the paper that can be tested in two dimensions or on small images, beside the paper's number (FID on ImageNet, of
networks hundreds of times as large), ours, and a verdict *for this setting*. Brackets are 95 % intervals (Student's t, not
corrected for the number of lines) of paired differences, over training seeds unless it says otherwise; changes of shares are in
percentage points. Verdicts follow from the numbers by rules in code (`figures/engine/verdicts.py` and the modules `claims`):
*holds* and *does not hold* need the whole interval on one side; *holds partly*, that one of the numbers shown is certain and
another is not, or speaks against it; *not decided* is everything else, also where there was no harm to undo. "Undoes" means a
certain gain, and what is left is not certainly different from none. Rows without an interval compare the numbers shown; a
search *holds* when what it found is not certainly worse than the grid's best, or by less than noise. On images the distance in a
classifier's features is the primary measurement: a line about distance *holds* when it holds there and in one other feature space
(an autoencoder's, or principal components of the pixels), and recall is judged by its distance to that of as many real images.
Lines from fig3, fig7, fig5_6_blend and image_corruptions are of the training runs and the noise on which settings are chosen,
those from table1, length and image_search of others.
`python -m figures NAME` makes a line's numbers again, the JSON says with which seeds and samples; this page is made from the
stored results (`python -m figures.results`)."""
IMAGES = {"On Fashion-MNIST at 16 x 16, five training runs of every network": "fashion-16"}


def measured(study: str) -> list[Claim]:
    """The claims on an image study whose results are in the gallery, as the present study makes them."""
    found = []
    for claim in claims(study):
        path = GALLERY / f"{claim.result}.json"
        if (
            path.is_file() and "arithmetic" in load_result(claim.result, GALLERY).numbers
        ):  # earlier ones do not state it
            found.append(claim)
    return found


CLAIMS = {"In two dimensions, where everything is exact": TWO_D}
CLAIMS |= {heading: listed for heading, study in IMAGES.items() if (listed := measured(study))}


def page(claims: dict[str, list[Claim]]) -> str:
    """The page as Markdown, a table for each heading."""
    lines = [INTRODUCTION]
    for heading, listed in claims.items():
        rows = []
        for claim in listed:
            numbers = load_result(claim.result, GALLERY).numbers
            file = f"figures/gallery/{claim.result}"
            where = f"[{claim.result}]({file}.png), [JSON]({file}.json)"
            judged = Judged(*claim.judge(numbers))
            rows.append([claim.text, claim.paper, judged, where])
        sure = holm([judged.p for _, _, judged, _ in rows])
        table = markdown(
            ["the paper says", "its number", "we measured", "verdict", "Holm", "look at"],
            [
                [
                    text,
                    paper,
                    judged.measured,
                    f"**{judged.verdict}**",
                    {True: "yes", False: "no", None: ""}[survives],
                    where,
                ]
                for (text, paper, judged, where), survives in zip(rows, sure, strict=True)
            ],
        )
        lines += [f"\n## {heading}\n", table.rstrip()]
    return "\n".join(lines) + "\n"


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
