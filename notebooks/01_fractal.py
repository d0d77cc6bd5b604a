# %% [markdown]
# # 1 · The fractal, heat diffusion, densities and scores
#
# Everything in this course happens first in a world of two dimensions in which nothing has to be believed. The density, the score and the
# best possible denoiser are known in closed form at every noise level. This notebook builds that world. No network appears in it.
#
# **You will be able to**
#
# - write down the density and the score of noisy data, and check both;
# - say what a denoiser has to do with the score (Tweedie's formula), and derive it;
# - say which information survives how much noise;
# - judge samples by two numbers, outliers and coverage, and by their floors.
#
# **Read before:** nothing; you should know what a gradient and a Gaussian are. **Time:** 40 minutes to read, half a minute to run.
# **Terms:** the [glossary](../docs/glossary.md).
#
# *How to use it:* run the cells from the top, one after the other (Shift + Enter). Three cells ask you to commit to an answer. Write your letter
# there before you run on.

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
        missing = "the project is not installed: run `pip install .` in its folder, or open this notebook there"
        raise ModuleNotFoundError(missing)

# %% tags=["parameters"]
FAST = False  # True: fewer points and pixels, a quick look
SLIDERS = True  # False: the static pictures only

# %%
import numpy as np
import torch

from figures.lessons import world
from figures.lessons.notebook import reveal, say, show, slider, spread, table
from toy2d import metrics
from toy2d.fractal import fractal

N, PIXELS = (512, 60) if FAST else (4096, 160)

# %% [markdown]
# ## 1. A distribution with structure at every scale
#
# Our data are points in the plane. They form two trees, class A (upper right) and class B (lower left). Each tree has 127 branches in 7
# generations. A branch is 8 Gaussians on a line, and each generation is shorter, thinner and rarer than the one before. It is a caricature
# of images: a model learns the trunk in the first minute, and the leaves never quite. In the figure, look how thin the leaves are beside
# the trunk.

# %% tags=["hide-input"]
A, B, both = fractal("A"), fractal("B"), fractal("AB")
shares = world.depth_shares()
show(
    world.draw_levels(world.compute_levels([0.0], pixels=2 * PIXELS), width=4.0),
    f"**Figure 1.1.** The data: {len(both.weights)} Gaussians. Blue is their density. The lines enclose 99 % of class "
    "A (orange) and of class B (grey). From afar there are two objects, and the leaves carry the detail. The 64 leaves "
    f"of class A hold {shares[6]['share']:.1%} of its mass.",
)

# %%
table(
    ["generation", "branches", "mass of the generation", "mass of one branch", "width across a branch"],
    [
        [d["depth"], d["branches"], f"{d['share']:.1%}", f"{d['share'] / d['branches']:.2%}", f"{d['width']:.3f}"]
        for d in shares
    ],
)

# %% [markdown]
# Generation 0 is the trunk, generation 6 are the leaves. The width is the standard deviation across a branch.
#
# The paper says that over both classes the data have mean 0 and standard deviation $\sigma_\text{data} = 0.5$ along each axis. That is a
# claim about 2032 Gaussians, and it can be checked exactly. The mean is $\mu = \sum_i w_i \mu_i$. The covariance is the mean of $xx^T$
# minus $\mu\mu^T$:
# $$\Sigma = \sum_i w_i (\Sigma_i + \mu_i \mu_i^T) - \mu \mu^T.$$

# %%
w, mu = both.weights.double(), both.means.double()  # [K], [K, 2]
mean = w @ mu
second = torch.einsum("k,kij->ij", w, both.covariances.double()) + torch.einsum("k,ki,kj->ij", w, mu, mu)
covariance = second - mean[:, None] * mean
sd, sd_A = covariance.diagonal().sqrt(), metrics.moments(A)[1].diagonal().sqrt()
table(
    ["over", "mean", "standard deviations"],
    [
        ["both classes", f"({mean[0]:.4f}, {mean[1]:.4f})", f"{sd[0]:.4f}, {sd[1]:.4f}"],
        ["class A", "({:.2f}, {:.2f})".format(*metrics.moments(A)[0]), f"{sd_A[0]:.2f}, {sd_A[1]:.2f}"],
    ],
)

# %% [markdown]
# **The claim holds** for both classes together. One class alone has another mean and is narrower.
#
# ## 2. Heat diffusion
#
# Add Gaussian noise of standard deviation σ to every data point. The density of the result is the data's density
# convolved with a Gaussian, as heat spreads from a hot body:
# $$p(x; \sigma) = \int p_\text{data}(y)\, \mathcal N(x;\, y, \sigma^2 I)\, dy .$$
# For a mixture of Gaussians no integral is left. Variances add, so each covariance $\Sigma_i$ becomes $\Sigma_i + \sigma^2 I$.
#
# The comparison with heat is exact. With $t = \sigma^2$, the Gaussian obeys the heat equation
# $\partial_t \mathcal N = \frac12 \Delta \mathcal N$ (differentiate it to see that). The integral above is a sum of Gaussians, so $p$ obeys
# it too: $\partial_t p = \frac12\Delta p$. Notebook 5 builds on this.
#
# In the next figure, look for two things: at which level the leaves merge, and at which level the two classes do.

