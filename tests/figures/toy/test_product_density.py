"""Sampled density against the product: what is compared needs no normaliser, and what has none is not normalised."""

import math

import pytest
import torch

from figures.toy import density, product
from toy2d import pretrained
from toy2d.likelihood import SIGMA_END
from toy2d.paired import draw_start


@pytest.fixture(scope="module")
def numbers():
    return product.compute(seeds=[0, 1], n=64, pixels=300, workers=0).numbers


def test_a_constant_in_the_product_changes_nothing():
    denoiser, log_product = product.models("autoguidance", 2.0, 0, pretrained.FOLDER)
    start = draw_start(64)
    one, other = (
        product.spread(product.gaps(denoiser, p, start)[0]) for p in (log_product, lambda x: log_product(x) + 7)
    )
    assert one == pytest.approx(other, abs=1e-3) and one["q25"] < 0 < one["q75"]


def test_the_product_of_weight_one_is_the_model():
    main, x = pretrained.load("main", 0), draw_start(20, sigma_max=0.1)
    for kind in ("autoguidance", "cfg"):
        denoiser, log_product = product.models(kind, 1.0, 0, pretrained.FOLDER)
        assert torch.equal(denoiser(x, 0.1), main(x, 0.1))
        torch.testing.assert_close(log_product(x), main.log_density(x, SIGMA_END))


def test_only_densities_are_normalised(numbers):
    """Seed 0's main model falls far from the data, seed 1's grows: so does its every product."""
    assert numbers["gains"]["main"][0] < 0 < numbers["gains"]["main"][1]
    assert numbers["runs"]["none"]["falls_outwards"] == [True, False]
    for arm, run in numbers["runs"].items():
        for falls, median in zip(run["falls_outwards"], run["median"], strict=True):
            assert (median is None) == (not falls), arm
    assert abs(numbers["runs"]["none"]["median"][0]) < 1  # unguided samples come nearly from the model's own density


def test_guided_samples_are_farther_from_the_product_than_plain_ones_from_the_model(numbers):
    runs = numbers["runs"]
    assert min(runs["autoguidance 3"]["quartile_distance"]) > 2 * max(runs["none"]["quartile_distance"])
    lines = product.table(numbers).splitlines()
    assert len(lines) == 2 + 2 * len(product.ARMS) and sum("no density" in line for line in lines) >= 4


def test_the_picture_is_of_the_same_measurement():
    made = density.compute(n=64, pixels=8).numbers["measured"]["autoguidance"]
    row = product.row("autoguidance 3", 0, 64, 0, 300, str(pretrained.FOLDER))
    for key, value in made.items():
        assert row[key] == pytest.approx(value)
    assert not made["falls_outwards"] and math.isfinite(made["q95"])
