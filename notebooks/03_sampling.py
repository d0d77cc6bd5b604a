# %% [markdown]
# # 3 · Sampling: one differential equation, and Heun's order measured
#
# How do samples come out of a score? Start from noise, and follow a differential equation down to σ = 0. This notebook takes the sampler apart.
# It measures it on the exact score, where every error is the sampler's own.
#
# **You will be able to**
#
# - derive the differential equation from the way that noise spreads a density;
# - write Euler's and Heun's method, and measure their orders of convergence;
# - say when in sampling a branch is decided, and choose noise levels accordingly;
# - tell what more steps can repair, and what they cannot.
#
# **Read before:** notebook [1](01_fractal.ipynb), and sections 1 to 4 of notebook [2](02_learning.ipynb). **Time:** 35 minutes to read,
# half a minute to run. **Terms:** the [glossary](../docs/glossary.md).
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

from edm.sampler import Churn, sample, seeded, sigma_steps
from figures.lessons import sampling
from figures.lessons.notebook import reveal, say, show, slider, spread, table
from toy2d import pretrained
from toy2d.fractal import fractal
from toy2d.paired import SIGMA_MAX, difference, draw_start, measure

SEEDS, N = ([0, 1], 256) if FAST else ([0, 1, 2], 4096)
A = fractal("A")

# %% [markdown]
# ## 1. The probability-flow ODE
#
# Noise spreads a density like heat (notebook 1): with $t = \sigma^2$, $\partial_t p = \frac12 \Delta p$. Can points be *moved* so that
# their density changes in just this way, without any chance?
#
# 1. Points that move with a velocity $v(x)$ carry their density with them. Nothing is lost, so $\partial_t p = -\nabla\cdot(p\,v)$ (the
#    continuity equation).
# 2. Write the heat equation in the same form. Since $\nabla p = p\,\nabla\log p$,
#    $\;\frac12\Delta p = \nabla\cdot(\frac12\nabla p) = -\nabla\cdot\left(p\cdot(-\tfrac12\nabla\log p)\right)$.
# 3. Compare: $v = \frac{dx}{dt} = -\frac12\nabla\log p$. With $dt = 2\sigma\,d\sigma$,
# $$\boxed{\;\frac{dx}{d\sigma} = -\sigma\, \nabla_x \log p(x;\sigma) = \frac{x - D(x;\sigma)}{\sigma}\;}$$
#
# The second form is Tweedie's formula. The solutions of this ordinary differential equation (ODE) carry $p(x;\sigma)$ exactly from each
# noise level to every other, in both directions. For sampling we follow it downwards: as σ falls, move towards the denoiser's guess, by the
# share of σ that is given up.
#
# The starting points come from $p(x; \sigma_\text{max})$. For a large $\sigma_\text{max}$ that is just a wide Gaussian. In 2D we start at σ = 5.
#
# In the next figure, look at where the paths are straight and where they turn.

# %%
sigmas = sigma_steps(32, sigma_max=SIGMA_MAX)  # noise levels from 5 down to 0
trajectory = sample(A, draw_start(48), sigmas, trajectory=True)  # [33, 48, 2]: every state on the way

# %% tags=["hide-input"]
length = trajectory.diff(dim=0).norm(dim=2).sum(0) / (trajectory[-1] - trajectory[0]).norm(dim=1)
show(
    sampling.draw_paths(trajectory, sigmas),
    "**Figure 3.1.** 48 trajectories of the exact score. At first they are straight lines to the middle of the "
    f"class, and the turns come late. On average a path is only {length.mean() - 1:.1%} longer than the straight "
    "line from noise to sample.",
)

# %%
again = sample(A, draw_start(48)[10:11], sigmas)
other = sample(A, draw_start(48)[10:11] + 0.01, sigmas)
alone = (again - trajectory[-1, 10]).abs().max()
say(f"The eleventh point, sampled alone, ends {alone:.0e} from where it ended in company.")
say(f"Moved by 0.01 in each axis at the start, it ends {(other - again).norm():.4f} away.")

