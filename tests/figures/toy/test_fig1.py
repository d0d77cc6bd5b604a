"""Figure 1 from the authors' own networks: read as files, refused clearly when they are not there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from figures.lessons.published import miniature
from figures.toy import fig1
from toy2d import pretrained
from toy2d.paired import paper_arms

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def published(tmp_path):
    """The miniature file of the published layout under the names of the authors' three networks."""
    for name in pretrained.PUBLISHED.values():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((DATA / "toy-published.pkl").read_bytes())
    return tmp_path


def test_the_authors_own_networks_are_read_as_files(published):
    stored = np.load(DATA / "toy-published.npz")
    model = pretrained.load_published("main", published)
    assert {name: list(value.shape) for name, value in model.state_dict().items()}["gain"] == []
    x, sigma = (torch.tensor(stored[k]).float() for k in ("x", "sigma"))
    torch.testing.assert_close(model.score(x, sigma), torch.tensor(stored["score"]).float(), rtol=1e-3, atol=1e-3)
    arms = paper_arms(models=published)
    assert torch.equal(arms["none"](x, 0.1), model(x, 0.1))
    assert torch.equal(arms["autoguidance"](x, 0.1), arms["cfg"](x, 0.1))  # main and guide are the same file here
    made = fig1.compute(models=published, n=64, pixels=8).numbers
    assert (
        made["models"] == "published" and made["seed"] is None and made["measured"]["none"] == made["measured"]["cfg"]
    )


def test_authors_networks_that_are_not_there_or_are_none(published):
    (published / pretrained.PUBLISHED["guide"]).unlink()
    with pytest.raises(FileNotFoundError, match="dim32/iter0512.pkl: the folder must hold clsA-layers04-dim64"):
        paper_arms(models=published)
    miniature(published / pretrained.PUBLISHED["guide"])
    with pytest.raises(ValueError, match="holds an image network"):
        pretrained.load_published("guide", published)
    (published / pretrained.PUBLISHED["guide"]).write_bytes(b"not a pickle")
    with pytest.raises(ValueError, match="iter0512.pkl"):
        pretrained.load_published("guide", published)
