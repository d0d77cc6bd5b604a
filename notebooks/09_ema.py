# %% [markdown]
# # 9 · Averages of weights: power-function EMA, and rebuilding any width afterwards
#
# The weights that one samples with are never the last ones of training, but an average over the last stretch. How long a stretch? The paper's best results depend on it, for main
# model and guide differently, and the best width is only known after training. EDM2's answer is to store a few snapshots and rebuild any average later.
#
# **You will be able to**
#
# - derive the update of a power-function average, and its width;
# - rebuild an average of any width from snapshots of two, and say when that fails;
# - explain why averaging helps images much and the 2D models little.
#
# **Read before:** notebook [2](02_learning.ipynb). **Time:** 30 minutes to read, one minute to run.
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
FAST = False  # True: fewer training steps, a quick look
SLIDERS = True  # False: the static pictures only

# %%
import numpy as np
import torch

from edm.ema import PowerEMA, beta, posthoc_coefficients, profile, std_to_exponent
from figures.lessons import posthoc
from figures.lessons.notebook import reveal, say, show, slider, spread, table
from toy2d.train import STORED, train_tracked

SEEDS, STEPS = ([0, 1], 96) if FAST else ([0, 1, 2], 768)

# %% [markdown]
# ## 1. The profile
#
# An ordinary exponential average forgets at a fixed rate, so it has a length in steps. Early in training it still carries the initial weights, which are noise. EDM2 lets the memory grow
# with the training. The weight of time $\tau$ in the average at time $t$ is proportional to a power:
# $$\hat\theta_\gamma(t) = \frac{\int_0^t \tau^\gamma\, \theta(\tau)\, d\tau}{\int_0^t \tau^\gamma\, d\tau} .$$
# Exponents are hard to judge by eye. One gives the *width* instead: the standard deviation of the profile in units of the training time, $\sigma_\text{rel}$. For $\tau^\gamma$ on $[0, 1]$ it
# is
# $$\sigma_\text{rel} = \sqrt{\frac{\gamma + 1}{(\gamma+2)^2 (\gamma+3)}} .$$
# (It has nothing to do with the noise level σ.) Question 1 asks for the derivation.
#
# **Commit to an answer (1 of 3).** An average of width 0.10 at the end of training: which share of its weight lies on the last tenth of the steps? (a) About a tenth. (b) About a
# half. (c) Nearly all.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
WIDTHS = (0.02, 0.05, 0.10, 0.15, 0.25)
times = (np.arange(20_000) + 0.5) / 20_000
late = {std: profile(std, 1.0, times)[times > 0.9].sum() for std in WIDTHS}
table(
    ["σ_rel", "exponent γ", "share of the last tenth of training"],
    [[std, f"{std_to_exponent(std):.2f}", f"{late[std]:.0%}"] for std in WIDTHS],
)

# %% tags=["hide-input"]
reveal(answer_1, "a" if late[0.10] < 0.3 else "b" if late[0.10] < 0.75 else "c", f"It is {late[0.10]:.0%}.")

# %% [markdown]
# Look at the right end of the next figure, where the narrow profiles rise, and at the left end, which all of them forget.

# %% tags=["hide-input"]
measured = {}
for std in WIDTHS:
    p = profile(std, 1.0, times)
    measured[std] = np.sqrt((p * times**2).sum() - (p * times).sum() ** 2)
show(
    posthoc.draw_profiles(WIDTHS),
    "**Figure 9.1.** How much each moment of training weighs in the average at its end. Wide averages have a long "
    "memory, and none remembers the beginning. The width asked for and the standard deviation of the curve agree to "
    f"{max(abs(m / s - 1) for s, m in measured.items()):.0e}.",
)

# %% [markdown]
# ## 2. The update
#
# No sum over the past is needed. If a step of length $\Delta$ ends at $t$, all earlier weights shrink by the share of $\int \tau^\gamma$ that lies before. That share is
# $\big(\frac{t-\Delta}{t}\big)^{\gamma+1}$, because the integral up to $t$ is $\frac{t^{\gamma+1}}{\gamma+1}$. So
# $$\hat\theta \leftarrow \beta\, \hat\theta + (1-\beta)\, \theta, \qquad \beta = \left(1 - \frac{\Delta}{t}\right)^{\gamma+1}.$$
# At the first step $\beta = 0$: the average starts from the first trained weights, whatever was there before. The next cell does it with a "network" of one weight that walks at random, beside
# the weighted sum that it stands for.

