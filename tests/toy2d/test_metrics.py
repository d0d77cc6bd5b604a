"""Measurements: known answers on samples made for the purpose."""

import math

import pytest
import torch

from toy2d import metrics
from toy2d.fractal import branch_depths, fractal

N = 4096
TRUTH = fractal("A")


def draw(seed=5, n=N):
    return TRUTH.sample(n, generator=torch.Generator().manual_seed(seed))


def test_true_samples_sit_at_the_floor():
    m = metrics.evaluate(draw())
    assert m["diverged"] == 0 and m["leaves_lost"] == 0
    assert m["outliers_99"] == pytest.approx(0.01, abs=0.005) and m["outliers_999"] == pytest.approx(0.001, abs=0.0017)
    assert m["branch_tv"] < 0.07 and abs(m["kl_q_p"]) < 0.08 and abs(m["kl_p_q"]) < 0.08
    floor = metrics.floor(N)
    assert set(floor) == set(m) and m["misplaced"] == pytest.approx(floor["misplaced"], abs=0.02)


def test_region_levels_hold_their_mass():
    log_prob = TRUTH.log_prob(draw(9, 2**16))
    for level, mass in zip(metrics.region_levels(TRUTH), (0.99, 0.999), strict=True):
        inside = (log_prob >= level).double().mean().item()
        assert inside == pytest.approx(mass, abs=4 * math.sqrt(mass * (1 - mass) / 2**16))


