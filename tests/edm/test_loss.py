"""The training loss: closed forms, and four training steps against stored numbers.

tests/data/training.npz is from `tests.plain_network` in float64, with `plain_network.weights(seed=2)` and every gain 0.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from edm.loss import edm2_loss
from edm.network import EDM2Denoiser
from tests import plain_network

DATA = np.load(Path(__file__).parents[1] / "data" / "training.npz")
SMALL = dict(img_resolution=8, img_channels=2, label_dim=3, model_channels=32, channel_mult=(1, 4), num_blocks=1)


class Fixed(torch.nn.Module):
    """A denoiser that knows the answer up to a fixed error, and claims a fixed log variance."""

    sigma_data = 0.5

    def __init__(self, answer, log_variance):
        super().__init__()
        self.answer, self.u = answer, log_variance

    def forward(self, x, sigma, labels=None):
        self.seen = x, sigma, labels
        return self.answer

    def log_variance(self, sigma):
        return torch.full((sigma.numel(), 1, 1, 1), self.u, device=sigma.device)


def untrained() -> EDM2Denoiser:
    denoiser = EDM2Denoiser(**SMALL, attn_resolutions=(4,))
    state = plain_network.weights({name: tuple(v.shape) for name, v in denoiser.state_dict().items()}, seed=2)
    denoiser.load_state_dict({name: v * 0 if name.endswith("gain") else v for name, v in state.items()})
    return denoiser


def test_training_steps_are_the_stored_ones():
    images, sigma, noise, labels = (torch.tensor(DATA[k]) for k in ("images", "sigma", "noise", "labels"))
    denoiser = untrained()
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=float(DATA["lr"]), betas=(0.9, 0.99))
    for i in range(4):
        denoiser.normalize_weights()
        loss = edm2_loss(denoiser, images[i], sigma[i], noise[i], labels[i])
        assert loss.shape == images[i].shape
        assert float(loss.detach().mean()) == pytest.approx(float(DATA["losses"][i]), rel=1e-5)
        optimizer.zero_grad()
        (loss.sum() / len(images[i])).backward()
        norms = dict(zip(DATA["grad_names"], DATA["grad_norms"][i], strict=True))
        for name, parameter in denoiser.named_parameters():
            assert float(parameter.grad.norm()) == pytest.approx(norms[name], rel=1e-4, abs=1e-4 * max(norms.values()))
        optimizer.step()
    after = denoiser.eval()(images[0] + sigma[0][:, None, None, None] * noise[0], sigma[0], labels[0]).detach()
    wanted = torch.tensor(DATA["after_D"])
    assert float((after - wanted).abs().max() / wanted.abs().max()) < 2e-5


def test_closed_form_for_one_pixel_error():
    images = torch.zeros(2, 1, 4, 4)
    sigma, error, u = torch.tensor([0.5, 2.0]), 0.1, 0.7
    loss = edm2_loss(Fixed(images + error, u), images, sigma, torch.zeros_like(images))
    for row, s in zip(loss, sigma.tolist(), strict=True):
        wanted = (s**2 + 0.25) / (s * 0.5) ** 2 / math.exp(u) * error**2 + u
        assert torch.allclose(row, torch.tensor(wanted))


def test_denoiser_sees_noise_of_the_stated_level_and_the_labels():
    images, noise, labels = torch.rand(3, 1, 2, 2), torch.randn(3, 1, 2, 2), torch.tensor([2, 0, 1])
    sigma = torch.tensor([0.1, 1.0, 10.0])
    denoiser = Fixed(images, 0.0)
    edm2_loss(denoiser, images, sigma, noise, labels)
    x, seen_sigma, seen_labels = denoiser.seen
    assert torch.equal(x, images + sigma[:, None, None, None] * noise)
    assert torch.equal(seen_sigma.flatten(), sigma) and seen_labels is labels


def test_log_variance_is_best_at_the_log_of_the_weighted_error():
    """Over u, weighted error / e^u + u has its minimum where e^u is the mean weighted error [EDM2, section 2.2]."""
    images, noise = torch.zeros(64, 1, 4, 4), torch.zeros(64, 1, 4, 4)
    answer = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    weighted = float((4.25 / 1.0 * answer**2).mean())  # sigma = 2
    losses = [
        float(edm2_loss(Fixed(answer, math.log(weighted) + d), images, 2.0, noise).mean()) for d in (-0.1, 0, 0.1)
    ]
    assert losses[1] < losses[0] and losses[1] < losses[2] and losses[1] == pytest.approx(1 + math.log(weighted))


def test_a_new_network_has_loss_one_at_every_noise_level():
    """lambda makes it so for data of standard deviation sigma_data, beside the log variance [EDM, eq. 144]."""
    denoiser = untrained().requires_grad_(False)
    denoiser.logvar_linear.weight.zero_()  # u = 0
    generator = torch.Generator().manual_seed(0)
    images, noise = (torch.randn(128, 2, 8, 8, generator=generator) * s for s in (0.5, 1.0))
    for sigma in (0.01, 0.5, 50.0):
        assert float(edm2_loss(denoiser, images, sigma, noise).mean()) == pytest.approx(1, rel=0.02)


def test_gradients_agree_with_the_plain_formulation():
    images, sigma, noise, labels = (torch.tensor(DATA[k][0]) for k in ("images", "sigma", "noise", "labels"))
    denoiser = untrained()
    for name, parameter in denoiser.named_parameters():
        if name.endswith("gain"):
            parameter.data.fill_(0.6)
    edm2_loss(denoiser, images, sigma, noise, labels).sum().backward()
    state = {name: v.detach().clone().requires_grad_() for name, v in denoiser.state_dict().items()}
    plain_network.loss(state, images, sigma, noise, labels, 2, 1).sum().backward()
    largest = max(float(p.grad.norm()) for p in denoiser.parameters())
    for name, parameter in denoiser.named_parameters():
        assert float((parameter.grad - state[name].grad).norm()) < 1e-5 * largest, name
        assert float(parameter.grad.norm()) > 0, name


def test_wrong_input_is_named():
    images = torch.zeros(2, 1, 4, 4)
    with pytest.raises(ValueError, match="sigma must be positive"):
        edm2_loss(Fixed(images, 0.0), images, torch.tensor([1.0, 0.0]), images)
    meta = torch.empty(2, 1, 4, 4, device="meta")  # like an accelerator: values are not read back
    assert edm2_loss(Fixed(meta, 0.0), meta, torch.empty(2, device="meta"), meta).shape == images.shape
    with pytest.raises(ValueError, match=r"shape of images, \[2, 1, 4, 4\], got \[2, 4, 4\]"):
        edm2_loss(Fixed(images, 0.0), images, 1.0, images[:, 0])