# %% [markdown]
# No chance is involved, and the map from noise to samples is continuous.
#
# ## 2. When is it decided?
#
# Where a trajectory will end is settled from the beginning. But when does the *state* show it? Bayes' rule gives the probability of the
# final branch from the state alone.
#
# **Commit to an answer (1 of 3).** Going down from σ = 5, at which noise level does the state give its final branch a probability of one half?
# (a) near σ = 1, (b) near σ = 0.1, (c) near σ = 0.01.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
fine = sigma_steps(64, sigma_max=SIGMA_MAX)
paths = [sample(A, draw_start(128 if FAST else 512, seed), fine, trajectory=True) for seed in SEEDS]
settled = [sampling.decided(p, fine) for p in paths]
when = [sampling.half_decided(fine, p) for p in settled]

# %% tags=["hide-input"]
reveal(answer_1, "b", f"At σ = {spread(when, '.3f')}, over {len(SEEDS)} sets of noise.")

# %% tags=["hide-input"]
show(
    sampling.draw_decided(fine, settled),
    f"**Figure 3.2.** Probability of the branch in which a sample ends, given its state, averaged over samples; "
    f"{len(SEEDS)} sets of noise. Most of the decision falls between σ = 0.3 and 0.03. "
    f"The curve starts at {np.mean([p[0] for p in settled]):.2f}, the value of a blind guess.",
)

# %% [markdown]
# Why is a blind guess as good as that, and not 1/127? Look at the masses of the branches in notebook 1.
#
# ## 3. Which noise levels?
#
# Steps should be small where the path bends, at low noise. The usual choice spaces $\sigma^{1/\rho}$ evenly, with $\rho = 7$:
# $$\sigma_i = \left(\sigma_\text{max}^{1/\rho} + \tfrac{i}{N-1}\big(\sigma_\text{min}^{1/\rho} - \sigma_\text{max}^{1/\rho}\big)\right)^\rho,\quad \sigma_N = 0.$$
# With $\rho = 1$ the levels are evenly spaced. With a large ρ their *ratios* are equal. In the next figure, count the dots below σ = 0.1.

# %% tags=["hide-input"]
settings = {f"ρ = {rho}": sigma_steps(32, sigma_max=SIGMA_MAX, rho=rho) for rho in (1, 7, 30)}
below = {name: int((s[:-1] < 0.1).sum()) for name, s in settings.items()}
show(
    sampling.draw_schedule(settings),
    "**Figure 3.3.** Noise levels of three schedules with 32 steps. Evenly spaced levels leave hardly any for the "
    f"details. Below σ = 0.1 lie {below['ρ = 7']} levels with ρ = 7, and {below['ρ = 1']} with ρ = 1.",
)


# %% [markdown]
# ## 4. Euler, Heun, and their orders
#
# Euler's method follows the slope at the beginning of each step. Heun's method also looks at the slope where Euler arrives, and takes the
# mean of the two:

# %%
def heun(denoiser, x, sigmas):
    for a, b in zip(sigmas, sigmas[1:]):
        slope = (x - denoiser(x, a)) / a
        x_next = x + (b - a) * slope  # Euler's step
        if b > 0:
            x_next = x + (b - a) * (slope + (x_next - denoiser(x_next, b)) / b) / 2
        x = x_next
    return x


apart = (heun(A, draw_start(64), sigmas) - sample(A, draw_start(64), sigmas)).abs().max()
say(f"These lines and `edm.sampler.sample`: {apart:.0e} apart.")

# %% [markdown]
# A method has *order* $k$ if halving the steps divides the error by $2^k$. What does theory say? Let $h$ be the length of a step. Euler
# ignores the curvature of the path, which costs $\frac12 x'' h^2$ a step. With $1/h$ steps the errors add up to something proportional to
# $h$: order 1. The mean of two slopes gets the curvature right, and errs first in $h^3$ a step: order 2. (Problem set 2 asks for both methods and their orders.)
#
# With the exact score in double precision nothing hides these orders. We stop at σ = 0.05, because the very last step, to σ = 0, is Euler's
# in both methods.
#
# **Commit to an answer (2 of 3).** Heun needs two evaluations of the denoiser a step. At *equal cost*, 8 steps of Heun against 16 of Euler,
# which has the smaller error at σ = 0.05? (a) Euler, (b) Heun, (c) they are about equal.

