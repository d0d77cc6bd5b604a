"""Images of seeds: independent of their batch, of each other and of the guide; folders that resume; grids."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from edm import guidance, models, network, sampler
from edm.evaluation import sweep
from edm.generate import generate, guided, image_path, write_folder
from edm.storage.png import grid, png, read_folder
from edm.training.distributed import World

SHAPE = (1, 8, 8)
SIGMAS = sampler.sigma_steps(4)


def denoiser(seed: int, classes: int = 10) -> network.EDM2Denoiser:
    """A small network of random weights whose output is not trivial."""
    torch.manual_seed(seed)
    out = network.EDM2Denoiser(8, 1, classes, model_channels=8, channel_mult=(1, 8), num_blocks=1, attn_resolutions=())
    for name, parameter in out.named_parameters():
        if name.endswith("gain"):
            parameter.data.fill_(0.5)
    return out.eval()


@pytest.fixture(scope="module")
def main():
    return denoiser(0)


@pytest.fixture(scope="module")
def weak():
    return denoiser(1)


def images_of(model, seeds, batch=64, classes=range(10), **options):
    made = list(generate(model, seeds, SHAPE, classes, sigmas=SIGMAS, batch=batch, **options))
    assert [s for b in made for s in b.seeds] == list(seeds)
    return torch.cat([b.images for b in made])


def difference(a, b):
    return int((a.int() - b.int()).abs().max())


def test_an_image_does_not_depend_on_its_batch(main):
    together = images_of(main, range(10))
    assert together.dtype == torch.uint8 and together.shape == (10, *SHAPE)
    for batch in (1, 3, 7):
        assert difference(images_of(main, range(10), batch=batch), together) <= 1  # float rounding at a uint8 edge
    assert difference(images_of(main, [7, 2]), together[[7, 2]]) <= 1
    assert difference(together[0], together[1]) > 20


def test_an_image_is_the_samplers_own(main):
    """The stream against the sampler called by hand for one seed."""
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(23))[None]
    x = sampler.sample(main, noise * 80, SIGMAS, torch.tensor([3]))
    assert difference(images_of(main, [23]), ((x + 1) * 127.5).round().clip(0, 255)) <= 1


def test_every_guidance_starts_from_the_same_noise(main, weak):
    starts = []

    def spy(x, sigma, labels=None):
        starts.append(x.clone()) if float(sigma) == 80 else None
        return main(x, sigma, labels)

    for kind in ("none", "autoguidance", "cfg", "blend"):
        images_of(guided(spy, kind, 2.0, guide=weak, uncond=weak), [5, 6])
    assert len(starts) == 4 and all(torch.equal(start, starts[0]) for start in starts)


def test_labels_are_those_of_the_seed(main):
    made = next(generate(main, [0, 1, 2, 5], SHAPE, [4, 7, 9], sigmas=SIGMAS))
    assert made.labels.tolist() == [4, 7, 9, 9]
    assert next(generate(denoiser(0, classes=0), [3], SHAPE, sigmas=SIGMAS)).labels is None


def test_last_batch_has_the_size_of_the_others(main):
    sizes = set()

    def spy(x, sigma, labels=None):
        sizes.add(len(x))
        return main(x, sigma, labels)

    assert len(images_of(spy, range(7), batch=3)) == 7 and sizes == {3}


def test_guided_is_what_it_says(main, weak):
    x, labels = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    d_main, d_weak, d_uncond = main(x, 1.0, labels), weak(x, 1.0, labels), main(x, 1.0, None)
    close = torch.testing.assert_close
    close(guided(main, "none", 3.0)(x, 1.0, labels), d_main)
    close(guided(main, "autoguidance", 3.0, guide=weak)(x, 1.0, labels), d_weak + 3 * (d_main - d_weak))
    close(guided(main, "cfg", 3.0)(x, 1.0, labels), d_uncond + 3 * (d_main - d_uncond))
    close(guided(main, "cfg", 3.0, uncond=weak)(x, 1.0, labels), d_weak + 3 * (d_main - d_weak))
    blend = d_main + 0.75 * 2 * (d_main - d_weak) + 0.25 * 2 * (d_main - d_uncond)
    close(guided(main, "blend", 3.0, guide=weak, alpha=0.75)(x, 1.0, labels), blend)
    close(guided(main, "autoguidance", 3.0, guide=weak, interval=(1.5, 2))(x, 1.0, labels), d_main)
    close(guidance.unconditional(main)(x, 1.0, labels), d_uncond)


def test_guided_refuses(main):
    with pytest.raises(ValueError, match="needs a guide"):
        guided(main, "autoguidance", 2.0)
    with pytest.raises(ValueError, match="'magic'.*none, autoguidance, cfg, blend"):
        guided(main, "magic", 2.0)
    with pytest.raises(ValueError, match="finite, got nan"):
        guided(main, "cfg", float("nan"))


def test_folder_is_resumed_and_not_overwritten(tmp_path, main):
    def write(seeds, **settings):
        options = dict(settings={"weight": 1.0} | settings, sigmas=SIGMAS, batch=4)
        return write_folder(tmp_path / "out", main, seeds, SHAPE, [0, 1, 2], **options)

    assert write(range(6)) == 6
    paths = [image_path(tmp_path / "out", seed, seed % 3) for seed in range(6)]
    assert paths[4] == tmp_path / "out/0001/000004.png"
    first = [path.read_bytes() for path in paths]
    paths[2].unlink()
    paths[3].write_bytes(b"mine")
    assert write(range(8)) == 3  # the one that is gone and two new ones
    assert paths[2].read_bytes() == first[2] and paths[3].read_bytes() == b"mine"
    assert not list(tmp_path.rglob("*.tmp"))
    with pytest.raises(ValueError, match=r"made otherwise \(weight 1.0 -> 2.0\).*another folder"):
        write(range(8), weight=2.0)


def test_processes_share_a_folder(tmp_path, main, monkeypatch):
    """Two ranks, played one after the other, write what one process writes."""
    monkeypatch.setattr(World, "wait", lambda self: None)
    options = dict(settings={}, sigmas=SIGMAS)
    made = [write_folder(tmp_path / "two", main, range(7), SHAPE, [0, 1], world=World(r, 2), **options) for r in (0, 1)]
    assert made == [4, 3]
    write_folder(tmp_path / "one", main, range(7), SHAPE, [0, 1], **options)
    (two, labels), (one, _) = next(read_folder(tmp_path / "two")), next(read_folder(tmp_path / "one"))
    assert difference(two, one) <= 1 and labels.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_torchrun_shares_a_folder(tmp_path, main):
    network.save(tmp_path / "main.safetensors", main, {"data": "digits"})
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "edm",
        "sample",
    ]
    command += ["--main", tmp_path / "main.safetensors", "--guidance", "none", "--steps", "4", "--seeds", "0-9"]
    result = subprocess.run([*command, "--out", tmp_path / "out"], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    images, labels = next(read_folder(tmp_path / "out"))
    assert labels.tolist() == list(range(10)) and difference(images, images_of(main, range(10))) <= 1


def test_read_folder_names_the_damaged_file(tmp_path, main):
    with pytest.raises(FileNotFoundError, match="no images"):
        read_folder(tmp_path)
    write_folder(tmp_path, main, range(2), SHAPE, [0, 1], settings={}, sigmas=SIGMAS)
    image_path(tmp_path, 1, 1).write_bytes(b"<html>")
    with pytest.raises(ValueError, match="000001.png is not a readable image"):
        next(read_folder(tmp_path))


def test_frozen_models_make_the_same_images(tmp_path, main, weak):
    network.save(tmp_path / "main.safetensors", main)
    network.save(tmp_path / "guide.safetensors", weak)
    found = models.load(tmp_path / "main.safetensors", tmp_path / "guide.safetensors")
    fast = images_of(found.guided("autoguidance", 1.5), range(8))
    assert difference(fast, images_of(guided(main, "autoguidance", 1.5, guide=weak), range(8))) <= 1
    assert found.identity["main"] != found.identity["guide"]
    assert found.classes() == list(range(10)) and found.classes([3, 1]) == [3, 1] and found.shape == SHAPE
    with pytest.raises(ValueError, match="class 10 does not exist: the network knows classes 0 to 9"):
        found.classes([3, 10])


def test_models_of_different_shapes_are_refused(tmp_path, main):
    other = network.EDM2Denoiser(16, 1, 10, model_channels=8, channel_mult=(1, 8), num_blocks=1, attn_resolutions=())
    network.save(tmp_path / "main.safetensors", main)
    network.save(tmp_path / "other.safetensors", other)
    with pytest.raises(ValueError, match=r"guide .*other.*\(1, 16, 16\), main .*\(1, 8, 8\)"):
        models.load(tmp_path / "main.safetensors", tmp_path / "other.safetensors")


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_and_png_keep_every_pixel(tmp_path, channels):
    images = torch.randint(0, 256, (5, channels, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    picture = grid(images, columns=3, scale=2, gap=1)
    assert picture.shape == (channels, 2 * (8 + 1) + 1, 3 * (12 + 1) + 1)
    assert torch.equal(picture[:, 10:18:2, 14:26:2], images[4])  # second row, second column
    (tmp_path / "a.png").write_bytes(png(images[0]))
    stored = np.asarray(Image.open(tmp_path / "a.png"))
    assert np.array_equal(stored, images[0, 0] if channels == 1 else images[0].permute(1, 2, 0))


def test_arms_and_summary():
    assert sweep.arms(("autoguidance", "cfg"), (1, 2)) == [("none", 1.0), ("autoguidance", 2.0), ("cfg", 2.0)]
    rows = [dict(guidance="none", weight=1.0, first_seed=s, frechet_distance=d) for s, d in ((0, 1.0), (500, 3.0))]
    assert "2.000 ± 1.414" in sweep.summary(rows)
