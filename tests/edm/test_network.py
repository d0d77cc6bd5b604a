"""The EDM2 network against the published format, a plain formulation of it, and its own identities.

tests/data/network.npz holds arguments, names, shapes and log variance (with its weights) of a network of the published
programs; and, for the reproducible `plain_network.weights`, the float64 outputs of `tests.plain_network`.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edm import guidance, sampler
from edm.network import PRESETS, EDM2Denoiser
from tests import plain_network

DATA = np.load(Path(__file__).parents[1] / "data" / "network.npz")
SMALL = dict(img_resolution=8, img_channels=2, label_dim=3, model_channels=32, channel_mult=(1, 4), num_blocks=1)
SMALL |= dict(attn_resolutions=(4,))


def shapes(denoiser: EDM2Denoiser) -> dict[str, tuple]:
    return {name: tuple(tensor.shape) for name, tensor in denoiser.state_dict().items()}


def with_weights(seed: int = 0, **changes) -> EDM2Denoiser:
    denoiser = EDM2Denoiser(**(SMALL | changes)).eval().requires_grad_(False)
    denoiser.load_state_dict(plain_network.weights(shapes(denoiser), seed))
    return denoiser


def data(name: str) -> torch.Tensor:
    return torch.tensor(DATA[name].astype(np.float32))


def error(found, wanted) -> float:
    return float(((found - wanted).abs().max() / wanted.abs().max()).detach())


@pytest.fixture(scope="module")
def small() -> EDM2Denoiser:
    return with_weights()


def test_names_and_shapes_are_the_published_ones():
    kwargs = json.loads(str(DATA["published_kwargs"]))
    assert kwargs.pop("use_fp16") is True
    published = {name: tuple(shape) for name, shape in json.loads(str(DATA["published_shapes"])).items()}
    assert shapes(EDM2Denoiser(**kwargs)) == published


def test_log_variance_is_the_published_one():
    denoiser = EDM2Denoiser(**PRESETS["digits"])
    denoiser.logvar_fourier.load_state_dict({"freqs": data("logvar_freqs"), "phases": data("logvar_phases")})
    denoiser.logvar_linear.load_state_dict({"weight": data("logvar_weight")})
    found = denoiser.log_variance(data("logvar_sigma"))
    assert found.shape == (5, 1, 1, 1)
    assert error(found, data("logvar")) < 1e-5
    assert error(denoiser.log_variance(float(DATA["logvar_sigma"][2])), data("logvar")[2:3]) < 1e-5


def test_outputs_are_the_stored_ones(small):
    x, sigma, labels = data("x"), data("sigma"), data("labels")
    c_in = 1 / (sigma**2 + 0.25).sqrt()[:, None, None, None]
    assert error(small.unet(x * c_in, sigma.log() / 4, labels), data("F")) < 1e-4
    assert error(small(x, sigma, labels), data("D")) < 2e-5
    assert error(small(x, sigma, labels.argmax(1)), data("D")) < 2e-5
    assert error(small(x, sigma), data("D_nolabels")) < 2e-5
    assert error(small(x, sigma[:, None, None, None], labels), data("D")) < 2e-5
    assert (data("D") - data("D_nolabels")).abs().max() > 0.01


@pytest.mark.parametrize(
    "changes",
    [
        dict(label_dim=0),
        dict(channel_mult=(1, 2, 4), num_blocks=2, attn_resolutions=()),
        dict(model_channels=64, channel_mult=(2, 1), attn_resolutions=(8,), img_resolution=16),
        dict(channel_mult=(2,), num_blocks=2, img_channels=1),
    ],
    ids=["no classes", "three levels", "attention above", "one level"],
)
def test_every_shape_of_network_agrees_with_the_plain_formulation(changes):
    denoiser = with_weights(3, **changes)
    kwargs = denoiser.kwargs
    x = torch.randn(2, *denoiser.img_shape, generator=torch.Generator().manual_seed(0))
    sigma, labels = torch.tensor([0.3, 4.0]), torch.eye(3)[[2, 0]] if kwargs["label_dim"] else None
    plain = plain_network.denoise(
        denoiser.state_dict(), x, sigma, labels, len(kwargs["channel_mult"]), kwargs["num_blocks"]
    )
    assert error(denoiser(x, sigma, labels), plain) < 1e-5


def test_sizes_are_those_of_the_paper():
    with torch.device("meta"):
        millions = {name: sum(p.numel() for p in EDM2Denoiser(**kw).parameters()) / 1e6 for name, kw in PRESETS.items()}
    published = {"img64-xs": 125, "img64-s": 280, "img64-m": 498, "img64-l": 777, "img64-xl": 1119}
    assert {name: round(millions[name]) for name in published} == published
    assert 6.5 < millions["img32"] < 7 and millions["digits"] < 1


def test_float64_agrees_and_is_returned_as_float32(small):
    x, sigma, labels = data("x"), data("sigma"), data("labels")
    single = small(x, sigma, labels)
    small.dtype = torch.float64
    double = small(x.double(), sigma.double(), labels)
    as_single = small(x, sigma, labels)
    small.dtype = torch.float32
    assert double.dtype == torch.float64 and as_single.dtype == torch.float32
    assert error(single.double(), double) < 2e-6
    assert error(double.float(), data("D")) < 1e-6


def test_an_image_does_not_depend_on_its_batch(small):
    x, sigma, labels = data("x"), data("sigma"), data("labels")
    together = small(x, sigma, labels)
    alone = torch.cat([small(x[i : i + 1], float(sigma[i]), labels[i : i + 1]) for i in range(len(x))])
    assert error(alone, together) < 1e-5


def test_a_new_network_only_scales_and_sigma_zero_changes_nothing(small):
    x = data("x")
    assert torch.allclose(EDM2Denoiser(**SMALL)(x, 1.0), 0.2 * x)  # c_skip = 0.25 / 1.25: the output gain is 0
    assert torch.equal(small(x, 0.0), x)


def test_forced_normalisation_changes_norms_and_not_the_function():
    denoiser = with_weights()
    before = denoiser(data("x"), data("sigma"), data("labels"))
    for layer in denoiser.linears():
        layer.weight.mul_(torch.rand(len(layer.weight), *[1] * (layer.weight.ndim - 1)) + 0.5)
    assert error(denoiser(data("x"), data("sigma"), data("labels")), before) < 5e-3  # eps beside norms of about 1
    denoiser.normalize_weights()
    for layer in denoiser.linears():
        rows = layer.weight.flatten(1)
        assert torch.allclose(rows.norm(dim=1), torch.tensor(rows.shape[1]).sqrt(), rtol=2e-3)
    assert error(denoiser(data("x"), data("sigma"), data("labels")), before) < 5e-3


def test_copy_for_sampling_computes_the_same_and_leaves_the_original(small):
    x, sigma, labels = data("x"), data("sigma"), data("labels")
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    assert error(small.for_sampling()(x, sigma, labels), small(x, sigma, labels)) < 2e-6
    half = small.for_sampling(torch.float16)
    assert half.unet.enc["8x8_conv"].weight.dtype == torch.float16 and half.dtype == torch.float16
    assert half.logvar_linear.weight.dtype == half.unet.emb_noise.weight.dtype == torch.float32
    assert half(x, sigma, labels).dtype == torch.float32
    assert error(half(x, sigma, labels), small(x, sigma, labels)) < 2e-3
    assert error(half.log_variance(sigma), small.log_variance(sigma)) < 1e-5
    assert all(torch.equal(tensor, before[name]) for name, tensor in small.state_dict().items())
    with pytest.raises(ValueError, match="cannot be trained"):
        half.normalize_weights()


def test_arithmetic_in_half_precision_follows_dtype(small):
    x, sigma, labels = data("x"), data("sigma"), data("labels")
    single, errors = small(x, sigma, labels), {}
    for dtype in (torch.float16, torch.bfloat16):
        small.dtype = dtype
        errors[dtype] = error(small(x, sigma, labels), single)
    small.dtype = torch.float32
    assert 1e-5 < errors[torch.float16] < 2e-3 and errors[torch.float16] < errors[torch.bfloat16] < 2e-2


def test_compiles_as_one_graph(small):
    x, sigma, labels = data("x"), data("sigma"), data("labels")
    compiled = small.for_sampling()
    wanted = compiled(x, sigma, labels)
    compiled.compile(backend="eager")  # fullgraph: a graph break is an error
    assert torch.equal(compiled(x, sigma, labels), wanted)
    assert compiled.state_dict().keys() == small.state_dict().keys()


def test_dropout_acts_in_training_only():
    denoiser = with_weights(dropout=0.5)
    x = data("x")
    assert torch.equal(denoiser(x, 1.0), denoiser(x, 1.0))
    denoiser.train()
    assert not torch.equal(denoiser(x, 1.0), denoiser(x, 1.0))


def test_is_a_denoiser_for_sampler_and_guidance(small):
    x, labels = data("x") / data("sigma")[:, None, None, None] * 5, torch.tensor([0, 1, 2, 1])
    sigmas = sampler.sigma_steps(3, sigma_max=5.0)
    unconditional = with_weights(1, label_dim=0)  # ignores the labels that guidance hands on
    guided = sampler.sample(guidance.guide(small, unconditional, 2.0), x, sigmas, labels)
    by_hand = sampler.sample(
        lambda x, s, labels: 2 * small(x, s, torch.eye(3)[labels]) - unconditional(x, s), x, sigmas, labels
    )
    assert error(guided, by_hand) < 1e-5


@pytest.mark.parametrize(
    "x, labels, message",
    [
        (torch.zeros(2, 2, 8, 8), torch.tensor([0, 3]), r"0\.\.\.2, got \[0, 3\]"),
        (torch.zeros(2, 2, 8, 8), torch.tensor([-1, 0]), "classes must lie"),
        (torch.zeros(2, 2, 8, 8), torch.tensor([0]), r"shape \[2\]"),
        (torch.zeros(2, 2, 8, 8), torch.tensor([0.0, 1.0]), "float32 of shape"),
        (torch.zeros(2, 2, 8, 8), torch.zeros(2, 4), r"shape \[2, 4\]"),
        (torch.zeros(2, 1, 8, 8), None, r"x must be \[N, 2, 8, 8\], got \[2, 1, 8, 8\]"),
    ],
)
def test_wrong_input_is_named(small, x, labels, message):
    with pytest.raises(ValueError, match=message):
        small(x, 1.0, labels)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(img_resolution=9), "9 cannot be halved 1 times"),
        (dict(model_channels=24), "multiple of 64 channels, got 96"),
        (dict(dropout=1.5), "dropout=1.5"),
    ],
)
def test_impossible_networks_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        EDM2Denoiser(**(SMALL | changes))
