"""A training folder: killed, damaged, continued or divided over processes, a run ends with the same weights."""

import dataclasses
import json
import os
import random
import subprocess
import sys
import time

import pytest
import torch

from edm import data, train
from edm.ema import PowerEMA
from edm.training import checkpoint, run, snapshots
from tests.short_training import CONFIG, assert_same, trained

NEVER = 10**9


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def whole(digits):
    """An uninterrupted run of CONFIG."""
    return trained(CONFIG, digits)


def quiet(folder, config, image_set, **options):
    options = {"grid_every": NEVER, "say": lambda message: None} | options
    return run.train_in_folder(folder, config, image_set, **options)


# --- resuming -------------------------------------------------------------------------------------------------------


def test_restore_is_exact(digits, whole):
    first = trained(dataclasses.replace(CONFIG, images=64), digits)
    second = train.Training(CONFIG, digits)
    second.restore({name: value.clone() for name, value in first.tensors().items()}, first.images)
    for _ in train.steps(second, digits):
        pass
    assert_same(second.tensors(), whole.tensors())


@pytest.mark.parametrize("kills", [2])
def test_killed_at_random_it_ends_with_the_same_weights(tmp_path, digits, whole, kills):
    """A real process, killed -9 at random moments and started again, against the uninterrupted run: equal to the bit."""
    (tmp_path / "config.json").write_text(json.dumps(run.as_json(CONFIG)))
    program = (
        "import json, sys, time, torch; from edm import data, train; from edm.training import run; torch.set_num_threads(1);"
        "c = train.Config(**json.load(open(sys.argv[1] + '/config.json')));"
        "image_set = data.load('digits'); print('ready', flush=True);"
        "run.train_in_folder(sys.argv[1] + '/run', c, image_set, checkpoint_every=16, grid_every=10**9)"
    )
    for attempt in range(kills + 1):
        with subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:  # fmt: skip
            if attempt < kills:
                process.stdout.readline()
                time.sleep(random.uniform(0.05, 1.0))
                process.kill()
            assert process.wait(timeout=60) in (0, -9)
    tensors, info = checkpoint.newest(tmp_path / "run")
    assert info["images"] == CONFIG.images
    assert_same(tensors, {name: value.detach() for name, value in whole.tensors().items()})
    images = [json.loads(line)["images"] for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert images == sorted(set(images)) and images[-1] == CONFIG.images
    times = {snapshot.images for snapshot in snapshots.snapshots(tmp_path / "run")}
    assert times == set(range(32, CONFIG.images + 1, 32))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "no json"])
def test_damaged_last_checkpoint_is_named_and_skipped(tmp_path, digits, whole, damage):
    short = dataclasses.replace(CONFIG, images=64)
    assert quiet(tmp_path, short, digits, checkpoint_every=32)
    last = tmp_path / "checkpoint-0000000064.safetensors"
    content = last.read_bytes()
    if damage == "truncated":
        last.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        last.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    else:
        last.with_suffix(".json").unlink()
    said = []
    assert quiet(tmp_path, CONFIG, digits, checkpoint_every=32, say=said.append)  # and a longer run
    assert any(str(last) in line and "skipped" in line for line in said)
    assert any("going on after 32 of 96" in line for line in said)
    assert_same(checkpoint.newest(tmp_path)[0], {name: value.detach() for name, value in whole.tensors().items()})
    assert len(list(tmp_path.glob("checkpoint-*.safetensors"))) == 2


def test_every_checkpoint_damaged_starts_anew(tmp_path, digits):
    short = dataclasses.replace(CONFIG, images=32)
    assert quiet(tmp_path, short, digits, checkpoint_every=16)
    for path in tmp_path.glob("checkpoint-*.safetensors"):
        path.write_bytes(b"")
    said = []
    assert quiet(tmp_path, short, digits, checkpoint_every=16, say=said.append)
    assert sum("skipped" in line for line in said) == 2
    assert_same(checkpoint.newest(tmp_path)[0], {k: v.detach() for k, v in trained(short, digits).tensors().items()})


