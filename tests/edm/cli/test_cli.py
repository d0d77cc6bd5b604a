"""The command line: every command once on a tiny pair. Bad input: tests/test_command_lines.py."""

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edm import cli, features, models, network, official, sampler
from edm.evaluation import sweep
from edm.generate import generate
from edm.presets import PAIRS
from edm.storage.atomic import write_atomic
from edm.storage.png import png, read_folder
from edm.training import snapshots


def fails(capsys, *arguments) -> str:
    """The one line on stderr of a call that must exit with 2."""
    try:
        code = cli.main([str(a) for a in arguments])
    except SystemExit as exit:
        code = exit.code
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if "error" in line]
    assert code == 2 and len(lines) == 1 and "Traceback" not in captured.err, captured.err
    return lines[0]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A pair trained by the command itself, hardly at all: what it wrote."""
    folder = tmp_path_factory.mktemp("cli")
    patch = pytest.MonkeyPatch()
    small = PAIRS["digits"].replace(
        network=dict(model_channels=8, channel_mult=(1, 8), num_blocks=1, attn_resolutions=()), lr_ramp=0
    )
    quick = type(small)(small.main, small.guide, weights=(1.0, 2.0), count=20, num_steps=3)
    patch.setitem(PAIRS, "digits", quick)
    patch.chdir(folder)
    patch.setattr(
        "edm.evaluation.yardstick.features.load", partial(features.load, epochs=2)
    )  # a poor judge, but a quick one
    assert cli.main(["train", "--images", "192", "--batch", "32", "--device", "cpu"]) == 0
    yield folder
    patch.undo()


def test_python_m_edm_runs_as_a_program():
    result = subprocess.run([sys.executable, "-m", "edm", "sample", "--weight", "x"], capture_output=True, text=True)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.count("\n") == 1 and "argument --weight: 'x' is not a finite number" in result.stderr


def test_train_writes_a_pair_a_picture_and_numbers(pair):
    run = pair / "runs/digits"
    assert Image.open(run / "guidance.png").width > 500
    report = json.loads((run / "guidance.json").read_text())
    assert [(row["guidance"], row["weight"]) for row in report["rows"]] == [
        ("none", 1),
        ("autoguidance", 2),
        ("cfg", 2),
    ]
    assert all(row["frechet_distance"] > 0 and 0 <= row["class_agreement"] <= 1 for row in report["rows"])
    assert report["floor"]["frechet_distance"] < report["rows"][0]["frechet_distance"]
    lengths = {name: snapshots.snapshots(run / name)[-1].images for name in ("main", "guide")}
    assert lengths["main"] == 192 and lengths["guide"] < 192


def test_train_again_does_nothing_new(pair, capsys):
    before = {path: path.stat().st_mtime_ns for path in pair.rglob("*.safetensors")}
    assert cli.main(["train", "--images", "192", "--batch", "32", "--device", "cpu"]) == 0
    assert "next: python -m edm sample --main runs/digits/main" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in pair.rglob("*.safetensors")} == before


def test_train_says_when_it_is_not_finished(pair, capsys):
    assert (
        cli.main(["train", "--out", "late", "--images", "1920", "--batch", "32", "--minutes", "0", "--device", "cpu"])
        == 3
    )


def test_sample_then_evaluate_the_folder(pair, capsys):
    options = ["--main", "runs/digits/main", "--steps", "3", "--device", "cpu"]
    assert cli.main(["sample", "--seeds", "0-19", "--weight", "1.5", "--out", "out", *options]) == 0
    assert len(list((pair / "out").glob("*/*.png"))) == 20 and (pair / "out/grid.png").exists()
    assert cli.main(["evaluate", "--images", "out", "--device", "cpu"]) == 0
    numbers = json.loads((pair / "out/evaluate.json").read_text())
    assert numbers["images"] == 20 and np.isfinite(numbers["frechet_distance"])
    assert "class_agreement" in capsys.readouterr().out
    assert "made otherwise (weight 1.5 -> 2.5)" in fails(capsys, "sample", "--weight", "2.5", "--out", "out", *options)
    assert "class 10 does not exist" in fails(capsys, "sample", "--classes", "10", "--out", "other", *options)
    assert "must lie in (0, 0.29), got 0.5" in fails(capsys, "sample", "--ema", "0.5", "--out", "other", *options)


def test_images_of_unknown_origin_need_data(tmp_path, capsys):
    write_atomic(tmp_path / "0003/000001.png", png(torch.zeros(1, 8, 8, dtype=torch.uint8)))
    assert "give --data" in fails(capsys, "evaluate", "--images", tmp_path)


def test_folder_and_stream_give_the_same_numbers(pair):
    """evaluate from networks measures the very images that sample writes."""
    options = ["--main", "runs/digits/main", "--steps", "3", "--device", "cpu"]
    assert cli.main(["sample", "--guidance", "cfg", "--weight", "3", "--seeds", "0-29", "--out", "cfg", *options]) == 0
    assert cli.main(["evaluate", "--images", "cfg", "--device", "cpu"]) == 0
    assert (
        cli.main(["evaluate", "--guidance", "cfg", "--weights", "3", "--count", "30", "--repeats", "2", *options]) == 0
    )
    folder = json.loads((pair / "cfg/evaluate.json").read_text())
    rows = json.loads((pair / "runs/digits/evaluate.json").read_text())["rows"]
    assert [(row["guidance"], row["first_seed"]) for row in rows] == [
        ("none", 0),
        ("cfg", 0),
        ("none", 30),
        ("cfg", 30),
    ]
    assert rows[1]["frechet_distance"] == pytest.approx(folder["frechet_distance"], rel=1e-3)
    assert rows[1]["class_agreement"] == folder["class_agreement"]


def test_interrupted_evaluation_goes_on(pair, monkeypatch):
    arguments = ["evaluate", "--weights", "2", "--count", "12", "--repeats", "1", "--steps", "2", "--device", "cpu"]
    arguments += ["--main", "runs/digits/main", "--out", "half.json"]
    real, calls = sweep.measure, []

    def killed(*args, **kwargs):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(sweep, "measure", killed)
    assert cli.main(arguments) == 130
    rows = json.loads(Path("half.json").read_text())["rows"]
    assert len(rows) == 2
    monkeypatch.setattr(sweep, "measure", real)
    assert cli.main(arguments) == 0
    assert json.loads(Path("half.json").read_text())["rows"][:2] == rows


def test_images_are_filed_under_networks_method_and_weight(pair, capsys):
    options = ["--steps", "2", "--seeds", "0-1", "--device", "cpu"]
    where = {
        "--main runs/digits/main": "digits/autoguidance-2",
        "--main runs/digits/main --guidance none": "digits/none",
        "--main runs/digits/guide --guidance cfg --weight 1.5": "guide/cfg-1.5",
        "--main shipped:digits --guidance blend --alpha 0.25 --interval 0.2 3": "shipped-digits/blend-2-0.25-sigma-0.2-3",
    }
    for words, folder in where.items():
        assert cli.main(["sample", *words.split(), *options]) == 0
        assert (pair / "runs/samples" / folder / "grid.png").is_file()
        kind, *weight = folder.split("/")[1].split("-")[:2]
        said = "(no guidance)" if kind == "none" else f"({kind}, weight {weight[0]})"
        assert said in capsys.readouterr().out


def test_published_networks_have_a_weight_for_every_method(tmp_path, monkeypatch, capsys):
    """A preset without a guide was sampled unguided by `--guidance cfg`, into a folder of another name."""
    monkeypatch.chdir(tmp_path)
    for name in ("main", "guide"):
        shutil.copy(models.shipped_path("digits", name), f"{name}.safetensors")
    alone, pair = official.Preset("main.safetensors"), official.Preset("main.safetensors", "guide.safetensors", 1.7)
    options = ["--weights-folder", ".", "--steps", "2", "--seeds", "0-9", "--device", "cpu"]
    for preset, name in ((alone, "img64-s"), (pair, "img64-s-autoguidance")):
        monkeypatch.setitem(official.PRESETS, name, preset)
        for method in (["--guidance", "none"], ["--guidance", "cfg"], []):
            assert cli.main(["sample", "--preset", name, *method, *options]) == 0
    found = {str(path.parent.relative_to("runs/samples")) for path in Path("runs").rglob("grid.png")}
    both = {f"{name}/{method}" for name in ("img64-s", "img64-s-autoguidance") for method in ("none", "cfg-2")}
    assert found == both | {"img64-s-autoguidance/autoguidance-1.7"}
    none, cfg = (next(read_folder(f"runs/samples/img64-s/{method}"))[0].int() for method in ("none", "cfg-2"))
    assert (none - cfg).abs().max() > 20
    assert "(cfg, weight 2)" in capsys.readouterr().out


def test_sample_works_at_once(tmp_path, monkeypatch, capsys):
    """In an empty folder, without training: with the networks that come with the program."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sample", "--seeds", "0-9", "--steps", "2", "--device", "cpu"]) == 0
    assert "runs/samples/shipped-fashion-16/autoguidance-2: 10 images" in capsys.readouterr().out
    made = next(read_folder("runs/samples/shipped-fashion-16/autoguidance-2"))[0]
    pair, options = models.shipped("fashion-16"), dict(sigmas=sampler.sigma_steps(2))
    wanted = next(generate(pair.guided("autoguidance", 2.0), range(10), pair.shape, pair.classes(), **options)).images
    assert (made.int() - wanted.int()).abs().max() <= 1


def test_reconstruct_writes_a_network_to_sample_from(pair):
    assert cli.main(["reconstruct", "--ema", "0.08"]) == 0
    path = pair / "runs/digits/main/network-0.080.safetensors"
    assert network.metadata(path)["extra"] == {"images": 192, "std": 0.08, "data": "digits"}
    options = ["--guide", str(path), "--weight", "3", "--steps", "3", "--seeds", "0-3", "--device", "cpu"]
    assert cli.main(["sample", "--main", str(path), "--out", "same", *options]) == 0
    # A network that guides itself changes nothing.
    assert cli.main(["sample", "--main", str(path), "--guidance", "none", "--out", "none", *options[4:]]) == 0
    same, none = (next(read_folder(pair / name))[0].int() for name in ("same", "none"))
    assert (same - none).abs().max() <= 1


def test_prepare_says_what_a_data_set_holds(capsys):
    assert cli.main(["prepare"]) == 0
    assert "1437 images of 1 x 8 x 8, 10 classes" in capsys.readouterr().out