# %%
answer_2 = None  # "a", "b" or "c"

# %%
steps = [8, 16, 32, 64] if FAST else [8, 16, 32, 64, 128]
runs = [sampling.convergence(steps, n=16 if FAST else 64, seed=s, reference=256 if FAST else 768) for s in SEEDS]
orders = {name: [sampling.order(steps[1:], run[name][1:]) for run in runs] for name in sampling.METHODS}
gain = np.mean([run["Euler"][1] / run["Heun"][0] for run in runs])

# %% tags=["hide-input"]
reveal(answer_2, "b", f"Heun's error is {gain:.1f} times smaller, and the gap widens with more steps.")

# %% tags=["hide-input"]
show(
    sampling.draw_convergence(steps, runs),
    "**Figure 3.4.** Error at σ = 0.05 against cost, a line for each set of points. The dashed lines have the "
    "slopes of theory, 1 and 2, and the measured lines run parallel to them. Measured orders: Euler "
    f"{spread(orders['Euler'], '.2f')}, Heun {spread(orders['Heun'], '.2f')}.",
)

# %% [markdown]
# ## 5. How many steps are enough?
#
# An order is a promise about small steps. What counts is samples. So count outliers, for the true score and for the trained main model, at
# equal numbers of evaluations. ($N$ steps of Heun cost $2N-1$.)

