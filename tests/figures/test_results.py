"""The page of results: it is what the stored results make, and its verdicts follow from intervals."""

import pytest

from figures import results

BELOW, ABOVE, ACROSS = ({"mean": m, "low": m - 1, "high": m + 1} for m in (-2, 2, 0.5))


@pytest.mark.parametrize(
    "rule, expected",
    [
        (results.falls, (results.HOLDS, results.NOT, results.OPEN)),
        (results.rises, (results.NOT, results.HOLDS, results.OPEN)),
        (results.no_rise, (results.HOLDS, results.NOT, results.OPEN)),
        (results.no_gain, (results.NOT, results.HOLDS, results.HOLDS)),
    ],
)
def test_verdicts(rule, expected):
    assert tuple(rule(d) for d in (BELOW, ABOVE, ACROSS)) == expected


def test_the_page_is_what_the_stored_results_make():
    assert results.PAGE.read_text() == results.page(results.CLAIMS), "run `python -m figures.results`"


def test_every_claim_has_a_verdict_and_a_picture():
    for claim in (claim for listed in results.CLAIMS.values() for claim in listed):
        measured, verdict = claim.judge(results.load_result(claim.result).numbers)
        assert measured and verdict in (results.HOLDS, results.PARTLY, results.NOT, results.OPEN)
        assert (results.GALLERY / f"{claim.result}.png").is_file()
