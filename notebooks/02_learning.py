# %% [markdown]
# # 2 · Learning a score, and why models cover too much
#
# Notebook 1 knew the score. Here a small network has to learn it, under the best conditions there can be: unlimited fresh data and the *true* score as
# its target. It still fails, in a way that is worth understanding, because guidance exists to repair exactly this failure.
#
# | you will see | and measure |
# |---|---|
# | a network that is a log density, with its gradient as score | closed form against automatic differentiation |
# | exact score matching | the loss falling, live |
# | the shipped models: main, less trained, smaller, both | score error by noise level, three training seeds |
# | samples between the branches: outliers | how many, where, and that the sampler is innocent |
# | why: nobody asks the model about empty places | the error there, against the error on data |

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

from figures.lessons import learning
from figures.lessons.notebook import say, show, spread, table
from toy2d import metrics, pretrained
from toy2d.paired import draw_start, measure, run
from toy2d.fractal import fractal
from toy2d.model import LogDensityMLP
from toy2d.train import P_MEAN, P_STD, score_loss, train

SEEDS, N, PIXELS = ([0, 1], 512, 100) if FAST else ([0, 1, 2], 4096, 400)
A = fractal("A")

# %% [markdown]
# ## 1. A network that is a density
#
# The model gives an unnormalised log density, with $s = \sqrt{\sigma_\text{data}^2+\sigma^2}$ and $f$ a plain network of five linear layers:
# $$\log p_\theta(x;\sigma) = \frac{g}{\sigma}\, \operatorname{mean}\big[f(x/s, \ln\sigma/4, 1)^2\big] - \frac{|x/s|^2}{2} + \text{const.}$$
# Its score is the gradient in $x$. The library writes that gradient out in closed form, so that training differentiates once, not twice.
# Two lines check it:

# %%
main = pretrained.load("main")
x = A.sample(256, 0.1, torch.Generator().manual_seed(0)).requires_grad_()
by_autograd = torch.autograd.grad(main.log_density(x, 0.1).sum(), x)[0]
say(f"Closed form against automatic differentiation: {(by_autograd - main.score(x, 0.1)).abs().max() / by_autograd.abs().max():.0e} apart.")


# %% [markdown]
# ## 2. Exact score matching
#
# For an image nobody knows the true score, and one trains on noisy images instead: *denoising* score matching. Its loss has the same minimum as
# $$\mathcal L = \mathbb E_{\sigma}\; \mathbb E_{x \sim p(x;\sigma)}\; \tfrac12\, \sigma^2\, \big| s_\theta(x;\sigma) - \nabla \log p(x;\sigma) \big|^2 ,$$
# but a noisy target. In 2D the target is known, so we take the loss itself. This removes one suspect from the list:
# **what goes wrong below cannot be blamed on noise in the target, nor on too little data.**

# %%
def loss_once(model, generator, batch=4096):
    sigma = (P_MEAN + P_STD * torch.randn(batch, generator=generator)).exp()
    x = A.sample(batch, sigma, generator)
    return score_loss(model, x, sigma[:, None], A.score(x, sigma))


untrained = LogDensityMLP(16, generator=torch.Generator().manual_seed(0))
live = train("A", hidden=16, iterations=64 if FAST else 512, batch=512, compile=False, progress=False)
values = [loss_once(m, torch.Generator().manual_seed(1)).item() for m in (untrained, live.model, pretrained.load("guide"), main)]
table(
    ["model", "width", "iterations × batch", "loss"],
    [
        ["untrained: a Gaussian cloud", 16, "0", f"{values[0]:.3f}"],
        ["trained just now", 16, f"{len(live.losses)} × 512", f"{values[1]:.3f}"],
        ["shipped guide", 32, "512 × 4096", f"{values[2]:.3f}"],
        ["shipped main model", 64, "4096 × 4096", f"{values[3]:.3f}"],
    ],
)

# %% [markdown]
# ## 3. Where the score is wrong
#
# Four shipped models, each trained with three seeds: **main** (width 64, 4096 iterations), **early** (the same run at iteration 512), **small** (width 32, 4096
# iterations) and **guide** (width 32, 512 iterations: smaller *and* less trained, the paper's bad version).