# %% tags=["hide-input"]
sigmas = (0.0, 0.03, 0.1, 0.3, 1.0)
show(
    world.draw_levels(world.compute_levels(sigmas, pixels=PIXELS)),
    "**Figure 1.2.** The same density at five noise levels; lines as before, where they fit in. At σ = 0.03 the "
    "leaves have merged into their parents, at σ = 0.3 the classes overlap, and at σ = 1 there is one round cloud. "
    f"Variances add, so the cloud has a standard deviation of √({sd[0]:.1f}² + 1²) = {(sd[0] ** 2 + 1).sqrt():.2f} "
    "along each axis.",
)

# %% [markdown]
# A picture of clouds invites vague words, so let us measure. **What can a noisy point still tell about where it came from?** Bayes' rule
# gives the probability that it came from each of the 254 branches, $p(i\mid x) \propto w_i\,p_i(x;\sigma)$. The entropy $H$ of these
# probabilities, as $e^H$, counts the branches that are still possible. Adding up the probabilities of class A's branches gives the
# probability of class A. For a point that was drawn from class A, this is the probability of its *true class*.
#
# **Commit to an answer (1 of 3).** Each tree is about 1.5 wide. At which noise level has the true class a probability of only 75 %, on
# average over noisy points? (a) σ = 0.05, (b) σ = 0.15, (c) σ = 0.5.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
noise = np.geomspace(0.002, 5, 12)
knows = [world.knowledge(noise, N // 2, seed) for seed in range(3)]
half = [float(np.interp(2.0, k["branches"], k["sigma"])) for k in knows]
lost = [float(np.interp(-0.75, -k["right"], k["sigma"])) for k in knows]

# %% tags=["hide-input"]
reveal(answer_1, "c", f"That is at σ = {np.mean(lost):.2f}. Two branches are possible from σ = {np.mean(half):.3f} on.")

# %% tags=["hide-input"]
show(
    world.draw_knowledge(knows),
    f"**Figure 1.3.** What survives the noise, averaged over {N // 2} points (three samples, the lines coincide). "
    "Details are lost long before the class. Between the two levels in the answer above lies a factor of "
    f"{np.mean(lost) / np.mean(half):.0f} in noise.",
)


# %% [markdown]
# Why does the left curve not begin at 1 and end at 254, and the right one not begin at 100 %? Even without noise branches overlap where they
# meet, and so do the two trees. A clean point there could come from more than one branch. At the other end the point tells nothing. All 254
# branches are possible then, but their masses differ, and $e^H$ of the masses is only 59 (dotted).
#
# **A slider:** run the next cell to get one, and run it again after you reopen the notebook. It shows the density and both numbers at any
# level.

# %%
def note(sigma):
    """What a noisy point still tells, in words."""
    told = world.knowledge([sigma], N // 4)
    return f"branches possible: {told['branches'][0]:.1f}\nprobability of the true class: {told['right'][0]:.0%}"


slider(
    lambda sigma: world.draw_levels(world.compute_levels([sigma], pixels=80), [note(sigma)], width=4.0),
    SLIDERS,
    sigma=[0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 0.8, 1.2],
)


# %% [markdown]
# The order of Figure 1.3 matters for all that follows. Sampling runs the noise backwards: **the class is decided early, at high noise; the leaf is
# decided late.** A guide that differs from the main model in the class acts at high noise. A guide that differs in the details acts at low
# noise. Keep it in mind for notebooks 4 and 6.
#
# ## 3. The score
#
# The *score* is the gradient $\nabla_x \log p(x; \sigma)$. It points to where the density grows. For one Gaussian,
# $\log p = -\frac12 (x-\mu)^T\Sigma^{-1}(x-\mu)$ + const, so the score is a straight pull to the centre, $\Sigma^{-1}(\mu - x)$.
#
# For a mixture $p = \sum_i w_i p_i$, use $\nabla p_i = p_i \nabla\log p_i$:
# $$\nabla \log p = \frac{\sum_i w_i \nabla p_i}{p} = \sum_i \frac{w_i\,p_i}{p}\, \nabla\log p_i.$$
# The fraction is the probability $p(i\mid x)$ of component $i$, by Bayes' rule. So the score is the mean of all pulls, weighted by these
# probabilities:
# $$\nabla_x \log p(x;\sigma) = \sum_i p(i \mid x)\, (\Sigma_i + \sigma^2 I)^{-1} (\mu_i - x).$$
# In five lines:

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
longest = library.norm(dim=1).max()
by_hand, automatic = ((s - library).norm(dim=1).max() / longest for s in (score_by_hand(x, 0.05), by_autograd))
say(f"Largest relative difference to the library: by hand {by_hand:.0e}, by automatic differentiation {automatic:.0e}.")

# %% [markdown]
# The next figure shows a fork of class A. The arrows are $\sigma^2$ times the score, drawn to scale; section 4 shows why this is the right
# length. Look where they end: at low noise near the closest branch, at high noise somewhere in the middle.

# %% tags=["hide-input"]
show(
    world.draw_field(0.01, 0.03, 0.1, pixels=PIXELS),
    "**Figure 1.4.** Density, and σ² times the score, at three noise levels. At low noise the arrows part between the "
    "arms: there a sample must choose. At σ = 0.1 they lead to the middle, and they are longer. The median lengths "
    "stand below the panels; a panel is 0.6 wide.",
)

# %% [markdown]
# **A slider:** run the next cell to get one (again after reopening). It shows the arrows at any level.

# %%
slider(lambda sigma: world.draw_field(sigma), SLIDERS, sigma=[0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5])

# %% [markdown]
# ## 4. The denoiser is the score
#
# Given a noisy point, what is the best guess of the clean one? It is the mean of all clean points that are possible,
# $D(x;\sigma) = \mathbb E[y \mid x]$, since the mean has the least squared error. Tweedie's formula (1956) says that this guess is one step
# along the score. The proof takes three lines. Differentiate the integral of section 2:
# $$\nabla p(x;\sigma) = \int p_\text{data}(y)\, \nabla_x \mathcal N(x; y, \sigma^2 I)\, dy
# = \int p_\text{data}(y)\, \mathcal N(x; y, \sigma^2 I)\, \frac{y - x}{\sigma^2}\, dy .$$
# Divide by $p(x;\sigma)$. Then $p_\text{data}(y)\,\mathcal N(x;y,\sigma^2 I)/p(x;\sigma)$ is the density of $y$ given $x$, and the integral
# is a mean:
# $$\nabla \log p(x;\sigma) = \frac{\mathbb E[y\mid x] - x}{\sigma^2}
# \qquad\Longrightarrow\qquad
# \boxed{\;D(x; \sigma) = x + \sigma^2\, \nabla_x \log p(x; \sigma)\;}$$
# So there are two ways to compute $D$. As the mean $\mathbb E[y\mid x]$ it needs no formula for the density: it is an average over data,
# each point weighted by how well it explains $x$. As $x + \sigma^2\nabla\log p$ it needs no data. (Problem set 1 uses both.)
#
# **Commit to an answer (2 of 3).** We estimate $\mathbb E[y\mid x]$ from $n$ data points, with $n$ = 1 024 and then 16 384. By which factor
# does its distance to $x + \sigma^2\nabla\log p$ fall? (a) 2, (b) 4, (c) 16.

# %%
answer_2 = None  # "a", "b" or "c"


# %%
def average_of_data(x, sigma, n, seed):
    """E[y | x] as a weighted mean over n data points: no mixture formula, no score."""
    y = A.sample(n, generator=torch.Generator().manual_seed(seed))
    weight = (-(torch.cdist(x, y) ** 2) / (2 * sigma**2)).softmax(1)  # [N, n]: how well each y explains each x
    return weight @ y


distance = {n: [] for n in (2**8, 2**10, 2**12, 2**14)}
for seed in range(3):
    x = A.sample(128, 0.1, torch.Generator().manual_seed(seed))
    for n in distance:
        apart = average_of_data(x, 0.1, n, seed + 100) - A(x, 0.1)
        distance[n].append(apart.norm(dim=1).mean().item() / 0.1)
factor = np.mean(distance[2**10]) / np.mean(distance[2**14])

# %% tags=["hide-input"]
reveal(answer_2, "b", f"Sixteen times the data, a distance {factor:.1f} times smaller: the 1/√n of an average.")

# %%
table(["data points averaged", "mean distance, in units of σ"], [[n, spread(v, ".4f")] for n, v in distance.items()])

# %% [markdown]
# All code here and in the image part of this project speaks of denoisers: any function `D(x, sigma, labels=None)`. The exact mixture is
# one. Ask it about one point, at four noise levels:

# %%
start = torch.tensor([[0.6, 0.2]])
guesses = {sigma: A(start, sigma)[0] for sigma in (1.0, 0.3, 0.1, 0.03)}
table(["σ", "D at the point (0.60, 0.20)"], [[f"{s:g}", f"({g[0]:.3f}, {g[1]:.3f})"] for s, g in guesses.items()])

# %% [markdown]
# At σ = 1 the guess is close to the mean of class A. It must be, since so much noise hides where in the tree the point was. At
# low noise the guess stays close to the point.
#
# ## 5. A trap: density in single precision
#
# Away from the data, $p(x;\sigma)$ is a very small number. Single precision ends at about $10^{-45}$. Below that the density is 0, the
# score becomes 0 divided by 0, and the answer is `nan`. Logarithms never leave the range. So subtract the largest exponent before
# exponentiating (*log-sum-exp*).

# %%
far = torch.linspace(0, 2, 201)
points = torch.stack([A.means[0, 0] - far, A.means[0, 1] + far], 1)  # walking away from the trunk
log_p = A.log_prob(points, 0.03)
gone = far[log_p.exp() == 0][0].item() * np.sqrt(2)
finite = bool(A.score(points, 0.03).isfinite().all())
say(f"At σ = 0.03 the density is exactly 0 in single precision from a distance of **{gone:.2f}** on.")
say(f"At the far end the log density is {log_p[-1]:.0f}, and the score is finite everywhere: {finite}.")

# %% [markdown]
# ## 6. A ruler for samples
#
# The next notebooks judge thousands of points. Since the truth is known, the ruler is exact.
#
# - **Outliers.** Take the region of highest density that holds 99 % of the mass. A sample outside it is an outlier. Of true samples 1 % are outliers.
# - **Coverage.** Compare the share of samples that each branch gets with the share that it should get. The *total variation* (TV) is half
#   the sum of the absolute differences. A leaf that got less than a tenth of its share counts as *lost*.
#
# Every ruler has a *floor*: what true samples get by chance.
#
# **Commit to an answer (3 of 3).** A leaf holds about a thousandth of the mass. Draw 1 024 *true* samples. How many of the 64 leaves count as lost?
# (a) none, (b) about a dozen, (c) about half.

# %%
answer_3 = None  # "a", "b" or "c"

# %%
level = metrics.region_levels(A)[0]  # log p is above this in the region that holds 99 %
due = metrics.branch_weights(A)  # the share of each branch
floors = {n: [] for n in (1024, 4096, *([] if FAST else [16384]))}
for n in floors:
    for seed in range(3):
        sample = A.sample(n, generator=torch.Generator().manual_seed(seed))
        outliers = (A.log_prob(sample) < level).float().mean().item()
        got = A.posterior(sample).double().mean(0)
        floors[n].append((outliers, 0.5 * (got - due).abs().sum().item(), metrics.leaves_lost(got, due)))
columns = {n: list(zip(*rows, strict=True)) for n, rows in floors.items()}

# %% tags=["hide-input"]
reveal(answer_3, "b", f"{spread(columns[1024][2], '.0f')} of 64, by chance alone.")

# %%
table(
    ["true samples", "outliers", "TV of branches", "leaves lost, of 64"],
    [[n, spread(c[0], ".2%"), spread(c[1], ".3f"), spread(c[2], ".1f")] for n, c in columns.items()],
)

# %% [markdown]
# TV falls as $1/\sqrt n$ even for a perfect sampler, and with a thousand points some leaves are empty by chance. **A number needs its floor
# and its $n$**, and this project always gives both.
#
# ## What we measured

# %% tags=["hide-input"]
table(
    ["claim", "number", "over"],
    [
        ["the data have standard deviation 0.5 along each axis", f"{sd[0]:.4f}, {sd[1]:.4f}", "exact"],
        ["a leaf holds little", f"{shares[6]['share'] / 64:.2%} of the mass", "exact, mean of 64"],
        ["details vanish first: two branches possible", f"σ = {spread(half, '.3f')}", "3 samples"],
        ["the class vanishes later: 75 % for the true one", f"σ = {spread(lost, '.2f')}", "3 samples"],
        ["an average of 2^14 data points is the denoiser", f"{spread(distance[2**14], '.4f')} σ apart", "3 samples"],
        ["1 % of true samples are outliers", spread(columns[max(floors)][0], ".2%"), f"3 × {max(floors)} samples"],
    ],
)

# %% [markdown]
# **Questions.**
#
# 1. The two axes are correlated over both classes. In which of the two sums for the covariance does that arise?
# 2. A point is drawn, then noised. Must the density at that point be lower after the noise? Think of a point in an empty place.
# 3. What is $D(x;\sigma)$ as σ goes to 0, at a point where there are no data?
# 4. Replace the 99 % of the ruler by 99.9 %. Which conclusions of notebook 4 should not depend on it? Try them there.
# 5. Derive from Tweedie's formula that $\sigma^2\,\nabla\log p$ is minus the expected noise in $x$.
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/01.md` beside this notebook.
#
# Next: [2 · Learning a score](02_learning.ipynb). All: [the table of walkthroughs](README.md).
