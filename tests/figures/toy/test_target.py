"""The target of guidance against closed forms, and weights that need no noised versions."""

import matplotlib.pyplot as plt
import pytest
import torch

from edm.sampler import sigma_steps
from figures.toy import target
from tests.legible import problems
from toy2d import gaussian, pretrained


class Normal:
    """N(0, s^2 I) in the plane, whose variance at noise level sigma is s^2 + spread sigma^2; 1 is the honest one."""

    def __init__(self, s: float, spread: float = 1.0):
        self.s, self.spread = s, spread

    def variance(self, sigma: float) -> float:
        return self.s**2 + self.spread * sigma**2

    def log_density(self, x, sigma):
        return -x.square().sum(1) / (2 * self.variance(sigma))

    def __call__(self, x, sigma, labels=None):
        return x - sigma**2 * x / self.variance(sigma)


def start(n, generator):
    x = 5 * torch.randn(n, 2, generator=generator)
    return x, -x.square().sum(1) / 50


def width(method: str, main: Normal, weak: Normal, weight=2.0) -> float:
    x = target.particles(
        main, weak, weight, 6000, sigma_steps(200, 0.02, 5.0)[:-1], method, start, torch.Generator().manual_seed(0)
    )
    return x.square().mean().sqrt().item()


def test_honest_densities_need_no_other_weights():
    product = gaussian.product_std(0.5, 0.7, 2.0, sigma=0.02)
    for method in ("weights", "densities"):
        assert width(method, Normal(0.5), Normal(0.7)) == pytest.approx(product, rel=0.04)
    sde = gaussian.stochastic_std(0.5, 0.7, 2.0)
    assert width("sde", Normal(0.5), Normal(0.7)) == pytest.approx(sde, rel=0.04) and sde < 0.94 * product


def test_densities_that_are_no_noised_versions():
    """The guide's density spreads too fast with the noise level. Feynman and Kac's weights assume that it does not."""
    main, weak = Normal(0.5), Normal(0.7, spread=4.0)
    product = (2 / main.variance(0.02) - 1 / weak.variance(0.02)) ** -0.5
    assert width("densities", main, weak) == pytest.approx(product, rel=0.04)
    assert abs(width("weights", main, weak) / product - 1) > 0.06


def test_samples_from_the_grid():
    main, weak = Normal(0.3), Normal(0.4)
    x, margin = target.on_grid(main, weak, 2.0, 20_000, torch.Generator().manual_seed(0))
    assert margin == pytest.approx(
        target.BOX**2 / 2 / gaussian.product_std(0.3, 0.4, 2.0, target.SIGMA_END) ** 2, rel=0.02
    )
    assert x.square().mean().sqrt().item() == pytest.approx(
        gaussian.product_std(0.3, 0.4, 2.0, target.SIGMA_END), rel=0.02
    )


def test_what_is_no_density():
    """A positive gain grows without bound; so does a product of a narrow guide."""
    main = {s: pretrained.load("main", s) for s in (1, 6)}
    assert main[1].gain > 0 and not target.falls(main[1], main[1], 1.0)
    assert main[6].gain < 0 and target.falls(main[6], main[6], 1.0)
    assert target.falls(Normal(0.5), Normal(0.7), 3.0) and not target.falls(Normal(0.5), Normal(0.3), 3.0)


def test_blur_is_noise():
    model, x = target.Blurred("A", 0.3), torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.log_density(x, 0.4), target.Blurred("A").log_density(x, 0.5))
    torch.testing.assert_close((model(x, 0.4) - x) / 0.16, (target.Blurred("A")(x, 0.5) - x) / 0.25)


def test_weight_1_leaves_the_main_model():
    options = dict(models="exact", arm="cfg", weight=1.0, method="target", count=64, steps=2, n=64, noise_seed=0)
    assert target.row(**options)["effective"] == pytest.approx(1)
    assert target.cost("ode", 9, 64, 64, 1.0) == 63 and target.cost("weights", 160, 4 * 64, 64, 2.0) == 1280


def test_whole_and_drawn():
    result = target.compute(**target.FAST | dict(n=32, many=64), workers=0)
    rows, densities = result.numbers["rows"], result.numbers["densities"]
    assert [d["falls"] for d in densities] == [True, False]
    assert {r["seed"] for r in rows if r["models"] == "trained" and r["method"] == "target"} == {6}
    assert all(0 <= r["outliers"] <= 1 for r in rows)
    figure = target.draw(result)
    assert problems(figure) == []
    assert len(figure.axes) == 2
    plt.close(figure)
