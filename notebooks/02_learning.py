# %% [markdown]
# # 2 · Learning a score, and why models cover too much
#
# Notebook 1 knew the score. Here a small network has to learn it, under the best conditions there can be: unlimited fresh data, and the *true*
# score as its target. It still fails, in a way worth understanding. Guidance exists to repair exactly this failure.
#
# **You will be able to**
#
# - say what score matching minimizes, and why denoising score matching has the same minimum;
# - find at which noise levels, and in which part of the tree, a trained model errs;
# - tell an error of the model from an error of the sampler;
# - explain why a model is wrong where there are no data.
#
# **Read before:** notebook [1](01_fractal.ipynb). **Time:** 35 minutes to read, half a minute to run. **Terms:** the [glossary](../docs/glossary.md).
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

from edm.sampler import sample, sigma_steps
from figures.lessons import learning
from figures.lessons.notebook import reveal, say, show, spread, table
from toy2d import metrics, pretrained
from toy2d.fractal import fractal
from toy2d.model import LogDensityMLP
from toy2d.paired import draw_start, measure
from toy2d.train import P_MEAN, P_STD, score_loss, train

SEEDS, N, PIXELS = ([0, 1], 512, 100) if FAST else ([0, 1, 2], 4096, 400)
A = fractal("A")

# %% [markdown]
# ## 1. A network that is a density
#
# The model is a log density, up to a constant. Let $c = \sqrt{\sigma_\text{data}^2+\sigma^2}$, and let $f$ be a plain network of five linear layers:
# $$\log p_\theta(x;\sigma) = \frac{g}{\sigma}\, \operatorname{mean}\big[f(x/c, \ln\sigma/4, 1)^2\big] - \frac{|x/c|^2}{2} + \text{const.}$$
# Here $\sigma_\text{data} = 0.5$ is that of both classes together (notebook 1), also for a model that learns one class.
# The second term alone is one wide Gaussian. The network carves the tree out of it, and the number $g$, which is trained too, says how deeply.
# The score is the gradient in $x$. The library writes it out in closed form, so that training differentiates once, not twice. Two lines check it:

# %%
main = pretrained.load("main")
x = A.sample(256, 0.1, torch.Generator().manual_seed(0)).requires_grad_()
by_autograd = torch.autograd.grad(main.log_density(x, 0.1).sum(), x)[0]
apart = (by_autograd - main.score(x, 0.1)).abs().max() / by_autograd.abs().max()
say(f"Closed form against automatic differentiation: {apart:.0e} apart.")


# %% [markdown]
# ## 2. Score matching
#
# We want the model's score to be the true one. So the loss is their squared distance, averaged over noise levels and over noisy data:
# $$\mathcal L = \mathbb E_{\sigma}\; \mathbb E_{x \sim p(x;\sigma)}\; \tfrac12\, \sigma^2\, \big| s_\theta(x;\sigma) - \nabla \log p(x;\sigma) \big|^2 .$$
# (The factor $\sigma^2$ keeps low noise from dominating, since scores grow as $1/\sigma$.)
#
# For an image nobody knows $\nabla\log p$. But the clean image $y$ is known, from which the noisy $x$ was made. *Denoising* score matching puts
# $(y-x)/\sigma^2$ in the place of the true score. The minimum stays the same, in two steps:
#
# 1. For a squared distance to a random target, the best answer at each $x$ is the mean of the target given $x$.
# 2. That mean is $(\mathbb E[y\mid x] - x)/\sigma^2$, which is $\nabla\log p(x;\sigma)$ by Tweedie's formula (notebook 1).
#
# So both losses want the same score, but the second has a noisy target. In 2D the true score is known, and we take the first loss. This
# removes one suspect: **what goes wrong below cannot be blamed on noise in the target, nor on too few data.**

# %%
def loss_once(model, generator, batch=4096):
    sigma = (P_MEAN + P_STD * torch.randn(batch, generator=generator)).exp()  # a noise level for each point
    x = A.sample(batch, sigma, generator)  # a fresh noisy point
    return score_loss(model, x, sigma[:, None], A.score(x, sigma))


