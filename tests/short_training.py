"""A training run of a few seconds, which the tests of training share."""

import torch

from edm import data, train

NETWORK = dict(model_channels=8, channel_mult=(1, 8), num_blocks=1, attn_resolutions=())
CONFIG = train.Config(
    data="digits", network=NETWORK, images=96, batch=16, lr=0.01, lr_ref=4, lr_ramp=64, label_dropout=0.25, snapshot=32
)  # fmt: skip


def trained(config: train.Config, image_set: data.ImageSet, **options) -> train.Training:
    training = train.Training(config, image_set)
    for _ in train.steps(training, image_set, **options):
        pass
    return training


def assert_same(tensors: dict, others: dict) -> None:
    """Equal to the bit, name by name."""
    assert tensors.keys() == others.keys()
    different = [name for name in tensors if not torch.equal(tensors[name], others[name])]
    assert not different
