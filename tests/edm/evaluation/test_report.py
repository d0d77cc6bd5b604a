"""Files of measurements: numbers of other settings are left where they are, and those of the same settings are continued."""

import json

import pytest
import torch

from edm import features
from edm.evaluation.report import file_of, sweep_to_file
from edm.evaluation.yardstick import Space, Yardstick
from edm.metrics import collect

ARMS = [("none", 1.0), ("cfg", 2.0)]
MADE = []


def extractor():
    def run(images):
        flat = images.float().flatten(1)
        return flat[:, :3], None

    return features.Extractor("mean", "1", 3, 1, torch.device("cpu"), run)


def guided(kind, weight):
    MADE.append((kind, weight))
    return lambda x, sigma, labels=None: x / weight / 10


def measured(path, count, images_seed=0, **options):
    MADE.clear()
    images = torch.randint(
        0, 256, (40, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(images_seed)
    )
    by = Yardstick((Space(extractor(), collect(extractor(), [(images, None)])),))
    return sweep_to_file(path, guided, by, dict(count=count), arms=ARMS, first_seeds=[0], count=count, shape=(1, 2, 2),
                         classes=None, sigmas=torch.tensor([1.0, 0.0]), **options)  # fmt: skip


def test_a_sweep_of_other_settings_leaves_the_first(tmp_path, capsys):
    path = tmp_path / "evaluate.json"
    assert measured(path, 8)[0] == path and MADE == ARMS
    first = path.read_bytes()
    other, rows = measured(path, 6)
    assert MADE == ARMS and [row["images"] for row in rows] == [6, 6]
    assert path.read_bytes() == first and other.parent == tmp_path and other.name.startswith("evaluate-")
    said = capsys.readouterr().out
    assert "count 8 -> 6" in said and str(path) in said and str(other) in said
    assert measured(path, 6) == (other, rows) and MADE == []
    assert measured(path, 8)[0] == path and MADE == [] and path.read_bytes() == first


def test_a_sweep_against_other_images_is_another_one(tmp_path):
    """The same features may be compared with another data set."""
    path, rows = measured(tmp_path / "evaluate.json", 8)
    other, others = measured(path, 8, images_seed=1)
    assert other != path and MADE == ARMS and others != rows
    assert measured(path, 8) == (path, rows)


def test_a_stopped_sweep_goes_on_in_its_own_file(tmp_path):
    path = tmp_path / "evaluate.json"
    measured(path, 8)
    other, rows = measured(path, 6, late=lambda: True)
    assert rows is None and len(json.loads(other.read_text())["rows"]) == 1
    again, rows = measured(path, 6)
    assert again == other and len(rows) == 2 and ARMS[1:] == MADE


def test_what_is_no_file_of_measurements_is_left_alone(tmp_path):
    for text in ("half a fi", "[1, 2]"):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ValueError, match="x.json is not a file of measurements"):
            file_of(tmp_path / "x.json", {})
        assert (tmp_path / "x.json").read_text() == text
