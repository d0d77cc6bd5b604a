# %% [markdown]
# # Problem set 3: guidance — derive it, build it, find out when it fails
#
# **Time** about 2½ hours · **Points** 27: 22 by tests, 5 by a person · **Needs** problem sets 1 and 2
#
# Guidance extrapolates: away from what a worse model $D_0$ (the *guide*) predicts, through what a better model $D_1$ predicts, and beyond:
#
# $$ D_w(x; \sigma) = D_0(x; \sigma) + w\, \big( D_1(x; \sigma) - D_0(x; \sigma) \big). $$
#
# With an unconditional guide it is called classifier-free guidance; with a smaller, less trained version of the same model, autoguidance (arXiv 2406.02507). Why should the difference between two
# imperfect models point at the truth? With Gaussians everything can be worked out with pencil and paper, including when it cannot work. Then you test what you found on a fractal.
#
# | task | you write | points |
# |---|---|---|
# | 1 | guidance | 4 + 2 |
# | 2 | the density it seems to aim at, and when there is none | 3 + 2 |
# | 3 | what the sampler really delivers | 4 |
# | 4 | the weight that undoes an error | 4 |
# | 5 | the experiment | 3 |
# | 6 | in words: when does it fail? | 5 |
#
# Tasks are graded one by one. Visible tests are the cells with `assert`; grading adds hidden ones with other numbers. In task 1 `edm.guidance` gets no points; from task 5 on it is your tool.

# %% given="setup"
import math

import torch
from torch import Tensor

from edm.denoiser import expand_sigma
from edm.guidance import guide
from toy2d import pretrained
from toy2d import paired
from toy2d.fractal import fractal

# %% [markdown]
# ## 1 The line
#
# Write a function that takes two denoisers and a weight and returns a denoiser. At $w = 1$ guidance is off: then the guide, which costs as much as the main model, must not be evaluated at all.

# %% task="guided"
def guided(main, weak, weight: float):
    """The denoiser D_w(x, sigma) of the main model `main` and the guide `weak`.

    With weight 1 `weak` is never called.
    """
    ### BEGIN SOLUTION
    if weight == 1:
        return main

    def denoise(x, sigma):
        d_weak = weak(x, sigma)
        return d_weak + weight * (main(x, sigma) - d_weak)

    return denoise
    ### END SOLUTION

# %% test="guided-values" points=4
x = torch.ones(1, 2)
assert torch.allclose(guided(lambda x, s: 3 * x, lambda x, s: 2 * x, 4.0)(x, 1.0), 6 * x), "2 + 4 (3 - 2)"
### BEGIN HIDDEN TESTS
from hidden_checks import ps3
ps3.guided(guided)
### END HIDDEN TESTS

# %% test="guided-off" points=2
assert torch.allclose(guided(lambda x, s: 3 * x, lambda x, s: 2 * x, 1.0)(x, 1.0), 3 * x)
### BEGIN HIDDEN TESTS
from hidden_checks import ps3
ps3.guided_off(guided)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 What it seems to aim at
#
# Replace each $D$ by its score, $D = x + \sigma^2 \nabla \log p$: guidance follows $w \nabla \log p_1 - (w - 1) \nabla \log p_0$, the score of
#
# $$ p_w(x; \sigma) \;\propto\; p_1(x; \sigma)\, \Big( \frac{p_1(x; \sigma)}{p_0(x; \sigma)} \Big)^{w - 1} . $$
#
# Let the main model believe in data $\mathcal N(0, s_1^2)$ and the guide in $\mathcal N(0, s_0^2)$ (one axis is enough). After noise their variances are $s_1^2 + \sigma^2$ and $s_0^2 + \sigma^2$, and $p_w$ is Gaussian again. Find its
# standard deviation. If the exponent of $p_w$ does not fall off at infinity, there is no such density: return `math.inf`.

# %% task="aimed-std"
def aimed_std(s_main: float, s_weak: float, weight: float, sigma: float) -> float:
    """Standard deviation of p_w at noise level sigma, or math.inf where p_w cannot be normalised."""
    ### BEGIN SOLUTION
    precision = weight / (s_main**2 + sigma**2) - (weight - 1) / (s_weak**2 + sigma**2)
    return precision**-0.5 if precision > 0 else math.inf
    ### END SOLUTION

# %% test="aimed-std-values" points=3
assert math.isclose(aimed_std(1.0, 2.0, 1.0, 0.0), 1.0), "w = 1 is the main model"
assert aimed_std(1.0, 2.0, 3.0, 0.0) < 1.0, "a broader guide sharpens"
### BEGIN HIDDEN TESTS
from hidden_checks import ps3
ps3.aimed_std(aimed_std)
### END HIDDEN TESTS

# %% [markdown]
# For which weights does $p_w$ exist? If the guide is broader than the main model, for all $w \ge 1$. Otherwise there is a largest weight: find it.