def test_another_configuration_is_refused(tmp_path, digits):
    quiet(tmp_path, dataclasses.replace(CONFIG, images=16), digits)
    with pytest.raises(ValueError, match=r"holds another run \(lr 0.01 -> 0.02\).*another folder"):
        quiet(tmp_path, dataclasses.replace(CONFIG, images=16, lr=0.02), digits)


def test_minutes_stops_with_a_checkpoint(tmp_path, digits, whole):
    assert not quiet(tmp_path, CONFIG, digits, minutes=0)
    assert 0 < checkpoint.newest(tmp_path)[1]["images"] < CONFIG.images
    assert quiet(tmp_path, CONFIG, digits)
    assert_same(checkpoint.newest(tmp_path)[0], {name: value.detach() for name, value in whole.tensors().items()})


@pytest.mark.parametrize("images", [1, 3])
def test_a_run_of_few_images(tmp_path, digits, images):
    """Fewer than the 20 checkpoints and the 4 pictures of a run: one after every step."""
    config = dataclasses.replace(CONFIG, images=images, batch=1)
    assert quiet(tmp_path, config, digits, grid_every=None)
    assert checkpoint.newest(tmp_path)[1]["images"] == images


# --- many processes -------------------------------------------------------------------------------------------------


def test_two_processes_train_what_one_does(tmp_path, digits, whole):
    program = tmp_path / "program.py"
    program.write_text(
        "import json, sys, torch; from edm import data, train; from edm.training import distributed, run\n"
        "torch.set_num_threads(1)\n"
        "world = distributed.join('cpu'); assert world.size == 2\n"
        "c = train.Config(**json.load(open(sys.argv[1] + '/config.json')))\n"
        "run.train_in_folder(sys.argv[1] + '/run', c, data.load('digits'), world=world, micro_batch=4, grid_every=48)\n"
        "distributed.leave()\n"
    )
    (tmp_path / "config.json").write_text(json.dumps(run.as_json(CONFIG)))
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        program,
        tmp_path,
    ]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    tensors, info = checkpoint.newest(tmp_path / "run")
    assert info["images"] == CONFIG.images
    for name, value in whole.tensors().items():
        if name.startswith(("net/", "ema/")):
            torch.testing.assert_close(tensors[name], value.detach(), rtol=5e-3, atol=5e-3, msg=name)
    assert [path.name for path in sorted((tmp_path / "run").glob("grid-*.png"))] == [
        f"grid-{n:010d}.png" for n in (48, 96)
    ]
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert len(losses) == CONFIG.images // CONFIG.batch and losses[-1] < losses[0]


# --- averages -------------------------------------------------------------------------------------------------------


def test_reconstruction_agrees_with_an_average_tracked_directly(tmp_path, digits):
    config = dataclasses.replace(CONFIG, images=576, snapshot=48, lr_ref=1e9)
    training = train.Training(config, digits)
    direct = PowerEMA(training.denoiser, (0.07,))
    before = 0
    for step in train.steps(training, digits):
        direct.update(step.images, step.images - before)
        before = step.images
        if step.images % config.snapshot == 0:
            run.save_snapshots(tmp_path, training)
    (tmp_path / "config.json").write_text(json.dumps(run.as_json(config)))
    wanted, stored = direct.models[0.07].state_dict(), training.ema.models[0.10].state_dict()
    got = snapshots.reconstruct(tmp_path, 0.07).state_dict()

    def distance(a, b):
        return sum(float((a[k] - b[k]).square().sum()) for k in a) ** 0.5

    assert distance(got, wanted) < 0.02 * distance(stored, wanted)
    assert_same(snapshots.reconstruct(tmp_path, 0.10).state_dict(), stored)  # a stored one is returned as it is
    with pytest.raises(ValueError, match="no snapshot after 100 images: choose from 48, 96"):
        snapshots.reconstruct(tmp_path, 0.07, 100)
    with pytest.raises(ValueError, match="0.5"):
        snapshots.reconstruct(tmp_path, 0.5)
    with pytest.raises(FileNotFoundError, match="train first"):
        snapshots.reconstruct(tmp_path / "nothing", 0.07)
