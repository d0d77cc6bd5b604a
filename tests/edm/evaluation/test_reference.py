"""Reference statistics: computed once, found again, and published ones."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from edm import data
from edm.evaluation.reference import published, reference
from edm.features import Extractor
from edm.storage.png import read_folder


def make_extractor(version="1", name="mean", dim=3, logits=True):
    calls = []

    def run(images):
        calls.append(len(images))
        flat = images.float().flatten(1)
        return flat[:, :dim], flat[:, :10] if logits else None

    return Extractor(name, version, dim, 1, torch.device("cpu"), run), calls


@pytest.mark.parametrize("logits", [True, False])
def test_a_reference_is_computed_once(tmp_path, logits):
    digits = data.load("digits", "test")
    extractor, calls = make_extractor(logits=logits)
    first = reference(digits, extractor, tmp_path)
    assert sum(calls) == 360
    again = reference(digits, extractor, tmp_path)
    assert sum(calls) == 360 and again.count == first.count == 360 and again.agreement == first.agreement
    assert (first.agreement is not None) == logits
    for a, b in ((first.stats[0], again.stats[0]), (first.stats[1], again.stats[1]), (first.kept, again.kept)):
        np.testing.assert_array_equal(a, b)
    x = digits.images.reshape(360, -1)[:, :3].astype(np.float64)
    np.testing.assert_allclose(first.stats[1], np.cov(x.T), atol=1e-9)


def test_another_version_split_or_content_is_another_reference(tmp_path):
    digits = data.load("digits", "test")
    changed = digits.images.copy()
    changed[0] = 255 - changed[0]
    extractor, calls = make_extractor()
    reference(digits, extractor, tmp_path)
    reference(data.load("digits"), extractor, tmp_path)
    reference(data.ImageSet(changed, digits.labels, 10, digits.name), extractor, tmp_path)
    assert sum(calls) == 360 + 1437 + 360
    newer, calls = make_extractor(version="2")
    reference(digits, newer, tmp_path)
    assert sum(calls) == 360


def test_a_damaged_cache_is_named_and_computed_again(tmp_path, caplog):
    digits = data.load("digits", "test")
    extractor, calls = make_extractor()
    first = reference(digits, extractor, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:500])
    again = reference(digits, extractor, tmp_path)
    assert sum(calls) == 720 and str(path) in caplog.text
    np.testing.assert_array_equal(first.kept, again.kept)
    reference(digits, extractor, None)
    assert sum(calls) == 1080 and list(tmp_path.iterdir()) == [path]


def test_published_statistics(tmp_path):
    moments = {"mu": np.arange(3, dtype=np.float32), "sigma": np.eye(3)}
    plain, several, none = tmp_path / "plain.npz", tmp_path / "several.pkl", tmp_path / "none.npz"
    np.savez(plain, **moments)
    several.write_bytes(pickle.dumps({"fid": moments, "other": {}}))
    np.savez(none, x=1)
    inception, _ = make_extractor(name="inception")
    for path in (plain, several):
        found = published(path, inception)
        assert found.kept is None and found.stats[0].dtype == np.float64
        np.testing.assert_array_equal(found.stats[0], [0, 1, 2])
        np.testing.assert_array_equal(found.stats[1], np.eye(3))
    with pytest.raises(ValueError, match="none.npz holds no mean and covariance for inception.*'x'"):
        published(none, inception)
    with pytest.raises(ValueError, match="several.pkl holds no mean.*dinov2"):
        published(several, make_extractor(name="dinov2")[0])
    with pytest.raises(ValueError, match=r"\(3,\) features, inception has 4"):
        published(plain, make_extractor(name="inception", dim=4)[0])


def test_generated_images_are_read_from_their_folder(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    for i, image in enumerate(pixels):
        folder = tmp_path / "classes" / f"{i % 2:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:06d}.png")
        (tmp_path / "plain").mkdir(exist_ok=True)
        Image.fromarray(image).convert("RGB").save(tmp_path / "plain" / f"{i:06d}.png")
    batches = list(read_folder(tmp_path / "classes", 4))
    assert [len(images) for images, _ in batches] == [4, 2]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches])[:, 0], pixels[[0, 2, 4, 1, 3, 5]])
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), [0, 0, 0, 1, 1, 1])
    ((images, labels),) = read_folder(tmp_path / "plain")
    assert images.shape == (6, 3, 8, 8) and labels is None
    Image.fromarray(pixels[0, :4]).save(tmp_path / "plain" / "000007.png")
    with pytest.raises(ValueError, match="000007.png has shape"):
        list(read_folder(tmp_path / "plain"))
    (tmp_path / "plain" / "000003.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match="000003.png is not a readable image"):
        list(read_folder(tmp_path / "plain"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no images .* in .*empty"):
        read_folder(tmp_path / "empty")