# %% task="largest-weight"
def largest_weight(s_main: float, s_weak: float, sigma: float) -> float:
    """The weight up to which p_w can be normalised at noise level sigma; math.inf if there is no limit."""
    ### BEGIN SOLUTION
    v_main, v_weak = s_main**2 + sigma**2, s_weak**2 + sigma**2
    return v_main / (v_main - v_weak) if v_weak < v_main else math.inf
    ### END SOLUTION

# %% test="largest-weight-values" points=2
assert largest_weight(1.0, 2.0, 0.5) == math.inf
### BEGIN HIDDEN TESTS
from hidden_checks import ps3
ps3.largest_weight(largest_weight)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 What the sampler delivers
#
# $p_w(x; \sigma)$ is aimed at *at each* $\sigma$, but these densities are not noised versions of one another, and so the sampler does not deliver $p_w(x; 0)$. With Gaussians the guided ODE is linear and can be solved. Insert the scores:
#
# $$ \frac{dx}{d\sigma} = -\sigma\, \nabla \log p_w(x; \sigma) = \Big( \frac{w\, \sigma}{s_1^2 + \sigma^2} - \frac{(w - 1)\, \sigma}{s_0^2 + \sigma^2} \Big)\, x . $$
#
# Integrate $d \log x$ from $\sigma_{\max}$ to 0. Points start with the standard deviation the main model expects there, $\sqrt{s_1^2 + \sigma_{\max}^2}$. With which standard deviation do they arrive?

# %% task="sampled-std"
def sampled_std(s_main: float, s_weak: float, weight: float, sigma_max: float) -> float:
    """Standard deviation at sigma = 0 of points that start at sigma_max with sqrt(s_main^2 + sigma_max^2)."""
    ### BEGIN SOLUTION
    v_main, v_weak = s_main**2 + sigma_max**2, s_weak**2 + sigma_max**2
    shrink = (s_main**2 / v_main) ** (weight / 2) * (s_weak**2 / v_weak) ** (-(weight - 1) / 2)
    return math.sqrt(v_main) * shrink
    ### END SOLUTION

# %% test="sampled-std-values" points=4
unguided = sampled_std(0.7, 2.0, 1.0, 80.0)
assert math.isclose(unguided, 0.7), "without guidance the main model's own spread arrives"
twins = sampled_std(0.7, 0.7, 5.0, 80.0)
assert math.isclose(twins, 0.7), "a guide that makes the same errors changes nothing"
### BEGIN HIDDEN TESTS
from hidden_checks import ps3
ps3.sampled_std(sampled_std)
### END HIDDEN TESTS

# %% [markdown]
# What to see: left, a broader guide: guided samples are narrower, and even narrower than $p_w$ promises. Right, a guide *narrower* than the main model: $p_w$ ceases to exist at the dotted weight, while samples merely spread further and further.

# %%
import matplotlib.pyplot as plt

weights = torch.linspace(1, 4, 61).tolist()
figure, panels = plt.subplots(1, 2, figsize=(8, 2.8), constrained_layout=True)
for panel, s_weak in zip(panels, (1.5, 0.8)):
    panel.plot(weights, [aimed_std(1.0, s_weak, w, 0.0) for w in weights], label="p_w at σ = 0")
    panel.plot(weights, [sampled_std(1.0, s_weak, w, 80.0) for w in weights], label="samples")
    if largest_weight(1.0, s_weak, 0.0) < 4:
        panel.axvline(largest_weight(1.0, s_weak, 0.0), color="grey", linestyle=":")
    panel.set(title=f"main model: 1, guide: {s_weak}", ylim=(0, 3))
    panel.set(xlabel="weight w", ylabel="standard deviation")
panels[0].legend();

# %% [markdown]
# ## 4 The weight that undoes an error
#
# Let $\sigma_{\max} \to \infty$ in your result of task 3: it becomes $s_1 (s_1 / s_0)^{w - 1}$. Suppose that the truth is $\mathcal N(0, s^2)$, and that both models have it wrong. Which weight $w \ge 1$ makes the guided samples' spread closest to $s$ on a logarithmic scale?
# Think of both directions: if the guide errs in the *same* direction as the main model, and more, some $w > 1$ is exactly right. If it errs in the *opposite* direction, or the main model has no error, or the two models agree, no $w > 1$ helps: return 1.

# %% task="restoring-weight"
def restoring_weight(s_true: float, s_main: float, s_weak: float) -> float:
    """The weight >= 1 at which samples of the guided model have a spread closest to s_true."""
    ### BEGIN SOLUTION
    if s_main == s_weak:
        return 1.0
    return max(1.0, 1 + math.log(s_true / s_main) / math.log(s_main / s_weak))
    ### END SOLUTION

