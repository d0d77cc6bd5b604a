"""The yardstick: real images against themselves, several feature spaces at once, numbers with a known answer."""

import numpy as np
import pytest
import torch

from edm import data, features
from edm.evaluation import unlabelled, yardstick
from edm.generate import Batch
from edm.metrics import FeatureSet, feature_stats, frechet_distance


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    kinds = [f"{kind}:digits" for kind in yardstick.THREE]
    return yardstick.yardstick("digits", kinds, "data", "cpu", cache=tmp_path_factory.mktemp("cache"), epochs=2)


def test_training_images_are_at_distance_zero_in_every_space(three):
    images, labels = torch.from_numpy(three.train.images), torch.from_numpy(three.train.labels)
    found = three.numbers(images, labels)
    for prefix in ("", "autoencoder/", "pixels/"):
        assert found[f"{prefix}frechet_distance"] < 1e-8 and found[f"{prefix}recall"] == 1
        assert found[f"{prefix}test_distance"] > 1e-3
    assert found["nearest"] < 1e-3 and found["copies"] == 1 and found["images"] == len(images)
    assert "autoencoder/images" not in found and "pixels/class_agreement" not in found


def test_numbers_do_not_depend_on_how_images_arrive(three):
    images, labels = torch.from_numpy(three.test.images[:60]), torch.from_numpy(three.test.labels[:60])
    parts = [Batch([], labels[i : i + 20], images[i : i + 20]) for i in (0, 20, 40)]
    assert three.measure(parts) == three.numbers(images, labels)
    assert three.distances(images)["pixels"] == pytest.approx(three.numbers(images, labels)["pixels/frechet_distance"])


def test_the_extrapolated_distance_is_nearer_to_the_true_one():
    """Draws of the very distribution: the true distance is 0, that of n draws is not."""
    rng = np.random.default_rng(0)
    real = FeatureSet(0, (np.zeros(16), np.eye(16)))
    for n in (200, 800):
        draws = rng.standard_normal((n, 16))
        plain = frechet_distance(feature_stats(draws), real.stats)
        assert abs(yardstick.extrapolated(draws, real)) < plain / 4


def test_spread_within_a_class_is_not_that_between_classes():
    labels = torch.arange(1000) % 2
    noise = torch.randn(1000, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    images = (100 + 60 * labels[:, None, None, None] + 10 * noise).round().clamp(0, 255).to(torch.uint8)
    assert yardstick.class_sd(images, labels) == pytest.approx(10 / 255, rel=0.03)


def test_principal_components_keep_distances_of_small_images(tmp_path):
    """Digits have 64 pixels: all components are kept, and a rotation changes no distance."""
    extractor = features.load("pixels:digits", cache=tmp_path)
    images = data.load("digits", "test").images[:30]
    found, flat = extractor(images)[0].double(), data.to_float(images).flatten(1).double()
    assert torch.allclose(torch.cdist(found, found), torch.cdist(flat, flat), atol=1e-4)
    assert found.var(0)[0] > found.var(0)[40] and not list(tmp_path.iterdir())


def test_an_autoencoder_learns_to_copy_and_is_the_same_again(tmp_path):
    digits = data.load("digits")
    model, error = unlabelled.train_autoencoder(digits, epochs=3)
    plain = float(data.to_float(digits.images).var())
    assert error < plain / 2
    again, _ = unlabelled.train_autoencoder(digits, epochs=3)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
    one = features.load("autoencoder:digits", cache=tmp_path, epochs=1)
    assert features.load("autoencoder:digits", cache=tmp_path, epochs=1).version == one.version
    assert one(digits.images[:5])[0].shape == (5, unlabelled.DIM)
