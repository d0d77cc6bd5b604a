"""The exact score and the model's score, compiled: for runs that are long enough to pay for it.

torch.compile makes one C++ function of each formula. The first call in a process costs 5 to 15 seconds, or one to three where the
compiler's cache on disk has the function already. Afterwards the exact score takes a quarter of the time, and the model's three
quarters with two threads or nine tenths with one, because matrix products are nearly all its work (`make bench`). So a single
picture is made with the plain functions. Runs that are long, above all those with the exact score, are made with these. The numbers
agree with the plain ones to rounding: tests state how closely.
"""

import warnings
from collections.abc import Callable
from functools import cache, reduce

import torch
from torch import Tensor

from edm.denoiser import Denoiser, expand_sigma
from toy2d.chunks import in_chunks
from toy2d.mixture import LOG_2PI, NEGLIGIBLE, GaussianMixture, Groups, coordinates
from toy2d.model import LogDensityMLP, check_positive, log_density_and_score

CHUNK = 4096  # rows of every call: shapes never change, so each function is compiled once. Training's batch, too.


def fast(model: GaussianMixture | LogDensityMLP) -> Denoiser:
    """The denoiser of a mixture or a 2D model, compiled. Without a compiler it is the model itself, and a warning says so.

    Guided pairs are made of fast parts: guide(fast(main), fast(weak), weight). Weights are taken as they are now: after more
    training, call this again. There are no gradients through it. Raises TypeError for anything else than the two.
    """
    if not isinstance(model, GaussianMixture | LogDensityMLP):
        raise TypeError(f"fast takes a mixture or a 2D model, got {type(model).__name__}: make its parts fast instead")
    if not can_compile("cpu"):
        return model
    score = mixture_score(model) if isinstance(model, GaussianMixture) else model_score(model)

    @torch.no_grad()
    def denoise(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        return x + expand_sigma(sigma, x) ** 2 * in_chunks(score, x, sigma, CHUNK, fill=True)

    return denoise


def mixture_score(mixture: GaussianMixture) -> Callable[[Tensor, Tensor], Tensor]:
    function = compiled(unrolled_log_prob_and_score)
    return lambda x, sigma: function(x, sigma[:, 0].square(), mixture.groups(x))[1]


def model_score(model: LogDensityMLP) -> Callable[[Tensor, Tensor], Tensor]:
    function, gain = compiled(log_density_and_score), model.gain.detach().clone()
    matrices = [matrix.detach() for matrix in model.matrices()]  # normalised once for all calls
    return lambda x, sigma: function(x, check_positive(sigma), matrices, gain)[1]


def unrolled_log_prob_and_score(x: Tensor, variance: Tensor, g: Groups) -> tuple[Tensor, Tensor]:  # [N], [N, 2]
    """`toy2d.mixture.log_prob_and_score`, one component of every group after the other, for the compiler.

    It makes a single pass over points and groups of this and keeps the components in registers. The plain function has an array of
    all components; compiled, it reads and writes that several times and takes twice as long.
    """
    p, q, a, b = coordinates(x, variance, g)  # [N, G]
    half_log = 0.5 * torch.log(a * b)

    def log_joint(i: int) -> Tensor:  # [N, G]
        u, v = p - g.offset[0, i], q - g.offset[1, i]
        return g.log_weight[i] + half_log - 0.5 * (a * u * u + b * v * v)

    members = range(g.offset.shape[1])
    top = reduce(torch.maximum, (log_joint(i) for i in members)).amax(1, keepdim=True)
    shares = [(log_joint(i) - top).clamp(min=NEGLIGIBLE).exp() for i in members]
    mass = sum(shares)
    along = a * (sum(share * g.offset[0, i] for i, share in enumerate(shares)) - p * mass)
    across = b * (sum(share * g.offset[1, i] for i, share in enumerate(shares)) - q * mass)
    total = mass.sum(1)
    gradient = along @ g.axes[:, :, 0] + across @ g.axes[:, :, 1]
    return top[:, 0] + total.log() - LOG_2PI, gradient / total[:, None]


@cache
def compiled(function: Callable) -> Callable:
    """`function` of a module, compiled for the shapes that it is called with."""
    return torch.compile(function, dynamic=False)


@cache
def can_compile(device_type: str) -> bool:
    """Whether torch.compile works here: it needs a C++ compiler (CPU) or Triton (GPU). Found out by trying, once."""
    try:
        torch.compile(lambda x: x * 2 + 1)(torch.ones(8, device=device_type))
    except Exception as error:  # whatever is missing, the plain functions work
        warnings.warn(
            f"torch.compile does not work here, long runs are slower without it ({type(error).__name__})", stacklevel=2
        )
        return False
    return True
