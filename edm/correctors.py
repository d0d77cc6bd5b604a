"""Sampling the product p_main^w p_weak^(1 - w) itself: weighted particles, the Feynman-Kac correctors of arXiv 2503.02819.

The guided score is the product's own score at every noise level. Still, samplers that follow it arrive elsewhere. Let L be the
product's log density, with w the guidance weight. Noising means d p / d sigma = sigma Laplace(p) for main model and guide, that is
d log p / d sigma = sigma (Laplace(log p) + |grad log p|^2). Summed with the weights w and 1 - w this gives, for falling sigma,

    d L = -sigma (Laplace(L) + |grad L|^2) |d sigma| + sigma w (w - 1) |grad log p_main - grad log p_weak|^2 |d sigma|.

The first term is what the reverse SDE dx = 2 sigma grad L |d sigma| + (2 sigma |d sigma|)^(1/2) n does to a density, with n unit
normal noise. It leaves out the second. So each particle collects that as the logarithm of a weight: with denoisers D,
d log W = w (w - 1) |D_main - D_weak|^2 / sigma^3 |d sigma|. Weighted particles follow the product. Where few of them come to
carry all the weight, they are drawn anew in proportion to it.

It holds for densities that are noised versions of one another. Trained models are that only approximately.

Below stand other samplers whose guidance is more than a denoiser: CFG++ changes the step, APG and FBG remember earlier ones.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from edm import sampler
from edm.adaptive import feedback_weight, project
from edm.denoiser import Denoiser
from edm.sampler import rand, randn


class Step(NamedTuple):
    """Particles after a step."""

    index: int  # type: ignore[assignment]  # steps taken so far; 0 is the initial state
    sigma: float  # noise level of x
    x: Tensor  # [N, ...]
    log_weights: Tensor  # [N] float64; averages over the target are weighted by exp(log_weights)
    evaluations: int  # of main model and guide together, so far, for each particle


@torch.no_grad()
def feynman_kac_steps(
    main: Denoiser,
    weak: Denoiser,
    weight: float,
    x: Tensor,
    sigmas: Tensor,
    labels: Tensor | None = None,
    *,
    log_weights: Tensor | None = None,
    generator: torch.Generator | None = None,
    resample: float = 0.5,
) -> Iterator[Step]:
    """Yield the initial particles and those after every step towards the product p_main^w p_weak^(1 - w) at sigmas[-1].

    x: [N, ...], the particles at sigmas[0]. sigmas: decreasing, see `edm.sampler.sigma_steps`. log_weights: [N], of the initial
    particles, needed unless they are distributed as the product (`start_log_weights`). labels: the same for all particles.

    A step from sigma to sigma' lowers the variance by h = sigma^2 - sigma'^2. The particle moves by h times the guided score and by
    h^(1/2) n (Euler-Maruyama, errors in proportion to h). The last step, to 0, adds no noise: it takes the guided denoiser's
    answer. Each step evaluates main model and guide once. With weight 1 the guide is never called and no log weight changes.

    resample: particles are drawn anew (`systematic_resample`) before a step if their effective number is below this share of N.
    So 0 means never. New particles all have the mean weight of the old, and the mean of exp(log_weights) stays an estimate of the
    ratio of the product's normalisers. Nothing is resampled after the last step. With resample=0 and its weights ignored, this
    is the guided reverse SDE. Resampling makes particles depend on each other, unlike the samples of `edm.sampler`.

    A particle that is no longer finite gets weight 0. Raises ValueError for bad arguments and when no particle is left.
    """
    levels = falling(sigmas)
    if not math.isfinite(weight):
        raise ValueError(f"guidance weight must be finite, got {weight}")
    if not 0 <= resample <= 1:
        raise ValueError(f"resample must be a share of the particles, from 0 (never) to 1, got {resample}")
    if resample and labels is not None and not (labels == labels[:1]).all():
        raise ValueError(
            "particles that are resampled must share one label: run one label at a time, or use resample=0"
        )
    n = len(x)
    if log_weights is None:
        log_weights = torch.zeros(n)
    if log_weights.shape != (n,):
        raise ValueError(f"log_weights must have shape [{n}], one for each particle, got {list(log_weights.shape)}")
    log_weights = log_weights.to(x.device, torch.float64)
    evaluations = 0
    yield Step(0, levels[0], x, log_weights, evaluations)
    for i, (sigma, sigma_next) in enumerate(zip(levels, levels[1:], strict=False)):
        if resample and effective_sample_size(log_weights) < resample * n:
            x = x[systematic_resample(log_weights, generator)]
            log_weights = torch.full_like(log_weights, log_weights.logsumexp(0).item() - math.log(n))
        fall = sigma**2 - sigma_next**2
        denoised = main(x, sigma, labels)
        evaluations += 1
        if weight != 1:
            difference = denoised - weak(x, sigma, labels)
            evaluations += 1
            denoised = denoised + (weight - 1) * difference
            square = difference.double().square().flatten(1).sum(1)  # [N]
            log_weights = log_weights + weight * (weight - 1) * square / sigma**4 * fall / 2
        x = x + fall / sigma**2 * (denoised - x)
        if sigma_next > 0:
            x = x + math.sqrt(fall) * randn(n, x.shape[1:], generator, dtype=x.dtype, device=x.device)
        finite = x.flatten(1).isfinite().all(1) & log_weights.isfinite()
        log_weights = log_weights.masked_fill(~finite, -math.inf)
        yield Step(i + 1, sigma_next, x, log_weights, evaluations)


def falling(sigmas: Tensor) -> list[float]:
    """The noise levels as numbers. Raises ValueError unless they are two at least, finite, >= 0 and decreasing."""
    levels = [float(s) for s in sigmas]
    if len(levels) < 2 or any(not a > b >= 0 or not math.isfinite(a) for a, b in zip(levels, levels[1:], strict=False)):
        raise ValueError(f"sigmas must be at least two finite, decreasing numbers >= 0, got {levels}")
    return levels


def start_log_weights(
    log_main: Tensor, log_weak: Tensor, weight: float, log_start: Tensor | None = None
) -> Tensor:  # [N] float64
    """Log weights that make particles of another distribution stand for the product at the first noise level.

    log_main, log_weak: log densities [N] of the models at the particles, noised to sigmas[0]. log_start: that of the distribution
    which the particles were drawn from. By default it is the main model's, and the result is (w - 1) log(p_main / p_weak).
    Constants do not matter, so the densities need not be normalised.
    """
    log_main, log_weak = log_main.double(), log_weak.double()
    log_start = log_main if log_start is None else log_start.double()
    return log_main - log_start + (weight - 1) * (log_main - log_weak)


def effective_sample_size(log_weights: Tensor) -> float:
    """Kish's number of equally weighted particles that would be worth as much: (sum W)^2 / sum W^2, between 1 and N."""
    return 1 / normalized(log_weights).square().sum().item()


