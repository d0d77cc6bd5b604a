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


def test_a_slider_that_is_not_live_says_how_to_get_it(monkeypatch):
    shown = []
    notebook.slider(plt.figure, False, w=[1.0])
    monkeypatch.setattr(notebook, "in_kernel", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda output: shown.append(output.data))
    notebook.slider(plt.figure, False, w=[1.0])
    assert len(shown) == 1 and "run this cell" in shown[0]


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


def test_panels_of_outliers_fill_rows():
    x = {name: fractal("A").means[:8] for name in ("no guidance", "w = 2", "w = 3")}
    figure = learning.draw_outliers(x, pixels=20, columns=2)
    plt.close(figure)
    assert [ax.get_title() for ax in figure.axes][:3] == list(x)
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 2)
    assert [ax.axison for ax in figure.axes] == [True, True, True, False]


def test_a_frontier_has_a_panel_for_each_number():
    numbers = {"outliers_99": [0.1, 0.2], "branch_tv": [0.3, 0.5], "leaves_lost": [4, 6]}
    runs = {"none": numbers, "guided": {key: [v / 2 for v in values] for key, values in numbers.items()}}
    keys = {"branch_tv": "TV", "leaves_lost": "leaves"}
    figure = paired.draw_frontier({"autoguidance": ["none", "guided"]}, runs, {"guided": "2"}, keys)
    plt.close(figure)
    assert [ax.get_xlabel() for ax in figure.axes] == ["TV", "leaves"]
    tv, leaves = (ax.get_lines()[0].get_xydata() for ax in figure.axes)
    assert np.allclose(tv, [[0.4, 0.15], [0.2, 0.075]]) and np.allclose(leaves, [[5, 0.15], [2.5, 0.075]])


def test_arrows_of_the_field_end_where_the_denoiser_says():
    figure = world.draw_field(0.05, pixels=8, arrows=3)
    plt.close(figure)
    (quiver,) = [c for c in figure.axes[0].collections if hasattr(c, "U")]
    x = torch.tensor(quiver.XY, dtype=torch.float32)
    ends = quiver.XY + np.stack([quiver.U, quiver.V], 1)
    assert quiver.scale == 1 and quiver.scale_units == "xy"
    assert np.allclose(ends, fractal("A")(x, 0.05).numpy(), atol=1e-5)


def test_an_overshoot_is_drawn_to_its_end():
    figure = one_dimension.draw_overshoot([1.0, 2.0], {"a": [1.0, -3.0]}, 4 / 3)
    plt.close(figure)
    assert figure.axes[0].get_ylim()[0] < -3


def test_widths_of_branches_go_from_trunk_to_leaf():
    widths = [row["width"] for row in world.depth_shares()]
    assert widths == sorted(widths, reverse=True)
    assert [round(widths[0], 3), round(widths[-1], 3)] == [0.016, 0.004]  # what notebook 5 takes from notebook 1


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
