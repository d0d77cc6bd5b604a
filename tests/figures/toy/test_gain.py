"""Forced gains: negative all along, the same seeds, and files that any reader of models can load."""

import torch

from edm.guidance import guide
from edm.storage.rows import Store
from figures.toy import gain
from toy2d import pretrained
from toy2d.paired import draw_start, measure, run


def test_forced_pairs_stand_beside_the_shipped_ones(tmp_path):
    made = gain.compute(seeds=[0, 1], n=64, shrink=256, store=Store(tmp_path / "gain"), workers=0).numbers
    assert all(value < 0 for kind in gain.KINDS for value in made["gains"]["negative"][kind])
    assert made["gains"]["shipped"]["main"][0] < 0 < made["gains"]["shipped"]["main"][1]
    pair = [pretrained.load(kind, 1) for kind in gain.KINDS]
    with torch.no_grad():
        expected = measure(run(guide(*pair, 2.0), draw_start(64, 1)))
    assert made["runs"]["shipped"]["2"]["outliers_99"][1] == expected["outliers_99"]
    files = sorted((tmp_path / "checkpoints").glob("*negative_gain_True*"))
    assert len(files) == 4 and all(pretrained.load_file(file).gain < 0 for file in files)
