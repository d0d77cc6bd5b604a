# %% [markdown]
# # 3 · Sampling: one differential equation, and Heun's order measured
#
# From a score to samples: start from noise, follow a differential equation down to σ = 0. This notebook takes the sampler apart and measures it on the exact
# score, where every error is the sampler's own.
#
# | you will see | and measure |
# |---|---|
# | the probability-flow ODE and its trajectories | that the same noise gives the same sample |
# | when a sample decides | the noise level at which its branch is settled |
# | Euler and Heun in five lines each | orders of convergence, over three sets of points |
# | how many steps are enough | outliers against steps, true score and trained model |
# | whether random steps repair a wrong score | churn, paired |

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

from edm.sampler import Churn, sample, seeded, sigma_steps
from figures.lessons import sampling
from figures.lessons.notebook import say, show, slider, spread, table
from toy2d import pretrained
from toy2d.paired import draw_start, measure, SIGMA_MAX
from toy2d.fractal import fractal

SEEDS, N = ([0, 1], 256) if FAST else ([0, 1, 2], 4096)
A = fractal("A")

# %% [markdown]
# ## 1. The probability-flow ODE
#
# Noise spreads a density like heat. Run the film backwards: there is an ordinary differential equation whose solutions carry
# $p(x;\sigma)$ exactly from each noise level to every other,
# $$\frac{dx}{d\sigma} = -\sigma\, \nabla_x \log p(x;\sigma) = \frac{x - D(x;\sigma)}{\sigma}.$$
# Read the right side: as $\sigma$ falls, move towards the denoiser's guess, by the share of $\sigma$ that you give up. The starting points are
# $p(x; \sigma_\text{max})$, for large $\sigma_\text{max}$ just a wide Gaussian. In 2D we start at σ = 5.

# %%
sigmas = sigma_steps(32, sigma_max=SIGMA_MAX)
trajectory = sample(A, draw_start(48), sigmas, trajectory=True)
show(
    sampling.draw_paths(trajectory, sigmas),
    f"**Figure 3.1.** 48 trajectories of the exact score. At first they are straight lines to the middle of the class; the turns come late: the length of a path "
    f"is only {((trajectory.diff(dim=0).norm(dim=2).sum(0)) / (trajectory[-1] - trajectory[0]).norm(dim=1)).mean() - 1:.1%} more than the straight line from noise to sample.",
)

# %%
again = sample(A, draw_start(48)[10:11], sigmas)
other = sample(A, draw_start(48)[10:11] + 0.01, sigmas)
say(
    f"No chance is involved: the eleventh point, sampled alone, ends {(again - trajectory[-1, 10]).abs().max():.0e} from where it ended in company. "
    f"And the map is continuous: starting 0.01 to the side in each axis, it ends {(other - again).norm():.4f} away."
)

# %% [markdown]
# ## 2. When is it decided?
#
# Where a trajectory will end is settled from the beginning, but when does the *state* show it? Bayes' rule gives the probability of the final branch from the state alone.

# %%
fine = sigma_steps(64, sigma_max=SIGMA_MAX)
paths = [sample(A, draw_start(128 if FAST else 512, seed), fine, trajectory=True) for seed in SEEDS]
settled = [sampling.decided(p, fine) for p in paths]
when = [sampling.half_decided(fine, run) for run in settled]
show(
    sampling.draw_decided(fine, settled),
    f"**Figure 3.2.** Probability of the branch in which the sample ends, given its state, averaged over samples; {len(SEEDS)} sets of noise. It reaches one half at σ = {spread(when, '.3f')}: "
    f"of the {np.log2(5 / 0.002):.1f} octaves of noise between 5 and 0.002, {np.log2(5 / np.mean(when)):.1f} pass before the branch is settled.",
)

