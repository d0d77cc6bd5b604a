"""The command line: help with examples that parse, one-line errors, and every command once on a tiny pair."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edm import cli, features, network
from edm.evaluation import sweep
from edm.presets import PAIRS
from edm.storage.atomic import write_atomic
from edm.storage.png import png, read_folder
from edm.training import snapshots

COMMANDS = ("train", "prepare", "sample", "evaluate", "reconstruct", "convert")


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


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_that_parse(command, capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main([command, "--help"])
    text = capsys.readouterr().out
    assert exit.value.code == 0
    lines = re.findall(r"-m edm (.*?)(?:   .*|; .*)?$", text.split("examples:")[1], re.MULTILINE)
    assert len(lines) >= 2
    for line in lines:
        args = cli.parser().parse_args(shlex.split(line))
        assert args.run is importlib.import_module(f"edm.cli.{command}").run


def test_python_m_edm_runs_as_a_program():
    result = subprocess.run([sys.executable, "-m", "edm", "sample", "--weight", "x"], capture_output=True, text=True)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.count("\n") == 1 and "argument --weight: invalid float value: 'x'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paint"], "invalid choice: 'paint'"),
        (["train", "--preset", "mnist"], "invalid choice: 'mnist' (choose from"),
        (["train", "--images", "-5"], "'-5' is not a whole number above 0"),
        (["train", "--device", "cuda:9"], "choose 'cpu'"),
        (["train", "--data", "nothing"], "unknown data set 'nothing': choose from digits"),
        (["train", "--batch", "100", "--micro-batch", "7"], "change batch or micro_batch"),
        (["sample"], "train one with `python -m edm train`"),
        (["sample", "--seeds", "9-1"], "'9-1' is not a list of numbers and ranges"),
        (["sample", "--main", "a.pkl"], "a.pkl"),
        (["evaluate", "--images", "empty"], "no images (CLASS/SEED.png) in empty"),
        (["reconstruct", "nowhere"], "no snapshots in nowhere: train first"),
        (["convert", "missing/network.pkl"], "missing/network.pkl"),
        (["convert", "--out", "one.safetensors"], "has 2 networks: leave it out"),
        (["prepare", "missing"], "needs a folder to write"),
        (["prepare", "missing", "out"], "missing"),
        (["prepare", "--data", "mnist"], "unknown data set 'mnist'"),
    ],
)
def test_errors_are_one_line_that_names_the_value(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in fails(capsys, *arguments)


def test_damaged_pickle_is_one_line(tmp_path, capsys):
    (tmp_path / "net.pkl").write_bytes(b"<html>404</html>")
    assert "net.pkl" in fails(capsys, "convert", tmp_path / "net.pkl")
    (tmp_path / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert "os.system" in fails(capsys, "convert", tmp_path / "evil.pkl").replace("os system", "os.system")


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
    assert {path: path.stat().st_mtime_ns for path in pair.rglob("*.safetensors")} == before


def test_train_says_when_it_is_not_finished(pair, capsys):
    assert (
        cli.main(["train", "--out", "late", "--images", "1920", "--batch", "32", "--minutes", "0", "--device", "cpu"])
        == 3
    )


def test_sample_then_evaluate_the_folder(pair, capsys):
    options = ["--steps", "3", "--device", "cpu"]
    assert cli.main(["sample", "--seeds", "0-19", "--weight", "1.5", "--out", "out", *options]) == 0
    assert len(list((pair / "out").glob("*/*.png"))) == 20 and (pair / "out/grid.png").exists()
    assert cli.main(["evaluate", "--images", "out", "--device", "cpu"]) == 0
    numbers = json.loads((pair / "out/evaluate.json").read_text())
    assert numbers["images"] == 20 and np.isfinite(numbers["frechet_distance"])
    assert "class_agreement" in capsys.readouterr().out
    assert "made otherwise (weight 1.5 -> 2.5)" in fails(capsys, "sample", "--weight", "2.5", "--out", "out", *options)
    assert "class 10 does not exist" in fails(capsys, "sample", "--classes", "10", "--out", "other", *options)
    assert "finite, got nan" in fails(capsys, "sample", "--weight", "nan", "--out", "other", *options)
    assert "must lie in (0, 0.29), got 0.5" in fails(capsys, "sample", "--ema", "0.5", "--out", "other", *options)


def test_images_of_unknown_origin_need_data(tmp_path, capsys):
    write_atomic(tmp_path / "0003/000001.png", png(torch.zeros(1, 8, 8, dtype=torch.uint8)))
    assert "give --data" in fails(capsys, "evaluate", "--images", tmp_path)


def test_folder_and_stream_give_the_same_numbers(pair):
    """evaluate from networks measures the very images that sample writes."""
    options = ["--steps", "3", "--device", "cpu"]
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
    arguments += ["--out", "half.json"]
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
