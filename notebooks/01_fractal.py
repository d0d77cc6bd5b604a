# %% [markdown]
# # 1 · The fractal, heat diffusion, densities and scores
#
# Everything in this course happens first in a world of two dimensions in which nothing has to be believed: density, score and
# best possible denoiser are known in closed form at every noise level. This notebook builds that world. No network appears in it.
#
# | you will see | and measure |
# |---|---|
# | the two-class fractal of the paper's Figure 1 | its moments, against what the paper states |
# | what adding noise does to a density (heat diffusion) | at which noise a branch, and then the class, can no longer be told |
# | the score, the direction in which density grows | our formula against one line of automatic differentiation |
# | the denoiser, which is the score in disguise | the formula against a plain average over data points |
# | why densities must be computed in logarithms | where single precision fails |

# %% tags=["setup"]
REPOSITORY = ""  # to install from; `python notebooks/address.py URL` sets it
import importlib.util, pathlib, subprocess, sys

if importlib.util.find_spec("toy2d") is None:
    checkout = [p for p in (pathlib.Path.cwd(), pathlib.Path.cwd().parent) if (p / "toy2d").is_dir()]
    if checkout:
        sys.path.insert(0, str(checkout[0]))
    elif REPOSITORY:
        package = f"diffusion-guidance[notebooks] @ git+{REPOSITORY}"
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)
    else:
        raise ModuleNotFoundError("the project is not installed: run `pip install .` in its folder, or open this notebook there")

# %% tags=["parameters"]
FAST = False  # True: fewer points and pixels, a quick look
SLIDERS = True  # False: the static pictures only

# %%
import numpy as np
import torch

from figures.lessons import world
from figures.lessons.notebook import say, show, slider, spread, table
from toy2d import metrics
from toy2d.fractal import fractal

N, PIXELS = (512, 60) if FAST else (4096, 160)

# %% [markdown]
# ## 1. A distribution with structure at every scale
#
# Two trees, class A (orange) and class B (grey). Each has 127 branches in 7 generations; a branch is 8 Gaussians on a line,
# and each generation is shorter, thinner and rarer than the one before. It is a caricature of images: the trunk is
# what a model learns in the first minute, the leaves are what it never quite learns.

# %%
A, B, both = fractal("A"), fractal("B"), fractal("AB")
panel = world.compute_levels([0.0], pixels=2 * PIXELS)
show(
    world.draw_levels(panel),
    f"**Figure 1.1.** {len(both.weights)} Gaussians. The lines enclose 99 % of each class. Seen from afar there are "
    f"two objects; the leaves are where the difficulty lies: half of the branches of A are leaves, and together they hold "
    f"{world.depth_shares()[6]['share']:.1%} of its mass.",
)

# %%
table(
    ["generation", "branches", "mass of the generation", "mass of one branch"],
    [[d["depth"], d["branches"], f"{d['share']:.1%}", f"{d['share'] / d['branches']:.2%}"] for d in world.depth_shares()],
)

# %% [markdown]
# The paper says that over both classes the data has mean 0 and standard deviation $\sigma_\text{data} = 0.5$ along each axis.
# That is a claim about 2032 Gaussians, and its check is exact: $\mu = \sum_i w_i \mu_i$ and
# $\Sigma = \sum_i w_i (\Sigma_i + \mu_i \mu_i^T) - \mu \mu^T$.

# %%
mean, covariance = metrics.moments(both)
sd = covariance.diagonal().sqrt()
say(
    f"Mean ({mean[0]:.4f}, {mean[1]:.4f}), standard deviations ({sd[0]:.4f}, {sd[1]:.4f}): **the claim holds** to three "
    f"digits. But the axes are correlated ({covariance[0, 1] / sd.prod():.2f}), and one class alone is another matter: "
    f"class A has mean ({metrics.moments(A)[0][0]:.2f}, {metrics.moments(A)[0][1]:.2f}) and standard deviations of "
    f"{metrics.moments(A)[1][0, 0].sqrt():.2f} and {metrics.moments(A)[1][1, 1].sqrt():.2f}. Models are scaled for both classes even when they learn one."
)

# %% [markdown]
# ## 2. Heat diffusion
#
# Add Gaussian noise of standard deviation $\sigma$ to every data point. The density of the result is the data's density
# convolved with a Gaussian, as heat spreads from a hot body:
# $$p(x; \sigma) = \int p_\text{data}(y)\, \mathcal N(x;\, y, \sigma^2 I)\, dy .$$
# For a mixture of Gaussians no integral is left: each covariance grows by $\sigma^2 I$.