# %%
walk = torch.randn(400, generator=torch.Generator().manual_seed(0)).cumsum(0)
average, weights = torch.tensor(float("nan")), torch.zeros(0, dtype=torch.float64)
for t, theta in enumerate(walk, start=1):
    b = beta(0.10, t, 1)
    average = theta if b == 0 else b * average + (1 - b) * theta
    weights = torch.cat([b * weights, torch.tensor([1 - b], dtype=torch.float64)])
model = torch.nn.Linear(1, 1, bias=False)
ema = PowerEMA(model, [0.10])
for t, theta in enumerate(walk, start=1):
    model.weight.data.fill_(theta)
    ema.update(t, 1)
table(
    ["by hand", "as a weighted sum", "`PowerEMA`", "sum of the weights"],
    [
        [
            f"{average:.5f}",
            f"{(weights * walk).sum():.5f}",
            f"{ema.models[0.10].weight.item():.5f}",
            f"{weights.sum():.6f}",
        ]
    ],
)

# %% [markdown]
# ## 3. Rebuilding
#
# Suppose that during training we stored snapshots of two averages, of widths 0.05 and 0.10, every now and then. Each is a known profile $p_i(\tau)$. A linear combination of snapshots is an
# average with the combined profile. So ask for the coefficients whose combined profile is closest to the wanted one, in the least squares sense:
# $$\min_x \int \left( \sum_i x_i\, p_i(\tau) - p_\text{wanted}(\tau) \right)^2 d\tau \quad\Longleftrightarrow\quad A x = b,\quad A_{ij} = \int p_i\, p_j,\ b_i = \int p_i\, p_\text{wanted}.$$
# The integrals of powers are known in closed form. That is all.
#
# Look at the left panel for how well the thin line covers the thick one.

# %% tags=["hide-input"]
snapshot_times = np.linspace(0.125, 1, 8)
stored = [(t, s) for t in snapshot_times for s in STORED]
x = posthoc_coefficients([t for t, _ in stored], [s for _, s in stored], 1.0, 0.15)[:, 0]
show(
    posthoc.draw_reconstruction(0.15, snapshot_times),
    "**Figure 9.2.** Left: a wanted profile of width 0.15 and the combination of 16 stored ones. Right: the "
    f"coefficients, which alternate in sign. The largest has a size of {abs(x).max():.1f}, and all sum to "
    f"{x.sum():.3f}.",
)

# %% [markdown]
# **Two sliders:** run the next cell to get them (again after reopening). They set the wanted width and the number of snapshots of each
# stored width.

# %%
slider(
    lambda width, snapshots: posthoc.draw_reconstruction(width, np.linspace(1 / snapshots, 1, snapshots)),
    SLIDERS,
    width=[0.02, 0.03, 0.05, 0.07, 0.1, 0.13, 0.16, 0.2, 0.25],
    snapshots=[2, 4, 8, 16],
)

# %% [markdown]
# ## 4. On a real training run
#
# Train a small 2D model (width 16) now, with three seeds. On the side, averages of seven widths are tracked from the first step: the truth. Then rebuild the same seven from the two
# stored widths alone.
#
# **Commit to an answer (2 of 3).** Stored are widths 0.05 and 0.10. Measure the error of a rebuilt average against what averaging itself changes, the distance to the last weights.
# Which width comes back worst from *few* snapshots? (a) 0.02, narrower than both. (b) 0.07, between them. (c) 0.25, wider than both.

# %%
answer_2 = None  # "a", "b" or "c"

