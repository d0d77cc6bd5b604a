"""Each method of the image experiment runs on the shipped pair, and draws noise by seed."""

import pytest
import torch

from edm import models
from edm.guidance import unconditional
from edm.sampler import randn, seeded, sigma_steps
from figures.engine.result import GALLERY, load_result
from figures.images.methods import METHODS, changes
from toy2d.methods import Counted, Models

PAIR = models.shipped("digits")


@pytest.mark.parametrize("name", METHODS)
def test_an_image_does_not_depend_on_its_batch(name):
    strengths, run = METHODS[name]
    sigmas, labels, seeds = sigma_steps(3), torch.tensor([3, 5]), [7, 8]
    x = 80 * randn(2, PAIR.shape, seeded(seeds))

    def images(part):
        counted = Models(
            0, *(Counted(d) for d in (PAIR.main, PAIR.guide, unconditional(PAIR.main), PAIR.guide, PAIR.guide))
        )
        out = run(counted, strengths[-1], x[part], sigmas, labels[part], seeds[part])
        if name in ("no guidance", "truncation"):
            assert counted.evaluations() == (5 * len(out), 0)
        return out

    both = images(slice(0, 2))
    assert both.shape == x.shape and both.isfinite().all()
    torch.testing.assert_close(images(slice(1, 2)), both[1:], rtol=1e-3, atol=1e-3)


def test_what_the_page_on_methods_says_of_the_stored_result():
    """Order, control, recall, arithmetic: the four sentences below the table of docs/methods.md."""
    n = load_result("fashion-16/methods_images", GALLERY).numbers
    rows = {r["method"]: r for r in n["rows"]}
    fd, recall = ({name: r[key] for name, r in rows.items()} for key in ("frechet_distance", "recall"))
    assert min(fd, key=fd.get) == "autoguidance"
    blocks = [{name: both[i] for name, both in changes(n).items()} for i in (0, 1)]
    for block in blocks:
        assert block["autoguidance"] < block["CFG, interval"] < block["CFG"]
        assert max(block["stages"], block["negative window"]) < block["CFG"]
    assert [block["autoguidance"] < block["negative window"] for block in blocks] == [True, False]
    share = (fd["no guidance"] - fd["truncation"]) / (fd["no guidance"] - fd["autoguidance"])
    assert 0.2 < share < 0.3
    assert [name for name in recall if recall[name] > recall["no guidance"]] == ["autoguidance"]
    assert min(recall, key=recall.get) == "self-guidance" and fd["self-guidance"] > fd["no guidance"]
    assert len(n["check"]) == 3
    assert all(abs(r["frechet_distance"] - fd[r["method"]]) < 0.002 for r in n["check"])
