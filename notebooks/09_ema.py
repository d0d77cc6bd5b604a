# %% [markdown]
# # 9 · Averages of weights: power-function EMA, and rebuilding any width afterwards
#
# The weights that one samples with are never the last ones of training, but an average over the last stretch. How long a stretch? The paper's best FIDs depend on it, for main model and guide differently, and the
# best width is only known after training. EDM2's answer is to store a few snapshots and rebuild any average later. This notebook does so, and compares with the averages tracked all along.
#
# | you will see | and measure |
# |---|---|
# | the power-function profile and its width | the closed form against the profile's moments |
# | its update, one line | the running average against the sum it stands for |
# | post-hoc reconstruction | distance to averages that were tracked from the beginning |
# | how many snapshots it takes | the same, with half and a quarter of them |
# | what averaging does in 2D | score error against width: main model and guide |

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

from edm.ema import PowerEMA, beta, posthoc_coefficients, profile, std_to_exponent
from figures.lessons import posthoc
from figures.lessons.notebook import say, show, slider, spread, table
from toy2d.train import STORED, train_tracked

SEEDS, STEPS = ([0, 1], 96) if FAST else ([0, 1, 2], 768)

# %% [markdown]
# ## 1. The profile
#
# An ordinary exponential average forgets at a fixed rate: it has a length in steps, and early in training it still carries the initial weights, which are noise. EDM2 lets the memory grow with the training: the weight of time $\tau$ in the average at time $t$ is
# proportional to a power,
# $$\hat\theta_\gamma(t) = \frac{\int_0^t \tau^\gamma\, \theta(\tau)\, d\tau}{\int_0^t \tau^\gamma\, d\tau} .$$
# Exponents are hard to judge by eye; instead one gives the standard deviation of the profile in units of the training time, $\sigma_\text{rel}$. For $\tau^\gamma$ on $[0, 1]$ it is
# $$\sigma_\text{rel} = \sqrt{\frac{\gamma + 1}{(\gamma+2)^2 (\gamma+3)}} .$$

# %%
widths = (0.02, 0.05, 0.10, 0.15, 0.25)
times = (np.arange(20_000) + 0.5) / 20_000
measured = {}
for std in widths:
    p = profile(std, 1.0, times)
    measured[std] = np.sqrt((p * times**2).sum() - (p * times).sum() ** 2)
show(
    posthoc.draw_profiles(widths),
    f"**Figure 9.1.** How much each moment of training weighs in the average at its end. Wide means long memory; none remembers the beginning. The width asked for and the standard deviation of the curve agree to {max(abs(m / s - 1) for s, m in measured.items()):.0e}.",
)

# %%
table(["σ_rel", "exponent γ", "share of the last tenth of training"], [[s, f"{std_to_exponent(s):.2f}", f"{profile(s, 1.0, times)[times > 0.9].sum():.0%}"] for s in widths])

# %% [markdown]
# ## 2. The update
#
# No sum over the past is needed. If a step of length $\Delta$ ends at $t$, all earlier weights shrink by the share of $\int \tau^\gamma$ that lies before:
# $$\hat\theta \leftarrow \beta\, \hat\theta + (1-\beta)\, \theta, \qquad \beta = \left(1 - \frac{\Delta}{t}\right)^{\gamma+1}.$$
# At the first step $\beta = 0$: the average starts from the first trained weights, whatever was there before. In code, with a "network" of one weight that walks at random, and beside it the weighted sum it stands for:

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
say(f"By hand {average:.5f}, as a weighted sum {(weights * walk).sum():.5f}, `PowerEMA` {ema.models[0.10].weight.item():.5f}; the weights sum to {weights.sum():.6f}.")

# %% [markdown]
# ## 3. Rebuilding
#
# Suppose that during training we stored snapshots of two averages, of widths 0.05 and 0.10, every now and then. Each is a known profile $p_i(\tau)$, and a linear combination of snapshots is an average with the combined profile. So we ask for the coefficients
# whose combined profile is closest to the wanted one, in the least squares sense:
# $$\min_x \int \left( \sum_i x_i\, p_i(\tau) - p_\text{wanted}(\tau) \right)^2 d\tau \quad\Longleftrightarrow\quad A x = b,\quad A_{ij} = \int p_i\, p_j,\ b_i = \int p_i\, p_\text{wanted}.$$
# The integrals of powers are known in closed form. That is all:

# %%
snapshot_times = np.linspace(0.125, 1, 8)
stored = [(t, s) for t in snapshot_times for s in STORED]
x = posthoc_coefficients([t for t, _ in stored], [s for _, s in stored], 1.0, 0.07)[:, 0]
show(
    posthoc.draw_reconstruction(0.15, snapshot_times),
    f"**Figure 9.2.** Left: a wanted profile of width 0.15 (grey) and the combination of 16 stored ones (blue). Right: their coefficients. They alternate in sign, up to {abs(posthoc_coefficients([t for t, _ in stored], [s for _, s in stored], 1.0, 0.15)).max():.1f} in size, and sum to 1. "
    f"For width 0.07, between the two stored ones, the largest is {abs(x).max():.2f}.",
)