untrained = LogDensityMLP(16, generator=torch.Generator().manual_seed(0))
live = train("A", hidden=16, iterations=64 if FAST else 512, batch=512, compile=False, progress=False)
models = {
    "untrained: a Gaussian cloud": (untrained, 16, "0"),
    "trained just now": (live.model, 16, f"{len(live.losses)} × 512"),
    "shipped guide": (pretrained.load("guide"), 32, "512 × 4096"),
    "shipped main model": (main, 64, "4096 × 4096"),
}
table(
    ["model", "width", "iterations × batch", "loss"],
    [
        [name, width, data, f"{loss_once(model, torch.Generator().manual_seed(1)).item():.3f}"]
        for name, (model, width, data) in models.items()
    ],
)

# %% [markdown]
# ## 3. Where the score is wrong
#
# Four kinds of models are shipped, each trained with several seeds:
#
# | name | width | iterations | |
# |---|---|---|---|
# | `main` | 64 | 4096 | the model to be guided later |
# | `early` | 64 | 512 | the same run, stopped early: less trained only |
# | `small` | 32 | 4096 | smaller only |
# | `guide` | 32 | 512 | smaller *and* less trained: the paper's bad version |
#
# **Commit to an answer (1 of 3).** At which noise levels is the loss of the main model largest? (a) At σ near 1, where there is most to
# remove; (b) at σ near 0.1, where the branch is decided; (c) at σ near 0.01, where the leaves are.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
sigmas = np.geomspace(0.005, 1, 10)
kinds = ("main", "early", "small", "guide")
models = {kind: [pretrained.load(kind, seed) for seed in SEEDS] for kind in kinds}
curves = {kind: [metrics.error_curve(m, sigmas, N // 2) for m in models[kind]] for kind in kinds}
worst = sigmas[np.argmax(np.mean(curves["main"], 0))]

# %% tags=["hide-input"]
reveal(answer_1, "c", f"The loss is largest at σ = {worst:.3f}.")

# %% [markdown]
# In the next figure, compare the *shapes* of the curves, and the spread between seeds of one color.

# %% tags=["hide-input"]
at = int(np.argmin(abs(sigmas - 0.03)))
ratio = np.mean(curves["guide"], 0) / np.mean(curves["main"], 0)
show(
    learning.draw_errors(sigmas, curves),
    "**Figure 2.1.** Error of the score against noise, a line for each training seed. All models err most at low "
    f"noise, and the guide's curve has the same shape as the main model's, only higher. At σ = {sigmas[at]:.3f} its "
    f"error is {ratio[at]:.1f} times as large.",
)

# %% [markdown]
# That likeness is what guidance will use. The seeds matter as well. One of the main models (seed 1) is markedly worse than its sisters:
# same recipe, same data, other random numbers. A study with one seed would not know.
#
# ## 4. What comes out: outliers
#
# Take the sampler of notebook 3 as given for now, and judge by the ruler of notebook 1.
#
# **Commit to an answer (2 of 3).** True samples are outliers in 1 % of all cases. How many samples of the main model are? (a) 1 to 2 %, (b)
# about 12 %, (c) about 40 %.

# %%
answer_2 = None  # "a", "b" or "c"

# %%
steps = sigma_steps(32, sigma_max=5.0)
level = metrics.region_levels(A)[0]  # the region where log p is above this holds 99 % of the true mass


def run(denoiser, seed):
    return sample(denoiser, draw_start(N, seed), steps)


samples = {kind: [run(m, seed) for m, seed in zip(models[kind], SEEDS)] for kind in kinds}
samples["true score"] = [run(A, seed) for seed in SEEDS[:2]]
outliers = {kind: [(~(A.log_prob(x) >= level)).double().mean().item() for x in xs] for kind, xs in samples.items()}

# %% tags=["hide-input"]
reveal(answer_2, "b", f"{spread(outliers['main'], '.1%')}, over {len(SEEDS)} training seeds.")

# %% [markdown]
# Is the sampler to blame? In the next figure only the score differs between the panels. Look at the left one first.

# %% tags=["hide-input"]
show(
    learning.draw_outliers({kind: samples[kind][0] for kind in ("true score", "main", "guide")}),
    "**Figure 2.2.** A part of the tree; red samples are outliers. Same sampler, same steps, same starting points. "
    "With the true score hardly any sample goes astray, so **the sampler is innocent**: over the seeds it makes "
    f"{spread(outliers['true score'], '.1%')} of outliers.",
)

# %%
measured = {kind: [measure(x) for x in xs] for kind, xs in samples.items()}
columns = {"outliers_99": ".1%", "outliers_999": ".1%", "branch_tv": ".3f", "leaves_lost": ".1f"}
table(
    ["score", "outliers (99 %)", "far outliers (99.9 %)", "TV of branches", "leaves lost of 64"],
    [[kind, *(spread([m[k] for m in rows], form) for k, form in columns.items())] for kind, rows in measured.items()],
)

# %% [markdown]
# The coverage of the main model is nearly what it should be: its total variation is close to that of the true score. Some leaves are thin.
# But a leaf is due only five of 4096 samples, so chance plays with them. The model does not forget parts of the data. It spills between
# them.
#
# **Commit to an answer (3 of 3).** Where does it spill? Sort the samples by the generation of the nearest branch. Outliers are (a) most
# common at the trunk, where most samples are; (b) equally common everywhere; (c) most common at the leaves.

# %%
answer_3 = None  # "a", "b" or "c"

# %%
depths = [learning.outliers_by_depth(x) for x in samples["main"]]
trunk, leaf = (np.mean([rows[d]["outliers"] for rows in depths]) for d in (0, 6))

# %% tags=["hide-input"]
reveal(answer_3, "c", f"Of the samples near a leaf {leaf:.0%} are outliers, of those near the trunk {trunk:.1%}.")

# %%
table(
    ["generation of the nearest branch", "share of the samples", "of these, outliers"],
    [[d, *(spread([rows[d][k] for rows in depths], ".1%") for k in ("share", "outliers"))] for d in range(7)],
)

# %% [markdown]
# Outliers live among the last generations, at the smallest scale. That is just where Figure 2.1 has its largest error.
#
# ## 5. Why too much, and not too little?
#
# Look at the loss of section 2 once more. The expectation is over $x \sim p(x;\sigma)$. **So the model is hardly ever asked about empty
# places**, and what it answers there is extrapolation. The sampler asks it there all the same. Once a sample is off the data, it stays in a
# place where the model was never corrected.
#
# There is a second way to say it. With the right weight on the noise levels, this loss is the Kullback–Leibler divergence from the data to
# the model. It punishes a model that misses data, and says little about density that is put where no data are. (Notebook 5 derives this.)
# So a model of limited capacity covers too much rather than too little.
#
# Both views can be tested. First the error of the score: at true points, and at the model's own states that left the data.

# %%
off = {
    (kind, sigma): [learning.error_off_data(m, sigma, N, seed) for m, seed in zip(models[kind], SEEDS)]
    for kind in ("main", "guide")
    for sigma in (0.03, 0.01)
}
factor = {key: np.median([r["off_data"] / r["on_data"] for r in rows]) for key, rows in off.items()}
table(
    ["model", "σ", "error on data", "states off the data", "error there, each seed", "median factor"],
    [
        [
            kind,
            sigma,
            spread([r["on_data"] for r in rows], ".3f"),
            spread([r["share_off"] for r in rows], ".1%"),
            ", ".join(f"{r['off_data']:.2g}" for r in rows),
            f"{factor[kind, sigma]:.0f}",
        ]
        for (kind, sigma), rows in off.items()
    ],
)

# %% [markdown]
# Where the model's own samples left the data, its squared error is tens of times larger. The loss hardly saw it: in training,
# one point in a hundred lies that far out.
#
# Now the density. Unlike an image model, this one *has* a density, so its mass outside the data can be measured. But beware: only where
# $g < 0$ does the first term of $\log p_\theta$ fall at large $x$. Where $g > 0$ it can grow without bound. Then the density cannot be
# normalized, and a number for its mass would be an artifact. So we take seeds whose main model and guide both have $g < 0$.

# %%
gains = {kind: [pretrained.load(kind, s).gain.item() for s in range(8)] for kind in ("main", "guide")}
table(["training seed", *range(8)], [[f"g of {kind}", *(f"{g:+.2f}" for g in row)] for kind, row in gains.items()])
normal = [s for s in range(8) if gains["main"][s] < 0 and gains["guide"][s] < 0][: 1 if FAST else 8]
cover = {
    (kind, sigma): [learning.coverage_of_density(pretrained.load(kind, s), sigma, PIXELS) for s in normal]
    for sigma in (0.03, 0.01)
    for kind in ("main", "guide")
}
columns = {"outside": ".1%", "kl_p_q": ".2f", "kl_q_p": ".2f"}
table(
    ["model", "σ", "mass outside the truth's 99 % region", "KL(truth‖model)", "KL(model‖truth)"],
    [
        [kind, sigma, *(spread([r[k] for r in rows], form) for k, form in columns.items())]
        for (kind, sigma), rows in cover.items()
    ],
)

# %% [markdown]
# At σ = 0.03 the main model puts little more than the due 1 % outside, and the two divergences are equal. At σ = 0.01 it puts several times
# that much outside. The divergence that says "density where no data are", KL(model‖truth), is now the larger one. So the explanation holds
# at the lowest noise levels, where the leaves are.
#
# One thing matters more for what follows. **The guide has the same fault and more of it**, at both levels. So the ratio of the two models
# knows where the fault is. Notebook 4 uses that.
#
# ## What we measured

# %% tags=["hide-input"]
over = f"{len(SEEDS)} training seeds × {N}"
tv = {kind: spread([m["branch_tv"] for m in measured[kind]], ".3f") for kind in ("main", "true score")}
outside = {kind: spread([r["outside"] for r in cover[kind, 0.01]], ".0%") for kind in ("main", "guide")}
table(
    ["claim", "number", "over"],
    [
        ["outliers with the true score", spread(outliers["true score"], ".1%"), f"{len(SEEDS[:2])} × {N} samples"],
        ["outliers with the trained model", spread(outliers["main"], ".1%"), over],
        ["outliers with a smaller, less trained one", spread(outliers["guide"], ".1%"), over],
        ["TV of branches: main, true score", f"{tv['main']}, {tv['true score']}", over],
        ["outliers at the trunk, at the leaves", f"{trunk:.1%}, {leaf:.0%}", f"main, {over}"],
        ["error off the data / on the data", f"{factor['main', 0.03]:.0f}", "median of seeds, main, σ = 0.03"],
        ["mass outside, σ = 0.01: main, guide", f"{outside['main']}, {outside['guide']}", f"{len(normal)} seeds"],
    ],
)

# %% [markdown]
# **Questions.**
#
# 1. Step 1 of section 2: show that $\mathbb E\,|a - T|^2$ is least for $a = \mathbb E[T]$, and find what is left at the minimum. Why does
#    the loss of denoising score matching never reach 0?
# 2. Which is cheaper to repair, capacity or training time? Compare `early` and `small` in every table.
# 3. If the loss were an expectation over the *model's* samples, what would it forget instead?
# 4. Predict, before notebook 4: the guide's samples have more outliers, in the same places. If you extrapolate from the guide through the
#    main model, which way do outliers move?
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/02.md` beside this notebook.
#
# Back: [1 · The fractal](01_fractal.ipynb). Next: [3 · Sampling](03_sampling.ipynb). All: [the table of walkthroughs](README.md).
