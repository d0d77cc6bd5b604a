"""Design of the guide: cells are runs of the guide they name, weights are chosen and reported on different noise."""

import pytest
import torch

from edm.guidance import guide
from edm.storage.rows import Store
from figures.toy import guide_design
from toy2d import pretrained
from toy2d.paired import draw_start, measure, run
from toy2d.train import train_tracked

SMALL = dict(n=128, seeds=[0, 1], hidden=(8,), lengths=(32, 64), emas=(0.05, 0.10), weights=(1.0, 2.0), batch=128)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("design")
    return guide_design.compute(**SMALL, store=Store(folder / "guide_design"), workers=0).numbers, folder


def test_a_snapshot_is_the_run_of_that_length(made):
    _, folder = made
    file = folder / "checkpoints" / guide_design.guide_file(1, 8, SMALL["lengths"], 128)
    stored = guide_design.load_guide(file, 8, 32, 0.10)
    short = train_tracked(1 + guide_design.GUIDE_SEED, (0.10,), hidden=8, iterations=32, batch=128)
    for name, value in short.tracked[0.10].items():
        assert torch.equal(stored.state_dict()[name], value)


def test_every_cell_is_its_guide_at_its_best_weight(made):
    numbers, folder = made
    assert len(numbers["cells"]) == 4 and len(numbers["grid"]) == 5
    cell = guide_design.cell(numbers, 8, 64, 0.05)
    if cell["w"] == 1:
        assert cell["change"]["misplaced"]["mean"] == 0
    grid = next(g for g in numbers["grid"] if g.get("length") == 64 and g["ema"] == 0.05 and g["w"] == 2.0)
    file = folder / "checkpoints" / guide_design.guide_file(0, 8, SMALL["lengths"], 128)
    denoiser = guide(pretrained.load("main", 0), guide_design.load_guide(file, 8, 64, 0.05), 2.0)
    assert grid["first"][0]["128"] == pytest.approx(measure(run(denoiser, draw_start(128, 0)))["misplaced"], abs=1e-5)
    assert numbers["report_noise_seed"] != numbers["noise_seed"]


def test_an_interrupted_study_trains_and_samples_nothing_twice(made, monkeypatch):
    numbers, folder = made
    monkeypatch.setattr(guide_design, "train_tracked", None)
    monkeypatch.setattr(guide_design, "run", None)
    again = guide_design.compute(**SMALL, store=Store(folder / "guide_design"), workers=0).numbers
    assert again["cells"] == numbers["cells"]