# %%
sigmas = (0.0, 0.03, 0.1, 0.3, 1.0)
levels = world.compute_levels(sigmas, pixels=PIXELS)
show(
    world.draw_levels(levels),
    "**Figure 1.2.** The same density at five noise levels; lines as before. At σ = 0.03 the leaves have merged "
    "into their parents, at 0.3 the two classes overlap, at 1 nearly everything is one round cloud.",
)

# %%
slider(lambda sigma: world.draw_levels(world.compute_levels([sigma], pixels=80)), SLIDERS,
       sigma=[0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 0.8, 1.2])

# %% [markdown]
# *Check yourself.* A point is drawn, then noised. Must its density be lower after the noise? Think of a point that lay in an empty
# place to begin with.
#
# A picture of clouds invites vague words, so let us measure: **what can a noisy point still tell about where it came from?** Bayes' rule gives the
# posterior over all 254 branches exactly. Its entropy $H$, as $e^H$, counts the branches that are still possible.

# %%
noise = np.geomspace(0.002, 5, 12)
knows = [world.knowledge(noise, N // 2, seed) for seed in range(3)]
half = [float(np.interp(2.0, k["branches"], k["sigma"])) for k in knows]
lost = [float(np.interp(-0.75, -k["right"], k["sigma"])) for k in knows]
show(
    world.draw_knowledge(knows),
    f"**Figure 1.3.** What survives the noise (three samples of {N // 2}, the lines coincide). Two branches are possible on average at σ = "
    f"{spread(half, '.3f')}; the class is named rightly with probability 75 % at σ = {spread(lost, '.2f')}. Between the "
    f"two, the class is known and the details are not.",
)


# %% [markdown]
# This order matters for all that follows. Sampling runs the noise backwards: **the class is decided early, at high noise; the leaf is decided late**. A guide that differs from
# the main model in the class acts at high noise, a guide that differs in the details acts at low noise. Keep it in mind for
# notebooks 4 and 6.
#
# ## 3. The score
#
# The score $\nabla_x \log p(x; \sigma)$ points to where density grows. For one Gaussian it is a straight pull to the centre,
# $\Sigma^{-1}(\mu - x)$; for a mixture, the same pulls weighted by the posterior probability of each component:
# $$\nabla_x \log p(x;\sigma) = \sum_i p(i \mid x)\, (\Sigma_i + \sigma^2 I)^{-1} (\mu_i - x).$$
# These are the five lines:

# %%
def score_by_hand(x, sigma):  # x: [N, 2]
    noised = A.covariances.double() + sigma**2 * torch.eye(2)
    pull = torch.linalg.solve(noised, (A.means.double() - x[:, None])[..., None])[..., 0]  # [N, K, 2]
    log_joint = A.weights.double().log() - 0.5 * torch.logdet(noised) - 0.5 * ((A.means - x[:, None]) * pull).sum(-1)
    return (log_joint.softmax(1)[..., None] * pull).sum(1)


x = A.sample(200, 0.05, torch.Generator().manual_seed(0)).double()
leaf = x.clone().requires_grad_()
by_autograd = torch.autograd.grad(A.log_prob(leaf, 0.05).sum(), leaf)[0]
library = A.score(x, 0.05)
scale = library.norm(dim=1).max()
say(
    f"Largest difference to the library, relative to the longest score: by hand {((score_by_hand(x, 0.05) - library).norm(dim=1).max() / scale):.0e}, "
    f"by automatic differentiation of log p {((by_autograd - library).norm(dim=1).max() / scale):.0e}."
)

# %%
show(
    world.draw_field(0.03, pixels=PIXELS),
    "**Figure 1.4.** A fork of class A at σ = 0.03, with the score as arrows (long arrows: far from the data). It points to the nearest branch; "
    "between the two arms it nearly vanishes: there a sample must choose.",
)

# %%
slider(lambda sigma: world.draw_field(sigma), SLIDERS, sigma=[0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5])

# %% [markdown]
# ## 4. The denoiser is the score
#
# Given a noisy point, what is the best guess of the clean one? The mean of the posterior, $D(x;\sigma) = \mathbb E[y \mid x]$: it has the least
# squared error. Tweedie's formula (1956) says that this guess is one step along the score:
# $$D(x; \sigma) = x + \sigma^2\, \nabla_x \log p(x; \sigma).$$
# The left side needs no formula for the density at all: it is an average over data, each point weighted by how well it explains $x$.
# The right side needs no data. They must agree.

# %%
runs = {n: [] for n in (2**8, 2**10, 2**12, 2**14)}
for seed in range(3):
    x = A.sample(128, 0.1, torch.Generator().manual_seed(seed))
    for n in runs:
        average = world.monte_carlo_denoiser(x, 0.1, n, seed + 100)
        runs[n].append((average - A(x, 0.1)).norm(dim=1).mean().item() / 0.1)
table(["data points averaged", "mean distance to x + σ² score, in units of σ"], [[n, spread(v, ".4f")] for n, v in runs.items()])

# %% [markdown]
# Sixteen times the data, a quarter of the distance: the $1/\sqrt n$ of an average whose expectation is the formula. All code here and in the
# image part of this project speaks of denoisers: any function `D(x, sigma, labels=None)`. The exact mixture is one:

# %%
start = torch.tensor([[0.6, 0.2]])
for sigma in (1.0, 0.3, 0.1, 0.03):
    guess = A(start, sigma)[0]
    say(f"σ = {sigma:<5g} D(0.60, 0.20) = ({guess[0]:.3f}, {guess[1]:.3f})")

# %% [markdown]
# *Check yourself.* At σ = 1 the guess is close to the mean of class A, printed above. Why must it be? And what is $D$ as $\sigma \to 0$, for a point where there is no data?
#
# ## 5. A trap: density in single precision
#
# $p(x;\sigma)$ away from the data is a very small number. Single precision ends at about $10^{-45}$; a density of $0$ divides $0$
# in the score, and the answer is `nan`. Logarithms never leave the range: subtract the largest exponent before exponentiating (*log-sum-exp*).

# %%
far = torch.linspace(0, 2, 201)
points = torch.stack([A.means[0, 0] - far, A.means[0, 1] + far], 1)
log_p = A.log_prob(points, 0.03)
gone = far[(log_p.exp() == 0)][0].item() * np.sqrt(2)
say(
    f"Walking away from the trunk at σ = 0.03, the density is exactly 0 in single precision from a distance of **{gone:.2f}** on; "
    f"the log density there is {log_p[-1]:.0f} nats at the far end, and its score is finite: {bool(A.score(points, 0.03).isfinite().all())}."
)

# %% [markdown]
# ## 6. A ruler for samples
#
# The next notebooks judge thousands of points. Because the truth is known, the ruler is exact: the region of highest density that holds 99 % of the mass is
# found once, and a sample outside it is an **outlier**. True samples are outliers with a probability of 1 %. **Coverage** is
# the share of samples that each branch gets, against the share that it should get: the total variation between
# the two (TV), and the number of leaves that got less than a tenth of their due. Every ruler has a floor, what true samples get:

# %%
floors = {n: [] for n in (1024, 4096, *([] if FAST else [16384]))}
for n in floors:
    for seed in range(3):
        sample = A.sample(n, generator=torch.Generator().manual_seed(seed))
        occupancy, due = metrics.branch_occupancy(sample, A), metrics.branch_weights(A)
        outside = (A.log_prob(sample) < metrics.region_levels(A)[0]).float().mean().item()
        floors[n].append((outside, 0.5 * (occupancy - due).abs().sum().item(), metrics.leaves_lost(occupancy, due)))
columns = {n: list(zip(*rows, strict=True)) for n, rows in floors.items()}
table(
    ["true samples", "outliers", "TV of branches", "leaves lost, of 64"],
    [[n, spread(c[0], ".2%"), spread(c[1], ".3f"), spread(c[2], ".1f")] for n, c in columns.items()],
)

# %% [markdown]
# TV falls as $1/\sqrt n$ even for a perfect sampler, and with a thousand points some leaves are empty by chance alone. **A number without its floor and its $n$ means
# nothing**: this project always gives both.
#
# ## What we measured

# %%
table(
    ["claim", "number", "over"],
    [
        ["the data has standard deviation 0.5 along each axis", f"{sd[0]:.4f}, {sd[1]:.4f}", "exact"],
        ["a leaf holds little", f"{world.depth_shares()[6]['share'] / 64:.2%} of the mass", "exact, mean of 64"],
        ["details vanish first: two branches possible", f"σ = {spread(half, '.3f')}", "3 samples"],
        ["the class vanishes later: 75 % sure", f"σ = {spread(lost, '.2f')}", "3 samples"],
        ["an average over data is the denoiser", f"{spread(runs[2**14], '.4f')} σ apart at n = 2^14", "3 samples"],
        ["1 % of true samples are outliers", spread(columns[max(floors)][0], ".2%"), f"3 × {max(floors)} samples"],
    ],
)

# %% [markdown]
# **Questions.** (1) In which of the two sums for the covariance does the correlation of the axes arise? (2) Derive Tweedie's formula in one line by
# differentiating $p(x;\sigma)$ under the integral. (3) Where in the plane does $D(x;\sigma)$ leave the convex hull of the data? (4) Replace
# the 99 % of the ruler by 99.9 %: which conclusions of notebook 4 should not depend on it? Try them there.
#
# Next: [2 · Learning a score](02_learning.ipynb). All: [the table of walkthroughs](README.md).
