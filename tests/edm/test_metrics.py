"""Distances and neighbour counts against closed forms, brute force and the published programs' number."""

import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch

from edm import metrics

FIXTURE = Path(__file__).parents[1] / "data" / "frechet.npz"


def spd(rng, size, samples=None):
    x = rng.standard_normal((samples or 3 * size, size)) * rng.uniform(0.1, 3, size)
    return x.T @ x / len(x)


# --- Frechet distance ---


def test_frechet_distance_of_the_published_programs():
    file = np.load(FIXTURE)
    distance = metrics.frechet_distance(metrics.feature_stats(file["a"]), metrics.feature_stats(file["b"]))
    assert distance == pytest.approx(float(file["frechet"]), rel=1e-7)


def test_frechet_distance_of_axis_aligned_gaussians_in_closed_form():
    mean_a, mean_b, std_a, std_b = np.random.default_rng(0).uniform(0, 2, (4, 20))
    expected = np.square(mean_a - mean_b).sum() + np.square(std_a - std_b).sum()
    distance = metrics.frechet_distance((mean_a, np.diag(std_a**2)), (mean_b, np.diag(std_b**2)))
    assert distance == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_agrees_with_the_matrix_root_and_is_symmetric():
    rng = np.random.default_rng(1)
    a, b = ((rng.standard_normal(16), spd(rng, 16)) for _ in range(2))
    root = scipy.linalg.sqrtm(a[1] @ b[1]).real
    expected = np.square(a[0] - b[0]).sum() + np.trace(a[1] + b[1] - 2 * root)
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("samples", [5, 200])  # 5: the covariance has rank 4 of 64
def test_frechet_distance_to_itself_and_to_a_shifted_copy(samples):
    x = np.random.default_rng(2).standard_normal((samples, 64))
    stats = metrics.feature_stats(x)
    assert metrics.frechet_distance(stats, stats) < 1e-9
    assert metrics.frechet_distance(stats, metrics.feature_stats(x + 3)) == pytest.approx(9 * 64, rel=1e-9)


def test_frechet_distance_refuses_what_does_not_match():
    good = np.zeros(3), np.eye(3)
    for bad in ((np.zeros(2), np.eye(2)), (np.zeros(3), np.eye(2)), (np.zeros(3), np.full((3, 3), np.nan))):
        with pytest.raises(ValueError, match="cannot be compared|mean \\[F\\]|not finite"):
            metrics.frechet_distance(good, bad)


# --- running statistics ---


@pytest.mark.parametrize("offset", [0, 1e6])
def test_running_stats_equal_those_of_everything_at_once(offset):
    x = np.random.default_rng(3).standard_normal((500, 12)) + offset
    running = metrics.RunningStats()
    for part in np.split(x, [1, 2, 30, 31, 400]):
        running.update(torch.from_numpy(part))
    mean, covariance = running.result()
    assert running.count == 500 and mean.dtype == covariance.dtype == np.float64
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(covariance, np.cov(x.T), atol=1e-9 if offset else 1e-13)


def test_processes_merge_to_the_same_statistics_in_any_order():
    x = np.random.default_rng(4).standard_normal((90, 5)).astype(np.float32)
    mean, covariance = metrics.feature_stats(x)
    for order in itertools.permutations(range(3)):
        merged = metrics.RunningStats()
        for i in order:
            part = metrics.RunningStats()
            part.update(np.split(x, [10, 70])[i])
            merged.merge(part)
        merged.merge(metrics.RunningStats())  # a process that had nothing to do
        np.testing.assert_allclose(merged.result()[0], mean, atol=1e-14)
        np.testing.assert_allclose(merged.result()[1], covariance, atol=1e-14)


def test_running_stats_refuse_what_would_spoil_them():
    running = metrics.RunningStats()
    with pytest.raises(ValueError, match="at least 2 features, got 0"):
        running.result()
    running.update(np.zeros((1, 4)))
    with pytest.raises(ValueError, match="at least 2 features, got 1"):
        running.result()
    with pytest.raises(ValueError, match="3 dimensions, the ones before had 4"):
        running.update(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="not finite"):
        running.update(np.full((1, 4), np.nan))
    with pytest.raises(ValueError, match="shape"):
        running.update(np.zeros(4))


# --- precision, recall, density, coverage ---


def brute_force(real, fake, k):
    """Word for word from the definitions, one pair at a time."""

    def distance(a, b):
        return np.sqrt(np.square(a - b).sum())

    def radius(points, i):
        return sorted(distance(points[i], p) for j, p in enumerate(points) if j != i)[k - 1]

    real_radius = [radius(real, i) for i in range(len(real))]
    fake_radius = [radius(fake, i) for i in range(len(fake))]
    in_real = np.array([[distance(f, r) <= d for r, d in zip(real, real_radius, strict=True)] for f in fake])
    in_fake = np.array([[distance(f, r) <= d for f, d in zip(fake, fake_radius, strict=True)] for r in real])
    return {
        "precision": in_real.any(1).mean(),
        "recall": in_fake.any(1).mean(),
        "density": in_real.sum() / (k * len(fake)),
        "coverage": in_real.any(0).mean(),
    }


