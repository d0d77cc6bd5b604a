"""The page of results: it is what the stored results make, and its verdicts follow from intervals."""

import re

import numpy as np
import pytest
from scipy import stats

from edm.metrics import paired_difference
from figures import results
from figures.engine import verdicts
from figures.engine.result import GALLERY, load_result
from figures.images.points import arm_of, best, mean
from figures.toy import findings

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


def interval(low: float, high: float) -> dict:
    return {"mean": (low + high) / 2, "low": low, "high": high, "pairs": 8}


def test_equality_needs_an_interval_inside_the_margin():
    """A difference that is not significant is no success: an interval that is too wide decides nothing."""
    cases = {(-3, 0.5): verdicts.HOLDS, (-3, 3): verdicts.OPEN, (0.5, 0.9): verdicts.HOLDS, (1.5, 3): verdicts.NOT}
    for (low, high), expected in cases.items():
        assert verdicts.as_good(interval(low, high), 1.0) == expected
    cases = {(-0.5, 3): verdicts.HOLDS, (-3, 3): verdicts.OPEN, (-3, -0.1): verdicts.NOT}
    for (low, high), expected in cases.items():
        assert verdicts.no_gain(interval(low, high), 1.0) == expected


def test_damage_is_undone_only_if_less_than_a_quarter_is_certainly_left():
    harm, gain = interval(3, 5), interval(-4, -3)
    assert verdicts.undone(interval(-1, 1), gain, interval(-1, 1)) == verdicts.NO_HARM
    assert verdicts.undone(harm, gain, interval(-0.5, 0.9)) == verdicts.HOLDS
    assert (
        verdicts.undone(harm, gain, interval(-0.5, 1.1)) == verdicts.PARTLY
    )  # not certainly different from none: not enough
    assert verdicts.undone(harm, interval(-1, 1), interval(3, 5)) == verdicts.OPEN
    assert verdicts.undone(harm, interval(1, 2), interval(5, 6)) == verdicts.NOT


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_chance_is_that_of_students_test(margin):
    values = np.random.default_rng(0).normal(0.4, 1, 8)
    expected = stats.ttest_1samp(values, margin).pvalue
    assert verdicts.chance(paired_difference(values, 0 * values), margin) == pytest.approx(expected)


def test_holm_compares_each_with_what_is_left():
    values = [0.011, None, 0.001, 0.04, 0.02]  # limits in their order: .0125, .0167, .025, .05
    assert verdicts.holm(values) == [True, None, True, True, True]
    assert verdicts.holm([0.03, 0.001, 0.02, 0.04]) == [False, True, False, False]  # .02 fails at .05 / 3, and ends it


def test_the_page_is_what_the_stored_results_make():
    assert results.PAGE.read_text() == results.page(results.CLAIMS), "run `python -m figures.results`"


def test_ten_findings_with_a_number_and_a_picture_each():
    assert len(findings.FINDINGS) == 10 and len(findings.table().splitlines()) == 12
    for finding in findings.FINDINGS:
        assert re.search(r"\d", finding.told()[1])
        assert (results.GALLERY / f"{finding.result}.png").is_file()


def test_a_finding_that_no_longer_holds_is_an_error(monkeypatch):
    result = results.load_result("seeds", results.GALLERY)
    result.numbers["difference"]["autoguidance 2"]["outliers_99"] |= {"low": -0.03, "high": 0.01}
    monkeypatch.setattr(findings, "load_result", lambda name, folder: result)
    with pytest.raises(ValueError, match="no longer supports 'Autoguidance removes outliers"):
        findings.FINDINGS[0].told()


def test_every_claim_has_a_verdict_and_a_picture():
    for claim in (claim for listed in results.CLAIMS.values() for claim in listed):
        judged = verdicts.Judged(*claim.judge(results.load_result(claim.result).numbers))
        assert judged.measured and judged.verdict in verdicts.VERDICTS
        assert judged.p is None or 0 <= judged.p <= 1
        assert (results.GALLERY / f"{claim.result}.png").is_file()


def test_what_the_page_on_images_says_of_the_choosing_runs():
    """The bullets of docs/images.md, run by run."""
    weights, guides = (load_result(f"fashion-16/{name}", GALLERY).numbers for name in ("fig7", "fig3"))

    def values(point, key):
        return np.array(point["values"][key])

    fd, recalls = "frechet_distance", ("recall", "autoencoder/recall", "pixels/recall")
    none, spread = weights["methods"]["CFG"][0], next(p[0] for k, p in weights["controls"].items() if "spread" in k)
    chosen = {name: best(some[1:]) for part in ("lengths", "capacities") for name, some in guides[part].items()}
    equal = chosen.pop("T")
    assert all((values(p, fd) < values(none, fd)).all() for p in chosen.values())
    assert (values(equal, fd) > values(none, fd)).all()
    assert all((values(p, key) > values(none, key)).all() for p in chosen.values() for key in recalls)
    for name in ("CFG", "CFG, interval"):
        point = best(weights["methods"][name][1:])
        assert all((values(point, key) < values(none, key)).all() for key in recalls)
    xs = chosen["XS, T/8"]
    assert all(abs(values(spread, key) - values(xs, key)).max() < 0.004 for key in recalls[1:])
    share = (mean(spread, "recall") - mean(none, "recall")) / (mean(xs, "recall") - mean(none, "recall"))
    assert 0.25 < share < 0.42 and mean(none) - mean(spread) < 0.02
    worse = [mean(p, key) > mean(none, key) for p in chosen.values() for key in ("autoencoder/" + fd, "pixels/" + fd)]
    assert sum(worse) >= len(worse) - 2  # but for the guide of the same size, T/8
    assert abs(mean(chosen["T/8"], "autoencoder/" + fd) - mean(none, "autoencoder/" + fd)) < 0.01
    ema = [mean(p) for p in guides["widths"] if {arm_of(p).main.ema, arm_of(p).guide.ema} <= {0.05, 0.1}]
    assert len(ema) == 4 and max(ema) - min(ema) < 0.0015
