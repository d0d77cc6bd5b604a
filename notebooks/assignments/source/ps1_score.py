# %% [markdown]
# # Problem set 1: the score of a mixture, and the ideal denoiser
#
# **Time** about 75 minutes · **Points** 20: 18 by tests, 2 by a person · **Needs** the gradient of a Gaussian's log density
#
# A diffusion model learns one function, the *score* $\nabla_x \log p(x; \sigma)$ of the data after Gaussian noise of standard deviation
# $\sigma$ was added to it. For real images nobody knows that function. For a mixture of Gaussians we know it exactly, at every $\sigma$, and so it is
# the best place to learn what a diffusion model is supposed to compute. You will write the score down twice, along two independent routes,
# and see that they meet.
#
# | task | you write | points |
# |---|---|---|
# | 1 | the log density, safely | 4 + 1 |
# | 2 | the score | 4 |
# | 3 | score → denoiser | 3 |
# | 4 | denoiser, from Bayes' rule alone | 4 |
# | 5 | the denoising error | 2 |
# | 6 | in words: two limits | 2 |
#
# Tasks are graded one by one: a slip in one costs nothing in the others. Cells with `assert` are visible tests; passing them means that you are on the
# right track. Grading adds hidden tests with other numbers. Write the formulas yourself: calling the library's own functions for them
# (`toy2d.mixture`) gets no points.

# %% given="setup"
import math
from typing import NamedTuple

import torch
from torch import Tensor


class Mixture(NamedTuple):
    weights: Tensor  # [K], sum 1
    means: Tensor  # [K, 2]
    covariances: Tensor  # [K, 2, 2]


def offsets_and_precisions(x: Tensor, sigma, mixture: Mixture) -> tuple[Tensor, Tensor]:
    """x - mu_i, [N, K, 2], and (S_i + sigma^2 I)^-1, [N, K, 2, 2] (or [1, K, 2, 2]).

    x: [N, 2]; sigma: a number or [N].
    """
    variance = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1) ** 2
    noised = mixture.covariances + variance * torch.eye(2, dtype=x.dtype)
    return x[:, None] - mixture.means, torch.linalg.inv(noised)


petals = Mixture(
    weights=torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
    means=torch.tensor([[1.0, 0.0], [-0.8, 0.7], [-0.2, -1.1]], dtype=torch.float64),
    covariances=torch.tensor(
        [[[0.30, 0.1], [0.1, 0.06]], [[0.05, 0.0], [0.0, 0.25]], [[0.1, -0.08], [-0.08, 0.15]]],
        dtype=torch.float64,
    ),
)

# %% [markdown]
# ## 1 The density of noised data
#
# Let data be drawn from $\sum_i w_i\, \mathcal N(\mu_i, S_i)$. Noise of variance $\sigma^2$ is independent of the data, so covariances add:
#
# $$ p(x; \sigma) = \sum_i w_i\, \mathcal N\big(x;\ \mu_i,\ S_i + \sigma^2 I\big). $$
#
# With $P_i = (S_i + \sigma^2 I)^{-1}$ and $d_i = x - \mu_i$, a term's logarithm in two dimensions is
#
# $$ \ell_i(x) = \log w_i + \tfrac12 \log\det P_i - \tfrac12\, d_i^{\mathsf T} P_i\, d_i - \log 2\pi . $$
#
# Return $\log \sum_i e^{\ell_i}$. Far from the data every $e^{\ell_i}$ is smaller than the smallest number a computer knows; your function must still return the
# right (very negative) number there, in single precision too.

# %% task="log-density"
def log_density(x: Tensor, sigma, mixture: Mixture) -> Tensor:
    """log p(x; sigma), [N]. x: [N, 2]; sigma: a number or [N]."""
    d, precision = offsets_and_precisions(x, sigma, mixture)  # [N, K, 2], [N, K, 2, 2]
    ### BEGIN SOLUTION
    square = torch.einsum("nki,nkij,nkj->nk", d, precision.expand(len(x), -1, -1, -1), d)
    terms = mixture.weights.log() + 0.5 * torch.logdet(precision) - 0.5 * square - math.log(2 * math.pi)
    return torch.logsumexp(terms, dim=1)
    ### END SOLUTION

# %% test="log-density-values" points=4
one = Mixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None])  # a unit normal
assert log_density(torch.zeros(3, 2), 0.0, one).shape == (3,)
assert math.isclose(log_density(torch.zeros(1, 2), 0.0, one).item(), -math.log(2 * math.pi), abs_tol=1e-5)
assert math.isclose(log_density(torch.zeros(1, 2), 1.0, one).item(), -math.log(4 * math.pi), abs_tol=1e-5)
### BEGIN HIDDEN TESTS
from hidden_checks import ps1
ps1.log_density(log_density)
### END HIDDEN TESTS

