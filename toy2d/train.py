"""Exact score matching for the 2D model [AG, appendix on the toy example], and denoising score matching to compare.

The true score is known at every x and sigma, so the network is fitted to it directly: no sampling noise in the target. Training is
a generator that yields its state after each iteration; progress bars and snapshots live outside, in `train`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus
from tqdm import tqdm

from edm.ema import PowerEMA
from toy2d.fast import can_compile, compiled, unrolled_log_prob_and_score
from toy2d.fractal import fractal
from toy2d.mixture import GaussianMixture, log_prob_and_score
from toy2d.model import LogDensityMLP

P_MEAN, P_STD = -2.3, 1.5  # ln sigma ~ N(P_mean, P_std^2)
LONG = 256  # iterations from which on compiling pays
STORED = (0.05, 0.10)  # widths of the averages that snapshots store, the paper's
Weights = dict[str, Tensor]  # of one model, by name
NEGATIVE_START = -2.0  # of r in gain = -softplus(r): a gain of -0.13; trained ones are near -0.3
TARGETS = ("exact", "denoising")  # the true score at x; or (y - x) / sigma^2 with the clean y that x was made from


class State(NamedTuple):
    """After an iteration."""

    iteration: int  # iterations done, from 1
    loss: Tensor  # scalar, on the training device
    model: LogDensityMLP  # the weights being trained
    ema: LogDensityMLP  # their power-function average


@dataclass
class Trained:
    """What `train` returns."""

    model: LogDensityMLP  # the averaged weights: the ones to use
    losses: list[float]
    snapshots: dict[int, dict[str, Tensor]] = field(default_factory=dict)  # iteration -> averaged weights then


def learning_rate(iteration: int, peak: float = 0.01, decay_from: int = 512) -> float:
    """peak / sqrt(max(it / decay_from, 1)), `iteration` counted from 0."""
    return peak / math.sqrt(max(iteration / decay_from, 1))


def score_loss(model: LogDensityMLP, x: Tensor, sigma: Tensor, target: Tensor) -> Tensor:
    """Mean over batch and coordinates of sigma^2 (s_model - s*)^2. x, target: [N, 2]; sigma: [N, 1]."""
    return (sigma**2 * (model.log_density_and_score(x, sigma)[1] - target) ** 2).mean()


def denoising_pair(
    truth: GaussianMixture, sigma: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Noised points x = y + sigma n [N, 2] and the target (y - x) / sigma^2 of each, whose mean given x is the true score."""
    clean = truth.sample(len(sigma), 0.0, generator)
    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
    return clean + sigma[:, None] * noise, -noise / sigma[:, None]


def train_steps(
    classes: str = "A",
    hidden: int = 64,
    iterations: int = 4096,
    seed: int = 0,
    *,
    batch: int = 4096,
    layers: int = 4,
    lr: float = 0.01,
    p_mean: float = P_MEAN,
    p_std: float = P_STD,
    target: str = "exact",
    ema_std: float = 0.010,
    negative_gain: bool = False,
    device: torch.device | str = "cpu",
    compile: bool | None = None,
) -> Iterator[State]:
    """Yield the state after each of `iterations` steps of Adam. Same seed, same machine: same numbers, bit for bit.

    ln sigma ~ N(p_mean, p_std^2); lr is the peak of `learning_rate`; target is one of TARGETS. negative_gain: Adam changes r in
    gain = -softplus(r), so that every model of the run has a density that falls far from the data. compile=None compiles the two
    hot functions if the run is long enough to pay for it and a compiler is at hand, and runs them as they are otherwise.
    """
    if iterations < 1 or batch < 1:
        raise ValueError(f"need iterations >= 1 and batch >= 1, got {iterations=}, {batch=}")
    if target not in TARGETS:
        raise ValueError(f"unknown target {target!r}: choose one of {', '.join(TARGETS)}")
    truth = fractal(classes)
    model = LogDensityMLP(hidden, layers, torch.Generator().manual_seed(seed)).to(device)
    generator = torch.Generator(device).manual_seed(seed + 2**31)  # data and noise, apart from the initial weights
    ema = PowerEMA(model, [ema_std])
    trained = dict(model.named_parameters())
    if negative_gain:
        trained["gain"] = root = torch.full_like(model.gain, NEGATIVE_START, requires_grad=True)
        model.gain.data.copy_(-softplus(root.data))
    optimizer = torch.optim.Adam(trained.values(), betas=(0.9, 0.99), fused=True)
    groups = truth.groups(torch.zeros(1, device=device))
    true_score, loss_of = log_prob_and_score, score_loss
    if compile is None:
        compile = iterations >= LONG and can_compile(torch.device(device).type)
    if compile:
        true_score, loss_of = compiled(unrolled_log_prob_and_score), compiled(loss_of)

    for iteration in range(iterations):
        ln_sigma = p_mean + p_std * torch.randn(batch, generator=generator, device=device)
        sigma = ln_sigma.exp()
        if target == "exact":
            x = truth.sample(batch, sigma, generator)  # [N, 2]
            _, score = true_score(x, sigma**2, groups)
        else:
            x, score = denoising_pair(truth, sigma, generator)
        model.normalize_weights()
        for param_group in optimizer.param_groups:
            param_group["lr"] = learning_rate(iteration, lr)
        loss = loss_of(model, x, sigma[:, None], score)
        model.zero_grad(set_to_none=True)
        loss.backward()
        if negative_gain:
            root.grad = -torch.sigmoid(root.data) * model.gain.grad  # the chain rule: d gain / d r = -sigmoid(r)
        optimizer.step()
        if negative_gain:
            model.gain.data.copy_(-softplus(root.data))
        ema.update(iteration + 1, 1)
        yield State(iteration + 1, loss.detach(), model, ema.models[ema_std])


