# %% [markdown]
# # 5 · Why it works, on a line
#
# Notebook 4 found that a *worse* model makes samples better. This notebook derives why, with Gaussians on a line, where every step can be
# done with pen and paper. Each formula is then compared with the sampler that all other notebooks use.
#
# **Afterwards you can** derive what guided sampling delivers between Gaussians, say for which errors a worse model is a cure, and predict
# when guidance loses parts of the data.
#
# **Before:** notebooks [3](03_sampling.ipynb) and [4](04_guidance.ipynb). **Time:** 45 minutes to read, half a minute to run.

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
FAST = False  # True: fewer points, a quick look
SLIDERS = True  # False: the static pictures only

# %%
import math

import numpy as np
import torch

from edm.guidance import guide
from edm.sampler import sample, sigma_steps
from figures.lessons import one_dimension
from figures.lessons.notebook import say, show, slider, table
from toy2d import gaussian

N = 1_000 if FAST else 20_000
SIGMAS = sigma_steps(64 if FAST else 160, sigma_min=0.002, sigma_max=80.0)
quantiles = (torch.arange(N, dtype=torch.float64) + 0.5) / N  # evenly spread, so that chance plays no part
noise = 80.0 * torch.special.ndtri(quantiles)[:, None]  # where every sampler starts: N(0, 80²)

# %% [markdown]
# ## 1. One Gaussian, sampled
#
# Let the data be $N(0, s^2)$. With noise of level σ they are $N(0, s^2+\sigma^2)$, so the score is $-x/(s^2+\sigma^2)$, and the ideal denoiser is
# $D(x;\sigma) = x + \sigma^2 \cdot \text{score} = x\,\frac{s^2}{s^2+\sigma^2}$.
#
# Sampling follows $\frac{dx}{d\sigma} = \frac{x - D}{\sigma}$ from a high σ down to 0. Insert the denoiser:
# $$\frac{dx}{d\sigma} = \frac{\sigma\,x}{s^2+\sigma^2}
# \qquad\Longrightarrow\qquad
# d\ln x = \frac{\sigma\,d\sigma}{s^2+\sigma^2} = \tfrac12\,d\ln(s^2+\sigma^2).$$
# Both sides can be integrated. On the way from $\sigma_{\max}$ to 0 every point shrinks by the same factor,
# $s/\sqrt{s^2+\sigma_{\max}^2}$. The start has standard deviation $\sqrt{s^2+\sigma_{\max}^2}$. So the samples arrive with $s$, as they should.
#
# ## 2. Two models that are both too wide
#
# Now the main model believes in a width $s_1$ that is too large, and the guide in $s_0$, which is larger still. Guidance uses
# $D_w = D_1 + (w-1)(D_1 - D_0)$. The equation is linear in the denoisers, so the two shrinkings combine:
# $$d\ln x = w\,\frac{\sigma\,d\sigma}{s_1^2+\sigma^2} - (w-1)\,\frac{\sigma\,d\sigma}{s_0^2+\sigma^2}.$$
# Each term integrates as before. From a high σ the samples arrive with the width
# $$\boxed{\;s_w = s_1\left(\frac{s_1}{s_0}\right)^{w-1}\;}$$
# Guidance takes the step from the guide's width to the main model's, as a *ratio*, and repeats it $w-1$ times.
#
# **Commit to an answer.** The truth is $s = 1$, the main model believes 1.2, the guide 1.6. Is the weight that restores the truth nearer to 1.3,
# to 1.6 or to 2.5? Write it down, then run the cell.

# %%
s, s_main, s_weak = 1.0, 1.2, 1.6
main, weak = gaussian.ideal_denoiser(s_main), gaussian.ideal_denoiser(s_weak)

measured = {w: sample(guide(main, weak, w), noise, SIGMAS).std().item() for w in (1.0, 1.5, 2.0, 3.0, 4.0)}
best = 1 + math.log(s_main / s) / math.log(s_weak / s_main)  # solve s_w = s for w
say(f"Restoring weight by the formula: {best:.2f}. Samples at that weight have a standard deviation of "
    f"{sample(guide(main, weak, best), noise, SIGMAS).std():.3f}.")

