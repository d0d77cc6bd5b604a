# %% [markdown]
# # 6 · Why it works: two errors of the same kind, and what guidance really samples
#
# Notebook 4 found that guidance by a worse model helps at low noise and harms at high noise. This notebook looks for the mechanism, with
# experiments that only an exact world allows: guides that are ideally bad, and guides that are too good.
#
# | you will see | and measure |
# |---|---|
# | the ratio of two densities and its pull (the paper's Figure 2) | outliers among the samples that pass the window |
# | the ratio at five noise levels (Figure 9) | how one-sided each guide pushes |
# | an ideally bad guide, and how far the trained one is from it | outliers *and* coverage; the angle between two errors |
# | a guide without errors | that a better guide makes things worse |
# | CFG without errors | what belongs to CFG itself |
# | the density that comes out | whether it is the product that guidance is named after |

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

from figures.engine.result import load_result
from figures.lessons import why
from figures.toy import density, fig2, fig9
from figures.lessons.notebook import show, slider, spread, table
from toy2d.paired import AUTOGUIDANCE_W, over_seeds
from toy2d.pretrained import load

SEEDS, N = ([0, 1], 128) if FAST else ([0, 1, 2], 1024)

# %% [markdown]
# ## 1. The ratio knows where the fault is
#
# Guidance adds $(w-1)\,\nabla\log\frac{p_1}{p_0}$ to the score. Where both models are right, both densities are the true one, the ratio is flat, and nothing is added. Where both spill density between the
# branches, the *worse* model spills more: the ratio is small there, and its gradient points back to the branches. **Guidance needs no knowledge of the truth; it needs two models that err in the same places, one more than the other.** Figure 2 of the paper
# shows a fork of the tree at σ = 0.03.

# %%
result = fig2.compute(n=2**12 if FAST else 2**16, pixels=50 if FAST else 200)
ends = result.numbers["ends"]
show(
    fig2.draw(result),
    f"**Figure 6.1.** The paper's Figure 2 (above: CFG's guide; below: autoguidance's guide, and the truth to compare). Third column: orange where the main model believes more than the guide, violet where less; arrows: the pull. It points into the branches. "
    f"From σ = 0.03 down, samples in this window end as outliers in {ends['none']['outliers_99']:.1%} of all cases without guidance, {ends['cfg']['outliers_99']:.1%} with CFG, {ends['autoguidance']['outliers_99']:.1%} with autoguidance, "
    f"{ends['exact']['outliers_99']:.1%} with the true score.",
)

# %%
others = [fig2.compute(seed=s, noise_seed=s, n=2**11 if FAST else 2**15, pixels=8).numbers["ends"] for s in SEEDS]
table(
    ["from σ = 0.03, in the window", "outliers", "each training seed", "mean true log density"],
    [[arm, spread([e[arm]["outliers_99"] for e in others], ".1%"), ", ".join(f"{e[arm]['outliers_99']:.1%}" for e in others), spread([e[arm]["log_prob"] for e in others], ".2f")] for arm in ("none", "cfg", "autoguidance", "exact")],
)

# %% [markdown]
# Starting from *true* points at σ = 0.03, autoguidance removes about a third of the outliers, for each training seed; CFG removes more for two seeds and next to none for the third. This is the claim of the paper's Figure 2, and it holds in kind.
# Note what it does not cover: how samples get to σ = 0.03.
#
# ## 2. The same ratio at other noise levels

# %%
nine = fig9.compute(n=512 if FAST else 4096, pixels=40 if FAST else 110)
show(
    fig9.draw(nine),
    f"**Figure 6.2.** The paper's Figure 9. At σ = 0.5 the two guides differ most: the ratio to CFG's guide is a slope over the whole plane, away from the other class (one-sided {nine.numbers['net_pull']['cfg'][0]['one_sided']:.0%}); that to autoguidance's "
    f"guide is nearly flat ({nine.numbers['net_pull']['autoguidance'][0]['one_sided']:.0%}, and {nine.numbers['net_pull']['cfg'][0]['rms'] / nine.numbers['net_pull']['autoguidance'][0]['rms']:.0f} times weaker).",
)

# %%
slider(lambda sigma: fig9.draw(fig9.compute(n=1024, pixels=80, sigmas=(sigma,))), SLIDERS,
       sigma=[0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.15, 0.25, 0.5, 1.0, 2.0])

# %% [markdown]
# *One-sided* is the length of the mean push over the root mean square of all pushes: 1 if all samples are pushed the same way, 0 if the pushes cancel. Over the training seeds:

# %%
pulls = [fig9.compute(seed=s, noise_seed=s, n=512 if FAST else 4096, pixels=4).numbers["net_pull"] for s in SEEDS]
table(
    ["σ", "CFG: push × σ", "CFG: one-sided", "autoguidance: push × σ", "autoguidance: one-sided"],
    [[sigma, *(spread([p[arm][i][key] for p in pulls], form) for arm in ("cfg", "autoguidance") for key, form in (("rms", ".2f"), ("one_sided", ".0%")))] for i, sigma in enumerate(fig9.SIGMAS)],
)

