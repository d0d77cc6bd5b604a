"""What notebook 8 measures, where the answer is known."""

import numpy as np
import torch

from edm import data, models
from edm.sampler import sample, sigma_steps
from figures.lessons import inside, pictures


def test_inputs_and_targets_have_unit_size_for_data_of_the_assumed_size():
    images = torch.randn(2000, 1, 8, 8, generator=torch.Generator().manual_seed(1)) / 2
    found = inside.scales(images, [0.002, 0.1, 0.5, 3, 80])
    assert np.allclose(found["input"], 1, atol=0.01) and np.allclose(found["target"], 1, atol=0.01)


def test_the_best_denoiser_of_a_set_is_its_memory():
    images = data.to_float(data.load("digits").images[:50])
    noise = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    made = sample(pictures.memory(images), 80 * noise, sigma_steps(12))
    assert pictures.nearest(made, images).max() < 1e-3
    assert torch.allclose(pictures.nearest(images[:5] + 0.1, images), torch.full((5,), 0.05), atol=1e-6)


def test_paired_runs_measure_every_arm_on_every_set():
    networks, ruler = models.shipped("digits"), pictures.ruler(epochs=1)
    arms = {"none": networks.main, "same": networks.guided("autoguidance", 1.0)}
    runs = pictures.paired_runs(arms, [0, 20], 20, ruler, steps=2)
    assert runs["none"] == runs["same"] and len(runs["none"]["frechet_distance"]) == 2
    assert {"recall", "coverage", "class_agreement", "nearest"} <= runs["none"].keys()


def test_new_networks_err_as_a_network_that_says_nothing():
    assert abs(inside.train_a_little(1)[0] - 1.9) < 0.3  # F = 0: the mean square of its target, 1 to 2.86
