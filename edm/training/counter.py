"""Random numbers as a function of where they are used: counter-based, as in Salmon et al., *Parallel random numbers: as
easy as 1, 2, 3* (2011).

The noise of a training image depends only on (seed, stream, position of the image in the run): not on the batch, the
number of processes, or on what was drawn before. So a run that was killed goes on exactly, and two processes see what
one would. The numbers are splitmix64's: a Weyl sequence through a 64-bit finaliser, for a whole tensor at once on any
device.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

_WEYL = 0x9E3779B97F4A7C15 - 2**64  # 2^64 / golden ratio, as a signed number; int64 arithmetic wraps
_MULTIPLY_1 = 0xBF58476D1CE4E5B9 - 2**64
_MULTIPLY_2 = 0x94D049BB133111EB - 2**64


def _shift(z: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64 (torch's own keeps the sign)."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _shift(z, 30)) * _MULTIPLY_1
    z = (z ^ _shift(z, 27)) * _MULTIPLY_2
    return z ^ _shift(z, 31)


def bits(seed: int, stream: int, positions: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """Random int64 of shape [N, *shape]; row i depends on (seed, stream, positions[i]) alone. positions: int64 [N]."""
    key = _mix(
        _mix(torch.as_tensor(seed, device=positions.device) * _WEYL + stream) + positions.to(torch.int64) * _WEYL
    )
    index = torch.arange(1, math.prod(shape) + 1, device=positions.device)
    return _mix(key[:, None] + index * _WEYL).reshape(-1, *shape)


def uniform(seed: int, stream: int, positions: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """Uniform numbers strictly inside (0, 1), float32 [N, *shape]; arguments as in `bits`."""
    return (_shift(bits(seed, stream, positions, shape), 41).float() + 0.5) * 2**-23


def normal(seed: int, stream: int, positions: Tensor, shape: Sequence[int] = ()) -> Tensor:
    """Unit normal noise, float32 [N, *shape], by Box and Muller's transform; arguments as in `bits`."""
    z = bits(seed, stream, positions, shape)
    radius = torch.log((_shift(z, 32).double() + 0.5) * 2**-32).mul(-2).sqrt()
    return (radius * torch.cos((z & 0xFFFFFFFF).double() * (2 * math.pi * 2**-32))).float()


@contextmanager
def torch_seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Inside this block PyTorch's own generators, of the CPU and of `device`, start from the seed.

    Initial weights and dropout draw from those generators and take no other. After the block they go on as if it had not been,
    so random numbers of the calling program stay random.
    """
    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.set_rng_state(torch.Generator(device).manual_seed(seed).get_state(), device)
        yield
