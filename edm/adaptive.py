"""Guidance that looks at the sample: its weight or its direction depends on the predictions themselves.

Like `edm.guidance.guide`, each function takes a main model D_m and a guide D_0, denoisers both, and gives a denoiser. Each is for
tensors of any shape. Norms and inner products are of one sample, over all axes but the first.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from edm.denoiser import Denoiser, expand_sigma
from edm.guidance import check, within


def guide_projected(
    main: Denoiser, weak: Denoiser, weight: float, *, eta: float = 0.0, radius: float = math.inf
) -> Denoiser:
    """Adaptive projected guidance, APG (arXiv 2410.02416): D = D_m + (w - 1) P(D_m - D_0), with P as in `project`.

    With eta = 1 and no radius it is `guide`. The paper works on the denoised image, too, so nothing had to be adapted. Its
    momentum needs a memory: `edm.correctors.projected_steps`. D_m is a direction only as seen from the origin, so the result
    changes when all data are moved.
    """
    check(weight, None)
    if weight == 1:
        return main

    def guided(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        D_main = main(x, sigma, labels)
        return D_main + (weight - 1) * project(D_main - weak(x, sigma, labels), D_main, eta, radius)

    return guided


def project(difference: Tensor, direction: Tensor, eta: float = 0.0, radius: float = math.inf) -> Tensor:
    """The difference, shortened to norm `radius` if it is longer, with its part along `direction` multiplied by eta.

    Norms are of a sample: over all axes but the first. eta = 0 leaves the orthogonal part.
    """
    difference = difference * (radius / inner(difference, difference).sqrt()).clamp(max=1).nan_to_num(1.0)
    along = inner(difference, direction) / inner(direction, direction).clamp(min=1e-30) * direction
    return difference + (eta - 1) * along


def inner(a: Tensor, b: Tensor) -> Tensor:  # [N, 1, ...]
    """Inner product of each sample of a with that of b."""
    return (a * b).flatten(1).sum(1).reshape(-1, *[1] * (a.ndim - 1))


def guide_rescaled(main: Denoiser, weak: Denoiser, weight: float, *, zero_above: float = math.inf) -> Denoiser:
    """CFG-Zero* (arXiv 2503.18886): v = s v_0 + w (v_m - s v_0) with s = <v_m, v_0> / |v_0|^2, for each sample.

    The method is one of flow matching, on the line from data to noise. Its velocity is noise minus data: v = (x - D)/sigma - D in
    our variables, and so D = (x - sigma v)/(1 + sigma). With s = 1 it is `guide`, and with w = 1 the main model alone. The first
    steps of the paper are zero: for sigma > zero_above the answer is that of v = 0, and no model is called. The paper starts
    from pure noise, and counts steps. The result changes when all data are moved, since v holds D itself.
    """
    check(weight, None)
    if weight == 1 and zero_above == math.inf:
        return main

    def guided(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        level, skip = (
            expand_sigma(sigma, x),
            within((zero_above, math.inf), sigma, x) if zero_above < math.inf else False,
        )
        if skip is True:
            return x / (1 + level)
        D_main = D = main(x, sigma, labels)
        if weight != 1:
            v_main, v_weak = ((x - d) / level - d for d in (D_main, weak(x, sigma, labels)))
            v_weak = v_weak * inner(v_main, v_weak) / inner(v_weak, v_weak).clamp(min=1e-30)
            D = (x - level * (v_weak + weight * (v_main - v_weak))) / (1 + level)
        return D if skip is False else torch.where(skip, x / (1 + level), D)

    return guided


def guide_feedback(
    main: Denoiser, weak: Denoiser, log_ratio: Callable, mixing: float = 0.5, max_weight: float = 10.0
) -> Denoiser:
    """Feedback guidance, FBG (arXiv 2506.06085): a weight for each sample, `feedback_weight`, where the ratio is known.

    log_ratio(x, sigma): [N], the log of p_main / p_weak at x. Exact densities give it; otherwise `edm.correctors.feedback_steps`
    tracks it. With mixing = 1 the weight is 1 everywhere.
    """
    feedback_weight(torch.zeros(1), mixing, max_weight)  # a wrong argument is an error now, not at the first call

    def guided(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        w = feedback_weight(log_ratio(x, sigma), mixing, max_weight).to(x).reshape(-1, *[1] * (x.ndim - 1))
        D_main = main(x, sigma, labels)
        return D_main + (w - 1) * (D_main - weak(x, sigma, labels))

    return guided


def feedback_weight(log_ratio: Tensor, mixing: float, max_weight: float) -> Tensor:
    """w = r / (r - (1 - mixing)) with r = p_main / p_weak, at most max_weight.

    Suppose that what the main model learned is `mixing` times the truth and 1 - mixing times the guide's density. Then the true
    score is that of guidance with this weight. Where r <= 1 - mixing there is no such truth, and max_weight stands in.
    """
    if not 0 < mixing <= 1 or not 1 <= max_weight < math.inf:
        raise ValueError(f"need 0 < mixing <= 1 and 1 <= max_weight < inf, got {mixing=}, {max_weight=}")
    share = (1 - mixing) * (-log_ratio.double()).exp()
    return 1 / (1 - share.clamp(max=1 - 1 / max_weight))
