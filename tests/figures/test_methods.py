"""The experiment's arithmetic on made-up runs, and that its lists fit together."""

import pytest

from figures.engine.verdicts import HOLDS, NOT, OPEN
from figures.toy import methods
from figures.toy.contestants import AS_GOOD, KINDS, METHODS, PAPERS, taking_part

SEEDS = [0, 1, 2, 3]


def run(outliers, tv=0.1):
    return {"outliers": outliers, "diverged": 0.0, "branch_tv": tv, "leaves_lost": 1.0, "misplaced": outliers + tv,
            "evaluations": 126.0, "guide": 63.0}  # fmt: skip


def found(gain):
    """A world in which each method has by `gain[name]` fewer outliers than no guidance has, at its second strength alone."""
    out = {}
    for name, less in gain.items():
        strengths = METHODS[name].STRENGTHS
        best = strengths[min(1, len(strengths) - 1)]
        out[name] = {
            s: {w: run(0.1 + 0.001 * (s + s % 2 * (len(name) % 3 - 1)) - (less if w == best else 0)) for w in strengths}
            for s in SEEDS
        }
    return out


def test_every_method_has_a_paper_and_a_kind():
    assert set(PAPERS) == set(METHODS)
    assert all(p.kind in ("", *KINDS) and p.against in methods.BASELINES for p in PAPERS.values())
    assert set(taking_part("trained")) | set(taking_part("exact")) == set(METHODS)


@pytest.mark.parametrize("gain, verdict", [(0.05, HOLDS), (-0.05, NOT), (0.0, OPEN)])
def test_a_claim_of_fewer_outliers(gain, verdict):
    world = methods.judged(found({"no guidance": 0, "autoguidance": 0, "CFG": 0, "SGG": 0, "SIMS": 0}), SEEDS, 128)
    assert world["methods"]["SGG"]["strength"] in METHODS["SGG"].STRENGTHS
    m = world["methods"]["SIMS"]
    change = {"mean": -gain, "low": -gain - 0.01, "high": -gain + 0.01}
    m["difference"]["no guidance"] |= {"outliers": change, "misplaced": change}
    line = next(c for c in methods.claims({"worlds": {"trained": world}}) if c["method"] == "SIMS")
    assert line["verdict"] == verdict and line["paper"] == "2408.16333"


@pytest.mark.parametrize("gain, verdict", [(0.05, NOT), (-0.05, HOLDS), (0.0, OPEN)])
def test_a_claim_that_something_does_not_help(gain, verdict):
    world = methods.judged(found({"no guidance": 0, "autoguidance": 0, "CFG": 0, "truncation": 0}), SEEDS, 128)
    change = {"mean": -gain, "low": -gain - 0.01, "high": -gain + 0.01}
    world["methods"]["truncation"]["difference"]["no guidance"] |= {"outliers": change, "misplaced": change}
    line = next(c for c in methods.claims({"worlds": {"trained": world}}) if c["method"] == "truncation")
    assert line["verdict"] == verdict


def test_strength_and_report_come_from_different_seeds():
    runs = found({"no guidance": 0, "autoguidance": 0.03, "CFG": 0, "SGG": 0.02})
    strengths = METHODS["SGG"].STRENGTHS
    for s in SEEDS[2:]:  # only the reporting half would choose this one
        runs["SGG"][s][strengths[3]] = run(0.0)
    world = methods.judged(runs, SEEDS, 128)
    assert world["choosing"] == [0, 1] and world["methods"]["SGG"]["strength"] == strengths[1]
    report = world["methods"]["SGG"]["report"]["outliers"]
    assert report == [runs["SGG"][s][strengths[1]]["outliers"] for s in (2, 3)]
    d = world["methods"]["SGG"]["difference"]["autoguidance"]["outliers"]
    assert d["mean"] == pytest.approx(sum(report) / 2 - sum(world["methods"]["autoguidance"]["report"]["outliers"]) / 2)


@pytest.mark.parametrize("high, low, expected", [(0.009, -0.02, HOLDS), (0.02, -0.02, OPEN), (0.02, 0.001, NOT)])
def test_a_claim_of_as_good(high, low, expected):
    assert methods.verdict(AS_GOOD, [{"low": -0.02, "high": 0.0}, {"low": low, "high": high}]) == expected


def test_nothing_is_claimed_of_a_strength_that_is_no_guidance():
    name = "Feynman-Kac, CFG"
    world = methods.judged(found({"no guidance": 0, "autoguidance": 0, "CFG": 0, name: 0.05}), SEEDS, 128)
    numbers = {"worlds": {"trained": world}}
    assert "outliers" in next(c for c in methods.claims(numbers) if c["method"] == name)["measured"]
    world["methods"][name]["strength"] = 1.0
    line = next(c for c in methods.claims(numbers) if c["method"] == name)
    assert line["verdict"] == OPEN and "without guidance" in line["measured"]