# %%
WANTED = (0.02, 0.05, 0.07, 0.10, 0.15, 0.20, 0.25)
runs = [train_tracked(seed, WANTED, iterations=STEPS, snapshot_every=STEPS // 24) for seed in SEEDS]
far = {
    every: [[posthoc.distance(posthoc.reconstruct(r, w, every), r.tracked[w]) for w in WANTED] for r in runs]
    for every in (1, 2, 4)
}
moved = [[posthoc.distance(r.last, r.tracked[w]) for w in WANTED] for r in runs]
table(
    ["distance to the tracked average", *(f"{w:g}" for w in WANTED)],
    [["last weights, not averaged", *(f"{v:.1e}" for v in np.mean(moved, 0))]]
    + [
        [f"rebuilt from {2 * len(range(0, 24, every))} snapshots", *(f"{v:.1e}" for v in np.mean(rows, 0))]
        for every, rows in far.items()
    ],
)
few = dict(zip(WANTED, np.mean(far[4], 0) / np.mean(moved, 0)))
worst = max((0.02, 0.07, 0.25), key=few.get)

# %% tags=["hide-input"]
reveal(
    answer_2,
    {0.02: "a", 0.07: "b", 0.25: "c"}[worst],
    "From a quarter of the snapshots the error is, of what averaging changes, "
    + ", ".join(f"{few[w]:.0%} for width {w:g}" for w in (0.02, 0.07, 0.25))
    + ". A profile that is narrower than the gap between two snapshots cannot be rebuilt.",
)

# %% [markdown]
# (Relative distances of all weights, mean over the seeds; columns are widths.) The stored widths come back exactly, and one between them almost so. Wider ones come back well: their error is a
# small part of what averaging itself changes, the first row. Fewer snapshots make all of it worse.
#
# ## 5. Does averaging help here?
#
# **Commit to an answer (3 of 3).** Averaging removes the jitter of the weights that noisy gradients cause. How much of the score error does the best average remove in 2D, against the last weights? (a) A
# half or more. (b) A few per cent. (c) It makes it worse.

# %%
answer_3 = None  # "a", "b" or "c"

# %%
SWEEP = (0.02, 0.03, 0.05, 0.07, 0.10, 0.13, 0.16, 0.20, 0.25)


def error_by_width(run):
    states = {"last": run.last, **{w: posthoc.reconstruct(run, w) for w in SWEEP}}
    return posthoc.errors(run, states, n=256 if FAST else 2048)


full = [error_by_width(r) for r in runs]
short = [error_by_width(train_tracked(seed, iterations=STEPS // 8, snapshot_every=STEPS // 96)) for seed in SEEDS]
gain, gain_short = ([min(e[w] for w in SWEEP) / e["last"] - 1 for e in some] for some in (full, short))

# %% tags=["hide-input"]
reveal(
    answer_3,
    "a" if np.mean(gain) < -0.4 else "b" if np.mean(gain) < 0 else "c",
    f"The error changes by {spread(gain, '+.1%')} in the full runs and by {spread(gain_short, '+.1%')} in runs of an "
    "eighth of the length.",
)

# %% [markdown]
# Every point of the next figure is a network that was rebuilt after training; none was stored. Look where the curves turn up.

# %% tags=["hide-input"]
best, best_short = ([min(SWEEP, key=e.get) for e in some] for some in (full, short))
show(
    posthoc.draw_widths(
        SWEEP,
        {
            f"{STEPS} steps": [[e[w] for w in SWEEP] for e in full],
            f"{STEPS // 8} steps": [[e[w] for w in SWEEP] for e in short],
        },
        "mean score error",
    ),
    "**Figure 9.3.** Score error against EMA width (mean over three noise levels; thin lines: training seeds). Wide "
    "averages harm, since they reach back to when the model was worse. The best widths of the full runs are "
    f"{', '.join(map(str, best))}.",
)

# %% [markdown]
# For images the width matters far more: the best ones in the paper's table lie between 0.025 and 0.19. The reason is in the loss. *Exact* score matching has no noise in its target, and its data never
# end. With a falling learning rate hardly any jitter is left to be averaged out. On images the target is noisy.
#
# What carries over is the tool. The paper searched both widths, of main model and guide, in steps of 0.005. Without reconstruction that would need a training for each.
#
# ## What we measured

# %%
table(
    ["claim", "number", "over"],
    [
        [
            "the width is the profile's standard deviation",
            f"{max(abs(m / s - 1) for s, m in measured.items()):.0e} relative",
            "5 widths",
        ],
        [
            "rebuilt between the stored widths (0.07)",
            spread([row[2] for row in far[1]], ".0e"),
            f"relative distance, {len(SEEDS)} runs",
        ],
        ["rebuilt wider (0.25)", spread([row[6] for row in far[1]], ".1e"), f"relative distance, {len(SEEDS)} runs"],
        [
            "… with a quarter of the snapshots",
            spread([row[6] for row in far[4]], ".1e"),
            f"relative distance, {len(SEEDS)} runs",
        ],
        ["best average against the last weights, score error", spread(gain, "+.1%"), f"{len(SEEDS)} runs"],
    ],
)

# %% [markdown]
# **Questions.**
#
# 1. Derive $\sigma_\text{rel}(\gamma)$ from the first two moments of $\tau^\gamma$.
# 2. Which width has the uniform average of all weights, and why can the program not go beyond it?
# 3. Why do coefficients of opposite sign not amplify the rounding of float16 snapshots much? Estimate it from Figure 9.2.
# 4. Guide and main model may have different widths. In which direction would you move the guide's, to make it worse *in the main model's own way* (notebook 6)?
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/09.md` beside this notebook.
#
# Back: [8 · From 2D to images](08_digits.ipynb). Next: [10 · What is measured on images](10_images.ipynb).
# All: [the table of walkthroughs](README.md).
