"""Problem set 4: power-function averages and their reconstruction."""

import numpy as np
import torch
from scipy.integrate import quad

from edm import ema as library
from hidden_checks import agree, fresh, normal, require, uniform, without

FORBIDDEN = (
    library.exponent_to_std,
    library.std_to_exponent,
    library.beta,
    library.profile_dot,
    library.posthoc_coefficients,
    library.combine,
)


def _profile(t, gamma):
    return lambda tau: (gamma + 1) / t * (tau / t) ** gamma if tau <= t else 0.0


def width(answer) -> None:
    generator = fresh()
    for _ in range(5):
        gamma = uniform(generator, 0, 40)
        expected = library.exponent_to_std(gamma)
        with without(*FORBIDDEN):
            agree("width", answer(gamma), expected)


def exponent(answer) -> None:
    generator = fresh()
    for _ in range(5):
        s = uniform(generator, 0.01, 0.28)
        expected = library.std_to_exponent(s)
        with without(*FORBIDDEN):
            agree("exponent", answer(s), expected)


def decay(answer) -> None:
    generator = fresh()
    for _ in range(5):
        gamma, t, delta = uniform(generator, 0.5, 12), uniform(generator, 10, 90), uniform(generator, 0.5, 9)
        expected = quad(_profile(t, gamma), 0, t - delta)[0]
        with without(*FORBIDDEN):
            agree("decay, against the integral", answer(gamma, t, delta), expected)


def running_average(answer) -> None:
    generator = fresh()
    values, gamma = normal(generator, 30, 3), uniform(generator, 1, 12)
    asked = []

    def decay_of(gamma, t, delta):
        asked.append((float(t), float(delta)))
        return (1 - delta / t) ** (gamma + 1)

    end = (torch.arange(1, 31, dtype=torch.float64) / 30) ** (gamma + 1)  # integral of the profile up to each step
    weights = torch.diff(end, prepend=torch.zeros(1, dtype=torch.float64))
    with without(*FORBIDDEN):
        agree("running_average", answer(values, gamma, decay_of), weights @ values)
    require(all(delta == 1 for _, delta in asked), "running_average: every step has length 1")


def overlap(answer) -> None:
    generator = fresh()
    for order in (1, -1, 0, 1, -1):
        t_a, gamma_a, gamma_b = uniform(generator, 20, 90), uniform(generator, 0.5, 12), uniform(generator, 0.5, 12)
        t_b = t_a * uniform(generator, 1.2, 2) ** order
        a, b = _profile(t_a, gamma_a), _profile(t_b, gamma_b)
        expected = quad(lambda tau, a=a, b=b: a(tau) * b(tau), 0, min(t_a, t_b))[0]
        with without(*FORBIDDEN):
            agree("overlap, against the integral", answer(t_a, gamma_a, t_b, gamma_b), expected)


def coefficients(answer) -> None:
    generator = fresh()
    widths = [uniform(generator, 0.04, 0.07), uniform(generator, 0.1, 0.15)]
    times = [t for t in sorted(uniform(generator, 10, 100) for _ in range(3)) for _ in widths]
    stds = widths * 3
    t, s = max(times), uniform(generator, 0.16, 0.25)
    gammas = [library.std_to_exponent(std) for std in stds]
    gamma = library.std_to_exponent(s)
    expected = library.posthoc_coefficients(times, stds, [t], [s])[:, 0]

    def overlap_of(t_a, gamma_a, t_b, gamma_b):
        first = min(t_a, t_b)
        scale = (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1)
        return scale * (first / t_a) ** gamma_a * (first / t_b) ** gamma_b * first / (t_a * t_b)

    with without(*FORBIDDEN):
        got = answer(overlap_of, times, gammas, t, gamma)
        agree("coefficients", got, expected, 1e-3)
        agree("sum of the coefficients", float(np.sum(np.asarray(got))), 1.0, 1e-6)


def combine(answer) -> None:
    generator = fresh()
    shapes = {"weight": (4, 3), "gain": ()}
    snapshots = [{name: normal(generator, *shape).float() for name, shape in shapes.items()} for _ in range(3)]
    first = uniform(generator, 4, 8)
    x = [first, uniform(generator, -8, -4), 0.0]
    x[2] = 1 - sum(x)
    with without(*FORBIDDEN):
        got = answer(snapshots, np.array(x))
    require(set(got) == set(shapes), f"combine: the parameters should be {sorted(shapes)}")
    for name in shapes:
        agree(f"combine, {name}", got[name], sum(c * s[name].double() for c, s in zip(x, snapshots, strict=True)))
        require(got[name].dtype == torch.float32, f"combine: {name} should keep the snapshots' precision, float32")