def test_planted_outliers_are_found():
    x = draw()
    x[: N // 4] = torch.tensor([-0.5, 1.5])
    m = metrics.evaluate(x)
    assert m["outliers_99"] == pytest.approx(0.25 + 0.75 * 0.01, abs=0.01)
    assert m["outlier_mahalanobis"] == pytest.approx(TRUTH.mahalanobis(x[:1]).item(), rel=1e-4)
    assert m["outlier_log_prob"] == pytest.approx(TRUTH.log_prob(x[:1]).item(), rel=1e-4)


def test_samples_that_flew_off_are_outliers_and_kept_out_of_the_rest():
    x = draw()
    x[100:200] = torch.tensor([-0.5, 1.5])  # outliers, so that a hundred flown off do not decide the median
    clean = metrics.evaluate(x[100:])
    x[:49], x[49:99], x[99] = 20.0, math.nan, -math.inf
    m = metrics.evaluate(x)
    assert m["diverged"] == pytest.approx(100 / N)
    for key in ("outliers_99", "outliers_999"):
        assert m[key] == pytest.approx((100 + clean[key] * (N - 100)) / N, rel=1e-9)
    for key in ("log_prob", "mahalanobis", "branch_tv", "leaves_lost", "kl_q_p", "kl_p_q"):
        assert m[key] == pytest.approx(clean[key], rel=1e-9)
    for key in ("outlier_log_prob", "outlier_mahalanobis"):  # farther off in the median, but finite
        assert math.isfinite(m[key]) and abs(m[key]) >= abs(clean[key])
    x[200:400] = math.nan
    m = metrics.evaluate(x)
    assert m["outlier_log_prob"] == -math.inf and m["outlier_mahalanobis"] == math.inf  # most outliers flew off


def test_lost_branches_are_seen():
    x = draw(n=4 * N)
    branch = TRUTH.posterior(x).argmax(1)
    leaves = torch.nonzero(branch_depths() == 6)[:10, 0]
    m = metrics.evaluate(x[~torch.isin(branch, leaves)])
    assert m["leaves_lost"] == pytest.approx(10, abs=1)
    trunk = metrics.evaluate(x[branch == 0])
    share = metrics.branch_weights(TRUTH)[0].item()
    assert trunk["branch_tv"] == pytest.approx(1 - share, abs=0.03) and trunk["leaves_lost"] == 64
    assert trunk["outliers_99"] < 0.01 and trunk["kl_q_p"] > 1  # quality alone would call this perfect


def test_a_leaf_is_lost_below_its_threshold():
    """Just above and just below a tenth, a quarter and a half of its share; branches that are no leaves never count."""
    truth = metrics.branch_weights(TRUTH)
    leaves = torch.nonzero(branch_depths() == 6)[:, 0]
    for share, counts in (
        (0.09, (5, 5, 5)),
        (0.11, (0, 5, 5)),
        (0.24, (0, 5, 5)),
        (0.26, (0, 0, 5)),
        (0.51, (0, 0, 0)),
    ):
        occupancy = truth.clone()
        occupancy[leaves[:5]] *= share
        occupancy[0] = 0  # the trunk
        assert tuple(metrics.leaves_lost(occupancy, truth, limit) for limit in metrics.LOST.values()) == counts
    assert metrics.LOST["leaves_lost"] == 0.1 and metrics.leaves_lost(0.15 * truth, truth) == 0
    with pytest.raises(ValueError, match="127 branches, got 3"):
        metrics.leaves_lost(torch.ones(3), torch.ones(3))


def test_leaves_lost_is_a_curve_over_the_threshold():
    """A leaf thinned to 3/20 of its samples is lost by a quarter and by a half, and not by a tenth."""
    x = draw(n=16 * N)
    branch = TRUTH.posterior(x).argmax(1)
    rare = torch.isin(branch, torch.nonzero(branch_depths() == 6)[:10, 0])
    m = metrics.evaluate(x[~rare | (torch.arange(len(x)) % 20 < 3)])
    assert m["leaves_lost"] <= 1 and m["leaves_lost_quarter"] == pytest.approx(10, abs=2)
    assert m["leaves_lost_half"] == pytest.approx(10, abs=1)


def test_both_trees_are_measured_with_the_leaves_of_both():
    both = fractal("AB")
    m = metrics.evaluate(both.sample(4 * N, generator=torch.Generator().manual_seed(5)), both)
    assert m["leaves_lost"] == 0 and m["outliers_99"] == pytest.approx(0.01, abs=0.005)
    assert m["branch_tv"] < 0.1 and abs(m["kl_q_p"]) < 0.08
    half = metrics.evaluate(draw(n=2 * N), both)  # class A alone; where the trees meet, it reaches leaves of B
    assert half["leaves_lost"] == pytest.approx(64, abs=4) and half["branch_tv"] == pytest.approx(0.5, abs=0.03)


def test_caches_do_not_grow():
    for n in range(8, 8 + 2 * metrics.KEPT):
        metrics.true_samples(TRUTH, n)
    assert metrics.true_samples.cache_info().currsize == metrics.KEPT
    for cached in (metrics.floor, metrics.true_log_prob, metrics.region_levels, metrics.region_shares):
        assert cached.cache_info().maxsize == metrics.KEPT


def test_nearest_neighbour_estimates_on_gaussians():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(20000, 2, generator=generator)
    b = 2 * torch.randn(20000, 2, generator=generator)
    assert metrics.entropy(a) == pytest.approx(1 + math.log(2 * math.pi), abs=0.03)
    true_mean = -math.log(2 * math.pi * 4) - 2 / (2 * 4)  # E_a log N(0, 4 I)
    assert metrics.mean_log_density(a, b) == pytest.approx(true_mean, abs=0.03)


def test_bad_input():
    for wrong in (torch.zeros(5), torch.zeros(100, 3), torch.zeros(3, 2)):
        with pytest.raises(ValueError, match="shape \\[N, 2\\]"):
            metrics.evaluate(wrong)
    with pytest.raises(ValueError, match="only 0 of 100"):
        metrics.evaluate(torch.full((100, 2), 50.0))


def test_misplaced_mass_counts_outliers_and_lost_branches_alike():
    truth = fractal("A")
    x = truth.sample(2**14, generator=metrics.fresh_generator())
    floor = metrics.misplaced(x, truth)
    assert floor < 0.03
    shares = metrics.region_shares(truth)
    assert (
        shares.shape == (128,)
        and shares.sum().item() == pytest.approx(1)
        and shares[-1].item() == pytest.approx(0.01, abs=1e-4)
    )
    away = x.clone()
    away[: len(x) // 4] += 100  # a quarter flies off, from all branches alike
    assert metrics.misplaced(away, truth) == pytest.approx(0.25, abs=0.03)
    trunk = truth.posterior(x).argmax(1) == 0
    lost = trunk.float().mean().item()
    assert metrics.misplaced(x[~trunk], truth) == pytest.approx(lost, abs=0.03)
