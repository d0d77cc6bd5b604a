"""Power-function EMA: against reference numbers, and post-hoc reconstruction against an average tracked directly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edm.ema import (
    PowerEMA,
    beta,
    combine,
    exponent_to_std,
    posthoc_coefficients,
    profile,
    profile_dot,
    std_to_exponent,
)

REFERENCE = np.load(Path(__file__).parents[1] / "data" / "power_ema.npz")


def test_widths_and_exponents():
    for std, exponent in zip(REFERENCE["stds"], REFERENCE["exponents"], strict=True):
        assert std_to_exponent(std) == pytest.approx(exponent, rel=1e-10)
        assert exponent_to_std(std_to_exponent(std)) == pytest.approx(std, rel=1e-10)
    for wrong in (0.0, -0.1, 0.29, 0.3, float("nan")):
        with pytest.raises(ValueError, match="width"):
            std_to_exponent(wrong)


def test_beta():
    got = [[beta(std, t, 1) for t in REFERENCE["beta_t_next"]] for std in REFERENCE["stds"]]
    np.testing.assert_allclose(got, REFERENCE["beta"], rtol=0, atol=1e-10)
    for delta in (2.0, 0.0, -1.0):
        with pytest.raises(ValueError, match="t_delta"):
            beta(0.1, 1.0, delta)


def test_coefficients():
    got = posthoc_coefficients(REFERENCE["in_ofs"], REFERENCE["in_std"], REFERENCE["out_ofs"], REFERENCE["out_std"])
    assert got.shape == (len(REFERENCE["in_ofs"]), len(REFERENCE["out_ofs"]))
    np.testing.assert_allclose(
        got, REFERENCE["coefficients"], rtol=0, atol=1e-10 * abs(REFERENCE["coefficients"]).max()
    )
    np.testing.assert_allclose(got.sum(0), 1)
    for wrong in (
        ([1, 2], [0.1], [2], [0.1]),
        ([[1, 2]], [[0.1, 0.1]], [2], [0.1]),
        ([1, 2], [0.1, 0.1], [2, 2], [0.1]),
    ):
        with pytest.raises(ValueError, match="pair up"):
            posthoc_coefficients(*wrong)
    single = posthoc_coefficients([1, 2], [0.1, 0.1], 2, 0.05)  # numbers for one wanted average
    np.testing.assert_array_equal(single, posthoc_coefficients([1, 2], [0.1, 0.1], [2], [0.05]))


def moving_model(step: int) -> nn.Linear:
    model = nn.Linear(3, 2)
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(torch.sin(torch.arange(p.numel()).reshape(p.shape) + i + step / 7))
    return model


def track(stds, steps, every=0):
    model = moving_model(0)
    ema, snapshots = PowerEMA(model, stds), []
    for step in range(1, steps + 1):
        model.load_state_dict(moving_model(step).state_dict())
        ema.update(step, 1)
        if every and step % every == 0:
            for std in stds:
                snapshots.append((step, std, {k: v.clone() for k, v in ema.models[std].state_dict().items()}))
    return ema, snapshots


def test_profile():
    for std, response in zip(REFERENCE["stds"], REFERENCE["response_len100_ofs80"], strict=True):
        np.testing.assert_allclose(profile(std, 80, np.arange(100)), response, rtol=0, atol=1e-10)


def test_inner_product_of_profiles():
    """Against the integral of their product; each profile ends at its own time."""
    dt = 1e-3
    tau = (np.arange(80_000) + 0.5) * dt
    for a, b in (((80, 0.1), (50, 0.2)), ((50, 0.2), (80, 0.1)), ((80, 0.05), (80, 0.25))):
        densities = [profile(std, end, tau) / dt for end, std in (a, b)]
        assert profile_dot(*a, *b) == pytest.approx(np.prod(densities, axis=0).sum() * dt, rel=1e-5)
    assert profile_dot([], [], 80, 0.1).shape == (0,)


def test_float32_inputs_are_computed_with_in_float64():
    times, stds = np.array([3, 7], np.float32), np.array([0.125, 0.0625], np.float32)
    as_lists = times.tolist(), stds.tolist()
    np.testing.assert_array_equal(profile(0.1, 9, times), profile(0.1, 9, as_lists[0]))
    five, quarter = np.float32(5), np.float32(0.25)
    np.testing.assert_array_equal(profile_dot(times, stds, five, quarter), profile_dot(*as_lists, 5, 0.25))
    np.testing.assert_array_equal(profile_dot(five, quarter, times, stds), profile_dot(5, 0.25, *as_lists))
    got = posthoc_coefficients(times, stds, times[1:], stds[:1])
    np.testing.assert_array_equal(got, posthoc_coefficients(*as_lists, as_lists[0][1:], as_lists[1][:1]))


@pytest.mark.parametrize("std", [0.05, 0.1, 0.25])
def test_the_running_average_is_the_profile(std):
    """Feed unit vectors that mark the step: the average is then the profile, integrated over each step."""
    steps = 80
    model = nn.Linear(steps, 1, bias=False).double()
    ema = PowerEMA(model, [std])
    for step in range(steps):
        with torch.no_grad():
            model.weight.copy_(torch.eye(steps, dtype=torch.float64)[step])
        ema.update(step + 1, 1)
    fine = profile(std, steps, (np.arange(1000 * steps) + 0.5) / 1000)
    np.testing.assert_allclose(ema.models[std].weight.detach()[0], fine.reshape(steps, 1000).sum(1), atol=1e-6)


def test_reconstruction_matches_an_average_tracked_directly():
    steps, wanted = 256, 0.07
    _, snapshots = track((0.05, 0.10), steps, every=16)
    direct = track((wanted,), steps)[0].models[wanted].state_dict()
    times, stds, states = zip(*snapshots, strict=True)
    rebuilt = combine(states, posthoc_coefficients(times, stds, [steps], [wanted])[:, 0])
    nearest = track((0.05,), steps)[0].models[0.05].state_dict()
    for name in direct:
        error = (rebuilt[name] - direct[name]).abs().max()
        assert error < 0.02 * (nearest[name] - direct[name]).abs().max() + 1e-6


def test_stored_average_comes_back_exactly():
    """Asking for a width and time that was stored gives that snapshot."""
    coefficients = posthoc_coefficients([8, 16, 8, 16], [0.05, 0.05, 0.1, 0.1], [16], [0.1])[:, 0]
    np.testing.assert_allclose(coefficients, [0, 0, 0, 1], atol=1e-9)


def test_state_dict_round_trip_and_first_update():
    ema, _ = track((0.05, 0.1), 5)
    other = PowerEMA(moving_model(0), (0.05, 0.1))
    other.load_state_dict(ema.state_dict())
    for std in (0.05, 0.1):
        torch.testing.assert_close(other.models[std].state_dict(), ema.models[std].state_dict(), rtol=0, atol=0)
    first, _ = track((0.1,), 1)
    torch.testing.assert_close(first.models[0.1].state_dict(), moving_model(1).state_dict())
    with pytest.raises(ValueError, match="snapshots"):
        combine([{}, {}], [1.0])


def test_averages_are_copies_that_neither_train_nor_drop_out():
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    average = PowerEMA(model, [0.1]).models[0.1]
    assert average is not model and not average.training and not any(p.requires_grad for p in average.parameters())
    assert model.training and all(p.requires_grad for p in model.parameters())


def test_combination_is_summed_in_float64():
    """1 + 2^-12 - 1 is lost in float16, and so is a sum that is taken in it."""
    states = [{"w": torch.tensor([v], dtype=torch.float16)} for v in (1.0, 2.0**-12, 1.0)]
    total = combine(states, [1.0, 1.0, -1.0])["w"]
    assert total.dtype == torch.float16 and total.item() == 2.0**-12
    assert combine([{"w": torch.ones(1)}, states[0]], [1.0, 1.0])["w"].dtype == torch.float32  # that of the first
