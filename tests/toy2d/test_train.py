"""Training: the rule, reproducibility, and models that come out as they should."""

import math

import pytest
import torch

from edm.ema import beta
from toy2d.fast import can_compile
from toy2d.fractal import fractal
from toy2d.model import LogDensityMLP
from toy2d.train import LONG, NEGATIVE_START, denoising_pair, learning_rate, score_loss, train, train_steps

TINY = dict(hidden=16, batch=256, compile=False)


def test_learning_rate():
    assert learning_rate(0) == learning_rate(512) == 0.01
    assert learning_rate(2048) == pytest.approx(0.005)


def test_the_loss_falls_towards_the_exact_score():
    losses = train("A", 16, 400, batch=256, compile=False, progress=False).losses
    assert sum(losses[-50:]) / 50 < 0.6 * sum(losses[:20]) / 20
    exact, x = fractal("A"), fractal("A").sample(100, 0.2, torch.Generator().manual_seed(0))
    sigma = torch.full((100, 1), 0.2)

    class Exact:
        def log_density_and_score(self, x, sigma):
            return exact.log_prob_and_score(x, sigma[:, 0])

    assert score_loss(Exact(), x, sigma, exact.score(x, 0.2)).item() == 0


def test_same_seed_same_bits():
    first, again, other = (train("A", 16, 20, seed=s, batch=256, compile=False, progress=False) for s in (3, 3, 4))
    assert first.losses == again.losses and first.losses != other.losses
    for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_steps_force_the_weights_and_track_the_average():
    averaged = None
    for state in train_steps(iterations=5, **TINY):
        weight = state.model.layers[2].weight.detach()
        averaged = weight.clone() if averaged is None else averaged.lerp(weight, 1 - beta(0.010, state.iteration, 1))
        torch.testing.assert_close(state.ema.layers[2].weight, averaged)
        assert (weight.norm(dim=1) / math.sqrt(16) - 1).abs().max() < 0.1  # one Adam step after the forcing
    assert state.iteration == 5 and state.loss.isfinite()


def test_snapshots_are_the_run_s_own_past():
    long = train("A", 16, 12, batch=256, compile=False, progress=False, snapshot_every=6)
    short = train("A", 16, 6, batch=256, compile=False, progress=False)
    assert sorted(long.snapshots) == [6, 12]
    for name, value in short.model.state_dict().items():
        assert torch.equal(long.snapshots[6][name], value)


def test_compiled_and_plain_training_agree():
    if not can_compile("cpu"):
        pytest.skip("no compiler here")
    options = dict(batch=512, progress=False)
    plain, compiled = (train("A", 16, 10, compile=c, **options).losses for c in (False, True))
    torch.testing.assert_close(torch.tensor(compiled), torch.tensor(plain), rtol=1e-3, atol=0)


def test_works_without_a_compiler(no_compiler):
    with pytest.warns(UserWarning, match="without it"):
        losses = train("A", 16, LONG, batch=8, progress=False).losses
    assert len(losses) == LONG


def test_short_runs_are_not_compiled(no_compiler):
    """Not even a compiler is looked for: its trial would cost more than the run."""
    assert len(train("A", 16, LONG - 1, batch=8, progress=False).losses) == LONG - 1


def test_bad_input():
    with pytest.raises(ValueError, match="iterations"):
        train(iterations=0)
    with pytest.raises(ValueError, match="unknown class"):
        train("X", iterations=1)


def test_denoising_target_is_the_exact_score_in_the_mean():
    """What is left of it is uncorrelated with every function of x."""
    truth, generator = fractal("A"), torch.Generator().manual_seed(0)
    for level in (0.05, 0.3):
        x, target = denoising_pair(truth, torch.full((200_000,), level), generator)
        exact = truth.score(x, level)
        residual = (target - exact) * level  # mean 0 given x: uncorrelated with every function of x
        for probe in (torch.ones_like(x), exact * level, x):
            product = residual * probe
            assert (product.mean(0).abs() < 5 * product.std(0) / len(x) ** 0.5).all()
        assert (target * level).std() == pytest.approx(1, rel=0.01)


def test_options_change_what_they_say():
    base = train("A", 16, 5, batch=64, compile=False, progress=False).losses
    for option in (dict(lr=0.02), dict(layers=3), dict(p_mean=-1.0), dict(p_std=2.0), dict(target="denoising")):
        assert train("A", 16, 5, batch=64, compile=False, progress=False, **option).losses != base
    assert len(train("A", 16, 1, batch=64, layers=2, compile=False, progress=False).model.layers) == 5
    with pytest.raises(ValueError, match="unknown target"):
        train(iterations=1, target="?")


def test_a_forced_gain_is_negative_and_follows_its_own_gradient():
    """Every state's gain is -softplus(r); r moves by one step of Adam, whose first step is the learning rate in size."""
    options = dict(batch=64, compile=False, negative_gain=True)
    gains = [state.model.gain.item() for state in train_steps("A", 16, 30, **options)]
    assert all(g < 0 for g in gains) and len(set(gains)) == 30
    roots = [math.log(math.expm1(-g)) for g in (-math.log1p(math.exp(NEGATIVE_START)), gains[0])]
    assert abs(roots[1] - roots[0]) == pytest.approx(learning_rate(0), rel=1e-3)
    trained = train("A", 16, 30, progress=False, **options)
    model = LogDensityMLP(16)
    model.load_state_dict(trained.model.state_dict())  # an ordinary model: nothing more is needed to use it
    assert model.gain < 0 and [*trained.model.state_dict()] == [*model.state_dict()]


def test_the_forced_gain_goes_where_the_loss_falls():
    """From the same state, the gain moves in the direction in which that of ordinary training does."""
    x, sigma = fractal("A").sample(500, 0.3, torch.Generator().manual_seed(0)), torch.full((500, 1), 0.3)
    target = fractal("A").score(x, 0.3)
    losses = []
    for state in train_steps("A", 16, 200, batch=256, compile=False, negative_gain=True):
        if state.iteration in (1, 200):
            losses.append(score_loss(state.model, x, sigma, target).item())
    assert losses[1] < 0.8 * losses[0]
