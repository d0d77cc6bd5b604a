"""Data sets in their genuine file formats, written small; preparation that survives a kill; batches that resume."""

import gzip
import hashlib
import io
import pickle
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, FashionMNIST

from edm import data


@pytest.fixture
def offline(monkeypatch):
    """No system data, no network: what a fresh laptop on a train sees."""

    def no_network(self):
        raise URLError("no network")

    monkeypatch.setattr(data, "DEBIAN_FASHION_MNIST", Path("/nonexistent"))
    monkeypatch.setattr(FashionMNIST, "download", no_network)
    monkeypatch.setattr(CIFAR10, "download", no_network)


# --- digits ---


def test_digits_are_split_once_and_for_all():
    train, test = data.load("digits"), data.load("digits", "test")
    assert train.images.shape == (1437, 1, 8, 8) and test.images.shape == (360, 1, 8, 8)
    assert train.images.min() == 0 and train.images.max() == 255 and train.num_classes == 10 and not train.flip
    everything = [image.tobytes() for image in (*train.images, *test.images)]
    assert len(set(everything)) == 1797  # no digit in both
    shares = np.bincount(test.labels) / np.bincount(train.labels)
    np.testing.assert_allclose(shares, 0.25, atol=0.01)  # stratified
    assert hashlib.sha256(test.images.tobytes()).hexdigest().startswith("de85aee14a9506dd")


def test_pixels_survive_the_way_to_floats_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    floats = data.to_float(pixels)
    assert floats.dtype == torch.float32 and floats.min() == -1 and floats.max() == 1
    np.testing.assert_array_equal(data.to_uint8(floats).numpy(), pixels)
    np.testing.assert_array_equal(
        data.to_uint8(torch.tensor([-3.0, 3.0, 0.4 / 127.5 - 1, 0.6 / 127.5 - 1])), [0, 255, 0, 1]
    )
    with pytest.raises(ValueError, match="not finite"):
        data.to_uint8(torch.tensor([0.0, torch.nan]))


# --- Fashion-MNIST: idx files ---


def idx(array):
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


def write_fashion(folder, stem, n, packed):
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)
    labels = np.arange(n, dtype=np.uint8) % 10
    for name, array in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", labels)):
        path = folder / (name + ".gz" * packed)
        path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    return images, labels


@pytest.mark.parametrize("place", [".", "fashion-mnist", "FashionMNIST/raw"])
@pytest.mark.parametrize("packed", [False, True])
def test_fashion_mnist_reads_idx_files_and_pads_to_32(tmp_path, offline, place, packed):
    images, labels = write_fashion(tmp_path / place, "train", 12, packed)
    write_fashion(tmp_path / place, "t10k", 7, packed)
    train = data.load("fashion-mnist", folder=tmp_path)
    assert train.images.shape == (12, 1, 32, 32) and len(data.load("fashion-mnist", "test", tmp_path)) == 7
    np.testing.assert_array_equal(train.images[:, 0, 2:-2, 2:-2], images)
    assert train.images.sum() == images.sum()  # the border is zero
    np.testing.assert_array_equal(train.labels, labels)
    half = data.load("fashion-16", folder=tmp_path)
    assert half.images.shape == (12, 1, 16, 16) and half.name == "fashion-16/train"
    assert half.images[3, 0, 5, 7] == np.round(train.images[3, 0, 10:12, 14:16].mean())


@pytest.mark.parametrize(
    "name, damage, kind",
    [
        ("train-images-idx3-ubyte", lambda b: b[:-1], ValueError),
        ("train-images-idx3-ubyte", lambda b: b + b"x", ValueError),
        ("train-images-idx3-ubyte", lambda b: b[:3], ValueError),
        ("train-images-idx3-ubyte", lambda b: b"", ValueError),
        ("train-labels-idx1-ubyte", lambda b: b"<html>404 not found</html>", ValueError),
        ("train-labels-idx1-ubyte", lambda b: idx(np.zeros(5, np.uint8)), ValueError),  # too few
        ("train-labels-idx1-ubyte", lambda b: idx(np.full(12, 10, np.uint8)), ValueError),  # no such class
        ("train-labels-idx1-ubyte", None, FileNotFoundError),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, offline, name, damage, kind):
    write_fashion(tmp_path, "train", 12, packed=False)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    with pytest.raises(kind, match=f"{name}|fashion-mnist/train: labels run"):
        data.load("fashion-mnist", folder=tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"<html></html>", lambda b: b[:40] + b"!" + b[41:]]
)
def test_a_damaged_gz_file_is_named(tmp_path, offline, damage):
    write_fashion(tmp_path, "t10k", 12, packed=True)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte.gz is truncated or not a gzip"):
        data.load("fashion-mnist", "test", tmp_path)


@pytest.mark.parametrize(
    "name, by_hand", [("fashion-mnist", "idx files in .*fashion-mnist"), ("cifar10", "cifar-10-python.tar.gz")]
)
def test_without_network_the_error_says_which_file_to_put_where(tmp_path, offline, name, by_hand):
    with pytest.raises(FileNotFoundError, match=f"no network.*; put .*{by_hand}"):
        data.load(name, folder=tmp_path)


# --- CIFAR-10: pickled batches ---


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as the one string type of Python 2, as the published files hold them."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        content = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(content):
    out = io.BytesIO()
    Python2Pickler(out, protocol=2).dump(content)
    return out.getvalue()


@pytest.fixture
def cifar(tmp_path, offline, monkeypatch):
    """A miniature of the published archive, with checksums to match; the images by file."""
    raw, sums, written = tmp_path / CIFAR10.base_folder, {}, {}
    raw.mkdir()
    rng = np.random.default_rng(0)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for name in names:
        written[name] = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
        labels = rng.integers(0, 10, 4).tolist()
        content = {"data": written[name], "labels": labels, "batch_label": name, "filenames": ["a.png"] * 4}
        (raw / name).write_bytes(python2_pickle(content))
    (raw / "batches.meta").write_bytes(python2_pickle({"label_names": ["plane"] * 10}))
    for path in raw.iterdir():
        sums[path.name] = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})
    return raw, written


def test_cifar10_reads_the_published_batches(cifar, tmp_path):
    _, written = cifar
    train, test = data.load("cifar10", folder=tmp_path), data.load("cifar10", "test", tmp_path)
    assert train.images.shape == (20, 3, 32, 32) and test.images.shape == (4, 3, 32, 32) and train.flip
    np.testing.assert_array_equal(test.images.reshape(4, -1), written["test_batch"])
    np.testing.assert_array_equal(train.images[4:8].reshape(4, -1), written["data_batch_2"])


def test_cifar10_opens_no_pickle_that_is_not_the_published_one(cifar, tmp_path):
    raw, _ = cifar
    path, trap = raw / "data_batch_3", tmp_path / "trap"
    path.write_bytes(b"cpathlib\nPath\n(V" + str(trap).encode() + b"\ntRp0\n.")
    with pytest.raises(ValueError, match="data_batch_3 does not have the published MD5"):
        data.load("cifar10", folder=tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_3 is missing"):
        data.load("cifar10", "test", folder=tmp_path)


def test_unknown_names():
    with pytest.raises(ValueError, match="unknown data set 'mnist': choose from digits"):
        data.load("mnist")
    with pytest.raises(ValueError, match="split must be"):
        data.load("digits", "validation")
