"""Networks that come with the program: small, there, and what their docstring says."""

import pytest
import torch

from edm import models
from edm.generate import generate
from edm.network import metadata
from edm.sampler import sigma_steps


def test_digits_can_be_sampled_without_training():
    found = models.shipped("digits")
    assert found.data == "digits" and found.shape == (1, 8, 8) and found.classes() == list(range(10))
    assert sum(p.numel() for p in found.main.parameters()) == 722_539
    plain, guided = (
        next(iter(generate(d, range(10), found.shape, found.classes(), sigmas=sigma_steps(8)))).images.float()
        for d in (found.main, found.guided("autoguidance", 2.0))
    )
    assert plain.shape == guided.shape == (10, 1, 8, 8)
    assert 0 < (plain - guided).abs().mean() < 64  # the same noise gives similar images, of which guidance changes some
    assert 32 < guided.mean() < 128 and guided.std() > 32  # bright strokes on a dark ground


def test_garments_can_be_sampled_without_their_data():
    found = models.shipped("fashion-16")
    assert found.data == "fashion-16" and found.shape == (1, 16, 16) and found.classes() == list(range(10))
    made = generate(found.guided("autoguidance", 1.5), range(10), found.shape, found.classes(), sigmas=sigma_steps(8))
    images = next(iter(made)).images.float()
    trousers, bag = images[1, 0], images[8, 0]  # a narrow thing and a wide one
    assert (trousers.mean(0) > 40).sum() < (bag.mean(0) > 40).sum()


def test_files_are_small_and_say_where_they_are_from():
    for path in models.CHECKPOINTS.glob("*.safetensors"):
        assert path.stat().st_size < 1_600_000
        assert metadata(path)["extra"].keys() >= {"data", "std", "images"}


def test_other_names_are_refused():
    with pytest.raises(
        FileNotFoundError, match="no networks of 'imagenet' come with the program, only of digits, fashion-16"
    ):
        models.shipped("imagenet")


def test_narrow_attention_is_one_head():
    """Fewer channels than a head has elsewhere: they are one head, and the network works."""
    from edm.network import PRESETS, EDM2Denoiser

    torch.manual_seed(0)
    denoiser = EDM2Denoiser(**(PRESETS["digits"] | {"model_channels": 16}))
    assert sum(p.numel() for p in denoiser.parameters()) == 181_115
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        denoiser.unet.out_gain.fill_(1.0)
        both = denoiser(x, 1.0, torch.tensor([1, 2]))
        one = denoiser(x[1:], 1.0, torch.tensor([2]))
    assert both.isfinite().all() and torch.allclose(both[1:], one, atol=1e-5)