@pytest.mark.parametrize("k", [1, 3])
def test_neighbour_counts_are_those_of_the_definitions(k):
    rng = np.random.default_rng(5)
    real, fake = rng.standard_normal((40, 4)), 0.7 * rng.standard_normal((25, 4)) + 0.4
    expected = brute_force(real, fake, k)
    assert 0 < expected["recall"] < 1 and 0 < expected["precision"] < 1
    for chunk in (7, 1024):
        assert metrics.precision_recall_density_coverage(real, fake, k, chunk) == pytest.approx(expected)
    far = metrics.precision_recall_density_coverage(real + 1e5, fake + 1e5, k)  # a common offset changes nothing
    assert far == pytest.approx(expected)


def test_neighbour_counts_tell_quality_from_variation():
    rng = np.random.default_rng(6)
    real = rng.standard_normal((600, 3))
    same = metrics.precision_recall_density_coverage(real, real)
    assert same["precision"] == same["recall"] == same["coverage"] == 1
    narrow = metrics.precision_recall_density_coverage(real, 0.3 * rng.standard_normal((600, 3)))
    assert narrow["precision"] > 0.95 and narrow["density"] > 1
    assert narrow["recall"] < 0.35 and narrow["coverage"] < 0.35
    wide = metrics.precision_recall_density_coverage(real, 3 * rng.standard_normal((600, 3)))
    assert wide["precision"] < 0.5 and wide["density"] < 0.5 and wide["recall"] > 0.95
    apart = metrics.precision_recall_density_coverage(real, real + 100)
    assert set(apart.values()) == {0}


def test_neighbour_counts_refuse_too_few_points_and_other_dimensions():
    with pytest.raises(ValueError, match="more than k features, got k=5, 9 real and 5 fake"):
        metrics.precision_recall_density_coverage(np.zeros((9, 2)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match="2 dimensions, fake ones 3"):
        metrics.precision_recall_density_coverage(np.zeros((9, 2)), np.zeros((9, 3)))


# --- small ones ---


def test_class_agreement():
    logits = torch.tensor([[1.0, 2], [3, 0], [0, 1], [5, 4]])
    assert metrics.class_agreement(logits, np.array([1, 0, 0, 1])) == 0.5
    with pytest.raises(ValueError, match="need logits"):
        metrics.class_agreement(logits, torch.zeros(3))


def test_paired_difference_is_students_interval():
    a, b = np.random.default_rng(7).standard_normal((2, 6))
    result = metrics.paired_difference(a, b)
    interval = scipy.stats.ttest_rel(a, b).confidence_interval(0.95)
    assert result == pytest.approx({"mean": (a - b).mean(), "low": interval.low, "high": interval.high, "pairs": 6})
    for bad in (([1.0], [2.0]), ([1.0, 2.0], [1.0])):
        with pytest.raises(ValueError, match="two pairs"):
            metrics.paired_difference(*bad)


# --- everything together, streaming ---


def extractor(images):
    """Two numbers an image; says class 1 if the first is positive."""
    x = torch.as_tensor(images)
    return x, torch.stack([-x[:, 0], x[:, 0]], 1)


def test_collect_does_not_depend_on_the_batches(monkeypatch):
    monkeypatch.setattr(metrics, "KEEP", 50)
    x = np.random.default_rng(8).standard_normal((400, 2)).astype(np.float32)
    labels = np.arange(400) % 2
    whole = metrics.collect(extractor, [(x, labels)])
    parts = metrics.collect(extractor, zip(np.split(x, [3, 100, 250]), np.split(labels, [3, 100, 250]), strict=True))
    np.testing.assert_array_equal(whole.kept, parts.kept)
    assert whole.kept.shape == (50, 2) and len(np.unique(whole.kept, axis=0)) == 50
    rows = np.flatnonzero((x[:, None] == whole.kept[None]).all(-1).any(1))
    assert rows.min() < 40 and rows.max() > 360  # from everywhere, not the first ones
    np.testing.assert_allclose(whole.stats[1], np.cov(x.T.astype(np.float64)), atol=1e-12)
    np.testing.assert_allclose(parts.stats[1], whole.stats[1], atol=1e-12)
    assert whole.agreement == pytest.approx(((x[:, 0] > 0) == labels).mean()) == parts.agreement
    assert metrics.collect(extractor, [(x, None)]).agreement is None


def test_evaluate_features_reports_every_number_it_can():
    x = np.random.default_rng(9).standard_normal((300, 2)).astype(np.float32)
    real, fake = metrics.collect(extractor, [(x[:150], None)]), metrics.collect(extractor, [(x[150:], np.zeros(150))])
    numbers = metrics.evaluate_features(fake, real, k=3)
    assert numbers["images"] == 150 and numbers["class_agreement"] == pytest.approx((x[150:, 0] < 0).mean())
    assert numbers["frechet_distance"] == metrics.frechet_distance(fake.stats, real.stats)
    assert numbers["recall"] == metrics.precision_recall_density_coverage(x[:150], x[150:], 3)["recall"]
    published = metrics.FeatureSet(0, real.stats)
    assert set(metrics.evaluate_features(fake, published)) == {"images", "frechet_distance", "class_agreement"}


def test_many_images_need_no_more_memory_than_few(monkeypatch):
    monkeypatch.setattr(metrics, "KEEP", 500)

    def peak(batches):
        rng = np.random.default_rng(0)
        stream = ((rng.standard_normal((100, 64)).astype(np.float32), None) for _ in range(batches))
        tracemalloc.start()
        metrics.collect(extractor, stream)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(300) < 1.1 * peak(15)