# %% test="restoring-weight-values" points=4
twice = restoring_weight(1.0, 1.1, 1.21)
assert math.isclose(twice, 2.0), "the guide makes the same error twice: w = 2 undoes it"
assert restoring_weight(1.0, 1.1, 1.0) == 1.0, "guidance would make it worse"
### BEGIN HIDDEN TESTS
from hidden_checks import ps3
ps3.restoring_weight(restoring_weight)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 The experiment
#
# Now the fractal. A sample counts as an *outlier* if it lies more than 3 standard deviations from every one of the 1016 Gaussians (`fractal("A").mahalanobis(samples)` gives the distance to the nearest; for the exact model about 0.4 % are). Write the sweep over weights: **the same** starting
# points for every weight, so that only the weight differs. Build the guided denoiser with `guide(main, weak, w)` and sample with `paired.run(denoiser, start)`.

# %% task="sweep"
def outlier_rates(main, weak, weights: list[float], start: Tensor) -> list[float]:
    """Share of outliers among the samples from `start`, for each weight.

    start: [N, 2], at the sampler's first noise level.
    """
    ### BEGIN SOLUTION
    target = fractal("A")
    samples = [paired.run(guide(main, weak, w), start) for w in weights]
    return [(target.mahalanobis(x) > 3).double().mean().item() for x in samples]
    ### END SOLUTION

# %% test="sweep-values" points=3
main = pretrained.load("main")
rates = outlier_rates(main, main, [1.0, 2.0], paired.draw_start(64))
assert len(rates) == 2 and rates[0] == rates[1] <= 0.3, "a guide that makes the same errors changes nothing"
### BEGIN HIDDEN TESTS
from hidden_checks import ps3
ps3.outlier_rates(outlier_rates)
### END HIDDEN TESTS

# %% [markdown]
# Two ways to spoil the exact denoiser: `blurred` believes that the data were a little more spread out, `turned` that they were rotated by a small angle. The main model has a small error of one kind; the guide has twice that error, of the same kind or of the other. Four combinations:

# %% given="spoiled"
exact = fractal("A")


def blurred(width: float):
    """The ideal denoiser of the data convolved with N(0, width^2 I)."""

    def denoiser(x, sigma, labels=None):
        sigma = expand_sigma(sigma, x)
        return x + sigma**2 * exact.score(x, (sigma[:, 0] ** 2 + width**2).sqrt())

    return denoiser


def turned(angle: float):
    """The ideal denoiser of the data rotated by an angle in radians about the origin."""
    c, s = math.cos(angle), math.sin(angle)
    rotation = torch.tensor([[c, -s], [s, c]])
    return lambda x, sigma, labels=None: exact(x @ rotation, sigma) @ rotation.T

# %%
weights = [1.0, 1.5, 2.0, 3.0]
start = paired.draw_start(128)
kinds = {"blurred": lambda amount: blurred(0.02 * amount), "turned": lambda amount: turned(0.03 * amount)}
print("share of outliers           w =", "     ".join(map(str, weights)))
for main_kind, main in kinds.items():
    for weak_kind, weak in kinds.items():
        rates = outlier_rates(main(1), weak(2), weights, start)
        print(f"main {main_kind:8} guide {weak_kind:8}    ", "  ".join(f"{rate:6.1%}" for rate in rates))

# %% [markdown]
# The same sweep with trained networks: the main model guided by one of less training and capacity (autoguidance), and by one that knows no classes (CFG). Change the seed of training and repeat: how far do the conclusions depend on it?

# %%
seed = 0
start = paired.draw_start(512)
for kind in ("guide", "uncond"):
    rates = outlier_rates(pretrained.load("main", seed), pretrained.load(kind, seed), weights, start)
    print(f"main, seed {seed}, guided by {kind:7}", "  ".join(f"{rate:6.1%}" for rate in rates))

# %% [markdown]
# ## 6 In words: when does it fail?
#
# In about 150 words: (a) Which of the four combinations does guidance mend, which does it worsen, and which number of task 4 predicts that? *(2 points)* (b) What, then, must hold between a model and its guide for guidance to work? *(1 point)* (c) For the trained networks: does a larger weight keep helping? Give the weight
# where it stops, and one reason that your results of tasks 2 and 3 suggest. *(2 points)*

# %% [markdown] written="failure" points=5
# (a) Guidance mends the two matched combinations: with a blurred main model and a twice as blurred guide outliers fall from 14 % to about 2 % at w = 2; with a turned main model and a twice as turned guide from 23 % to 4 % at w = 2, and rise again to 15 % at w = 3. It worsens both mixed combinations from the smallest
# weight on. Task 4 predicts it: the restoring weight exceeds 1 only if the guide's error has the direction of the main model's, and is 2 for a guide that makes the error twice; for an error of another kind there is no such weight. (b) The guide must make the *same kind* of error, in the same direction, only larger; then the difference of the two points from the error
# to the truth. An unrelated error is amplified, not removed. (c) No: outliers are fewest near w = 1.5 to 2, by two or three percentage points of eight, and rise again beyond. Where the guide is locally narrower than the main model, p_w ceases to exist above a largest weight and samples are driven apart (tasks 2 and 3); and past the restoring weight even a shared
# error is over-corrected.