# %% tags=["hide-input"]
weights = np.linspace(1, 4, 61)
delivered = np.array([gaussian.guided_std(s_main, s_weak, w) for w in weights])
product = np.array([gaussian.product_std(s_main, s_weak, w) for w in weights])
apart = max(abs(measured[w] / gaussian.guided_std(s_main, s_weak, w) - 1) for w in measured)
show(
    one_dimension.draw_widths(
        weights, {"delivered: s₁(s₁/s₀)^(w−1)": delivered, "the product": product}, list(measured), list(measured.values()), s
    ),
    "**Figure 5.1.** Width of guided samples against the weight. Look at the dots: they lie on the solid line, the formula in the box. "
    f"The largest relative difference is {apart:.1%}.",
)


# %% [markdown]
# ## 3. What is aimed at, and what is delivered
#
# The dashed line is something else. At each noise level the guided score is the gradient of
# $\log p_1 + (w-1)\log\frac{p_1}{p_0}$. One might expect samples of the *product* $p_1\,(p_1/p_0)^{w-1}$. For Gaussians, precisions add up:
# $$\frac{1}{s_\text{product}^2} = \frac{w}{s_1^2} - \frac{w-1}{s_0^2}.$$
# That is a harmonic rule, and the box holds a geometric one. They agree as long as $s_1$ and $s_0$ are close. Far apart they do not, and for
# $s_1 > s_0$ and a large $w$ the product may be no density at all, since its precision becomes negative.
#
# Why does the sampler not deliver the product? Because the sampler needs a *family* of densities, one for each σ, each the one below with more
# noise. The products at different σ are no such family. Noise and multiplication do not commute.
#
# There is a second lesson in Figure 5.1: the sampler always contracts at least as much as the product. (With $r = s_1^2/s_0^2$ this is the inequality
# $\ln(1+u) \le u$. Exercise 2 asks for the proof.)
#
# ## 4. One weight cannot mend everything
#
# In the plane each direction has its own width. Take the main model of notebook 6: it is exact but for a blur, as if data were smeared by
# $a = 0.01$; its guide is smeared by $b = 0.02$. Across the trunk of the fractal the data have a width of $s = 0.016$, across a leaf of 0.004.
# A blur adds variance: $s_1^2 = s^2 + a^2$ and $s_0^2 = s^2 + b^2$.
#
# **Commit to an answer.** Which of the two needs the larger weight, the trunk or the leaf?

# %%
def restoring(width, a, b):
    """The weight at which samples of the blurred pair have the true width again."""
    s1, s0 = math.hypot(width, a), math.hypot(width, b)
    return 1 + math.log(s1 / width) / math.log(s0 / s1)


rows = []
for a, b in ((0.01, 0.02), (0.004, 0.008), (0.0005, 0.001)):
    rows.append([f"{a:g} and {b:g}", *(f"{restoring(width, a, b):.2f}" for width in (0.016, 0.004)), f"{1 + a**2 / (b**2 - a**2):.2f}"])
table(["blur of main model and guide", "best weight, trunk", "best weight, leaf", "rule for small blurs"], rows)

