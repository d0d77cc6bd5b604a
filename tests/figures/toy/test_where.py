"""Errors that are shared and errors that are not; the truth in place of a model."""

import matplotlib.pyplot as plt
import pytest
import torch

from figures.toy import where
from tests.legible import problems
from toy2d import pretrained
from toy2d.fractal import fractal


def test_split_of_errors():
    main = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    turned = torch.stack([-main[:, 1], main[:, 0]], 1)
    found = where.split(main, 3 * main)
    assert found["cosine"] == pytest.approx(1) and found["repeated"] == pytest.approx(3)
    assert found["own"] == pytest.approx(0, abs=1e-3) and found["best_weight"] == pytest.approx(1.5)
    assert found["left"] == pytest.approx(1)  # 2 - 3 = -1
    found = where.split(main, main + 2 * turned)
    assert found["repeated"] == pytest.approx(1) and found["own"] == pytest.approx(2 * found["main"])
    assert found["best_weight"] == pytest.approx(1) and found["left"] == pytest.approx(5**0.5)


def test_left_is_the_guided_error():
    main, weak = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(0))
    found = where.split(main, weak)
    for weight, want in ((2.0, found["left"]), (found["best_weight"], None)):

        def length(w):
            return ((w * main - (w - 1) * weak).square().sum() / main.square().sum()).sqrt().item()

        assert want is None or length(weight) == pytest.approx(want)
        assert want is not None or length(weight) < min(length(weight - 0.1), length(weight + 0.1))


def test_replaced():
    x, model, truth = torch.randn(9, 2), pretrained.load("main"), fractal("A")
    for side, high, low in (("above", truth, model), ("below", model, truth)):
        denoiser = where.replaced(model, side, 0.1)
        assert torch.equal(denoiser(x, 0.2), high(x, 0.2)) and torch.equal(denoiser(x, 0.1), low(x, 0.1))


def test_truth_nowhere_changes_nothing_and_everywhere_mends_all():
    found = where.replace_row(0, 2.0, "both", [0.0, 9.0], 128)
    everywhere, nowhere = found["above"]
    for same in (nowhere, found["below"][0]):  # no level above 9, none but the end below 0
        assert {k: same[k] for k in found["without"]} == found["without"]
        assert same["mended"] == same["spoilt"] == same["found_again"] == same["newly_lost"] == 0
    assert everywhere == found["below"][1] and everywhere["outliers"] < found["without"]["outliers"]


def test_whole_and_drawn():
    result = where.compute(**where.FAST | dict(n=32, n_errors=32), workers=0)
    numbers = result.numbers
    assert [(a["weight"], a["who"]) for a in numbers["arms"]] == [(1, "main"), (2, "main"), (2, "guide"), (2, "both")]
    assert len(numbers["errors"]["true"]["cosine"]) == 2 and len(numbers["errors"]["true"]["cosine"][0]) == len(
        numbers["sigmas"]
    )
    figure = where.draw(result)
    assert problems(figure) == []
    assert len(figure.axes) == 4
    plt.close(figure)
