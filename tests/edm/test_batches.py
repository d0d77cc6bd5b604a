"""Batches: every image once an epoch, shuffled, shared between ranks, and the same again when a training resumes."""

import itertools

import numpy as np
import pytest
import torch

from edm import data


def numbered(n, flip=False):
    """Image i holds i in its left and i + 100 in its right pixel."""
    images = np.stack([np.arange(n), np.arange(n) + 100], -1).astype(np.uint8).reshape(n, 1, 1, 2)
    return data.ImageSet(images, np.arange(n), n, "numbered", flip)


def take(n, *args, **kwargs):
    return list(itertools.islice(data.batches(*args, **kwargs), n))


def test_every_epoch_is_a_new_shuffle_of_everything():
    rows = torch.cat([labels for _, labels in take(15, numbered(20), 4, seed=3)]).reshape(3, 20)
    for epoch in rows:
        assert sorted(epoch.tolist()) == list(range(20))
    assert len({tuple(epoch.tolist()) for epoch in rows}) == 3
    assert not torch.equal(rows[0, :4], take(1, numbered(20), 4, seed=4)[0][1])


@pytest.mark.parametrize("batch", [4, 7, 45])  # within, across, and over several epochs of 20 images
def test_resuming_at_any_image_gives_the_same_bits(batch):
    whole = take(12, numbered(20, flip=True), batch, 5)
    for done in (1, 5, 11):
        resumed = take(12 - done, numbered(20, flip=True), batch, 5, start=done * batch)
        for (images, labels), (again, labels_again) in zip(whole[done:], resumed, strict=True):
            assert torch.equal(images, again) and torch.equal(labels, labels_again)


def test_the_ranks_together_see_the_batch_of_one_process():
    alone = take(6, numbered(20, flip=True), 12, 1, start=5)
    ranks = [take(6, numbered(20, flip=True), 12, 1, start=5, rank=r, world_size=3) for r in range(3)]
    for i, (images, labels) in enumerate(alone):
        assert torch.equal(images, torch.cat([ranks[r][i][0] for r in range(3)]))
        assert torch.equal(labels, torch.cat([ranks[r][i][1] for r in range(3)]))


def test_flips_mirror_half_of_the_images_and_nothing_else():
    images, labels = take(1, numbered(100, flip=True), 2000, 0)[0]
    left, right = images[:, 0, 0, 0].long(), images[:, 0, 0, 1].long()
    flipped = left == labels + 100
    assert torch.equal(torch.where(flipped, right, left), labels) and 0.45 < flipped.float().mean() < 0.55
    images, labels = take(1, numbered(100), 2000, 0)[0]
    assert torch.equal(images[:, 0, 0, 0].long(), labels)


def test_batches_never_write_to_the_image_set(tmp_path):
    image_set = numbered(20, flip=True)
    before = image_set.images.copy()
    for images, _ in take(5, image_set, 8, 0):
        images.zero_()
    np.testing.assert_array_equal(image_set.images, before)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"world_size": 3}, {"start": -1}, {"rank": 1}])
def test_batches_refuse_impossible_shares_at_once(options):
    with pytest.raises(ValueError):
        data.batches(**({"image_set": numbered(20), "batch_size": 4, "seed": 0} | options))


def test_image_sets_are_checked():
    images, labels = np.zeros((3, 1, 2, 2), np.uint8), np.zeros(3, np.int64)
    with pytest.raises(ValueError, match="uint8"):
        data.ImageSet(images.astype(np.float32), labels, 1, "x")
    with pytest.raises(ValueError, match="3 images need as many int64 labels"):
        data.ImageSet(images, labels[:2], 1, "x")
    with pytest.raises(ValueError, match="labels run from 0 to 4, but there are 4"):
        data.ImageSet(images, labels + [0, 1, 4], 4, "x")
