"""Networks of the diffusers library as denoisers, so that everything here works on them.

    main, weak = (from_diffusers(UNet2DModel.from_pretrained(name), scheduler) for name in ("main", "weak"))
    guided = guide(main, weak, 2.0)                                       # autoguidance: two networks, as in the paper
    sigmas = sigma_steps(32, main.sigma_min, main.sigma_max)
    images = sample(guided, main.sigma_max * noise, sigmas)

What the library itself calls AutoGuidance is something else: one network with layers skipped or dropped. docs/names.md compares.
Nothing here imports diffusers. Any network is fine that is called like theirs: network(z, time, **condition).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from edm.denoiser import expand_sigma

PREDICTIONS = ("epsilon", "v_prediction", "sample")  # as the library names them


def class_labels(labels: Tensor | None) -> dict[str, Tensor]:
    """The arguments of a class-conditional network. labels: class numbers [N], or one-hot rows [N, classes]; None adds nothing."""
    if labels is None:
        return {}
    return {"class_labels": labels.argmax(1) if labels.ndim == 2 else labels}


class DiffusersDenoiser:
    """A network that predicts from z = x / (1 + sigma^2)^(1/2) and a time, as D(x, sigma, labels) (`edm.denoiser`).

    Its schedule gives each whole time t a share a_t of signal, and z = a_t^(1/2) y + (1 - a_t)^(1/2) n of data y and noise n. So
    the level of time t is sigma_t = ((1 - a_t) / a_t)^(1/2). Between whole times, t is interpolated linearly in ln(sigma).
    sigma_min and sigma_max are the levels of the first and the last time. Outside them the network has never been trained, and
    a call raises ValueError. Heun's last step, from sigma_min to 0, needs no call at 0.
    """

    def __init__(
        self, network: Callable, signal: Tensor, prediction: str, condition: Callable[[Tensor | None], dict[str, Any]]
    ):
        if prediction not in PREDICTIONS:
            raise ValueError(f"unknown prediction {prediction!r}: choose one of {', '.join(PREDICTIONS)}")
        signal = signal.detach().double().cpu()
        signal = signal[signal > 0]  # a schedule that ends in pure noise has no level there
        if signal.ndim != 1 or len(signal) < 2 or not (signal[:-1] > signal[1:]).all() or not signal[0] < 1:
            raise ValueError(
                "the schedule must be a tensor [T] of falling shares of signal below 1, such as alphas_cumprod"
            )
        self.network, self.prediction, self.condition = network, prediction, condition
        self.log_levels = ((1 - signal) / signal).log() / 2  # [T]
        self.sigma_min, self.sigma_max = self.log_levels[0].exp().item(), self.log_levels[-1].exp().item()

    def time(self, sigma: float | Tensor) -> Tensor:  # of sigma's shape, float64
        """The time, from 0 to T - 1, of a noise level. Raises ValueError outside sigma_min ... sigma_max."""
        log_sigma = torch.as_tensor(sigma, dtype=torch.float64).cpu().log()
        slack = 1e-5  # the ends survive float32
        if not ((log_sigma > self.log_levels[0] - slack) & (log_sigma < self.log_levels[-1] + slack)).all():
            raise ValueError(
                f"the schedule covers noise levels {self.sigma_min:.4g} to {self.sigma_max:.4g}, got {sigma}: "
                "use sigma_steps(N, denoiser.sigma_min, denoiser.sigma_max)"
            )
        after = torch.searchsorted(self.log_levels, log_sigma).clamp(1, len(self.log_levels) - 1)
        low, high = self.log_levels[after - 1], self.log_levels[after]
        return (after - 1 + (log_sigma - low) / (high - low)).clamp(0, len(self.log_levels) - 1)

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        level = expand_sigma(sigma, x)
        time = self.time(sigma).to(x).reshape(-1).expand(len(x))
        out = self.network(x / (1 + level**2).sqrt(), time, **self.condition(labels))
        out = out[0] if isinstance(out, tuple) else out.sample
        out = out[:, : x.shape[1]].to(x.dtype)  # a network with learned variances has them in further channels
        if self.prediction == "epsilon":
            return x - level * out
        if self.prediction == "v_prediction":
            return x / (1 + level**2) - level / (1 + level**2).sqrt() * out
        return out


def from_diffusers(
    network: Callable, scheduler: Any, *, prediction: str | None = None,
    condition: Callable[[Tensor | None], dict[str, Any]] = class_labels,
) -> DiffusersDenoiser:  # fmt: skip
    """A network with the noise schedule that it was trained with.

    scheduler: one of the library's, with `alphas_cumprod`; its kind of sampling does not matter. prediction: what the network
    gives, one of PREDICTIONS (default: what the scheduler's configuration says). condition: from labels to further arguments
    of the network, for instance lambda labels: {"encoder_hidden_states": labels} for text. Raises ValueError for a scheduler
    of flow matching, which has no such schedule.
    """
    signal = getattr(scheduler, "alphas_cumprod", None)
    if signal is None:
        raise ValueError(
            f"{type(scheduler).__name__} has no alphas_cumprod: only schedules of noise variances are known"
        )
    return DiffusersDenoiser(network, signal, prediction or scheduler.config.prediction_type, condition)