# %%
slider(lambda width, snapshots: posthoc.draw_reconstruction(width, np.linspace(1 / snapshots, 1, snapshots)), SLIDERS,
       width=[0.02, 0.03, 0.05, 0.07, 0.1, 0.13, 0.16, 0.2, 0.25], snapshots=[2, 4, 8, 16])

# %% [markdown]
# ## 4. On a real training run
#
# Train a small 2D model (width 16) now, with three seeds. On the side, averages of seven widths are tracked from the first step: the truth. Then rebuild the same seven from the two stored widths alone.

# %%
wanted = (0.02, 0.05, 0.07, 0.10, 0.15, 0.20, 0.25)
runs = [train_tracked(seed, wanted, iterations=STEPS, snapshot_every=STEPS // 24) for seed in SEEDS]
far = {every: [[posthoc.distance(posthoc.reconstruct(r, w, every), r.tracked[w]) for w in wanted] for r in runs] for every in (1, 2, 4)}
moved = [[posthoc.distance(r.last, r.tracked[w]) for w in wanted] for r in runs]
table(
    ["distance to the tracked average", *(f"{w:g}" for w in wanted)],
    [["last weights, not averaged", *(f"{v:.1e}" for v in np.mean(moved, 0))]]
    + [[f"rebuilt from {2 * len(range(0, 24, every))} snapshots", *(f"{v:.1e}" for v in np.mean(rows, 0))] for every, rows in far.items()],
)

# %% [markdown]
# (Relative distances of all weights, mean over the seeds; columns are widths.) The stored widths come back exactly, one between them to a millionth, wider ones still well: at 0.15 the error of the reconstruction is
# less than a thousandth of what averaging itself changes. Halving the number of snapshots multiplies the error by three to ten. Narrow widths need dense snapshots: a profile narrower than the gap
# between two snapshots cannot be rebuilt.
#
# ## 5. Does averaging help here?

# %%
sweep = (0.02, 0.03, 0.05, 0.07, 0.10, 0.13, 0.16, 0.20, 0.25)


def error_by_width(run):
    states = {"last": run.last, **{w: posthoc.reconstruct(run, w) for w in sweep}}
    return posthoc.errors(run, states, n=256 if FAST else 2048)


late = [error_by_width(r) for r in runs]
early = [error_by_width(train_tracked(seed, iterations=STEPS // 8, snapshot_every=STEPS // 96)) for seed in SEEDS]
gain = [min(e[w] for w in sweep) / e["last"] - 1 for e in late]
gain_early = [min(e[w] for w in sweep) / e["last"] - 1 for e in early]
best = [min(sweep, key=e.get) for e in late]
best_early = [min(sweep, key=e.get) for e in early]
show(
    posthoc.draw_widths(sweep, {f"{STEPS} steps": [[e[w] for w in sweep] for e in late], f"{STEPS // 8} steps": [[e[w] for w in sweep] for e in early]}, "mean score error"),
    f"**Figure 9.3.** Score error (mean over σ = 0.03, 0.1, 0.3) against EMA width; every point is a network rebuilt after training, none was stored. Best widths: {', '.join(map(str, best))} for the full runs, {', '.join(map(str, best_early))} for the short ones. "
    f"Against the last weights the best average changes the error by {spread(gain, '.1%')} and {spread(gain_early, '.1%')}.",
)

# %% [markdown]
# A few per cent at best, nothing in the short runs; and wide averages harm: they reach back to when the model was worse. For images the width matters far more, and the best ones in the paper's table lie between 0.025 and 0.19. The reason is in the loss:
# averaging removes the jitter that noisy gradients cause, and *exact* score matching with a falling learning rate has hardly any (fresh data without end, no noise in the target). What the 2D world cannot show, notebook 8 can try on digits.
#
# What carries over is the tool. The paper searched both widths, of main model and guide, in steps of 0.005: 49 × 49 pairs of averages from one training each. Without reconstruction that search would not exist.
#
# ## What we measured

# %%
table(
    ["claim", "number", "over"],
    [
        ["the width is the profile's standard deviation", f"{max(abs(m / s - 1) for s, m in measured.items()):.0e} relative", "5 widths"],
        ["rebuilt between the stored widths (0.07)", spread([row[2] for row in far[1]], ".0e"), f"relative distance, {len(SEEDS)} runs"],
        ["rebuilt wider (0.25)", spread([row[6] for row in far[1]], ".1e"), f"relative distance, {len(SEEDS)} runs"],
        ["… with a quarter of the snapshots", spread([row[6] for row in far[4]], ".1e"), f"relative distance, {len(SEEDS)} runs"],
        ["best average against the last weights, score error", spread(gain, ".1%"), f"{len(SEEDS)} runs"],
    ],
)

# %% [markdown]
# **Questions.** (1) Derive $\sigma_\text{rel}(\gamma)$ from the first two moments of $\tau^\gamma$. (2) Which width has the uniform average of all weights, and why can the program not go beyond? (3) Why do coefficients of opposite sign not amplify the rounding of float16 snapshots much? Estimate it from Figure 9.2. (4) Guide and main model may have different
# widths. In which direction would you move the guide's, to make it worse *in the main model's own way* (notebook 6)?
#
# Back: [8 · From 2D to images](08_digits.ipynb). Next: [10 · Paired runs on images](10_images.ipynb). All: [the table of walkthroughs](README.md).
