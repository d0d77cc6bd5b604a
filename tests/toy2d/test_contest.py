"""The contest as a user meets it: the template, a method of one's own, and one line for each mistake."""

import json
import sys

import pytest
import torch

from edm.guidance import guide
from edm.sampler import sample
from toy2d import contest, methods
from toy2d.__main__ import main
from toy2d.fractal import fractal
from toy2d.methods import Method, measure, play, trained
from toy2d.paired import draw_start, run

N = 256


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["toy2d", *map(str, words)])
    return main()


@pytest.fixture
def quick(monkeypatch):
    """Baselines of two strengths."""
    few = [Method(m.name, m.STRENGTHS[:2], m.make) for m in contest.BASELINES[1:]]
    monkeypatch.setattr(contest, "BASELINES", (contest.NONE, *few))


def numbers(outliers, tv):
    return {"outliers": outliers, "branch_tv": tv}


def test_the_template_is_judged(monkeypatch, tmp_path, capsys, quick):
    file = tmp_path / "mine.py"
    assert call(monkeypatch, "contest", "--template", file) == 0
    assert call(monkeypatch, "contest", "--template", file) == 2  # it is not written over
    assert "exists" in capsys.readouterr().err
    assert call(monkeypatch, "contest", file, "-n", 64, "--json") == 0
    table = json.loads(capsys.readouterr().out)
    assert list(table["rows"]) == ["no guidance", "autoguidance", "CFG", "mine"]
    assert set(table["difference"]) == {"no guidance", "autoguidance", "CFG"}
    assert table["choosing"] == [0, 1, 2, 3] and table["reporting"] == [4, 5, 6, 7]
    assert table["rows"]["no guidance"]["evaluations"] == 63 < table["rows"]["mine"]["evaluations"] < 126
    for row in table["rows"].values():
        assert 0 <= row["outliers"] <= 1 and row["diverged"] <= row["outliers"]
    lines = contest.text(table).split("\n")
    assert lines[1].startswith("true samples") and any(line.startswith("mine ") for line in lines)


def test_the_template_s_method_is_guidance_in_an_interval():
    template, start = methods.load(methods.TEMPLATE), draw_start(N, 0)
    models = trained(0)
    expected = run(guide(models.main, models.weak, 2.0, (0, 0.5)), start)
    torch.testing.assert_close(run(template.make(models, 2.0), start), expected)


def test_make_and_sample_are_two_ways_to_one_result():
    made = Method("a", (2.0,), make=contest.CFG.make)
    sampled = Method("b", (2.0,), sample=lambda m, w, x, sigmas: sample(guide(m.main, m.uncond, w), x, sigmas))
    assert play(made, 2.0, trained(1), N, 1) == play(sampled, 2.0, trained(1), N, 1)


def test_evaluations_are_counted_for_each_sample():
    got = play(contest.CFG, 2.0, trained(0), N, 0)
    assert got["evaluations"] == 126 and got["guide"] == 63
    interval = Method("i", (2.0,), lambda m, w: guide(m.main, m.weak, w, (0.1, 1.0)))
    assert 63 < play(interval, 2.0, trained(0), N, 0)["evaluations"] < 126
    own = Method("own", (2.0,), lambda m, w: m.add(fractal("A")))
    assert play(own, 2.0, trained(0), N, 0)["evaluations"] == 63


def test_the_choice():
    runs = {
        1.0: [numbers(0.12, 0.06)] * 2,
        2.0: [numbers(0.07, 0.13), numbers(0.07, 0.15)],
        3.0: [numbers(0.05, 0.2)] * 2,
    }
    assert contest.choose(runs, 0.14, 0.01) == 2.0  # the mean of its branch TV is just within
    assert contest.choose(runs, 0.3, 0.01) == 3.0
    assert contest.choose(runs, 0.05, 0.01) == 1.0  # none is within: the least branch TV
    assert contest.choose(runs, 0.3, 0.08) == 2.0  # fewer outliers than true samples have is no gain


