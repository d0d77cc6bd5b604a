"""Corrupted denoisers: no corruption at factor 1, the noise that is added, and what guidance can cancel exactly."""

import math

import pytest
import torch

from edm.corruption import cancelling_weight, raise_noise
from edm.guidance import guide
from edm.sampler import sample, seeded, sigma_steps

X = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
VARIANCE = 0.25


def gaussian(x, sigma, labels=None):
    """The ideal denoiser of N(0, VARIANCE), for any shape; sigma may be a number or [N]."""
    level = torch.as_tensor(sigma).reshape(-1, *[1] * (x.ndim - 1)).to(x)
    return x * VARIANCE / (VARIANCE + level**2)


def seen(x, sigma, labels=None):
    return x if labels is None else x + labels


def test_factor_1_is_the_denoiser_itself():
    assert raise_noise(gaussian, 1.0) is gaussian


@pytest.mark.parametrize("sigma", [0.3, torch.linspace(0.1, 2.0, 6), torch.tensor(0.7, dtype=torch.float64)])
def test_what_the_denoiser_gets(sigma):
    got = {}

    def spy(x, level, labels=None):
        got.update(x=x, level=level, labels=labels)
        return x

    labels = torch.arange(6)
    out = raise_noise(spy, 1.2, torch.Generator().manual_seed(1))(X, sigma, labels)
    level = torch.as_tensor(sigma).float().reshape(-1, 1, 1, 1)
    noise = torch.randn(X.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(got["x"], X + math.sqrt(0.44) * level * noise)
    torch.testing.assert_close(torch.as_tensor(got["level"]).float(), 1.2 * torch.as_tensor(sigma).float())
    assert got["labels"] is labels and out.dtype == X.dtype


def test_a_number_as_sigma_keeps_its_digits():
    """In float64 the denoiser is told the level to all digits; float32's 0.1 differs in the ninth."""
    levels = []
    raise_noise(lambda x, sigma, labels=None: levels.append(float(sigma)) or x, 1.1)(X.double(), 0.1)
    assert levels == [1.1 * 0.1]


def test_noise_is_new_in_every_call_and_repeatable():
    noisy, again = (raise_noise(seen, 1.1, torch.Generator().manual_seed(3)) for _ in range(2))
    first, second = noisy(X, 0.5), noisy(X, 0.5)
    assert not torch.equal(first, second)
    assert torch.equal(first, again(X, 0.5)) and torch.equal(second, again(X, 0.5))


def test_a_row_does_not_depend_on_its_batch_mates():
    def run(rows):
        noisy = raise_noise(gaussian, 1.2, seeded([10 + i for i in rows]))
        return sample(noisy, X[rows], sigma_steps(6))

    torch.testing.assert_close(run([0, 1, 2, 3, 4, 5])[[4, 1]], run([4, 1]), rtol=0, atol=0)


def test_data_at_one_level_become_data_at_the_raised_level():
    """Standard deviation of what the denoiser gets, if x is data of variance V at level sigma: sqrt(V + f^2 sigma^2)."""
    generator = torch.Generator().manual_seed(4)
    x = math.sqrt(VARIANCE + 0.5**2) * torch.randn(200_000, 1, generator=generator)
    got = raise_noise(seen, 1.2, generator)(x, 0.5).std().item()
    assert got == pytest.approx(math.sqrt(VARIANCE + (1.2 * 0.5) ** 2), rel=0.01)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
def test_guidance_cancels_the_mean_error_of_a_gaussian_model(sigma):
    """In the mean D' = V / (V + f^2 sigma^2) x: the weight that makes w_1 D'_1.1 + ... equal to D is known in closed form."""

    def shrink(factor):
        return VARIANCE / (VARIANCE + (factor * sigma) ** 2)

    weight = cancelling_weight(shrink(1) - shrink(1.1), shrink(1) - shrink(1.2))
    low, high = (
        1 + 0.21 / 0.23,
        1 + (1 - 1 / 1.21) / (1 / 1.21 - 1 / 1.44),
    )  # far below and far above the data's own scale
    assert low - 1e-9 <= weight <= high + 1e-9
    generators = [torch.Generator().manual_seed(s) for s in (0, 1)]
    guided = guide(raise_noise(gaussian, 1.1, generators[0]), raise_noise(gaussian, 1.2, generators[1]), weight)
    x = torch.full((400_000, 1), 0.8)
    out = guided(x, sigma)
    error = out.std().item() / math.sqrt(len(x))
    assert out.mean().item() == pytest.approx(gaussian(x, sigma).mean().item(), abs=4 * error)


def test_bad_arguments():
    for factor in (0.9, math.inf, math.nan):
        with pytest.raises(ValueError, match="factor >= 1"):
            raise_noise(gaussian, factor)
    assert cancelling_weight(0.05, 0.10) == pytest.approx(2.0) and cancelling_weight(0.0, 0.1) == 1
    for errors in ((0.2, 0.1), (-0.1, 0.1), (0.1, 0.1)):
        with pytest.raises(ValueError, match="main_error"):
            cancelling_weight(*errors)