# %%
sigmas = np.geomspace(0.005, 1, 10)
kinds = ("main", "early", "small", "guide")
models = {kind: [pretrained.load(kind, seed) for seed in SEEDS] for kind in kinds}
curves = {kind: [metrics.error_curve(m, sigmas, N // 2) for m in models[kind]] for kind in kinds}
ratio = np.mean(curves["guide"], 0) / np.mean(curves["main"], 0)
at = int(np.argmin(abs(sigmas - 0.03)))
show(
    learning.draw_errors(sigmas, curves),
    f"**Figure 2.1.** Score error against noise, a line for each training seed. All models err most at low noise, where the leaves are. At σ = {sigmas[at]:.3f} "
    f"the guide's error is {ratio[at]:.1f} times that of the main model: same kind of curve, only higher. That likeness is what guidance will use.",
)

# %% [markdown]
# Look at the spread between seeds as well. One of the three main models (seed 1) is markedly worse than its sisters: trained by the same recipe, on the same data, only with other
# random numbers. A study with one seed would not know.

# %%
table(
    ["model", *(f"σ = {s:.3f}" for s in sigmas[[at - 1, at, at + 2, at + 5]])],
    [[kind, *(spread([c[i] for c in curves[kind]], ".2g") for i in (at - 1, at, at + 2, at + 5))] for kind in kinds],
)

# %% [markdown]
# ## 4. What comes out: outliers
#
# Sample the main model from exact noise with the sampler of notebook 3, and judge by the ruler of notebook 1.

# %%
samples = {kind: [run(m, draw_start(N, seed)) for m, seed in zip(models[kind], SEEDS)] for kind in kinds}
exact = [run(A, draw_start(N, seed)) for seed in SEEDS[:2]]
measured = {kind: [measure(s) for s in samples[kind]] for kind in kinds} | {"true score": [measure(s) for s in exact]}
show(
    learning.draw_outliers({"true score": exact[0], "main": samples["main"][0], "guide": samples["guide"][0]}),
    f"**Figure 2.2.** A part of the tree; red samples lie outside the region that holds 99 % of the truth. Same sampler, same steps, only the score differs: "
    f"{spread([m['outliers_99'] for m in measured['true score']], '.1%')} of all samples with the true score, {spread([m['outliers_99'] for m in measured['main']], '.1%')} with "
    f"the main model, {spread([m['outliers_99'] for m in measured['guide']], '.1%')} with the guide. **The sampler is innocent.**",
)

# %%
table(
    ["score", "outliers (99 %)", "far outliers (99.9 %)", "TV of branches", "leaves lost of 64"],
    [
        [kind, *(spread([m[key] for m in rows], form) for key, form in
                 (("outliers_99", ".1%"), ("outliers_999", ".1%"), ("branch_tv", ".3f"), ("leaves_lost", ".1f")))]
        for kind, rows in measured.items()
    ],
)

# %% [markdown]
# Coverage is nearly what it should be: the total variation of the main model is close to that of true samples. Some leaves are thin (a leaf is due five of 4096 samples, so
# chance alone plays with them; with 2^14 samples none is lost). The model does not forget parts of the data; it spills between them. Where?

# %%
depths = [learning.outliers_by_depth(s) for s in samples["main"]]
table(
    ["nearest branch is of generation", "share of the samples", "of these, outliers"],
    [[d, spread([r[d]["share"] for r in depths], ".1%"), spread([r[d]["outliers"] for r in depths], ".1%")] for d in range(7)],
)

# %% [markdown]
# At the trunk there are hardly more than the due 1 %. Outliers live among the last generations, at the smallest scale, just where Figure 2.1 has its largest error.
#
# ## 5. Why too much, and not too little?
#
# The paper explains: a model of limited capacity is fitted by (the noise-weighted sum of) forward divergences, which punish a model that misses data and say little about
# density put where no data is. In the loss above you can see it without any theory: the expectation is over $x \sim p(x;\sigma)$, so **the model is never asked about empty
# places**. What it answers there is extrapolation. Sampling asks it there all the same: once a sample is off the data, it stays in a
# place where the model was never corrected. We can measure both errors:

# %%
off = {(kind, s): [learning.error_off_data(m, s, N, seed) for m, seed in zip(models[kind], SEEDS)] for kind in ("main", "guide") for s in (0.03, 0.01)}
table(
    ["model", "σ", "error on data", "samples off the data", "error there (each seed)", "median factor"],
    [
        [kind, s, spread([r["on_data"] for r in rows], ".3f"), spread([r["share_off"] for r in rows], ".1%"),
         ", ".join(f"{r['off_data']:.2g}" for r in rows), f"**{np.median([r['off_data'] / r['on_data'] for r in rows]):.0f}**"]
        for (kind, s), rows in off.items()
    ],
)

# %% [markdown]
# The model's own samples that left the data sit where its squared score error is tens of times larger, for one training seed hundreds of times. The loss hardly saw it: at training
# time one point in a hundred lies that far out.
#
# And the density itself? Unlike an image model this one *has* a density; normalise it on a fine grid and compare.

# %%
cover = {(kind, s): [learning.coverage_of_density(m, s, PIXELS) for m in models[kind]] for s in (0.03, 0.01) for kind in ("main", "guide")}
table(
    ["model", "σ", "its mass outside the truth's 99 % region", "KL(truth‖model)", "KL(model‖truth)"],
    [[kind, s, spread([r["outside"] for r in rows], ".1%"), spread([r["kl_p_q"] for r in rows], ".2f"), spread([r["kl_q_p"] for r in rows], ".2f")]
     for (kind, s), rows in cover.items()],
)

# %% [markdown]
# At σ = 0.03 the main model puts little more than the due 1 % outside, and the two divergences are equal: no sign of a preference for covering. At σ = 0.01 the excess is several per cent, and
# KL(model‖truth), the price of density in empty places, is the larger one, with a spread over seeds as large as itself. The paper's explanation holds here as a tendency at the
# lowest noise levels, not as a law at every level. And one thing matters more for what follows: **the guide has the same fault and more of it** (its mass outside is about three times that of the
# main model at both levels). So their ratio knows where the fault is. Notebook 4 uses that.
#
# ## What we measured

# %%
table(
    ["claim", "number", "over"],
    [
        ["the sampler makes no outliers of its own", spread([m["outliers_99"] for m in measured["true score"]], ".1%"), f"{len(exact)} × {N} samples"],
        ["the trained model does", spread([m["outliers_99"] for m in measured["main"]], ".1%"), f"{len(SEEDS)} training seeds × {N}"],
        ["a smaller, less trained one does more", spread([m["outliers_99"] for m in measured["guide"]], ".1%"), f"{len(SEEDS)} training seeds × {N}"],
        ["coverage: TV of branches, main (true score)", f"{spread([m['branch_tv'] for m in measured['main']], '.3f')} ({spread([m['branch_tv'] for m in measured['true score']], '.3f')})", f"{len(SEEDS)} training seeds × {N}"],
        ["outliers among the leaves", spread([r[6]["outliers"] for r in depths], ".0%"), "generation 6"],
        ["outliers at the trunk", spread([r[0]["outliers"] for r in depths], ".1%"), "generation 0"],
        ["the score is worse off the data, by a factor", f"{np.median([r['off_data'] / r['on_data'] for r in off['main', 0.03]]):.0f}", "median of seeds, main, σ = 0.03"],
    ],
)

# %% [markdown]
# **Questions.** (1) Denoising score matching replaces $\nabla \log p(x;\sigma)$ by $(y - x)/\sigma^2$. Show that the minimum is the same. (2) Which is cheaper to repair, capacity or training time? Compare `early` and `small` in
# every table. (3) If the loss were an expectation over the *model's* samples, what would it forget instead? (4) Predict, before notebook 4: the guide's samples have more outliers in the same places.
# If you extrapolate from the guide through the main model, which way do outliers move?
#
# Back: [1 · The fractal](01_fractal.ipynb). Next: [3 · Sampling](03_sampling.ipynb). All: [the table of walkthroughs](README.md).
