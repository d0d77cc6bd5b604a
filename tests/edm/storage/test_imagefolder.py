"""Preparing a folder or a zip of images, one folder a class: exact pixels, named damage, and the same bytes after a kill."""

import itertools
import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edm import data
from edm.storage import imagefolder

SIZES = [(20, 12), (9, 30), (16, 16), (40, 33)]


def write_classes(folder, per_class=4, classes=("cat", "dog", "eel")):
    rng = np.random.default_rng(1)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            pixels = rng.integers(0, 256, (*SIZES[i % 4], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:03d}.{'png' if i % 2 else 'jpg'}")
    (folder / "cat" / "notes.txt").write_text("not an image")
    return folder


def pack(folder, path, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, Path("train") / file.relative_to(folder))
    return path


def test_a_folder_and_its_zip_prepare_to_the_same_images(tmp_path):
    source = write_classes(tmp_path / "source")
    imagefolder.prepare(source, tmp_path / "a", 8, progress=False)
    data.prepare(
        pack(source, tmp_path / "source.zip", zipfile.ZIP_DEFLATED), tmp_path / "b", 8, workers=1, progress=False
    )
    a, b = data.load(str(tmp_path / "a")), data.load("b", folder=tmp_path)
    assert a.images.shape == (12, 3, 8, 8) and a.num_classes == 3 and a.name == "a/train"
    assert isinstance(a.images, np.memmap)
    np.testing.assert_array_equal(a.labels, np.repeat([0, 1, 2], 4))
    np.testing.assert_array_equal(a.images, b.images)
    assert json.loads((tmp_path / "a" / "info.json").read_text())["classes"] == ["cat", "dog", "eel"]


def test_pixels_are_area_averages_of_the_central_square():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3)).astype(np.uint8)
    out = imagefolder.fit(Image.fromarray(pixels), 8)
    square = pixels[:, 8:32].astype(float)
    mean = square.reshape(8, 3, 8, 3, 3).mean((1, 3)).transpose(2, 0, 1)
    assert np.abs(out - mean).max() <= 1  # two roundings
    gray = imagefolder.fit(Image.fromarray(pixels[..., 0]), 24)
    np.testing.assert_array_equal(gray, np.repeat(pixels[None, :, 8:32, 0], 3, 0))  # same size: lossless


def test_labels_can_come_from_a_list(tmp_path):
    source = write_classes(tmp_path / "source", per_class=2)
    names = sorted(p.relative_to(source).as_posix() for p in source.rglob("*.*g"))
    (source / "dataset.json").write_text(json.dumps({"labels": [[name, 5 - i] for i, name in enumerate(names)]}))
    data.prepare(source, tmp_path / "out", 4, progress=False)
    made = data.load(str(tmp_path / "out"))
    np.testing.assert_array_equal(made.labels, [5, 4, 3, 2, 1, 0])
    (source / "dataset.json").write_text(json.dumps({"labels": [[name, 0] for name in names[1:]]}))
    with pytest.raises(ValueError, match=f"dataset.json.*{names[0]}"):
        data.prepare(source, tmp_path / "other", 4, progress=False)