# %%
counts = [6, 8, 12, 16, 32] if FAST else [6, 8, 12, 16, 32, 64]
outliers = {}
for count in counts:
    for seed in SEEDS:
        for kind, denoiser, n in (("true score", A, N // 4), ("main model", pretrained.load("main", seed), N)):
            start = draw_start(n, seed)  # the same points for both methods
            for name, method, k in (("Heun", sample, count), ("Euler", sampling.euler, 2 * count - 1)):
                x = method(denoiser, start, sigma_steps(k, sigma_max=SIGMA_MAX))
                outliers.setdefault((kind, name, count), []).append(measure(x)["outliers_99"])
columns = [(kind, name) for kind in ("true score", "main model") for name in ("Heun", "Euler")]
table(
    ["steps of Heun", "evaluations", *(f"{kind}, {name}" for kind, name in columns)],
    [[c, 2 * c - 1, *(spread(outliers[*column, c], ".1%") for column in columns)] for c in counts],
)


# %% [markdown]
# Two things to read off.
#
# - With the true score, 12 steps of Heun are as good as 64: both reach the floor of 1 %. With the trained model about 32 steps are enough.
#   There the outliers stop falling, **at a level that is ten times higher, and no number of steps will lower it**.
# - With few evaluations Heun is *worse* than Euler. Its second slope is taken where a far too long step arrived.
#
# Here are the paths of the main model with few steps and with many. Look how the last steps of the left panel jump.

# %% tags=["hide-input"]
def with_steps(*counts):
    """Paths of the main model, a panel for each number of steps, and the outliers among their ends."""
    levels = [sigma_steps(count, sigma_max=SIGMA_MAX) for count in counts]
    made = [sample(pretrained.load("main"), draw_start(N // 8), s, trajectory=True) for s in levels]
    shares = [measure(paths[-1])["outliers_99"] for paths in made]
    return sampling.draw_steps({f"{c} steps": p for c, p in zip(counts, made)}, shares, shown=48), shares


figure, shares = with_steps(6, 12, 32)
show(
    figure,
    f"**Figure 3.5.** 48 of {N // 8} paths of the main model, near the tree, from the same starting points. With 6 "
    f"steps samples land beside the branches; 12 and 32 steps look alike. Outliers: {shares[0]:.0%} with 6 steps, "
    f"{shares[2]:.0%} with 32.",
)

# %% [markdown]
# **A slider:** run the next cell to get one (again after reopening). It sets the number of steps beside 32.

# %%
slider(lambda steps: with_steps(steps, 32)[0], SLIDERS, steps=[4, 6, 8, 12, 16, 32, 64])

# %% [markdown]
# ## 6. Does randomness repair a wrong score?
#
# *Churn* adds a little new noise before each step and removes it again. Samples are stirred, and for images this is said to wash out errors
# of earlier steps. Does it return outliers to the tree? `Churn(S_churn)` raises σ by the factor $1 + \min(S_\text{churn}/N, \sqrt2-1)$
# before each of the $N = 32$ steps.
#
# **Commit to an answer (3 of 3).** About 12 % of the main model's samples are outliers. With the best amount of churn it is (a) 1 to 2 %,
# (b) about half as many, (c) nearly as many as before.

# %%
answer_3 = None  # "a", "b" or "c"

# %%
stirred = {}
for amount in (0, 5) if FAST else (0, 2, 5, 10):
    for seed in SEEDS:
        generator = seeded(range(10_000, 10_000 + N))  # one for each sample
        x = sample(pretrained.load("main", seed), draw_start(N, seed), sigmas, churn=Churn(amount), generator=generator)
        stirred.setdefault(str(amount), {}).setdefault("outliers_99", []).append(measure(x)["outliers_99"])
changes = {amount: 100 * difference(stirred, amount, "0", "outliers_99") for amount in stirred if amount != "0"}
least = min(change.mean() for change in changes.values())

# %% tags=["hide-input"]
reveal(answer_3, "c", f"The best amount changes outliers by {least:+.1f} points on average.")

# %%
table(
    ["S_churn", "outliers, main model", "change in points, seed by seed"],
    [
        [amount, spread(run["outliers_99"], ".1%"), ", ".join(f"{c:+.1f}" for c in changes.get(amount, []))]
        for amount, run in stirred.items()
    ],
)

# %% [markdown]
# A little churn removes a few tenths of a point, and a lot adds some. An outlier is not an accident of the path that stirring could undo.
# The model *believes* in the place where it put the sample. The repair has to come from better knowledge of where the model is wrong.
#
# ## What we measured

# %% tags=["hide-input"]
sets = f"{len(SEEDS)} sets of noise"
exact, trained = (
    {c: spread(outliers[kind, "Heun", c], ".1%") for c in counts} for kind in ("true score", "main model")
)
table(
    ["claim", "number", "over"],
    [
        ["Euler's order is 1", spread(orders["Euler"], ".2f"), sets],
        ["Heun's order is 2", spread(orders["Heun"], ".2f"), sets],
        ["the branch is settled late", f"σ = {spread(when, '.3f')}", sets],
        ["32 steps, true score: outliers at the floor of 1 %", exact[32], f"{len(SEEDS)} × {N // 4} samples"],
        ["32 steps, main model", trained[32], f"{len(SEEDS)} training seeds × {N}"],
        [f"{counts[-1]} steps, main model", trained[counts[-1]], f"{len(SEEDS)} training seeds × {N}"],
    ],
)

# %% [markdown]
# **Questions.**
#
# 1. Let the data be a single Gaussian of width $s$. Show that the solution is $x(\sigma) \propto \sqrt{s^2 + \sigma^2}$. Is Euler in the
#    variable σ exact for it?
# 2. The last step goes from $\sigma_\text{min} = 0.002$ to 0, and it is Euler's. By which factor does it narrow a Gaussian of $s = 0.004$,
#    the width of a leaf? Do more steps help?
# 3. Why does the table of section 5 not list the *branch TV* for the true score at these $n$?
# 4. Which step of the 32 could you leave out with the least harm? Try it: `sigmas` is just a tensor.
# 5. A sampler of order 3 exists. Would you use it? Argue from Figure 3.4 and the table.
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/03.md` beside this notebook.
#
# Back: [2 · Learning a score](02_learning.ipynb). Next: [4 · Guidance](04_guidance.ipynb). All: [the table of walkthroughs](README.md).