# %% test="log-density-far" points=1
far = log_density(torch.tensor([[60.0, 0.0]]), 0.1, one)
assert math.isfinite(far.item()), "underflow: sum in the logarithm"
### BEGIN HIDDEN TESTS
from hidden_checks import ps1
ps1.log_density_far(log_density)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 The score
#
# Differentiate $\log \sum_i e^{\ell_i}$. The chain rule hands you the *responsibilities*, the probability that $x$ came from component $i$,
#
# $$ r_i(x) = \frac{e^{\ell_i(x)}}{\sum_j e^{\ell_j(x)}}, \qquad \nabla_x \log p(x; \sigma) = \sum_i r_i(x)\, \nabla_x \ell_i(x). $$
#
# Work out $\nabla_x \ell_i$ on paper and write the score in closed form, without automatic differentiation.

# %% task="score"
def score(x: Tensor, sigma, mixture: Mixture) -> Tensor:
    """Gradient of log p(x; sigma) in x, [N, 2]. x: [N, 2]; sigma: a number or [N]."""
    d, precision = offsets_and_precisions(x, sigma, mixture)  # [N, K, 2], [N, K, 2, 2]
    ### BEGIN SOLUTION
    pull = -(precision @ d[..., None])[..., 0]  # gradient of each term, [N, K, 2]
    terms = mixture.weights.log() + 0.5 * torch.logdet(precision) + 0.5 * (d * pull).sum(-1)
    responsibility = terms.softmax(dim=1)  # [N, K]
    return (responsibility[..., None] * pull).sum(1)
    ### END SOLUTION

# %% test="score-values" points=4
x = torch.tensor([[0.7, -1.2]])
assert torch.allclose(score(x, 0.0, one), -x), "a unit normal pulls straight to its mean"
assert torch.allclose(score(x, 2.0, one), -x / 5), "with noise of standard deviation 2 the variance is 5"
### BEGIN HIDDEN TESTS
from hidden_checks import ps1
ps1.score(score)
### END HIDDEN TESTS

# %% [markdown]
# What to see: arrows point uphill. At small $\sigma$ each petal pulls on its own; at large $\sigma$ the mixture looks like one Gaussian and all arrows
# point to its mean.

# %%
import matplotlib.pyplot as plt

axis = torch.linspace(-2.5, 2.5, 60, dtype=torch.float64)
grid = torch.cartesian_prod(axis, axis)
coarse = grid.reshape(60, 60, 2)[::5, ::5].reshape(-1, 2)
figure, panels = plt.subplots(1, 3, figsize=(9, 3), constrained_layout=True)
for panel, sigma in zip(panels, (0.1, 0.5, 2.0)):
    density = log_density(grid, sigma, petals).reshape(60, 60).T
    panel.contourf(axis, axis, density.clamp(min=-8), levels=12, cmap="Blues")
    panel.quiver(*coarse.T, *score(coarse, sigma, petals).T * sigma, angles="xy")
    panel.set(title=f"score times σ, σ = {sigma}", aspect="equal", xticks=[], yticks=[])

# %% [markdown]
# ## 3 From score to denoiser
#
# Let $x = y + \sigma n$ with clean data $y$ and unit normal noise $n$. The *denoiser* $D(x; \sigma) = \mathbb E[\,y \mid x\,]$ is the best guess of $y$. Tweedie's formula
# says that it *is* the score in other clothes:
#
# $$ \nabla_x \log p(x; \sigma) = \frac{D(x; \sigma) - x}{\sigma^2}. $$

# %% task="tweedie"
def denoise(score_at_x: Tensor, x: Tensor, sigma) -> Tensor:
    """D(x; sigma) from the score at x.

    score_at_x, x: [N, 2]; sigma: a number or [N], one noise level for each row.
    """
    ### BEGIN SOLUTION
    variance = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1) ** 2
    return x + variance * score_at_x
    ### END SOLUTION

# %% test="tweedie-values" points=3
x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
half = denoise(-x / 2, x, 1.0)
assert torch.allclose(half, x / 2), "unit normal data, unit noise: half of what you see is noise"
by_row = denoise(-x, x, torch.tensor([0.0, 1.0]))
assert torch.allclose(by_row, torch.tensor([[1.0, 0.0], [0.0, 0.0]])), "one sigma for each row"
### BEGIN HIDDEN TESTS
from hidden_checks import ps1
ps1.denoise(denoise)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 The same denoiser from Bayes' rule
#
# Now forget the score. If $x$ came from component $i$, then $y$ and $x$ are jointly Gaussian, and the mean of $y$ given $x$ is
#
# $$ m_i(x) = \mu_i + S_i\, (S_i + \sigma^2 I)^{-1} (x - \mu_i). $$
#
# We do not know the component, so $D(x; \sigma) = \sum_i r_i(x)\, m_i(x)$. Implement this; do not call `score` or `denoise`.