# %% [markdown]
# The leaf needs more, since for it the blur is large. A weight that is right for the leaf makes the trunk too thin. And there is a worse case. Where the main
# model is *right*, $s_1 = s$, and only the guide is too wide, every weight above 1 does harm: the width becomes $s\,(s/s_0)^{w-1}$, although
# there was no error to repair.
#
# The last column is the rule of the paper's idea in its purest form. It follows for *any* density, not only for Gaussians. Blurring is what
# noise does, and noise obeys the heat equation $\partial p/\partial(\sigma^2) = \tfrac12\Delta p$. Divide by $p$, and use
# $\Delta p / p = \Delta\log p + |\nabla\log p|^2$. Take the gradient, to get the score $s = \nabla\log p$. To first order in the blur,
# $$s_a = s + a^2 h, \qquad s_b = s + b^2 h, \qquad h = \tfrac12\nabla\left(\Delta\log p + |\nabla\log p|^2\right).$$
# Both errors point in the same direction $h$, which nobody knows. Guidance needs not know it:
# $$s_a + (w-1)(s_a - s_b) = s + \left[a^2 - (w-1)(b^2-a^2)\right] h,$$
# and the bracket vanishes at $w = 1 + \frac{a^2}{b^2-a^2}$. **This is the whole idea of autoguidance: two models that err in the same
# direction, one more than the other, show where that direction is.**
#
# ## 5. Two modes and a valley
#
# Widths are one thing; outliers are another. An outlier lies where there should be nothing: in the valley between two modes. Why does a fitted
# model put mass there at all? Training asks for small errors of the score *on average over the data*, and there are hardly any data in the valley. An
# error there costs nothing. (Averaged over noise levels this loss is the Kullback–Leibler divergence from the data to the model, which punishes
# a model for missing data, and hardly for adding some. See Song et al., arXiv 2101.09258.)
#
# Take two modes at ±1 of width 0.25, and let the models blur them: to 0.35 the main model, to 0.45 the guide.

# %%
VALLEY = 0.3  # the strip |x| < 0.3
widths = {"truth": 0.25, "main model": 0.35, "guide": 0.45}
denoisers = {name: gaussian.two_modes(share=0.5, distance=1.0, s=width) for name, width in widths.items()}


def density(x, width):
    """Half a Gaussian at each of ±1."""
    return sum(0.5 * np.exp(-((x - c) ** 2) / (2 * width**2)) / (width * math.sqrt(2 * math.pi)) for c in (-1.0, 1.0))


def sampled(weight):
    return sample(guide(denoisers["main model"], denoisers["guide"], weight), noise, SIGMAS)[:, 0].numpy()


def in_valley(points):
    return float((np.abs(points) < VALLEY).mean())


# %% [markdown]
# **Commit to an answer.** The ratio of main model to guide is drawn in the middle of the next figure. In which direction does it push a sample that stands at
# $x = 0.2$? And one exactly in the middle?

# %% tags=["hide-input"]
x = np.linspace(-2.4, 2.4, 481)
truth = sample(denoisers["truth"], noise, SIGMAS)[:, 0].numpy()
unguided = sampled(1.0)


def valley_figure(w):
    p = {name: density(x, width) for name, width in widths.items()}
    return one_dimension.draw_valley(
        x, p, np.log(p["main model"] / p["guide"]), {"no guidance": unguided, f"guided, w = {w:g}": sampled(w)}, VALLEY, w
    )


show(
    valley_figure(2.0),
    "**Figure 5.2.** Two modes with a valley (shaded). Look at the middle panel: the ratio is lowest in the valley, and the arrows lead out of it. "
    f"In the valley lie {in_valley(unguided):.1%} of the unguided samples, {in_valley(sampled(2.0)):.1%} with w = 2, and {in_valley(truth):.1%} of true ones.",
)

# %%
slider(valley_figure, SLIDERS, w=[1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0])

# %%
table(
    ["w", "in the valley", "width of a mode"],
    [["true samples", f"{in_valley(truth):.2%}", f"{truth[truth > 0].std():.3f}"]]
    + [[f"{w:g}", f"{in_valley(p):.2%}", f"{p[p > 0].std():.3f}"] for w in (1.0, 1.5, 2.0, 3.0, 4.0) for p in [sampled(w)]],
)

