"""Guidance: pure functions from denoisers to a denoiser.

All of it is one line, D_w = D_0 + w (D_1 - D_0), with main model D_1 and guide D_0. It is classifier-free guidance when the
guide is unconditional (arXiv 2207.12598) and autoguidance when the guide is a worse version of the main model
(arXiv 2406.02507, eq. 3). Below `truncate` stand methods of other papers that keep the line and choose weight and guide by noise
level. Methods whose weight or direction depends on the sample are in `edm.adaptive`. Those that remember earlier steps or change
the step itself are in `edm.correctors`.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from edm.denoiser import Denoiser, expand_sigma

Schedule = Callable[[float | Tensor], float | Tensor]  # of the noise level: a number for a number, [N] for [N]


def guide(main: Denoiser, weak: Denoiser, weight: float, interval: tuple[float, float] | None = None) -> Denoiser:
    """Extrapolate from the prediction of `weak` through that of `main` [AG, eq. 3].

    At weight 1 the result is the main model alone, and `weak` is never called. With interval = (lo, hi), guidance acts only
    where lo < sigma <= hi (arXiv 2404.07724), and `weak` is not called elsewhere. Raises ValueError for a weight that is
    not finite or an interval that is not lo < hi.
    """
    check(weight, interval)
    if weight == 1:
        return main

    def guided(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        D_main = main(x, sigma, labels)
        inside = within(interval, sigma, x)
        if inside is False:
            return D_main
        D = D_main + (weight - 1) * (D_main - weak(x, sigma, labels))
        return D if inside is True else torch.where(inside, D, D_main)

    return guided


def guide_several(
    main: Denoiser, guides: Sequence[tuple[Denoiser, float]], interval: tuple[float, float] | None = None
) -> Denoiser:
    """Several guides at once: D = D_m + sum_i (w_i - 1)(D_m - D_i) [AG, eq. 6].

    guides: pairs of a denoiser and its weight. A guide of weight 1 is never called. interval and errors: as for `guide`.
    """
    for _, weight in guides:
        check(weight, interval)
    active = [(weak, weight) for weak, weight in guides if weight != 1]
    if not active:
        return main

    def guided(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        D_main = main(x, sigma, labels)
        inside = within(interval, sigma, x)
        if inside is False:
            return D_main
        D = D_main
        for weak, weight in active:
            D = D + (weight - 1) * (D_main - weak(x, sigma, labels))
        return D if inside is True else torch.where(inside, D, D_main)

    return guided


def within(interval: tuple[float, float] | None, sigma: float | Tensor, x: Tensor) -> bool | Tensor:
    """Where lo < sigma <= hi: True or False if that is the same for all of x, else a mask that broadcasts against x.

    A tensor on an accelerator always gives a mask, since reading its values back would make the accelerator wait.
    """
    if interval is None:
        return True
    lo, hi = interval
    if not isinstance(sigma, Tensor):
        return lo < sigma <= hi
    level = expand_sigma(sigma, x)
    inside = (level > lo) & (level <= hi)
    if inside.device.type == "cpu" and (inside.all() or not inside.any()):
        return bool(inside.all())
    return inside


def check(weight: float, interval: tuple[float, float] | None) -> None:
    """Raise ValueError for a weight that is not finite or an interval that is not lo < hi."""
    if not math.isfinite(weight):
        raise ValueError(f"guidance weight must be finite, got {weight}")
    if interval is not None and not interval[0] < interval[1]:
        raise ValueError(f"guidance interval needs lo < hi, got {interval}")


def blend_weights(weight: float, alpha: float) -> tuple[float, float]:
    """Split a total weight between CFG and autoguidance: (w_uncond, w_weak) [AG, appendix on eq. 6].

    alpha = 0 is pure CFG, alpha = 1 pure autoguidance. Raises ValueError for alpha outside [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
    return (1 - alpha) * (weight - 1) + 1, alpha * (weight - 1) + 1


def unconditional(denoiser: Denoiser) -> Denoiser:
    """The same denoiser with its labels withheld: the guide of classifier-free guidance."""
    return lambda x, sigma, labels=None: denoiser(x, sigma, None)


def truncate(denoiser: Denoiser, factor: float) -> Denoiser:
    """Naive truncation: the score times `factor`, i.e. D' = x + factor (D - x) [AG, figure 1d]."""
    if not math.isfinite(factor):
        raise ValueError(f"truncation factor must be finite, got {factor}")
    return lambda x, sigma, labels=None: x + factor * (denoiser(x, sigma, labels) - x)


def guide_scheduled(main: Denoiser, weak: Denoiser, weight: Schedule) -> Denoiser:
    """The line with a weight of its own at every noise level: D = D_m + (w(sigma) - 1)(D_m - D_0).

    weight is any function of sigma, such as `stages`. Where it gives the number 1, `weak` is not called.
    """

    def guided(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        D_main, w = main(x, sigma, labels), weight(sigma)
        if isinstance(w, Tensor):
            w = w.to(x).reshape(-1, *[1] * (x.ndim - 1))
        elif w == 1:
            return D_main
        return D_main + (w - 1) * (D_main - weak(x, sigma, labels))

    return guided


def stages(weights: Sequence[float], levels: Sequence[float]) -> Schedule:
    """A weight for each stage of sampling: weights[0] for sigma > levels[0], then weights[1] for sigma > levels[1], and so on.

    The last weight holds for sigma <= levels[-1]. levels must fall. This one family holds several papers. The interval of
    arXiv 2404.07724 is stages([1, w, 1], [hi, lo]). arXiv 2509.22007 wants little guidance early and late and most of it between:
    three weights with the largest in the middle. A window of negative guidance (arXiv 2602.00716) is a first weight below 1.
    Both papers state their schedules in time; here they are steps in sigma, so only the idea is kept.
    """
    if len(weights) != len(levels) + 1 or any(a <= b for a, b in itertools.pairwise(levels)):
        raise ValueError(f"need falling levels and one weight more than levels, got {list(weights)} and {list(levels)}")
    for value in weights:
        check(value, None)

    def weight(sigma: float | Tensor) -> float | Tensor:
        if not isinstance(sigma, Tensor):
            return weights[sum(sigma <= level for level in levels)]
        passed = sum((sigma <= level).long() for level in levels)
        return torch.tensor(weights, dtype=torch.float64, device=sigma.device)[passed]

    return weight


def guide_segmented(
    main: Denoiser, uncond: Denoiser, weak: Denoiser, weights: tuple[float, float], split: float
) -> Denoiser:
    """Segmented guidance, SGG (arXiv 2603.20584): CFG where sigma > split, autoguidance where sigma <= split.

    weights: of CFG and of autoguidance. The paper splits the time of a flow; here split is a noise level > 0.
    """
    return guide(guide(main, uncond, weights[0], (split, math.inf)), weak, weights[1], (0, split))


def noisier(denoiser: Denoiser, delta: Schedule) -> Denoiser:
    """The guide of self-guidance (arXiv 2412.05827; 2407.02687): the same model, asked as if at the level sigma + delta(sigma).

    Its score is the model's score at that level s': D = x + (sigma/s')^2 (D(x; s') - x). Then `guide` pushes to where density has
    risen from the noisier level to this one, the paper's reason. The papers extrapolate outputs of their networks, which differ
    from scores by factors that depend on the level. With delta = 0 guidance changes nothing. If s'^2 = sigma^2 + b^2, the guide is
    the model of data blurred by b, the ideally bad guide of autoguidance.
    """

    def denoise(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        higher = sigma + delta(sigma)
        ratio = expand_sigma(sigma, x) / expand_sigma(higher, x)
        return x + ratio**2 * (denoiser(x, higher, labels) - x)

    return denoise
