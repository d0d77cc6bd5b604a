"""Power-function averages of the weights, and their reconstruction after training [EDM2, section 3 and appendix C].

A profile of exponent gamma averages the weights seen up to time t with weights proportional to tau^gamma. Its width is given
as a relative standard deviation sigma_rel: 0.10 means that the profile's standard deviation is a tenth of the training time.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


def exponent_to_std(exponent: float) -> float:
    """Relative width of the profile of exponent gamma: sqrt((g+1) / ((g+2)^2 (g+3))) [EDM2, eq. 123]."""
    g = np.float64(exponent)
    return float(np.sqrt((g + 1) / ((g + 2) ** 2 * (g + 3))))


def std_to_exponent(std: float) -> float:
    """Exponent gamma of the profile of relative width std: largest root of g^3 + 7g^2 + (16 - s^-2)g + 12 - s^-2.

    Raises ValueError outside 0 < std < 0.29 (the uniform profile, gamma = 0, has 0.289).
    """
    if not 0 < std < 0.29:
        raise ValueError(f"EMA width must lie in (0, 0.29), got {std}")
    s = float(std) ** -2
    return float(max(np.roots([1, 7, 16 - s, 12 - s]).real))


def beta(std: float, t_next: float, t_delta: float) -> float:
    """Decay of the running average in a step of length t_delta that ends at t_next: (1 - d/t)^(gamma+1) [EDM2, eq. 127]."""
    if not 0 < t_delta <= t_next:
        raise ValueError(f"need 0 < t_delta <= t_next, got {t_delta=}, {t_next=}")
    return (1 - t_delta / t_next) ** (std_to_exponent(std) + 1)


class PowerEMA(Generic[Model]):
    """Running power-function averages of a model, one copy of the model for each width in `stds`: `.models[std]`."""

    def __init__(self, model: Model, stds: Sequence[float]):
        self.source = model
        self.models: dict[float, Model] = {
            float(std): copy.deepcopy(model).eval().requires_grad_(False) for std in stds
        }

    @torch.no_grad()
    def update(self, t: float, delta: float) -> None:
        """Take in the model's weights after a step of length delta that ended at time t (same units, e.g. images)."""
        source = [p.detach() for p in self.source.parameters()]
        for std, model in self.models.items():
            torch._foreach_lerp_(list(model.parameters()), source, 1 - beta(std, t, delta))

    def state_dict(self) -> dict[float, dict[str, Tensor]]:
        return {std: model.state_dict() for std, model in self.models.items()}

    def load_state_dict(self, state: Mapping[float, Mapping[str, Tensor]]) -> None:
        for std, model in self.models.items():
            model.load_state_dict(state[std])


def profile(std: float, t_end: float, times: ArrayLike) -> np.ndarray:
    """Weights of the average of width std at t_end for the given times, proportional to time^gamma, summing to 1."""
    times = np.asarray(times, np.float64)
    weights = np.where(times <= t_end, (times / t_end) ** std_to_exponent(std), 0)
    return weights / weights.sum()


def profile_dot(t_a: ArrayLike, std_a: ArrayLike, t_b: ArrayLike, std_b: ArrayLike) -> np.ndarray:
    """Inner product of the profiles (t_a, std_a) and (t_b, std_b), broadcast over arrays [EDM2, appendix C.2]."""
    exponents = np.vectorize(std_to_exponent, otypes=[np.float64])
    t_a, t_b, g_a, g_b = np.broadcast_arrays(
        np.asarray(t_a, np.float64), np.asarray(t_b, np.float64), exponents(std_a), exponents(std_b)
    )
    ratio = (t_a / t_b) ** np.where(t_a < t_b, g_b, -g_a)
    return (g_a + 1) * (g_b + 1) * ratio / ((g_a + g_b + 1) * np.maximum(t_a, t_b))


def posthoc_coefficients(
    in_times: ArrayLike, in_stds: ArrayLike, out_times: ArrayLike, out_stds: ArrayLike
) -> np.ndarray:  # [in, out]
    """Coefficients that turn stored averages into averages of other widths and times; each column sums to 1.

    in_times, in_stds: [in], end time and width of each stored snapshot. out_times, out_stds: [out], those wanted. The
    combination is the least-squares fit of the wanted profile by the stored ones [EDM2, eq. 135].
    """
    t, s = np.asarray(in_times), np.asarray(in_stds)
    out_t, out_s = np.atleast_1d(out_times), np.atleast_1d(out_stds)
    if t.shape != s.shape or t.ndim != 1 or out_t.shape != out_s.shape:
        raise ValueError(
            f"times and widths must pair up: in {t.shape} and {s.shape}, out {out_t.shape} and {out_s.shape}"
        )
    gram = profile_dot(t[:, None], s[:, None], t[None, :], s[None, :])  # [in, in]
    target = profile_dot(t[:, None], s[:, None], out_t[None, :], out_s[None, :])  # [in, out]
    x = np.linalg.solve(gram, target)
    return x / x.sum(axis=0)


def combine(states: Sequence[Mapping[str, Tensor]], coefficients: Sequence[float] | np.ndarray) -> dict[str, Tensor]:
    """Weighted sum of state dicts, accumulated in float64 and returned in the dtype of the first."""
    if len(states) != len(coefficients):
        raise ValueError(f"{len(states)} snapshots but {len(coefficients)} coefficients")
    zero = torch.zeros(())
    return {
        name: sum((c * state[name].double() for c, state in zip(coefficients, states, strict=True)), zero).to(
            first.dtype
        )
        for name, first in states[0].items()
    }
