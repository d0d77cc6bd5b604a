"""What the 2D notebooks draw with and say, where the answer is known."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from figures.lessons import learning, notebook, one_dimension, paired, sampling, world
from toy2d import metrics
from toy2d.fractal import fractal


def test_reveal_names_the_readers_answer_and_only_that(capsys):
    notebook.reveal(None, "b", "Because.")
    assert capsys.readouterr().out == "The answer is (b). Because.\n"
    notebook.reveal("a", "b", "Because.")
    assert capsys.readouterr().out == "You said a. The answer is (b). Because.\n"


def test_reveal_is_folded_until_one_has_answered(monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "in_kernel", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda output: shown.append(output.data))
    notebook.reveal(None, "b", "Because.")
    notebook.reveal("b", "b", "Because.")
    folded, opened = shown
    assert folded.startswith("<details><summary>") and folded.index("</summary>") < folded.index("(b)")
    assert "<details>" not in opened and "You said b" in opened


def test_embed_does_nothing_without_a_kernel_or_a_page(tmp_path, capsys):
    notebook.embed(str(tmp_path / "none.html"))
    assert capsys.readouterr().out == ""


def test_a_point_that_flew_off_is_outside():
    x = torch.cat([fractal("A").means[:1], torch.tensor([[50.0, 0.0], [torch.nan, 0.0]])])
    assert learning.outside(x).tolist() == [False, True, True]


def test_lines_enclose_99_percent_at_every_level():
    made = world.compute_levels([0.0, 0.3, 1.0], pixels=8, n=2**14)
    for name, levels in made.numbers["levels"].items():
        for sigma, level in zip(made.numbers["sigmas"], levels, strict=True):
            x = fractal(name).sample(2**14, sigma, torch.Generator().manual_seed(9))
            assert (fractal(name).log_prob(x, sigma) > level).float().mean() == pytest.approx(0.99, abs=0.004)


def test_rows_are_paired_changes_in_points():
    numbers = {"branch_tv": [0.1, 0.1], "leaves_lost": [1, 1], "diverged": [0, 0.0259]}
    runs = {"none": {"outliers_99": [0.12, 0.1], **numbers}, "guided": {"outliers_99": [0.1, 0.11], **numbers}}
    none, guided = paired.rows(runs, {"none": "no guidance", "guided": "w = 2"})
    header = paired.header([3, 4])
    assert header[2] == "change in points, seeds 3, 4" and len(header) == len(guided)
    assert none[2] == "" and guided[2] == "-2.0, +1.0" and guided[5] == "0.0, 2.6"
    assert len(paired.floor_row(metrics.floor(64))) == len(header)


def labels(figure) -> list[str]:
    plt.close(figure)
    return [ax.get_xlabel() for ax in figure.axes]


def test_numbers_stand_below_the_pictures():
    x = fractal("A").sample(256, generator=torch.Generator().manual_seed(0))
    m = metrics.evaluate(x)
    (label,) = labels(learning.draw_outliers({"true": x}, pixels=20, coverage=True))
    assert f"outliers {m['outliers_99']:.1%}" in label and f"leaves lost {m['leaves_lost']:.0f}" in label
    (label,) = labels(sampling.draw_steps({"32 steps": torch.stack([2 * x, x])}, [0.25]))
    assert label == "outliers 25.0%"
    points, axis = np.array([-1.0, -0.1, 0.9, 1.1]), np.linspace(-2, 2, 9)
    (label,) = labels(one_dimension.draw_samples(axis, np.exp(-(axis**2)), {"w = 1": points}, valley=0.3))
    assert label == "in the valley 25.00%\nwidth of a mode 0.100"
