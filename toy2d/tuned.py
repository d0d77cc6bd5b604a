"""Guidance that is made by training: a model tuned on its own samples (SIMS, Neon), or towards a guided target (model guidance).

All three go on from a trained main model for a hundred iterations or so. The learning rate goes on falling from where the main
model's training ended.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from edm.denoiser import Denoiser
from edm.ema import PowerEMA
from toy2d import metrics
from toy2d.fractal import fractal
from toy2d.model import LogDensityMLP
from toy2d.paired import draw_start, run
from toy2d.train import P_MEAN, P_STD, denoising_pair, learning_rate, score_loss

TRAINED = 4096  # iterations that the shipped main models have had
EMA_STD = 0.10  # width of the average over the tuning
SAMPLES = 2**14  # that a model is tuned on
OWN_NOISE = 4000  # first noise seed of a model's own samples; no experiment uses seeds as high
# The model as it is now, sigma [N], a generator -> points [N, 2] of these noise levels and the scores wanted there.
Target = Callable[[LogDensityMLP, Tensor, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Points:
    """A set of points as a distribution: a sample of it is points drawn with replacement."""

    points: Tensor  # [M, 2]

    def sample(self, n: int, sigma: float = 0.0, generator: torch.Generator | None = None) -> Tensor:  # [n, 2]
        x = self.points[torch.randint(len(self.points), (n,), generator=generator)]
        return x + sigma * torch.randn(x.shape, generator=generator)


@torch.enable_grad()
def tune(
    model: LogDensityMLP, target: Target, iterations: int = 128, batch: int = 2048, seed: int = 0
) -> LogDensityMLP:
    """Train a copy of the model on; the result is the average of the new weights (`edm.ema.PowerEMA`)."""
    tuned, generator = copy.deepcopy(model).requires_grad_(True), torch.Generator().manual_seed(seed + 2**30)
    ema = PowerEMA(tuned, [EMA_STD])
    optimizer = torch.optim.Adam(tuned.parameters(), betas=(0.9, 0.99))
    for iteration in range(iterations):
        sigma = (P_MEAN + P_STD * torch.randn(batch, generator=generator)).exp()
        x, wanted = target(tuned, sigma, generator)
        tuned.normalize_weights()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(TRAINED + iteration)
        loss = score_loss(tuned, x, sigma[:, None], wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        ema.update(iteration + 1, 1)
    return ema.models[EMA_STD]


def own_samples(model: Denoiser, n: int = SAMPLES, seed: int = 0) -> Tensor:  # [at most n, 2]
    """Unguided samples of the model, without those that flew off."""
    x = run(model, draw_start(n, OWN_NOISE + seed))
    return x[x.norm(dim=1) < metrics.DIVERGED_RADIUS]


def tune_on_samples(model: LogDensityMLP, samples: Tensor, seed: int = 0, **options) -> LogDensityMLP:
    """The model tuned by denoising score matching on points: on its own samples, the guide of SIMS (arXiv 2408.16333).

    SIMS takes this model as the guide: (1 + omega) s_main - omega s_tuned, which is `edm.guidance.guide` with w = 1 + omega. The
    paper tunes on a data set of samples, as here. Tuning on true samples is the control: it shows what tuning alone does.
    """
    return tune(
        model, lambda _, sigma, generator: denoising_pair(Points(samples), sigma, generator), seed=seed, **options
    )


def extrapolate(main: LogDensityMLP, tuned: LogDensityMLP, weight: float) -> LogDensityMLP:
    """Neon (arXiv 2510.03597): theta = w theta_main + (1 - w) theta_tuned, the same line in weights; one model at sampling.

    weight = 1 is the main model and weight = 0 the tuned one. The layers of our model normalise their rows in use, so only
    their directions are extrapolated, and the scalar gain.
    """
    out = copy.deepcopy(main)
    with torch.no_grad():
        for parameter, other in zip(out.parameters(), tuned.parameters(), strict=True):
            parameter.add_((weight - 1) * (parameter - other))
    return out.requires_grad_(False)


def model_guidance(main: LogDensityMLP, uncond: Denoiser, strength: float, seed: int = 0, **options) -> LogDensityMLP:
    """Model guidance (arXiv 2502.12154): train with the target s* + strength stopgrad(s_model - s_uncond).

    A model that reaches its target has s = s* + strength / (1 - strength) (s* - s_uncond). So this is CFG with the weight
    w = 1 / (1 - strength), trained in, and strength must lie in [0, 1). With 0 it is longer training, the control.

    The paper trains from the start, and one network gives both scores by dropping labels. Here the main model is tuned, its
    unconditional companion stays as it is, and s* is the exact score. Raises ValueError for another strength.
    """
    if not 0 <= strength < 1:
        raise ValueError(f"strength must lie in [0, 1), got {strength}")

    @torch.no_grad()
    def target(model: LogDensityMLP, sigma: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x = fractal("A").sample(len(sigma), sigma, generator)
        pull = (model(x, sigma) - uncond(x, sigma)) / sigma[:, None] ** 2
        return x, fractal("A").score(x, sigma) + strength * pull

    return tune(main, target, seed=seed, **options)