# %% [markdown]
# The valley empties: that is the gain. The modes become thinner than the truth from $w = 3$ on: that is overshoot, and one price of guidance.
#
# ## 6. Modes of different size
#
# There is another price. So far both models agreed on how much mass each mode holds. Trained models do not. Call a mode's share of the mass $π$,
# and compare models by the log odds $\ell = \ln\frac{π}{1-π}$. The product multiplies ratios of densities, so in the product
# $$\ell_w = \ell_1 + (w-1)(\ell_1-\ell_0).$$
# If the guide believes in *more* mass in a rare mode than the main model does, guidance takes mass away from it, although the main model
# may be right. What the sampler delivers is again not quite the product. On a line, trajectories never cross. So one starting point separates those that end in one mode from
# those that end in the other. Following that point back through the noise gives the share (`gaussian.guided_share`).
#
# **Commit to an answer.** A leaf holds 1 % of the mass, and the main model knows it. The guide believes 2 %. Which share do samples have at $w = 3$: about
# 1 %, 0.5 % or 0.1 %?

# %%
w_shares = np.linspace(1, 4, 31)
cases = {}
for title, true, p1, p0 in (("main right: 1 %, guide 2 %", 0.01, 0.01, 0.02), ("main right: 1 %, guide 0.5 %", 0.01, 0.01, 0.005)):
    cases[title] = {
        "guided samples": np.array([gaussian.guided_share(p1, p0, w) for w in w_shares]),
        "product": np.array([gaussian.product_share(p1, p0, w) for w in w_shares]),
        "truth": np.full_like(w_shares, true),
    }
pair = [gaussian.two_modes(share, distance=1.0, s=0.05) for share in (0.01, 0.02)]
found = (sample(guide(*pair, 3.0), noise, SIGMAS)[:, 0] > 0).double().mean().item()
say(f"At w = 3: {gaussian.guided_share(0.01, 0.02, 3.0):.2%} by the theory, {found:.2%} of {N} samples.")

# %% tags=["hide-input"]
show(
    one_dimension.draw_shares(w_shares, cases),
    "**Figure 5.3.** Share of a rare mode against the weight. Look at the left panel: the guide believes in twice the mass, and the mode fades. At w = 3 it "
    f"holds {cases['main right: 1 %, guide 2 %']['guided samples'][20]:.2%} of the samples instead of 1 %, about the tenth below which notebook 4 calls a leaf lost.",
)

# %% [markdown]
# This happens although the main model makes no error at all. A guide that is less sure which leaf is which gives rare leaves too much, and
# guidance takes it away from them. The sampler always leaves a rare mode less than the product would.
#
# ## What we measured

# %%
table(
    ["claim", "predicted", "measured"],
    [
        ["best weight for widths 1, 1.2, 1.6", f"{best:.2f}", f"width there {sample(guide(main, weak, best), noise, SIGMAS).std():.3f}"],
        ["width at w = 3", f"{gaussian.guided_std(s_main, s_weak, 3.0):.3f}", f"{measured[3.0]:.3f}"],
        ["valley at w = 1, 2", "–", f"{in_valley(unguided):.1%}, {in_valley(sampled(2.0)):.1%}"],
        ["share of a mode of 1 % at w = 3, guide 2 %", f"{gaussian.guided_share(0.01, 0.02, 3.0):.2%}", f"{found:.2%}"],
    ],
)

# %% [markdown]
# **Questions.** (1) Raised input noise: a model sees $x$ with extra noise and is told the raised level $f\sigma$. Show that its samples arrive with the width
# $s/f$ in every direction, and that guidance of $f_1 = 1.1$ by $f_0 = 1.2$ restores them at $w = 2.10$ (the paper found 2.00 by experiment).
# (2) Prove that the sampler contracts at least as much as the product. (3) What does guidance do to a shift? Let both models have the right width, the
# main model be shifted by 0.1 and the guide by −0.1. What is the mean of the samples at $w = 3$? (4) In section 5, choose a guide that fills the valley
# *less* than the main model does. What happens, and why?
#
# Back: [4 · Guidance](04_guidance.ipynb). Next: [6 · Why it works, on the fractal](06_why.ipynb). All: [the table of walkthroughs](README.md).