def systematic_resample(log_weights: Tensor, generator: torch.Generator | None = None) -> Tensor:  # [N] int64
    """Indices of N particles drawn in proportion to exp(log_weights), by one uniform number u in [0, 1).

    Laid end to end, the N shares W_i fill the unit interval. The particles chosen are those at (u + 0), (u + 1), ... (u + N - 1),
    divided by N. Particle i is taken N W_i times in the mean, and never a whole time more or less often than that.
    """
    n = len(log_weights)
    ends = normalized(log_weights).cumsum(0)
    u = rand(n=1, shape=(), generator=generator, dtype=torch.float64, device=log_weights.device)
    places = (torch.arange(n, dtype=torch.float64, device=log_weights.device) + u) / n
    return torch.searchsorted(ends / ends[-1], places, right=True).clamp(max=n - 1)


def normalized(log_weights: Tensor) -> Tensor:  # [N] float64
    """Weights that sum to 1. Raises ValueError unless log_weights has shape [N], no nan or +inf, and one finite number."""
    bad = log_weights.isnan() | (log_weights == math.inf)
    if log_weights.ndim != 1 or bad.any() or not log_weights.isfinite().any():
        raise ValueError(
            f"log_weights must be [N] numbers, -inf for a weight of 0, and one finite at least; got {log_weights}"
        )
    return log_weights.double().softmax(0)