# %% [markdown]
# *Check yourself.* Notebook 1 found that at σ = 0.5 a point names its class with a probability of about three quarters. Why is this just where CFG pushes hardest, relative to σ?
#
# ## 3. An ideally bad guide
#
# Now the experiment that no image model allows. Take a main model that is exact but for one fault: it believes the data *blurred* by $a = 0.01$. Its score at σ is the true score at $\sqrt{\sigma^2 + a^2}$. The guide has the same fault, more of it:
# $b = 0.02$. To first order in the blur, $s_a = s + a^2 h$ and $s_b = s + b^2 h$ with the same $h$, so
# $$s_a + (w-1)(s_a - s_b) = s + \big[a^2 - (w-1)(b^2 - a^2)\big]\, h .$$
# The unknown $h$ drops out at $w = 1 + \frac{a^2}{b^2 - a^2}$; in practice, where blur is not small against the leaves, a larger weight does better.

# %%
ideal = over_seeds(why.ideal_arms, SEEDS[:2], N)
names = {"exact": "true score", "blurred": "main model, blurred", "guided": f"guided by the more blurred, w = {why.IDEAL_W:g}"}
show(
    why.draw_arms(why.ideal_arms(), names, n=N, pixels=60 if FAST else 300),
    f"**Figure 6.3.** Guidance at its best. Outliers {spread(ideal['blurred']['outliers_99'], '.1%')} before, {spread(ideal['guided']['outliers_99'], '.1%')} after; total variation of the branches {spread(ideal['blurred']['branch_tv'], '.3f')} before, "
    f"{spread(ideal['guided']['branch_tv'], '.3f')} after, {spread(ideal['exact']['branch_tv'], '.3f')} for the true score at this n.",
)

# %% [markdown]
# Almost all outliers gone, coverage untouched: **this is the paper's Figure 1e, and the idea behind autoguidance is sound.** What does our trained pair lack, then? The premise to check is that both errors point the same way.
# The true score is known, so the errors are, and so is the angle between them.

# %%
levels = (0.5, 0.25, 0.08, 0.03, 0.01)
titles = {"guide": "autoguidance's guide", "small": "smaller only", "uncond": "CFG's guide"}
angle = {kind: [[why.error_alignment(load("main", s), load(kind, s), sigma, 4 * N, s) for sigma in levels] for s in SEEDS] for kind in titles}
on_data = {kind: [[a["on_data"] for a in row] for row in rows] for kind, rows in angle.items()}
show(
    why.draw_alignment(levels, on_data, titles),
    f"**Figure 6.4.** Do main model and guide err in the same direction? Cosine of their score errors over true points (thin: training seeds). For autoguidance's guide it is {spread([r[-1] for r in on_data['guide']], '.2f')} at σ = 0.01 and falls to "
    f"{spread([r[0] for r in on_data['guide']], '.2f')} at σ = 0.5. Where the main model's own samples left the data, at σ = 0.01, it is even {spread([r[-1]['off_data'] for r in angle['guide']], '.2f')}.",
)

# %% [markdown]
# That is the whole story of notebook 4. **At low noise capacity is short, both models fail in the same way, and guidance cancels the failure. At high noise both are nearly right, what is left are the accidents of each training run, and guidance multiplies their difference by $w-1$ with nothing to cancel.** CFG's guide
# is aligned at low noise too, and at high noise not at all: there it does not err, it describes something else. The model that is only smaller is aligned best, but hardly worse than the main model (notebook 2), so that extrapolation has little to go by: alignment *and* distance are needed.
#
# ## 4. A guide that is too good
#
# Turn it around: CFG with $w = 2$, once by the trained unconditional model, once by the *exact* unconditional score, which has no faults at all.

# %%
too_good = over_seeds(why.better_guide_arms, SEEDS, N)
table(
    ["guide of the trained main model, w = 2", "outliers", "each training seed"],
    [[name, spread(too_good[arm]["outliers_99"], ".1%"), ", ".join(f"{v:.1%}" for v in too_good[arm]["outliers_99"])]
     for arm, name in (("none", "none"), ("trained", "trained, both classes"), ("exact", "exact, both classes"))],
)

# %% [markdown]
# The perfect guide *multiplies* the outliers. Of course: now the ratio $p_1/p_0$ is large exactly where the main model spills and the guide does not, and guidance drives samples out there. A guide must be bad, and bad in the main model's own way.
#
# ## 5. What belongs to CFG itself
#
# And if both models are exact? Then there is no error to repair, and what is left is the property of the method.

# %%
exact_cfg = over_seeds(why.exact_cfg_arms, SEEDS[:2], N)
table(
    ["exact scores", "outliers", "TV of branches", "mean true log density"],
    [[name, spread(exact_cfg[arm]["outliers_99"], ".1%"), spread(exact_cfg[arm]["branch_tv"], ".3f"), spread(exact_cfg[arm]["log_prob"], ".2f")]
     for arm, name in (("exact", "no guidance"), ("cfg 2", "CFG, w = 2"), ("cfg 4", "CFG, w = 4"))],
)

