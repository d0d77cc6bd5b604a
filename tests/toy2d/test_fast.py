"""The compiled functions: they agree with the plain ones, and where there is no compiler they are the plain ones."""

import pytest
import torch

from edm.guidance import guide
from toy2d import pretrained
from toy2d.chunks import in_chunks
from toy2d.fast import CHUNK, can_compile, fast, unrolled_log_prob_and_score
from toy2d.fractal import fractal
from toy2d.mixture import GaussianMixture, log_prob_and_score
from toy2d.paired import draw_start, run

N = CHUNK + 100  # a whole chunk and one that is filled up


@pytest.mark.skipif(not can_compile("cpu"), reason="no compiler here")
@pytest.mark.parametrize("name", ["exact", "main"])
def test_compiled_and_plain_scores_agree(name):
    """To 1e-4 of each score, at one level and at a level each; the compiled one knows nothing of batch-mates."""
    model = fractal("A") if name == "exact" else pretrained.load(name)
    quick = fast(model)
    x = fractal("A").sample(N, 0.1, torch.Generator().manual_seed(0))
    for sigma in (0.1, torch.linspace(-5, 1, N).exp()):
        level = torch.as_tensor(sigma).reshape(-1, 1)
        scores = [(denoiser(x, sigma) - x) / level**2 for denoiser in (quick, model)]
        rounding = 1e-6 * x.norm(dim=1) / level.expand(N, 1)[:, 0] ** 2  # of D - x, in float32
        error = (scores[0] - scores[1]).norm(dim=1)
        assert (error < 1e-4 * scores[1].norm(dim=1) + rounding).all()
    torch.testing.assert_close(quick(x, 0.1)[:7], quick(x[:7], 0.1), rtol=0, atol=0)


@pytest.mark.skipif(not can_compile("cpu"), reason="no compiler here")
def test_a_guided_pair_of_fast_parts_samples_the_same_points():
    main, weak, start = pretrained.load("main"), pretrained.load("guide"), draw_start(200)
    plain, quick = run(guide(main, weak, 2.0), start), run(guide(fast(main), fast(weak), 2.0), start)
    distance = (plain - quick).norm(dim=1)
    assert distance.median() < 1e-5 and (distance < 1e-3).double().mean() > 0.98  # a few stand where paths part


def test_unrolled_and_plain_formula_are_one():
    """In float64, for groups of different sizes, too, and far away, where shares are cut off."""
    eye = torch.eye(2, dtype=torch.float64)
    mixed = GaussianMixture(
        torch.tensor([0.2, 0.5, 0.3]).double(),
        torch.tensor([[0, 0], [3, 1], [-2, 0.5]]).double(),
        torch.stack([eye, eye, 0.25 * eye]),
        torch.float64,
    )
    for mixture in (fractal("A", torch.float64), fractal("AB", torch.float64), mixed):
        x = 2 * torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        x[0] = 100.0
        variance = torch.linspace(-5, 1, 50, dtype=torch.float64).exp()
        groups = mixture.groups(x)
        for a, b in zip(
            unrolled_log_prob_and_score(x, variance, groups), log_prob_and_score(x, variance, groups), strict=True
        ):
            torch.testing.assert_close(a, b)


def test_without_a_compiler_it_is_the_model_itself(no_compiler):
    with pytest.warns(UserWarning, match="without it"):
        assert fast(fractal("A")) is fractal("A")
    model = pretrained.load("guide")
    assert fast(model) is model  # and the warning came once


def test_refused():
    with pytest.raises(TypeError, match="got function: make its parts fast"):
        fast(lambda x, sigma, labels=None: x)
    if can_compile("cpu"):
        with pytest.raises(ValueError, match="sigma > 0"):
            fast(pretrained.load("guide"))(torch.zeros(3, 2), 0.0)


@pytest.mark.parametrize("rows", [1, 4, 5, 8])
def test_chunks_are_whole_and_put_together_in_order(rows):
    seen = []

    def double(x, sigma):
        seen.append(len(x))
        assert sigma.shape == (len(x), 1)
        return 2 * x, sigma[:, 0]

    x, sigma = torch.randn(rows, 2), torch.rand(rows)
    for fill in (False, True):
        out = in_chunks(double, x, sigma, 4, fill=fill)
        assert torch.equal(out[0], 2 * x) and torch.equal(out[1], sigma)
    filled = seen[-(-rows // 4) :]
    assert filled == [4] * len(filled) and sum(seen[: -len(filled)]) == rows