def train(
    classes: str = "A",
    hidden: int = 64,
    iterations: int = 4096,
    seed: int = 0,
    *,
    snapshot_every: int = 256,
    progress: bool = True,
    on_step: Callable[[State], None] | None = None,
    **options,
) -> Trained:
    """Run `train_steps` to the end (see there for options), with a progress bar and snapshots of the averaged weights."""
    losses, snapshots = [], {}
    steps = train_steps(classes, hidden, iterations, seed, **options)
    with tqdm(
        steps, total=iterations, unit="it", disable=not progress, desc=f"{classes} h={hidden} seed {seed}"
    ) as bar:
        for state in bar:
            losses.append(state.loss)
            if state.iteration % 64 == 0:
                bar.set_postfix(loss=f"{torch.stack(losses[-64:]).mean():.4f}")
            if state.iteration % snapshot_every == 0:
                snapshots[state.iteration] = {k: v.cpu().clone() for k, v in state.ema.state_dict().items()}
            if on_step is not None:
                on_step(state)
    return Trained(state.ema.cpu().requires_grad_(False), torch.stack(losses).tolist(), snapshots)


@dataclass
class TrackedRun:
    """A training run with everything that averages need."""

    iterations: int
    hidden: int
    last: Weights = field(default_factory=dict)  # weights after the last step, not averaged
    snapshots: dict[tuple[int, float], Weights] = field(default_factory=dict)  # (iteration, width) -> average
    tracked: dict[float, Weights] = field(default_factory=dict)  # width -> average tracked all along: the truth

    def model(self, state: Weights) -> LogDensityMLP:
        model = LogDensityMLP(self.hidden)
        model.load_state_dict(state)
        return model.eval().requires_grad_(False)


def train_tracked(
    seed: int, widths=(), *, stored=STORED, hidden=16, iterations=512, batch=512, snapshot_every=32, compile=False
) -> TrackedRun:
    """Train a small 2D model, storing averages of the widths `stored` regularly and tracking those of `widths`."""
    if iterations % snapshot_every:
        raise ValueError(f"iterations must be a multiple of snapshot_every, got {iterations} and {snapshot_every}")
    ema, run = None, TrackedRun(iterations, hidden)
    for state in train_steps("A", hidden, iterations, seed, batch=batch, compile=compile):
        ema = ema or PowerEMA(state.model, [*stored, *widths])  # the first update forgets all before it: beta is 0
        ema.update(state.iteration, 1)
        if state.iteration % snapshot_every == 0:
            for std in stored:
                run.snapshots[state.iteration, std] = copy_of(ema.models[std].state_dict())
    run.last = copy_of(state.model.state_dict())
    run.tracked = {std: copy_of(ema.models[std].state_dict()) for std in widths}
    return run


def copy_of(state: Weights) -> Weights:
    return {k: v.clone() for k, v in state.items()}
