"""A step of training: schedule, inputs, gradients, what can be trained, and whose random numbers it uses."""

import dataclasses
import math

import pytest
import torch
from scipy import stats

from edm import data, train
from edm.loss import edm2_loss
from tests.short_training import CONFIG, NETWORK, assert_same, trained


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


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
    with pytest.raises(ValueError, match="batch 16 .* 1 x 5.*micro_batch"):
        trained(CONFIG, digits, micro_batch=5)


def test_training_learns(digits):
    config = dataclasses.replace(CONFIG, images=16 * 50, batch=16, lr_ramp=160, lr_ref=1000)
    losses = [float(step.loss.mean()) for step in train.steps(train.Training(config, digits), digits)]
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])


@pytest.mark.parametrize(
    "wrong",
    [
        dict(label_dropout=2),
        dict(label_dropout=-0.1),
        dict(lr=math.nan),
        dict(lr=0),
        dict(lr_ref=-1),
        dict(lr_ramp=math.inf),
        dict(batch=0),
        dict(batch=2.5),
        dict(images=-1),
        dict(snapshot=0),
        dict(P_std=0),
        dict(P_mean=math.nan),
        dict(ema_stds=()),
        dict(ema_stds=(0.05, 0.3)),
        dict(precision="float8"),
        dict(seed=-1),
    ],
    ids=str,
)
def test_what_cannot_be_trained_is_named(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError) as error:
        dataclasses.replace(CONFIG, **wrong)
    assert str(error.value).startswith(f"{name} must be") and repr(value) in str(error.value)


@pytest.mark.parametrize("allowed", [dict(label_dropout=0), dict(label_dropout=1), dict(lr_ramp=0), dict(images=1)])
def test_ends_of_the_allowed_ranges(allowed):
    dataclasses.replace(CONFIG, **allowed)


def test_random_numbers_of_the_program_stay_its_own(digits):
    """Weights and masks of dropout follow from the seed, and torch.rand between two steps does not."""
    config = dataclasses.replace(CONFIG, images=32, network=NETWORK | dict(dropout=0.5))
    ends = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        training = train.Training(config, digits)
        for _ in train.steps(training, digits, micro_batch=8):
            assert torch.equal(torch.get_rng_state(), before)
            torch.rand(1)
            before = torch.get_rng_state()
        ends.append(training)
    assert_same(ends[0].tensors(), ends[1].tensors())
