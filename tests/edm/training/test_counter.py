"""Random numbers by where they are used: splitmix64, their distributions, and torch's generators left alone."""

import torch
from scipy import stats

from edm.training import counter


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


def test_torch_is_seeded_inside_the_block_and_goes_on_after_it():
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    with counter.torch_seeded(5):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), wanted)
    assert torch.equal(inside, torch.rand(3, generator=torch.Generator().manual_seed(5)))
