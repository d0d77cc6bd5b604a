"""The digit networks from inside (notebook 08): the sizes of what goes in, through and out, and the loss that they learn from."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

from edm import data, presets, train, unet
from edm.network import EDM2Denoiser
from toy2d import plots

# ---- preconditioning


def preconditioning(sigma: Tensor, sigma_data: float = 0.5) -> tuple[Tensor, Tensor, Tensor]:
    """(c_skip, c_out, c_in) of [EDM, table 1], as `edm.network.EDM2Denoiser.forward` has them."""
    total = sigma**2 + sigma_data**2
    return sigma_data**2 / total, sigma * sigma_data / total.sqrt(), 1 / total.sqrt()


def scales(images: Tensor, sigmas: Sequence[float], seed: int = 0) -> dict[str, np.ndarray]:
    """Measured at each noise level, root mean squares over images and pixels: of x, of the network's input c_in x, of the
    target (y - c_skip x) / c_out that its output has to hit, and of the target without preconditioning, y. images: [N, ...].
    """
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    out: dict[str, list[float]] = {"x": [], "input": [], "target": [], "share of x in D": []}
    for sigma in sigmas:
        x = images + sigma * noise
        c_skip, c_out, c_in = preconditioning(torch.tensor(float(sigma)))
        for name, value in {"x": x, "input": c_in * x, "target": (images - c_skip * x) / c_out}.items():
            out[name].append(float(value.square().mean().sqrt()))
        out["share of x in D"].append(float(c_skip))
    return {name: np.array(values) for name, values in out.items()}


def draw_scales(sigmas: Sequence[float], measured: Mapping[str, np.ndarray]):
    """Left: what the network is given and asked for, at each noise level; right: the mixture that makes its answer."""
    with plots.style():
        figure, (ax, right) = plt.subplots(1, 2, figsize=(7.6, 2.9), layout="constrained")
        styles = {"x": (plots.GREY, "noisy image x"), "input": (plots.SKY, "input $c_{in} x$"),
                  "target": (plots.VERMILLION, "target of F")}  # fmt: skip
        for name, (colour, title) in styles.items():
            ax.plot(sigmas, measured[name], color=colour, label=title, marker="o", markersize=3)
        ax.set(xscale="log", yscale="log", xlabel="σ", title="root mean square")
        ax.legend(frameon=False, fontsize=8)
        c_skip, c_out, _ = preconditioning(torch.tensor(np.asarray(sigmas, np.float64)))
        right.plot(sigmas, c_skip, color=plots.GREY, label="$c_{skip}$: share of the noisy image")
        right.plot(sigmas, c_out, color=plots.VERMILLION, label="$c_{out}$: share of the network")
        right.set(xscale="log", xlabel="σ", title="D = $c_{skip}$ x + $c_{out}$ F")
        right.legend(frameon=False, fontsize=8)
    return figure


# ---- magnitudes


def magnitudes(denoiser: EDM2Denoiser, images: Tensor, sigma: float, labels: Tensor, seed: int = 0) -> dict[str, float]:
    """Root mean square of the output of every block of the U-Net, in order, for noised images [N, C, H, W]."""
    found: dict[str, float] = {}
    blocks = {f"{side} {name}": b for side in ("enc", "dec") for name, b in getattr(denoiser.unet, side).items()}
    handles = [
        block.register_forward_hook(
            lambda _, __, out, name=name: found.update({name: float(out.square().mean().sqrt())})
        )
        for name, block in blocks.items()
    ]
    try:
        with torch.no_grad():
            noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
            denoiser(images + sigma * noise, sigma, labels)
    finally:
        for handle in handles:
            handle.remove()
    return found


def plain_chain(layers: int = 12, width: int = 64, preserving: bool = False, seed: int = 0) -> list[float]:
    """Root mean square after each of so many layers with SiLU, of unit normal input: torch's own layers, or EDM2's."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        x, out = torch.randn(1024, width), []
        for _ in range(layers):
            linear = unet.Linear(width, width) if preserving else nn.Linear(width, width)
            x = unet.mp_silu(linear(x)) if preserving else nn.functional.silu(linear(x))
            out.append(float(x.square().mean().sqrt()))
    return out


def row_norms(denoiser: EDM2Denoiser) -> np.ndarray:
    """Norm of every stored row of weights, in units of the square root of its length: 1 where the training forces it."""
    norms = [layer.weight.flatten(1).norm(dim=1) / math.sqrt(layer.weight[0].numel()) for layer in denoiser.linears()]
    return torch.cat(norms).detach().numpy()


