"""Networks in files: what is saved is what comes back, and a file that is no network is named."""

import json

import pytest
import torch

from edm import network
from edm.network import EDM2Denoiser


@pytest.fixture
def small() -> EDM2Denoiser:
    sizes = dict(model_channels=32, channel_mult=(1, 4), num_blocks=1, attn_resolutions=(4,))
    return EDM2Denoiser(img_resolution=8, img_channels=2, label_dim=3, **sizes).eval().requires_grad_(False)


def test_saved_network_is_the_same_network(small, tmp_path):
    path = tmp_path / "new folder" / "net.safetensors"
    network.save(path, small, {"images": 12})
    state = torch.get_rng_state()
    again = network.load(path)
    assert torch.equal(torch.get_rng_state(), state)  # nothing was drawn at random
    assert again.kwargs == small.kwargs and not again.training and all(p.requires_grad for p in again.parameters())
    assert all(torch.equal(a, b) for a, b in zip(small.state_dict().values(), again.state_dict().values(), strict=True))
    assert network.metadata(path)["extra"] == {"images": 12}
    assert [p.name for p in path.parent.iterdir()] == ["net.safetensors"]
    network.save(path, small, dtype=torch.float16)
    assert path.stat().st_size < 0.55 * sum(t.numel() * 4 for t in small.state_dict().values())
    half = network.load(path).unet.out_conv.weight
    assert torch.equal(half, small.unet.out_conv.weight.half().float())
    with pytest.raises(ValueError, match="made for sampling"):
        network.save(path, small.for_sampling())


def test_damaged_files_are_named(small, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "net.safetensors"
    with pytest.raises(FileNotFoundError, match=str(path)):
        network.load(path)
    network.save(path, small)
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[:-1000], b"<html>" * 100):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{path} is damaged"):
            network.load(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="not a network saved by this program"):
        network.load(path)
    for changes, message in (
        (dict(model_channels=10**6), "tensors differ"),
        (dict(num_blocks=10**9), "too few for its blocks"),
        (dict(colour="blue"), "colour"),
    ):
        info = {"kwargs": json.dumps(small.kwargs | changes), "extra": "{}"}
        save_file(small.state_dict(), path, info)
        with pytest.raises(ValueError, match=message):
            network.load(path)