def test_notes():
    def tried(tv, guides):
        return {w: [numbers(0.1, tv) | {"guide": guides}] for w in (1.0, 2.0)}

    assert contest.notes(tried(0.1, 63), 1.0, 0.2) == []
    assert contest.notes(tried(0.1, 0), 1.0, 0.2) == ["never calls a guide"]
    assert (
        "budget" in contest.notes(tried(0.3, 63), 1.0, 0.2)[0] and "last" in contest.notes(tried(0.1, 63), 2.0, 0.2)[0]
    )


def test_differences_are_paired(quick):
    """The method's numbers minus the baseline's, seed by seed, at the strengths that the other seeds chose."""
    method = Method("again", contest.AUTOGUIDANCE.STRENGTHS[:2], contest.AUTOGUIDANCE.make)
    table = contest.judge(method, n=64, seeds=[0, 1, 2, 3])
    d = table["difference"]["autoguidance"]["outliers"]
    assert d["mean"] == d["low"] == d["high"] == 0 and d["pairs"] == 2
    assert table["rows"]["again"]["strength"] == table["rows"]["autoguidance"]["strength"]


def test_points_that_flew_off_are_outliers():
    x = fractal("A").sample(1000, generator=torch.Generator().manual_seed(0))
    before = measure(x)
    x[:100] = torch.tensor([50.0, 0.0])
    x[100:200] = torch.nan
    after = measure(x)
    assert after["diverged"] == pytest.approx(0.2) and 0.2 <= after["outliers"] <= 0.2 + before["outliers"]
    assert before["diverged"] == 0
    x[:600] = torch.inf
    assert measure(x)["branch_tv"] == 1 and measure(x)["leaves_lost"] == 64
    assert measure(torch.full((10, 2), torch.nan))["outliers"] == 1


def test_true_samples_are_the_floor():
    floor = contest.floor(4096)
    assert 0.005 < floor["outliers"] < 0.015 and floor["leaves_lost"] <= 3 and floor["branch_tv"] < 0.08


def test_exact_models():
    models, x = methods.exact(), draw_start(32, 0)
    torch.testing.assert_close(models.main(x, 0.5), fractal("A")(x, 0.5))
    sigma = 0.02
    blurred = x + sigma**2 * fractal("A").score(x, (sigma**2 + methods.BLUR**2) ** 0.5)
    torch.testing.assert_close(models.weak(x, sigma), blurred, rtol=1e-3, atol=1e-4)


WRONG = {
    "def make(models, strength): return lambda x, sigma, labels=None: x[:, :1]": "shape",
    "def make(models, strength): return lambda x, sigma, labels=None: x / 0 * 0": "not finite",
    "def make(models, strength): return lambda x, sigma, labels=None: None": "NoneType",
    "def sample(models, strength, start, sigmas): return start[:5]": "shape",
    "def sample(models, strength, start, sigmas): return start * float('nan')": "finite",
    "def made(models, strength): return models.main": "make or sample",
    "def make(models, strength) return models.main": "line 2",
}


@pytest.mark.parametrize("source", WRONG)
def test_a_mistake_is_one_line(monkeypatch, tmp_path, capsys, source):
    file = tmp_path / "mine.py"
    file.write_text("STRENGTHS = (1.0, 2.0)\n" + source)
    assert call(monkeypatch, "contest", file, "-n", 64) == 2
    message = capsys.readouterr().err.strip().split("\n")[-1]
    assert WRONG[source] in message and "mine" in message and "Traceback" not in message


def test_a_missing_file_and_too_few_seeds(monkeypatch, tmp_path, capsys):
    assert call(monkeypatch, "contest", tmp_path / "none.py") == 2
    assert "--template" in capsys.readouterr().err
    with pytest.raises(ValueError, match="four training seeds"):
        contest.judge(contest.CFG, seeds=[0, 1, 2])
