"""What is put into the page: the models, the outlines and the floors are the library's."""

import base64
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from toy2d import metrics
from toy2d.fractal import fractal

SCRIPT = Path(__file__).parents[2] / "docs" / "playground" / "build.py"


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("playground_build", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_outline_is_where_the_density_has_that_level(build):
    truth, level = fractal("A"), -1.86
    path = build.outline(truth, level, 0.006)
    assert re.fullmatch(r"(M-?\d+[ -]\d+l[\d -]+z)+", path)
    moves = [np.array(re.findall(r"-?\d+", part), int).reshape(-1, 2) for part in path.split("z")[:-1]]
    corners = torch.from_numpy(np.concatenate([part.cumsum(0) for part in moves]) * build.UNIT)
    log_prob, score = truth.log_prob_and_score(corners)
    distance = (log_prob - level).abs() / score.norm(dim=1)  # to first order
    assert len(corners) > 1000 and distance.median() < build.UNIT and distance.max() < 4 * build.UNIT


def test_simplified_line_stays_within_its_tolerance(build):
    t = np.linspace(0, 2 * np.pi, 400)
    circle = np.stack([np.cos(t), np.sin(t)], 1)
    short = build.simplify(circle, 0.01)
    middles = (short[1:] + short[:-1]) / 2
    assert len(short) < 60 and (1 - np.linalg.norm(middles, axis=1)).max() < 0.0101


@pytest.mark.parametrize("n", [256, 2048])
def test_floor_is_what_true_samples_show(build, n):
    truth, floor = fractal("A"), build.floor(n, fractal("A"))
    weight = metrics.branch_weights(truth)
    fresh = truth.sample(16 * n, generator=torch.Generator().manual_seed(7))
    shares = [metrics.branch_occupancy(part, truth) for part in fresh.split(n)]
    tv = torch.stack([0.5 * (share - weight).abs().sum() for share in shares])
    leaves = torch.tensor([float(metrics.leaves_lost(share, weight)) for share in shares])
    assert abs(floor["tv"] - tv.mean()) < 4 * tv.std() / 4
    assert abs(floor["leaves"] - leaves.mean()) < 4 * leaves.std() / 4


def test_mixture_goes_into_the_page_whole(build):
    truth = fractal("A")
    rows = torch.from_numpy(build.mixture(truth))
    assert rows.shape == (127, 20)
    means = rows[:, 4:].reshape(-1, 2)
    assert torch.allclose(means, truth.means.double(), atol=1e-6)
    assert torch.allclose(rows[:, 1:4].float(), truth.covariances[::8].flatten(1)[:, [0, 1, 3]], atol=1e-9)
    assert torch.allclose(rows[:, 0], truth.weights.double().reshape(127, 8).sum(1), atol=1e-7)


def test_numbers_are_encoded_without_loss(build):
    numbers = np.random.default_rng(0).normal(size=5).astype("f4")
    assert (np.frombuffer(base64.b64decode(build.encode(numbers, "f4")), "<f4") == numbers).all()


def test_modules_are_joined_and_a_name_used_twice_is_refused(build, tmp_path, monkeypatch):
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.js").write_text('import { two } from "./b.js";\nexport function one() { return two; }\n')
    (tmp_path / "js" / "b.js").write_text("export const two = 2;\n")
    (tmp_path / "js" / "c.js").write_text("let one = 1;\n")
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    joined = build.bundle(["b", "a"])
    assert "import" not in joined and "export" not in joined and joined.index("two = 2") < joined.index("one()")
    with pytest.raises(ValueError, match="c.js and a.js both define one"):
        build.bundle(["a", "c"])


def test_missing_seed_is_named_without_traceback(build, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["build.py", "--seeds", "99"])
    assert build.main() == 2 and "99" in capsys.readouterr().err
