"""Guidance where it can be solved with pen and paper: one axis, Gaussian models, and two narrow modes.

Main model and guide each believe in a density of their own, noised consistently: at noise level sigma the main model's variance is
s_main^2 + sigma^2. The guided ODE is dx/dsigma = -sigma (w score_main - (w - 1) score_weak), with w the guidance weight. The
*product* is the density p_main (p_main / p_weak)^(w - 1) at sigma = 0, which the guided score seems to promise. The ODE does not
sample it, because the products at the different noise levels are no noised versions of each other. Noising is linear in the
density, so the two agree to first order in the difference of the models, for any densities: there both are
p_main + (w - 1)(p_main - p_weak).

Widths `s` are standard deviations along one axis. Axes of a Gaussian with a diagonal covariance do not mix: use each by itself.
"""

import math

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.special import hyp2f1, ndtr
from torch import Tensor

from edm.denoiser import Denoiser, expand_sigma

FARTHEST = 12.0  # distance / standard deviation at which two modes no longer exchange mass: that falls like exp(-72)


def ideal_denoiser(s: float, mean: float = 0.0) -> Denoiser:
    """The denoiser of data N(mean, s^2) in every coordinate: mean + (x - mean) s^2 / (s^2 + sigma^2). Any shape."""
    _positive(s=s)

    def denoise(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        return mean + (x - mean) * s**2 / (s**2 + expand_sigma(sigma, x) ** 2)

    return denoise


def guided_std(
    s_main: float,
    s_weak: float,
    weight: float,
    *,
    sigma_max: float = math.inf,
    sigma_min: float = 0.0,
    s_start: float | None = None,
) -> float:
    """Width of the samples that the guided ODE delivers. From sigma = infinity: s_main (s_main / s_weak)^(w - 1).

    For centred Gaussians the ODE reads d ln x / dsigma = w sigma / (s_main^2 + sigma^2) - (w - 1) sigma / (s_weak^2 + sigma^2).
    Each term integrates to half a logarithm. So every model alone shrinks x by ((s^2 + sigma_min^2) / (s^2 + sigma_max^2))^(1/2)
    on the way, and guidance takes the main model's factor to the power w, the guide's to the power 1 - w.

    sigma_max: the start is N(0, s_start^2 + sigma_max^2), with s_start = s_main unless given. sigma_min: the sampler's last
    step from there to 0 is Euler's [EDM, algorithm 1]. It replaces x by the guided denoiser's answer, and leaves a single
    model's width at s / (1 + (sigma_min / s)^2)^(1/2). All steps before are taken as exact.
    Raises ValueError for widths that are not positive, a weight that is not finite, or noise levels out of order.
    """
    s_start = s_main if s_start is None else s_start
    _positive(s_main=s_main, s_weak=s_weak, s_start=s_start)
    _finite(weight=weight)
    if not 0 <= sigma_min < sigma_max:
        raise ValueError(f"need 0 <= sigma_min < sigma_max, got {sigma_min=} and {sigma_max=}")

    def log_shrink(s: float) -> float:  # from infinity the common factor 1 / sigma_max is left out: it cancels
        above = 0.0 if sigma_max == math.inf else math.log(s**2 + sigma_max**2)
        return (math.log(s**2 + sigma_min**2) - above) / 2

    begin = 0.0 if sigma_max == math.inf else math.log(s_start**2 + sigma_max**2) / 2
    std = math.exp(begin + weight * log_shrink(s_main) - (weight - 1) * log_shrink(s_weak))
    main, weak = (s**2 / (s**2 + sigma_min**2) for s in (s_main, s_weak))
    return std * abs(weight * main - (weight - 1) * weak)


def product_std(s_main: float, s_weak: float, weight: float, sigma: float = 0.0) -> float:
    """Width of the product at noise level `sigma`, (w / v_main - (w - 1) / v_weak)^(-1/2) with v = s^2 + sigma^2.

    Precisions add up where densities are multiplied. If the bracket is not positive the product grows without bound and is no
    density: math.inf. The ODE is never wider than the product for w >= 1: with r = s_main^2 / s_weak^2 the logarithms of
    s_main^2 / (width)^2 are (w - 1) ln(1 / r) and ln(1 + (w - 1)(1 - r)), and ln(1 + u) <= u <= (w - 1) ln(1 / r).
    Raises ValueError as `guided_std` does.
    """
    _positive(s_main=s_main, s_weak=s_weak)
    _finite(weight=weight, sigma=sigma)
    precision = weight / (s_main**2 + sigma**2) - (weight - 1) / (s_weak**2 + sigma**2)
    return precision**-0.5 if precision > 0 else math.inf


def stochastic_std(s_main: float, s_weak: float, weight: float) -> float:
    """Width that the guided reverse SDE delivers, s_main ((1 - r^m) / (m (1 - r)))^(1/2), r = s_main^2 / s_weak^2, m = 2 w - 1.

    The SDE is that of `edm.correctors`, without weights. While v = sigma^2 falls by h, x moves by h times the guided score and
    by a normal number of variance h. The variance of x obeys a linear equation, whose solution is the integral over v of
    (F(0) / F(v))^2, with F(v) = (s_main^2 + v)^w / (s_weak^2 + v)^(w - 1). For whole m the fraction is the mean of
    1, r, ..., r^(m - 1), which is never below their geometric mean r^(w - 1). So new noise makes up for a part of what the ODE
    contracts too much. The product is wider still, for w >= 1. Raises ValueError for widths that are not positive and for a
    weight of 1/2 or less.
    """
    _positive(s_main=s_main, s_weak=s_weak)
    if not 0.5 < weight < math.inf:
        raise ValueError(f"weight must be finite and above 1/2, got {weight}")
    log_r, m = 2 * math.log(s_main / s_weak), 2 * weight - 1
    if log_r == 0:
        return s_main
    return s_main * math.sqrt(math.expm1(m * log_r) / (m * math.expm1(log_r)))


def restoring_weight(s_true: float, s_main: float, s_weak: float) -> float:
    """The weight w at which the guided ODE delivers the true width: w - 1 = ln(s_main / s_true) / ln(s_weak / s_main).

    It solves s_main (s_main / s_weak)^(w - 1) = s_true. It differs from direction to direction, so one weight cannot mend all.
    Where the main model is right, the answer is 1, and any guide with another width does harm. Raises ValueError for widths
    that are not positive, and for a guide of the main model's width, which changes nothing.
    """
    _positive(s_true=s_true, s_main=s_main, s_weak=s_weak)
    if s_main == s_weak:
        raise ValueError(f"no weight changes the width if main model and guide agree, got {s_main=} and {s_weak=}")
    return 1 + math.log(s_main / s_true) / math.log(s_weak / s_main)


def guided_mean(m_main: float, m_weak: float, weight: float, s_main: float = 1.0, s_weak: float = 1.0) -> float:
    """Mean of the samples of the guided ODE from sigma = infinity: m_main + (w - 1)(m_main - m_weak) F.

    F = 2F1(1, w/2; 3/2; 1 - (s_weak / s_main)^2), Gauss's hypergeometric function; it is 1 for equal widths. Errors of
    the mean that both models share stay as they are, others are multiplied. Measured from m_main the ODE is linear with the
    source (w - 1)(m_main - m_weak) sigma / (s_weak^2 + sigma^2), which is shrunk from sigma down to 0 as in
    `guided_std`. The integral over all sigma is F, by the substitution t = (s_main^2 + sigma^2) / (s_weak^2 + sigma^2).
    """
    _positive(s_main=s_main, s_weak=s_weak)
    _finite(weight=weight, m_main=m_main, m_weak=m_weak)
    factor = float(hyp2f1(1.0, weight / 2, 1.5, 1 - (s_weak / s_main) ** 2))
    return m_main + (weight - 1) * (m_main - m_weak) * factor


def product_mean(m_main: float, m_weak: float, weight: float, s_main: float = 1.0, s_weak: float = 1.0) -> float:
    """Mean of the product: the models' means weighted by w / s_main^2 and -(w - 1) / s_weak^2; nan if it is no density."""
    variance = product_std(s_main, s_weak, weight) ** 2
    if variance == math.inf:
        return math.nan
    return variance * (weight * m_main / s_main**2 - (weight - 1) * m_weak / s_weak**2)


def truncated_std(s: float, factor: float, sigma_max: float) -> float:
    """Width left by naive truncation, which multiplies the score by `factor`: s (1 + (sigma_max / s)^2)^((1 - factor) / 2).

    The ODE's contraction, from (s^2 + sigma_max^2)^(1/2) to s, is taken to the power `factor`. At a high sigma_max this is about
    s (s / sigma_max)^(factor - 1): the narrower a direction, the more of it is lost.
    """
    _positive(s=s, sigma_max=sigma_max)
    _finite(factor=factor)
    return s * (1 + (sigma_max / s) ** 2) ** ((1 - factor) / 2)


def noised_std(s: float, factor: float, sigma_max: float = math.inf) -> float:
    """Width left by a model with raised input noise (`edm.corruption.raise_noise`): s / factor from sigma = infinity.

    The model sees x with more noise, at level factor * sigma, and is told so. Its mean answer for true data N(0, s^2) is
    x s^2 / (s^2 + factor^2 sigma^2), so dx/dsigma = x factor^2 sigma / (s^2 + factor^2 sigma^2). Every direction contracts
    alike. The fresh noise adds to the width what vanishes with the number of steps.
    """
    _positive(s=s, factor=factor)
    if sigma_max == math.inf:
        return s / factor
    _positive(sigma_max=sigma_max)
    return s * math.sqrt((s**2 + sigma_max**2) / (s**2 + factor**2 * sigma_max**2))


def noise_restoring_weight(f_main: float, f_weak: float) -> float:
    """The weight that undoes raised input noise in every direction at once: w = ln f_weak / (ln f_weak - ln f_main).

    Main model and guide deliver s / f_main and s / f_weak, and the guided ODE extrapolates geometrically as in `guided_std`. For
    the paper's factors 1.1 and 1.2 it is 2.10 [AG, section 4, finds 2.00 by experiment].
    """
    _positive(f_main=f_main, f_weak=f_weak)
    return restoring_weight(1.0, 1 / f_main, 1 / f_weak)


def two_modes(share: float, distance: float, s: float) -> Denoiser:
    """Denoiser of two modes N(+-distance, s^2) with shares `share` and 1 - share; each coordinate is a point. Any shape.

    With v = s^2 + sigma^2 and log odds l = ln(share / (1 - share)), the score is (-x + distance tanh(distance x / v + l / 2)) / v.
    """
    _positive(distance=distance, s=s)
    half_odds = _log_odds(share) / 2

    def denoise(x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        square = expand_sigma(sigma, x) ** 2
        v = s**2 + square
        return x + square / v * (distance * torch.tanh(distance * x / v + half_odds) - x)

    return denoise


def guided_share(share_main: float, share_weak: float, weight: float) -> float:
    """Share of the samples of the guided ODE, from sigma = infinity, that end in a mode to which the models give these shares.

    The two modes lie at +-c with equal widths s, far apart (c / s > 4 or so). In q = c / (s^2 + sigma^2)^(1/2) and
    y = x q / c, the ODE is dy/dq = w tanh(q y + l_main / 2) - (w - 1) tanh(q y + l_weak / 2), l the models' log odds. It starts at
    q = 0 with y ~ N(0, 1). Trajectories on a line never cross, so all that begin above one point y* end in the upper mode:
    the share is Phi(-y*). That trajectory, the separatrix, ends between the modes where the guided score vanishes: at
    tanh(q y + l_main / 2) = -2 (w - 1) t / (1 + (1 + 4 w (w - 1) t^2)^(1/2)), t = tanh((l_main - l_weak) / 2). From there the
    equation is integrated back, which damps every error. There is a closed form for w = 1, where y* is the quantile of
    1 - share_main. To first order in l_main - l_weak the result is `product_share`: mass moves wherever the models' shares differ.
    """
    main, weak, w = _log_odds(share_main) / 2, _log_odds(share_weak) / 2, weight
    if not 1 <= w < math.inf:
        raise ValueError(f"weight must be finite and at least 1, got {weight}")
    t = math.tanh(main - weak)
    end = math.atanh(-2 * (w - 1) * t / (1 + math.sqrt(1 + 4 * w * (w - 1) * t**2))) - main

    def slope(q, y):
        return w * np.tanh(q * y + main) - (w - 1) * np.tanh(q * y + weak)

    back = solve_ivp(slope, (FARTHEST, 0.0), [end / FARTHEST], method="DOP853", rtol=1e-9, atol=1e-11)
    return float(ndtr(-back.y[0, -1]))


def product_share(share_main: float, share_weak: float, weight: float) -> float:
    """Mass of the product in that mode, from the log odds l_main + (w - 1)(l_main - l_weak): equal widths cancel."""
    _finite(weight=weight)
    main, weak = _log_odds(share_main), _log_odds(share_weak)
    return (1 + math.tanh((main + (weight - 1) * (main - weak)) / 2)) / 2


def _log_odds(share: float) -> float:
    if not 0 < share < 1:
        raise ValueError(f"a mode's share must lie between 0 and 1, both excluded; got {share}")
    return math.log(share / (1 - share))


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite, got {value}")


def _finite(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value}")
