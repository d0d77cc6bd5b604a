"""Pictures drawn from stored results are legible at the width of a page, and have the lines that their captions promise."""

import matplotlib.pyplot as plt
import pytest

from figures.engine import registry
from figures.engine.plots import panels, percent, plain_ticks
from figures.engine.result import GALLERY, load_result
from figures.toy import methods_plots, seeds
from tests.legible import names, problems

STORED = sorted(str(path.relative_to(GALLERY).with_suffix("")) for path in GALLERY.rglob("*.json"))
STORED = [path for path in STORED if path.rpartition("/")[2] in registry.MODULES.keys() - registry.GROUPS["all"].keys()]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def drawn(path: str):
    return registry.load(path.rpartition("/")[2]).draw(load_result(path))


@pytest.mark.parametrize("path", STORED)
def test_a_stored_result_makes_a_legible_picture(path):
    assert problems(drawn(path)) == []


@pytest.mark.parametrize("name", registry.GROUPS["all"])
def test_the_paper_s_figures_are_legible(name):
    module = registry.load(name)
    few = module.FAST | {"n": 128}
    assert problems(module.draw(module.compute(**few))) == []


def test_a_single_noise_level_is_legible_too():
    fig9 = registry.load("fig9")
    figure = fig9.draw(fig9.compute(**fig9.FAST, sigmas=(0.08,)))
    assert len(figure.axes) == 3 + 2 and problems(figure) == []  # panels and colour bars


def test_faults_are_seen():
    figure, ((ax, other),) = panels(1, 2)
    assert problems(figure) == []
    ax.plot([0, 5], [0, 5], label="long")
    ax.set_xlim(0, 1)
    other.text(0.5, 0.5, "above")
    other.text(0.5, 0.5, "below")
    other.text(0.1, 0.1, "tiny", fontsize=4)
    figure.text(0.99, 0.1, "beyond the edge")
    found = "\n".join(problems(figure))
    for fault in ("'long' is cut", "'above' covers 'below'", "'tiny' is", "'beyond the edge' is cut off"):
        assert fault in found
    assert len(found.splitlines()) == 4


def test_text_is_small_where_the_picture_is_wide():
    ax = plt.figure(figsize=(16, 4)).subplots()
    assert all("pixels high" in fault for fault in problems(ax.figure)) and problems(ax.figure)


def test_ticks_are_those_asked_for():
    figure, ((ax, other),) = panels(1, 2)
    ax.set(xscale="log", xlim=(0.005, 2))
    plain_ticks(ax.xaxis, [0.01, 0.1, 1])
    other.set_ylim(0, 0.125)
    percent(other.yaxis)
    figure.canvas.draw()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.01", "0.1", "1"] and not len(ax.get_xticks(minor=True))
    shown = [t.get_text() for t in other.get_yticklabels()]
    assert shown[:3] == ["0%", "5%", "10%"]  # and not 2.5 % as 2 %


def test_seeds_has_a_line_for_each_family_and_the_floor():
    figure = drawn("seeds")
    quality, coverage, both = figure.axes
    titles = {seeds.FAMILIES[family].title for family in seeds.SHOWN}
    assert titles | {"true samples", "No guidance", "True samples", "Naive truncation"} <= names(figure)
    for ax in (quality, coverage):
        assert {line.get_label() for line in ax.lines} == titles | {"true samples"}
    dashed = [line for line in both.lines if line.get_linestyle() == "--" and len(line.get_xdata())]
    assert len(dashed) == sum(f"{family}-interval" in seeds.FAMILIES for family in seeds.SHOWN)


@pytest.mark.parametrize("world", ["trained", "exact"])
def test_every_method_has_its_line_in_one_panel_with_the_baselines(world):
    numbers = load_result("methods").numbers
    figure, found = methods_plots.draw(numbers, world), numbers["worlds"][world]["methods"]
    assert problems(figure) == []
    shown = methods_plots.groups(found)
    alone = {"no guidance", *methods_plots.BASELINES}
    assert sorted(name for some in shown.values() for name in some) == sorted(found.keys() - alone)
    assert max(map(len, shown.values())) <= methods_plots.MANY
    for ax, some in zip(figure.axes, shown.values(), strict=False):
        assert [text.get_text() for text in ax.get_legend().get_texts()] == some
        assert sum(line.get_linewidth() == 3 for line in ax.lines) == len(methods_plots.BASELINES)
        assert {line.get_marker() for line in ax.lines} >= {"P", "*"}  # no guidance, true samples


def test_guide_design_has_a_line_for_each_guide_and_an_interval_at_each_point():
    numbers, figure = load_result("guide_design").numbers, drawn("guide_design")
    widths = {f"width {hidden}" for hidden in numbers["hidden"]}
    assert widths | {"no guidance", "best is w = 1"} == names(figure)
    assert len(figure.axes) == len(numbers["emas"])
    for ax in figure.axes:
        lines = [line for line in ax.lines if line.get_label() in widths]
        assert {len(line.get_xdata()) for line in lines} == {len(numbers["lengths"])} and len(lines) == len(widths)
        assert sum(len(c.get_segments()) for c in ax.collections) == len(widths) * len(numbers["lengths"])


def test_the_clump_of_figure_1_is_marked_and_enlarged():
    fig1 = registry.load("fig1")
    figure = fig1.draw(fig1.compute(**fig1.FAST))
    autoguidance, loop = figure.axes[4:6]
    (box,) = autoguidance.patches
    assert box.get_x() == pytest.approx(loop.get_xlim()[0]) and box.get_y() == pytest.approx(loop.get_ylim()[0])
    assert box.get_width() == pytest.approx(loop.get_xlim()[1] - loop.get_xlim()[0])


def test_no_branch_of_class_A_is_cut():
    from toy2d import metrics
    from toy2d.fractal import fractal

    fig1 = registry.load("fig1")
    x = fractal("A").sample(2**14, generator=metrics.fresh_generator())
    inside = x[fractal("A").log_prob(x) >= metrics.region_levels(fractal("A"))[0]]
    for i, centre in enumerate(fig1.CENTRE):
        assert (inside[:, i] - centre).abs().max() < fig1.HALF_WIDTH
