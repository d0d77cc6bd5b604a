"""Training: schedule, gradients, and that a run does not depend on how it was interrupted or divided."""

import dataclasses
import json
import os
import random
import subprocess
import sys
import time

import pytest
import torch
from scipy import stats

from edm import data, train
from edm.ema import PowerEMA
from edm.loss import edm2_loss
from edm.storage import atomic
from edm.training import checkpoint, counter, run, snapshots

NETWORK = dict(model_channels=8, channel_mult=(1, 8), num_blocks=1, attn_resolutions=())
CONFIG = train.Config(
    data="digits", network=NETWORK, images=96, batch=16, lr=0.01, lr_ref=4, lr_ramp=64, label_dropout=0.25, snapshot=32
)  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def whole(digits):
    """An uninterrupted run of CONFIG."""
    return trained(CONFIG, digits)


NEVER = 10**9


def trained(config, image_set, **options) -> train.Training:
    training = train.Training(config, image_set)
    for _ in train.steps(training, image_set, **options):
        pass
    return training


def assert_same(tensors, others):
    """Equal to the bit, name by name."""
    assert tensors.keys() == others.keys()
    different = [name for name in tensors if not torch.equal(tensors[name], others[name])]
    assert not different


def quiet(folder, config, image_set, **options):
    options = {"grid_every": NEVER, "say": lambda message: None} | options
    return run.train_in_folder(folder, config, image_set, **options)


# --- random numbers -------------------------------------------------------------------------------------------------


def test_counter_gives_splitmix64():
    # The first number of splitmix64 with state 0, from its definition in integers.
    z, mask = 0x9E3779B97F4A7C15, 2**64 - 1
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    expected = z ^ (z >> 31)
    assert int(counter._mix(torch.tensor([counter._WEYL]))[0]) & mask == expected


def test_counter_depends_on_seed_stream_and_position_alone():
    positions = torch.arange(100)
    numbers = counter.normal(3, 1, positions, (2, 4))
    assert numbers.shape == (100, 2, 4) and numbers.dtype == torch.float32
    torch.testing.assert_close(counter.normal(3, 1, positions[40:43], (2, 4)), numbers[40:43], rtol=1e-6, atol=1e-7)
    for other in (counter.normal(4, 1, positions, (2, 4)), counter.normal(3, 2, positions, (2, 4))):
        assert abs(float(torch.corrcoef(torch.stack([numbers.flatten(), other.flatten()]))[0, 1])) < 0.15
    assert not torch.equal(numbers[0], numbers[1])


def test_counter_distributions():
    positions = torch.arange(500)
    assert stats.kstest(counter.normal(0, 0, positions, (64,)).flatten().numpy(), "norm").pvalue > 1e-3
    uniform = counter.uniform(0, 1, positions, (64,)).flatten()
    assert uniform.min() > 0 and uniform.max() < 1
    assert stats.kstest(uniform.numpy(), "uniform").pvalue > 1e-3
    rows = torch.corrcoef(counter.normal(0, 2, positions, (64,))).fill_diagonal_(0)
    assert rows.abs().max() < 6 / 64**0.5  # rows, hence images, are independent


# --- a step ---------------------------------------------------------------------------------------------------------


def test_learning_rate():
    config = dataclasses.replace(CONFIG, lr=0.02, lr_ref=100, lr_ramp=1000, batch=10)
    assert train.learning_rate(config, 0) == 0
    assert train.learning_rate(config, 500) == pytest.approx(0.01)  # half way up the ramp
    assert train.learning_rate(config, 1000) == pytest.approx(0.02)  # t_ref = 100 batches of 10
    assert train.learning_rate(config, 4000) == pytest.approx(0.01)  # 4 t_ref: half


def test_defaults_are_the_papers():
    c = train.Config()
    assert (c.lr, c.lr_ref, c.batch, c.P_mean, c.P_std, c.ema_stds) == (0.010, 35_000, 2048, -0.8, 1.6, (0.05, 0.10))


def test_inputs_hold_noise_levels_and_withheld_classes():
    config = dataclasses.replace(CONFIG, P_mean=-0.4, P_std=1.2)
    n = 4000
    images, labels = torch.full((n, 1, 2, 2), 255, dtype=torch.uint8), torch.full((n,), 3)
    images, sigma, noise, one_hot = train.inputs(config, images, labels, 10, torch.arange(n))
    assert images.min() == 1 and sigma.shape == (n,) and noise.shape == images.shape
    assert stats.kstest(sigma.log().numpy(), "norm", args=(-0.4, 1.2)).pvalue > 1e-3
    assert one_hot[:, 3].mean(dtype=torch.float32) == pytest.approx(0.75, abs=0.03)
    assert one_hot.sum() == one_hot[:, 3].sum()


def test_a_step_is_adam_on_the_loss_summed_over_pixels(digits):
    """The first two steps, written out with one plain backward pass and torch.optim.Adam on single tensors."""
    config = dataclasses.replace(CONFIG, images=32, lr_ramp=0, label_dropout=0.0)
    training = trained(config, digits, micro_batch=4)
    reference = train.Training(config, digits).denoiser
    optimizer = torch.optim.Adam(reference.parameters(), lr=config.lr, betas=(0.9, 0.99), eps=1e-8, foreach=False)
    stream = data.batches(digits, 16, config.seed)
    for start in (0, 16):
        images, sigma, noise, labels = train.inputs(config, *next(stream), 10, start + torch.arange(16))
        reference.normalize_weights()
        optimizer.zero_grad()
        (edm2_loss(reference, images, sigma, noise, labels).sum() / 16).backward()
        optimizer.step()
    for (name, got), want in zip(training.denoiser.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4, msg=name)


def test_gradients_that_are_not_finite_count_as_zero(digits, monkeypatch):
    training = train.Training(dataclasses.replace(CONFIG, images=16, lr_ramp=0), digits)
    monkeypatch.setattr(train, "edm2_loss", lambda *args: edm2_loss(*args) * float("nan"))
    training.denoiser.normalize_weights()
    before = {name: value.clone() for name, value in training.denoiser.state_dict().items()}
    for _ in train.steps(training, digits):
        assert all(parameter.grad.eq(0).all() for parameter in training.denoiser.parameters())
    for name, value in training.denoiser.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=1e-3, atol=1e-3, msg=name)  # eps in the norm moves them


def test_batch_that_does_not_divide(digits):
    with pytest.raises(ValueError, match="batch 16 .* 1 x 5.*--micro-batch"):
        trained(CONFIG, digits, micro_batch=5)


def test_training_learns(digits):
    config = dataclasses.replace(CONFIG, images=16 * 50, batch=16, lr_ramp=160, lr_ref=1000)
    losses = [float(step.loss.mean()) for step in train.steps(train.Training(config, digits), digits)]
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])


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
    with pytest.raises(ValueError, match=r"holds another run \(lr 0.01 -> 0.02\).*--out"):
        quiet(tmp_path, dataclasses.replace(CONFIG, images=16, lr=0.02), digits)


def test_minutes_stops_with_a_checkpoint(tmp_path, digits, whole):
    assert not quiet(tmp_path, CONFIG, digits, minutes=0)
    assert 0 < checkpoint.newest(tmp_path)[1]["images"] < CONFIG.images
    assert quiet(tmp_path, CONFIG, digits)
    assert_same(checkpoint.newest(tmp_path)[0], {name: value.detach() for name, value in whole.tensors().items()})


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    atomic.write_atomic(path, b"old")

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        atomic.write_atomic(path, fail)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


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