# %% task="posterior-mean"
def posterior_mean(x: Tensor, sigma, mixture: Mixture) -> Tensor:
    """E[y | x], [N, 2], as a mean over components. x: [N, 2]; sigma: a number or [N]."""
    d, precision = offsets_and_precisions(x, sigma, mixture)  # [N, K, 2], [N, K, 2, 2]
    ### BEGIN SOLUTION
    whitened = (precision @ d[..., None])[..., 0]  # [N, K, 2]
    terms = mixture.weights.log() + 0.5 * torch.logdet(precision) - 0.5 * (d * whitened).sum(-1)
    means = mixture.means + (mixture.covariances @ whitened[..., None])[..., 0]  # [N, K, 2]
    return (terms.softmax(dim=1)[..., None] * means).sum(1)
    ### END SOLUTION

# %% test="posterior-mean-values" points=4
x = torch.tensor([[0.4, 0.2], [-1.0, 3.0]], dtype=torch.float64)
assert posterior_mean(x, 0.5, petals).shape == (2, 2)
sharp = posterior_mean(x, 1e-6, petals)
assert torch.allclose(sharp, x, atol=1e-5), "without noise there is nothing to guess"
### BEGIN HIDDEN TESTS
from hidden_checks import ps1
ps1.posterior_mean(posterior_mean)
### END HIDDEN TESTS

# %%
x = torch.randn(1000, 2, dtype=torch.float64)
for sigma in (0.05, 0.5, 5.0):
    gap = (denoise(score(x, sigma, petals), x, sigma) - posterior_mean(x, sigma, petals)).abs().max()
    print(f"sigma {sigma:4}: the two routes differ by at most {gap:.1e}")

# %% [markdown]
# ## 5 Nothing denoises better
#
# A network learns $D$ without ever seeing a score: it is trained to lower the *denoising error*, the mean over data and noise of
#
# $$ \big\| D(y + \sigma n;\ \sigma) - y \big\|^2 . $$
#
# Here `denoiser` is any function of `(x, sigma)`. Sum the squares over the two coordinates and average over the points.

# %% task="denoising-error"
def denoising_error(denoiser, clean: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """Mean squared distance of the denoised points from the clean ones, a scalar.

    clean, noise (unit normal): [N, 2].
    """
    ### BEGIN SOLUTION
    return (denoiser(clean + sigma * noise, sigma) - clean).square().sum(1).mean()
    ### END SOLUTION

# %% test="denoising-error-values" points=2
noise = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
nothing_done = denoising_error(lambda x, sigma: x, torch.zeros(2, 2), noise, 3.0)
assert math.isclose(float(nothing_done), 9.0, rel_tol=1e-5)
### BEGIN HIDDEN TESTS
from hidden_checks import ps1
ps1.denoising_error(denoising_error)
### END HIDDEN TESTS

# %% [markdown]
# What to see: whichever way you bend the ideal denoiser, its error goes up. That is why a network trained on this error alone ends up near the score.

# %%
generator = torch.Generator().manual_seed(0)
component = torch.multinomial(petals.weights, 20000, replacement=True, generator=generator)
z, noise = torch.randn(2, 20000, 2, generator=generator, dtype=torch.float64)
root = torch.linalg.cholesky(petals.covariances)[component]
clean = petals.means[component] + (root @ z[..., None])[..., 0]
for bend in (0.8, 0.9, 1.0, 1.1, 1.2):
    error = denoising_error(lambda x, s: x + bend * (posterior_mean(x, s, petals) - x), clean, noise, 0.5)
    print(f"{bend:.1f} times the ideal correction: error {float(error):.4f}")

# %% [markdown]
# ## 6 Two limits, in words
#
# What does $D(x; \sigma)$ become as $\sigma \to 0$, and as $\sigma \to \infty$? Give the reason for each, from the formula of task 4, in two or three sentences. Then say what
# this means for a sampler that starts at a large $\sigma$: where do all its points head for at first? *(1 point for both limits with reasons, 1 point for the sampler.)*

# %% [markdown] written="limits" points=2
# As $\sigma \to 0$ the factor $S_i (S_i + \sigma^2 I)^{-1}$ tends to the identity, so every $m_i(x)$ tends to $x$: there is no noise to remove. As $\sigma \to \infty$ that factor
# tends to zero and the responsibilities tend to $w_i$ (all components look equally far away), so $D$ tends to $\sum_i w_i \mu_i$, the mean of the data. A sampler that starts
# at a large noise level therefore moves all its points towards the mean of the data first; which component a point ends in is decided later.
