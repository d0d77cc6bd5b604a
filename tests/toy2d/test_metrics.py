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
    assert set(floor) == set(m) and m["wasserstein"] == pytest.approx(floor["wasserstein"], abs=0.02)


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


def test_diverged_samples_are_counted_and_kept_out():
    x = draw()
    clean = metrics.evaluate(x[100:])
    x[:50], x[50:100] = 20.0, math.nan
    m = metrics.evaluate(x)
    assert m["diverged"] == pytest.approx(100 / N)
    for key in ("outliers_99", "log_prob", "branch_tv", "wasserstein", "kl_q_p"):
        assert m[key] == pytest.approx(clean[key], rel=1e-9)


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


def test_wasserstein_of_a_shift_is_the_shift():
    x = draw(n=512)
    assert metrics.wasserstein(x, x) == pytest.approx(0, abs=1e-9)
    assert metrics.wasserstein(x, x + torch.tensor([3.0, 4.0])) == pytest.approx(5, rel=1e-4)


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
