"""The page of results: what the paper claims, what we measured, and whether it holds. From the stored results alone.

`python -m figures.results` writes RESULTS.md. Verdicts follow from the numbers by rules (`figures.verdicts`); nobody types them.
"""

from pathlib import Path

from figures.common import GALLERY, load_result, write
from figures.results_2d import TWO_D
from figures.results_digits import DIGITS
from figures.verdicts import Claim

PAGE = Path(__file__).parents[1] / "RESULTS.md"
INTRODUCTION = """\
# What holds

Each claim of the paper beside our number and a verdict. Brackets are 95 % intervals of paired differences, over training
seeds unless it says otherwise; a verdict follows from them by the rules in `figures/verdicts.py`: *holds* and *does not hold*
need the whole interval on one side, *not decided* is everything else, also where there was no harm to undo. This page is made
from the stored results (`python -m figures.results`)."""
CLAIMS = {
    "In two dimensions, where everything is exact": TWO_D,
    "On 8 x 8 digits, three training runs of every network": DIGITS,
}


def page(claims: dict[str, list[Claim]]) -> str:
    """The page as Markdown, a table for each heading."""
    lines = [INTRODUCTION]
    for heading, listed in claims.items():
        lines += [f"\n## {heading}\n", "| the paper says | we measured | verdict | look at |", "|---|---|---|---|"]
        for claim in listed:
            numbers = load_result(claim.result, GALLERY).numbers
            where = f"[{claim.result}](figures/gallery/{claim.result}.png)"
            measured, verdict = claim.judge(numbers)
            lines.append(f"| {claim.text} | {measured} | **{verdict}** | {where} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    write(PAGE, lambda p: p.write_text(page(CLAIMS)))
    print(PAGE.name)


if __name__ == "__main__":
    main()