# %% [markdown]
# *Check yourself.* The curve starts near 0.1, not at 1/127. Why is a blind guess that good? (Notebook 1 has a table of the masses.)
#
# ## 3. Which noise levels?
#
# Steps should be small where the path bends, at low noise. The usual choice spaces $\sigma^{1/\rho}$ evenly, with $\rho = 7$:
# $$\sigma_i = \left(\sigma_\text{max}^{1/\rho} + \tfrac{i}{N-1}\big(\sigma_\text{min}^{1/\rho} - \sigma_\text{max}^{1/\rho}\big)\right)^\rho,\quad \sigma_N = 0.$$

# %%
settings = {f"ρ = {rho}": sigma_steps(32, sigma_max=SIGMA_MAX, rho=rho) for rho in (1, 7, 30)}
below = {name: int((s[:-1] < 0.1).sum()) for name, s in settings.items()}
show(
    sampling.draw_schedule(settings),
    f"**Figure 3.3.** Noise levels of three schedules. Of 32 levels, those below σ = 0.1, where branches are decided: {', '.join(f'{v} at {k}' for k, v in below.items())}.",
)


# %% [markdown]
# ## 4. Euler, Heun, and their orders
#
# Euler follows the slope at the beginning of each step. Heun looks at the slope where Euler arrives, and takes the mean of the two:

# %%
def heun(denoiser, x, sigmas):
    for a, b in zip(sigmas, sigmas[1:]):
        slope = (x - denoiser(x, a)) / a
        x_next = x + (b - a) * slope  # Euler's step
        if b > 0:
            x_next = x + (b - a) * (slope + (x_next - denoiser(x_next, b)) / b) / 2
        x = x_next
    return x


difference = (heun(A, draw_start(64), sigmas) - sample(A, draw_start(64), sigmas)).abs().max()
say(f"These lines and `edm.sampler.sample`: {difference:.0e} apart.")

# %% [markdown]
# A method has order $p$ if halving the steps divides the error by $2^p$. Theory: Euler 1, Heun 2. With the exact score in double precision nothing hides the truth. We stop at σ = 0.05, because
# the very last step, to σ = 0, is Euler's in both methods.

# %%
steps = [8, 16, 32, 64] if FAST else [8, 16, 32, 64, 128]
runs = [sampling.convergence(steps, n=16 if FAST else 64, seed=seed, reference=256 if FAST else 768) for seed in SEEDS]
orders = {name: [sampling.order(steps[1:], run[name][1:]) for run in runs] for name in sampling.METHODS}
show(
    sampling.draw_convergence(steps, runs),
    f"**Figure 3.4.** Error at σ = 0.05 against cost, a line for each set of points; dashed: slopes 1 and 2. Measured orders: Euler **{spread(orders['Euler'], '.2f')}**, Heun **{spread(orders['Heun'], '.2f')}**. "
    f"At equal cost (8 steps of Heun, 16 of Euler) Heun's error is {np.mean([r['Euler'][1] / r['Heun'][0] for r in runs]):.1f} times smaller.",
)

# %% [markdown]
# ## 5. How many steps are enough?
#
# Order is for small steps. What counts is samples: outliers, for the true score and for the trained main model, at equal numbers of evaluations ($N$ steps of Heun cost $2N-1$).