@torch.no_grad()
def cfgpp_steps(
    main: Denoiser, weak: Denoiser, strength: float, x: Tensor, sigmas: Tensor, labels: Tensor | None = None
) -> Iterator[sampler.Step]:
    """CFG++ (arXiv 2406.08070): x' = D + (sigma'/sigma)(x - D_0) with D = D_0 + strength (D_m - D_0), strength in [0, 1].

    The guide alone says what noise is left in x. The paper writes it for DDIM, which is this Euler step in our variables. It equals
    a step of `edm.guidance.guide` with weight strength sigma / (sigma - sigma'). So its guidance grows with the number of steps,
    and no strength switches it off. Each step evaluates main model and guide once.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in [0, 1], got {strength}")
    levels = falling(sigmas)
    yield sampler.Step(0, levels[0], x)
    for i, (sigma, sigma_next) in enumerate(zip(levels, levels[1:], strict=False)):
        D_weak = weak(x, sigma, labels)
        denoised = D_weak + strength * (main(x, sigma, labels) - D_weak)
        x = denoised + sigma_next / sigma * (x - D_weak)
        yield sampler.Step(i + 1, sigma_next, x)


@torch.no_grad()
def projected_steps(
    main: Denoiser, weak: Denoiser, weight: float, x: Tensor, sigmas: Tensor, labels: Tensor | None = None,
    *, eta: float = 0.0, radius: float = math.inf, momentum: float = -0.5,
) -> Iterator[sampler.Step]:  # fmt: skip
    """APG with its momentum (arXiv 2410.02416): guidance along a running sum of differences, S = D_m - D_0 + momentum S_before.

    S takes the place of the difference in `edm.adaptive.guide_projected`. A negative momentum takes away what earlier steps did.
    The paper has one evaluation a step. Here the steps are Heun's: both evaluations add to the sum of earlier steps, and the first
    one's S is remembered. With momentum 0 this is `edm.sampler.heun_steps` of `guide_projected`. With weight 1 the guide is
    never called.
    """
    if not math.isfinite(weight) or not -1 < momentum < 1:
        raise ValueError(f"need a finite weight and -1 < momentum < 1, got {weight=}, {momentum=}")
    past = torch.zeros_like(x)

    def guided(x: Tensor, sigma: float, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        D_main = main(x, sigma, labels)
        if weight == 1:
            return D_main, past
        total = D_main - weak(x, sigma, labels) + momentum * past
        return D_main + (weight - 1) * project(total, D_main, eta, radius), total

    levels = falling(sigmas)
    yield sampler.Step(0, levels[0], x)
    for i, (sigma, sigma_next) in enumerate(zip(levels, levels[1:], strict=False)):
        denoised, total = guided(x, sigma, labels)
        slope = (x - denoised) / sigma
        x_next = x + (sigma_next - sigma) * slope
        if sigma_next > 0:
            slope_next = (x_next - guided(x_next, sigma_next, labels)[0]) / sigma_next
            x_next = x + (sigma_next - sigma) * (slope + slope_next) / 2
        x, past = x_next, total
        yield sampler.Step(i + 1, sigma_next, x)


@torch.no_grad()
def feedback_steps(
    main: Denoiser, weak: Denoiser, x: Tensor, sigmas: Tensor, labels: Tensor | None = None,
    *, mixing: float = 0.5, max_weight: float = 10.0, log_ratio: Tensor | None = None, generator: sampler.Generators = None,
) -> Iterator[Step]:  # fmt: skip
    """Feedback guidance with a tracked ratio (arXiv 2506.06085). Yields `Step`, with log(p_main / p_weak) as .log_weights [N].

    A step draws x' as DDPM does: a normal number around x + (1 - (sigma'/sigma)^2)(D - x). Its probability is larger or smaller
    by main model than by guide, and the ratio is multiplied by that. With exact models the product of these factors is the ratio
    of densities at x', on every path, because both noise data in the same way. Each sample is guided with the weight
    `edm.adaptive.feedback_weight` of its ratio. log_ratio: [N], at the start (0 by default, as in the paper).

    The paper also tempers the factors and lowers the ratio in every step, by two numbers of its own. They are left out here.
    Each step evaluates main model and guide once. The last one, to 0, takes the denoiser's answer.
    """
    ratio = (torch.zeros(len(x)) if log_ratio is None else log_ratio).to(x.device, torch.float64)
    levels = falling(sigmas)
    yield Step(0, levels[0], x, ratio, 0)
    for i, (sigma, sigma_next) in enumerate(zip(levels, levels[1:], strict=False)):
        D_main, D_weak = main(x, sigma, labels), weak(x, sigma, labels)
        w = feedback_weight(ratio, mixing, max_weight).to(x).reshape(-1, *[1] * (x.ndim - 1))
        kept = (sigma_next / sigma) ** 2
        variance = kept * (sigma**2 - sigma_next**2)
        x_next = x + (1 - kept) * (D_main + (w - 1) * (D_main - D_weak) - x)
        if sigma_next > 0:
            x_next += math.sqrt(variance) * randn(len(x), x.shape[1:], generator, dtype=x.dtype, device=x.device)
            far_weak, far_main = (
                (x_next - x - (1 - kept) * (D - x)).double().square().flatten(1).sum(1) for D in (D_weak, D_main)
            )
            ratio = ratio + (far_weak - far_main) / (2 * variance)
        x = x_next
        yield Step(i + 1, sigma_next, x, ratio, 2 * (i + 1))