def draw_magnitudes(chains: Mapping[str, Sequence[float]], through: Mapping[str, Mapping[str, float]]):
    """Left: chains of layers; right: the outputs of the U-Net's blocks, from input to output."""
    colours = (plots.VERMILLION, plots.SKY, plots.GREEN, plots.PURPLE)
    with plots.style():
        figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.1), layout="constrained")
        for (title, values), colour in zip(chains.items(), colours, strict=False):
            axes[0].plot(range(1, len(values) + 1), values, "o-", markersize=3, color=colour, label=title)
        axes[0].set(yscale="log", xlabel="layer", title="root mean square after a layer")
        for (title, values), colour in zip(through.items(), colours[1:], strict=False):
            axes[1].plot(range(len(values)), list(values.values()), "o-", markersize=3, color=colour, label=title)
            axes[1].set_xticks(
                range(len(values)), [n.replace("enc ", "").replace("dec ", "") for n in values], rotation=90
            )
        axes[1].tick_params(axis="x", labelsize=7)
        axes[1].set(yscale="log", ylim=(0.1, 10), title="after each block of the U-Net")
        for ax in axes:
            ax.axhline(1, color=plots.GREY, linestyle=":", linewidth=0.8)
            ax.legend(frameon=False, fontsize=8)
    return figure


# ---- the loss


@torch.no_grad()
def uncertainty(denoiser: EDM2Denoiser, images: Tensor, labels: Tensor, sigmas: Sequence[float], seed: int = 0):
    """At each noise level: the weighted error lambda (D - y)^2, averaged, and e^u, what the network expects it to be.

    Returns two arrays [levels]. images: [N, C, H, W] in [-1, 1].
    """
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    error, expected = [], []
    for sigma in map(float, sigmas):
        weight = (sigma**2 + denoiser.sigma_data**2) / (sigma * denoiser.sigma_data) ** 2
        error.append(float(weight * (denoiser(images + sigma * noise, sigma, labels) - images).square().mean()))
        expected.append(float(denoiser.log_variance(sigma).exp()))
    return np.array(error), np.array(expected)


def draw_uncertainty(sigmas, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]):
    """Measured weighted errors (dots) and the learned e^u (lines), and where training looks (grey)."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(6.2, 3.2), layout="constrained")
        for (title, (error, expected)), colour in zip(curves.items(), (plots.SKY, plots.VERMILLION), strict=False):
            ax.plot(sigmas, expected, color=colour, label=f"{title}: learned $e^{{u(σ)}}$")
            ax.plot(sigmas, error, "o", color=colour, markersize=4, label=f"{title}: measured")
        config = presets.PAIRS["digits"].main
        density = np.exp(-((np.log(sigmas) - config.P_mean) ** 2) / (2 * config.P_std**2))
        ax.fill_between(sigmas, ax.get_ylim()[0], ax.get_ylim()[0] * (1 + 2 * density), color=plots.GREY, alpha=0.3,
                        linewidth=0, label="how often training draws σ")  # fmt: skip
        ax.set(xscale="log", yscale="log", xlabel="σ", ylabel="λ(σ) · squared error")
        ax.legend(frameon=False, fontsize=8)
    return figure


def train_a_little(batches: int, seed: int = 0) -> np.ndarray:
    """Train a new digits network for so many batches: weighted error of each step without the term u, [batches].

    The error is measured as in `edm.loss`: e^u (loss - u).
    """
    config = dataclasses.replace(presets.PAIRS["digits"].main, images=batches * 128, seed=seed, ema_stds=(0.1,))
    training = train.Training(config, data.load("digits"))
    out = []
    for step in train.steps(training, data.load("digits")):
        with torch.no_grad():
            u = training.denoiser.log_variance(step.sigma).flatten()
        out.append(float(((step.loss - u) * u.exp()).mean()))
    return np.array(out)


def draw_training(runs: Sequence[np.ndarray]):
    """Weighted error against batches."""
    with plots.style():
        figure, ax = plt.subplots(figsize=(5.6, 2.7), layout="constrained")
        for run in runs:
            ax.plot(np.arange(1, len(run) + 1), run, color=plots.SKY, linewidth=1)
        ax.axhline(1, color=plots.GREY, linestyle=":", linewidth=0.8)
        ax.set(xlabel="batches of 128 images", ylabel="λ(σ) · squared error", yscale="log")
    return figure