# %%
counts = [6, 8, 12, 16, 32] if FAST else [6, 8, 12, 16, 32, 64]
outliers = {}
for count in counts:
    for seed in SEEDS:
        for kind, denoiser, n in (("true", A, N // 4), ("main", pretrained.load("main", seed), N)):
            start = draw_start(n, seed)
            for name, method, k in (("Heun", sample, count), ("Euler", sampling.euler, 2 * count - 1)):
                if (kind, name) != ("true", "Euler") or count <= 16:
                    m = measure(method(denoiser, start, sigma_steps(k, sigma_max=SIGMA_MAX)))
                    outliers.setdefault((kind, name, count), []).append(m["outliers_99"])
table(
    ["steps of Heun", "evaluations", "true score, Heun", "true score, Euler", "main model, Heun", "main model, Euler"],
    [[c, 2 * c - 1, *(spread(outliers[key], ".1%") if (key := (kind, name, c)) in outliers else "" for kind in ("true", "main") for name in ("Heun", "Euler"))] for c in counts],
)

# %% [markdown]
# Two things to read off. With the true score, 12 steps are as good as 64: the floor is 1 %. With the trained model the outliers stop falling at the same place, **at a level an order of magnitude higher that no number of steps will
# lower**. And against the textbook: with very few evaluations (11 or 15) Heun is *worse* than Euler. Its second slope is taken where a far too long step arrived. Order is a promise about small steps only.
#
# With a slider: the trajectories of the main model at different numbers of steps.

# %%
slider(lambda steps: sampling.draw_paths(sample(pretrained.load("main"), draw_start(48), sigma_steps(steps, sigma_max=SIGMA_MAX), trajectory=True), sigma_steps(steps, sigma_max=SIGMA_MAX)),
       SLIDERS, steps=[4, 6, 8, 12, 16, 32, 64])

# %% [markdown]
# ## 6. Does randomness repair a wrong score?
#
# *Churn* adds a little new noise before each step and removes it again: samples are stirred, and for images this is said to wash out errors of earlier steps. Does it return outliers to
# the tree? `Churn(S_churn)` raises σ by the factor $1 + \min(S_\text{churn}/N, \sqrt2-1)$ before each of the $N = 32$ steps.

# %%
stirred = {}
for amount in (0, 2, 5, 10) if not FAST else (0, 5):
    for seed in SEEDS:
        generator = seeded(range(10_000, 10_000 + N))  # one for each sample
        x = sample(pretrained.load("main", seed), draw_start(N, seed), sigmas, churn=Churn(amount), generator=generator)
        stirred.setdefault(amount, []).append(measure(x)["outliers_99"])
table(
    ["S_churn", "outliers, main model", "difference to none, seed by seed"],
    [[a, spread(v, ".1%"), "" if a == 0 else ", ".join(f"{d:+.1%}" for d in np.subtract(v, stirred[0]))] for a, v in stirred.items()],
)

# %% [markdown]
# Hardly: a few tenths of a per cent fewer with a little, more with a lot. An outlier is not an accident of the path that stirring could undo; the model *believes* in the place where it put the sample. The repair has to come from
# better knowledge of where the model is wrong.
#
# ## What we measured

# %%
table(
    ["claim", "number", "over"],
    [
        ["Euler's order is 1", spread(orders["Euler"], ".2f"), f"{len(SEEDS)} sets of points"],
        ["Heun's order is 2", spread(orders["Heun"], ".2f"), f"{len(SEEDS)} sets of points"],
        ["the branch is settled late", f"σ = {spread(when, '.3f')}", f"{len(SEEDS)} sets of noise"],
        ["32 steps, true score: outliers at the floor of 1 %", spread(outliers["true", "Heun", 32], ".1%"), f"{len(SEEDS)} × {N // 4} samples"],
        ["32 steps, main model", spread(outliers["main", "Heun", 32], ".1%"), f"{len(SEEDS)} training seeds × {N}"],
        ["more steps do not help", spread(outliers["main", "Heun", counts[-1]], ".1%"), f"{counts[-1]} steps"],
    ],
)

# %% [markdown]
# **Questions.** (1) Show that for data that is a single Gaussian the solution is $x(\sigma) \propto \sqrt{s^2 + \sigma^2}$, and that Euler in the variable $\sigma$ is not exact for it. (2) Why does the table above not list
# *branch TV* for the true score at these $n$? (3) Which step of the 32 could you leave out with the least harm? Try it: `sigmas` is just a tensor. (4) A sampler of order 3 exists. Would you use it? Argue from Figure 3.4 and the table.
#
# Back: [2 · Learning a score](02_learning.ipynb). Next: [4 · Guidance](04_guidance.ipynb). All: [the table of walkthroughs](README.md).
