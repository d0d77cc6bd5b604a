"""The 2D model: against reference numbers, autograd, and the reference trajectories of all four arms."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edm.guidance import guide
from edm.sampler import sample, sigma_steps
from toy2d.fractal import fractal
from toy2d.model import LogDensityMLP, network_input

REFERENCE = np.load(Path(__file__).parents[1] / "data" / "toy_models.npz")


def reference_model(name: str) -> LogDensityMLP:
    state = {
        k.removeprefix(f"{name}/"): torch.tensor(REFERENCE[k]) for k in REFERENCE.files if k.startswith(f"{name}/")
    }
    model = LogDensityMLP(state["layers.0.weight"].shape[0])
    model.load_state_dict(state)
    return model.requires_grad_(False)


@pytest.mark.parametrize("name", ["main", "guide", "uncond"])
def test_density_and_score(name):
    model, x, sigma = reference_model(name), torch.tensor(REFERENCE["x"]), torch.tensor(REFERENCE["sigma"])
    for got, expected in (
        (model.log_density(x, sigma), f"{name}_log_density"),
        (model.score(x, sigma), f"{name}_score"),
    ):
        assert got.shape == REFERENCE[expected].shape
        assert abs(got.numpy() - REFERENCE[expected]).max() < 1e-5 * abs(REFERENCE[expected]).max()


@pytest.mark.parametrize("arm", ["none", "auto_w3", "cfg_w4", "exact"])
def test_trajectories(arm):
    main = reference_model("main")
    denoiser = {
        "none": lambda: main,
        "auto_w3": lambda: guide(main, reference_model("guide"), 3.0),
        "cfg_w4": lambda: guide(main, reference_model("uncond"), 4.0),
        "exact": lambda: fractal("A"),
    }[arm]()
    path = sample(denoiser, torch.tensor(REFERENCE["x_init"]), sigma_steps(32, sigma_max=5.0), trajectory=True)
    assert path.shape == REFERENCE[f"heun_{arm}"].shape
    assert abs(path.numpy() - REFERENCE[f"heun_{arm}"]).max() < 1e-4


def test_closed_form_score_is_the_gradient():
    model = LogDensityMLP(16, layers=3, generator=torch.Generator().manual_seed(0)).double()
    model.gain.data.fill_(-0.7)
    x = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    sigma = torch.linspace(0.01, 3, 20, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(model.log_density(x, sigma).sum(), x)
    torch.testing.assert_close(model.score(x, sigma), gradient)
    torch.testing.assert_close(model(x, sigma), x + sigma[:, None] ** 2 * gradient)


def test_the_layers_are_the_network_of_the_formula():
    """log p = gain mean(y^2) / sigma - |x|^2 / (2 (sigma_data^2 + sigma^2)), with y from calling the layers one by one."""
    model, n = LogDensityMLP(16, layers=3, generator=torch.Generator().manual_seed(0)).double(), 20
    model.gain.data.fill_(-0.7)
    x, sigma = torch.randn(n, 2, dtype=torch.float64), torch.linspace(0.01, 3, n, dtype=torch.float64)
    y = model.layers(network_input(x, sigma[:, None]))
    expected = -0.7 * y.square().mean(1) / sigma - x.square().sum(1) / (2 * (0.5**2 + sigma**2))
    torch.testing.assert_close(model.log_density(x, sigma), expected)
    normal = torch.randn(200_000)
    assert model.layers[1](normal).square().mean().sqrt() == pytest.approx(1, abs=0.01)
    assert [*model.state_dict()] == ["gain", *(f"layers.{i}.weight" for i in (0, 2, 4, 6))]


def test_starts_as_a_gaussian():
    model = LogDensityMLP(8)
    x = torch.randn(5, 2)
    torch.testing.assert_close(model.score(x, 0.3), -x / (0.5**2 + 0.3**2))


def test_forcing_the_weights_leaves_the_function_alone():
    """Scaling rows changes nothing in use, and afterwards each row has norm sqrt(fan-in)."""
    model = LogDensityMLP(8, generator=torch.Generator().manual_seed(0)).double()
    model.gain.data.fill_(1.0)
    x = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before = model.score(x, 0.3)
    for layer in model.layers[::2]:
        layer.weight.data *= torch.linspace(0.5, 2, layer.weight.shape[0])[:, None]
    torch.testing.assert_close(model.score(x, 0.3), before, rtol=0, atol=2e-3 * before.abs().max().item())  # epsilon
    model.normalize_weights()
    for layer in model.layers[::2]:
        norms = layer.weight.norm(dim=1)
        torch.testing.assert_close(norms, torch.full_like(norms, layer.weight.shape[1] ** 0.5), rtol=1e-3, atol=0)


def test_bad_input():
    model = LogDensityMLP(8)
    with pytest.raises(ValueError, match="\\[N, 2\\]"):
        model.score(torch.zeros(3), 1.0)
    with pytest.raises(ValueError, match="sigma > 0"):
        model.score(torch.zeros(3, 2), 0.0)
    with pytest.raises(ValueError, match="hidden"):
        LogDensityMLP(0)