# %% [markdown]
# With exact scores CFG still moves most of the mass (its total variation is about what notebook 4 found for trained models), and improves nothing. So CFG is two things at once: a push away from other classes,
# which costs coverage and is no error of the models; and, if the unconditional model happens to be worse, a dose of autoguidance. This is the paper's main thesis, and here it is measured with each part alone.
#
# ## 6. What does guided sampling really sample?
#
# At each noise level guidance follows the score of the product $p_1 (p_1/p_0)^{w-1}$. Notebook 5 showed on a line that the sampler does not deliver
# that product. Here is the same for trained models. The density $q$ of the samples can be computed exactly, since along a trajectory
# $\frac{d \log q}{d\sigma} = -\operatorname{div} \frac{x - D_w(x;\sigma)}{\sigma}$. If the samples came from the product, then
# $\log q - \log(\text{product})$ would be the same number at every sample. How much it varies needs no normaliser.
#
# One warning first. A trained network gives an unnormalised log density, and it need not be one that can be normalised at all. A product can grow without
# bound far from the data, even where the main model does not. Then no normaliser exists, and none may be quoted.

# %%
made = density.compute(n=32 if FAST else 512, pixels=12 if FAST else 96)
gaps = {arm: (m["q25"], m["q75"]) for arm, m in made.numbers["measured"].items()}
show(
    density.draw(made),
    f"**Figure 6.5.** Above: density of the samples at σ = {made.numbers['sigma']:g}, training seed 0. Below: the product whose score was followed. Look at the histogram: without "
    f"guidance log q − log product is nearly one number. With guidance half of the samples lie outside {gaps['autoguidance'][0]:+.1f} to {gaps['autoguidance'][1]:+.1f} nats (autoguidance).",
)

# %%
eight = load_result("product").numbers["runs"]
table(
    ["all eight training seeds", "middle half of log q − log product, nats", "products that are a density"],
    [[arm, spread(runs["quartile_distance"], ".1f"), f"{sum(runs['falls_outwards'])} of 8"] for arm, runs in eight.items()],
)

# %% [markdown]
# Without guidance the spread is half a nat: a trained score nearly samples the density it belongs to. With guidance it is several nats, for every
# training seed. So guidance is best understood as a change of *trajectories*, not as sampling from a sharpened density.
#
# ## What we measured

# %%
drop = [1 - e["autoguidance"]["outliers_99"] / e["none"]["outliers_99"] for e in others]
table(
    ["claim", "number", "over"],
    [
        [f"autoguidance (w = {AUTOGUIDANCE_W:g}) from true points at σ = 0.03 removes outliers", spread(drop, ".0%"), f"{len(SEEDS)} training seeds"],
        ["CFG's push at σ = 0.5 is one-sided", spread([p["cfg"][0]["one_sided"] for p in pulls], ".0%"), f"{len(SEEDS)} training seeds"],
        ["autoguidance's is not", spread([p["autoguidance"][0]["one_sided"] for p in pulls], ".0%"), f"{len(SEEDS)} training seeds"],
        ["ideally bad guide: outliers", f"{spread(ideal['blurred']['outliers_99'], '.1%')} → {spread(ideal['guided']['outliers_99'], '.1%')}", f"2 × {N} samples"],
        ["… TV of branches", f"{spread(ideal['blurred']['branch_tv'], '.3f')} → {spread(ideal['guided']['branch_tv'], '.3f')}", f"2 × {N} samples"],
        ["errors of main model and guide, cosine at σ = 0.01", spread([r[-1] for r in on_data["guide"]], ".2f"), f"{len(SEEDS)} training seeds"],
        ["… at σ = 0.5", spread([r[0] for r in on_data["guide"]], ".2f"), f"{len(SEEDS)} training seeds"],
        ["guide without errors: outliers", f"{spread(too_good['none']['outliers_99'], '.1%')} → {spread(too_good['exact']['outliers_99'], '.1%')}", f"{len(SEEDS)} training seeds"],
        ["CFG w = 4 without any errors: TV of branches", f"{spread(exact_cfg['exact']['branch_tv'], '.2f')} → {spread(exact_cfg['cfg 4']['branch_tv'], '.2f')}", f"2 × {N} samples"],
    ],
)

# %% [markdown]
# **Questions.** (1) Compute the cancelling weight for $a = 0.01$, $b = 0.02$ (`why.cancelling_weight`), sample with it, and explain why 3 did better. (2) What does the ideally bad pair do at $w = 10$? Where is its optimum, and what ends it? (3) Design a guide for the *trained* main model that shares its errors
# better than the shipped one. Notebook 7 has candidates; notebook 9 has another. (4) In section 4 the roles are reversed. With which weight would the exact guide be right? What is guidance then?
#
# Back: [5 · Why it works, on a line](05_one_dimension.ipynb). Next: [7 · What makes a good bad model](07_bad_models.ipynb). All: [the table of walkthroughs](README.md).