def test_prepare_killed_anywhere_ends_with_the_same_bytes(tmp_path):
    source = write_classes(tmp_path / "source", per_class=40)
    whole = (data.prepare(source, tmp_path / "whole", 8, progress=False) / "images.npy").read_bytes()
    script = (
        "import sys, time\nfrom edm.storage import imagefolder as f\nf.BLOCK = 8\nslow = f.fit\n"
        "def fit(*a):\n    time.sleep(0.004)\n    print('decoded', flush=True)\n    return slow(*a)\n"
        "f.fit = fit\nf.prepare(sys.argv[1], sys.argv[2], 8, workers=1, progress=False)\n"
    )
    decoded, kills = 0, 0
    for stop_after in (1, 30, None):
        command = [sys.executable, "-c", script, str(source), str(tmp_path / "killed")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for _ in itertools.islice(process.stdout, stop_after):
                decoded += 1
            if stop_after:
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
            decoded += len(process.stdout.readlines())
        if stop_after:
            with pytest.raises(FileNotFoundError, match="info.json is missing.* not finished"):
                data.load(str(tmp_path / "killed"))
    assert kills == 2 and decoded < 120 + 2 * 24  # what was written is not decoded again
    assert (tmp_path / "killed" / "images.npy").read_bytes() == whole
    before = time.time_ns()
    data.prepare(source, tmp_path / "killed", 8, progress=False)  # finished: returns at once
    assert (tmp_path / "killed" / "images.npy").stat().st_mtime_ns < before
    assert not (tmp_path / "killed" / "progress.json").exists()


@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_image_is_named_and_can_be_replaced(tmp_path, packed, monkeypatch):
    monkeypatch.setattr(imagefolder, "BLOCK", 4)
    folder = write_classes(tmp_path / "source")
    victim = folder / "dog" / "001.png"
    good = victim.read_bytes()
    victim.write_bytes(good[: len(good) // 2])
    source = pack(folder, tmp_path / "s.zip") if packed else folder
    with pytest.raises(ValueError, match="cannot read image .*dog/001.png in .*s"):
        data.prepare(source, tmp_path / "out", 8, progress=False)
    assert json.loads((tmp_path / "out" / "progress.json").read_text())["done"] == 4
    victim.write_bytes(good)
    source = pack(folder, tmp_path / "s.zip") if packed else folder
    data.prepare(source, tmp_path / "out", 8, progress=False)
    data.prepare(source, tmp_path / "fresh", 8, progress=False)
    np.testing.assert_array_equal(data.load(str(tmp_path / "out")).images, data.load(str(tmp_path / "fresh")).images)


def test_a_zip_with_a_flipped_bit_names_the_image(tmp_path):
    path = pack(write_classes(tmp_path / "source"), tmp_path / "s.zip")
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("train/eel/000.jpg").header_offset + 200
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="train/eel/000.jpg.*CRC"):
        data.prepare(path, tmp_path / "out", 8, progress=False)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="s.zip is not a zip file, or it is truncated"):
        data.prepare(path, tmp_path / "other", 8, progress=False)


def test_prepare_refuses_what_it_cannot_do_right(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        data.prepare(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no images"):
        data.prepare(tmp_path / "empty", tmp_path / "out")
    source = write_classes(tmp_path / "source")
    with pytest.raises(ValueError, match="resolution must be"):
        data.prepare(source, tmp_path / "out", 0)
    data.prepare(source, tmp_path / "out", 8, progress=False)
    with pytest.raises(ValueError, match="out already holds other images, or these at another resolution"):
        data.prepare(source, tmp_path / "out", 16, progress=False)
    np.save(tmp_path / "images.npy", np.zeros(3))
    with pytest.raises(ValueError, match="already holds other images"):
        data.prepare(source, tmp_path, 8, progress=False)  # would overwrite somebody's array
    write_classes(tmp_path / "splits" / "train")
    write_classes(tmp_path / "splits" / "val")
    with pytest.raises(ValueError, match="train/cat and val/eel; prepare each split"):
        data.prepare(tmp_path / "splits", tmp_path / "mixed", 8)
    with pytest.raises(ValueError, match="one folder per class.* has images in itself;"):
        data.prepare(source / "cat", tmp_path / "flat", 8)


def test_prepared_splits_and_damage_to_them(tmp_path):
    source = write_classes(tmp_path / "source")
    for split in ("train", "test"):
        data.prepare(source, tmp_path / "set" / split, 8, progress=False)
    assert data.load("set", "test", tmp_path).name == "set/test"
    with pytest.raises(FileNotFoundError, match="test has no test images"):
        data.load(str(tmp_path / "set" / "test"), "test")
    path = tmp_path / "set" / "train" / "images.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="images.npy is truncated"):
        data.load("set", folder=tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="images.npy is missing"):
        data.load("set", folder=tmp_path)
    (path.parent / "info.json").write_text("{")
    with pytest.raises(ValueError, match="info.json is damaged"):
        data.load("set", folder=tmp_path)
    with pytest.raises(FileNotFoundError, match="source/info.json is missing: `python -m edm prepare"):
        data.load("source", folder=tmp_path)
    with pytest.raises(ValueError, match="s.zip is not prepared: run"):
        data.load(str(pack(source, tmp_path / "s.zip")))
