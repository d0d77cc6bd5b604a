"""The page of results: it is what the stored results make, and its verdicts follow from intervals."""

import pytest

from figures import results
from figures.engine import verdicts

BELOW, ABOVE, ACROSS = ({"mean": m, "low": m - 1, "high": m + 1} for m in (-2, 2, 0.5))


@pytest.mark.parametrize(
    "rule, expected",
    [
        (verdicts.falls, (verdicts.HOLDS, verdicts.NOT, verdicts.OPEN)),
        (verdicts.rises, (verdicts.NOT, verdicts.HOLDS, verdicts.OPEN)),
    ],
)
def test_verdicts(rule, expected):
    assert tuple(rule(d) for d in (BELOW, ABOVE, ACROSS)) == expected


def test_the_page_is_what_the_stored_results_make():
    assert results.PAGE.read_text() == results.page(results.CLAIMS), "run `python -m figures.results`"


def test_every_claim_has_a_verdict_and_a_picture():
    for claim in (claim for listed in results.CLAIMS.values() for claim in listed):
        measured, verdict = claim.judge(results.load_result(claim.result).numbers)
        assert measured and verdict in (verdicts.HOLDS, verdicts.PARTLY, verdicts.NOT, verdicts.OPEN)
        assert (results.GALLERY / f"{claim.result}.png").is_file()
