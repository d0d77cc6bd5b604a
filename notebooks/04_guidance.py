# %% [markdown]
# # 4 · Guidance: one line, three names, and what the numbers say
#
# A trained model leaves one sample in eight between the branches (notebook 2), and no sampler repairs that (notebook 3). Guidance does something
# bold. It takes a *second, worse* model and walks away from it.
#
# **You will be able to**
#
# - write guidance in one line, and say what makes it classifier-free guidance (CFG) or autoguidance;
# - compare two samplers fairly: from the same noise, over several training seeds, in quality *and* in coverage;
# - read a trade-off curve instead of a single weight;
# - say at which noise levels guidance helps in this world, and at which it harms.
#
# **Read before:** notebooks [2](02_learning.ipynb) and [3](03_sampling.ipynb). **Time:** 45 minutes to read, one to two minutes to run.
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
import torch

from edm.guidance import guide, truncate
from edm.sampler import sample, sigma_steps
from figures.lessons import paired
from figures.lessons.learning import draw_outliers
from figures.lessons.notebook import embed, reveal, say, show, slider, spread, table
from figures.toy import fig1
from toy2d import metrics, pretrained
from toy2d.fractal import fractal
from toy2d.paired import difference, draw_start, measure, over_seeds, run

SEEDS, N, PIXELS = ([0, 1], 256, 60) if FAST else ([0, 1, 2], 4096, 400)
A = fractal("A")
FLOOR = measure(metrics.true_samples(A, N))  # what true samples get by the same measurement

# %% [markdown]
# ## 1. One line
#
# Main model $D_1$, guide $D_0$, weight $w$:
# $$D_w(x;\sigma) = D_0(x;\sigma) + w\, \big(D_1(x;\sigma) - D_0(x;\sigma)\big).$$
# With $w = 1$ the guide drops out. With $w > 1$ we extrapolate: from the guide through the main model and beyond.
#
# What does this do to the score? Insert $D = x + \sigma^2 \nabla \log p$ (notebook 1) for both models. The $x$ adds up to $x$, and what is left is
# $$w\,\nabla\log p_1 - (w-1)\,\nabla\log p_0 \;=\; \nabla \log p_1 + (w-1)\, \nabla \log \frac{p_1}{p_0}.$$
# So guidance adds a push to the main model's score. The push goes uphill in the *ratio*: to where the main model believes more than the guide.
#
# Why should that help? Suppose both models make the same kind of mistake, and the guide makes it worse. Then the step from the guide's
# prediction to the main model's points away from the mistake. Guidance continues along that step. Where both models are right, the step is
# zero and nothing changes. (Notebook 5 derives this.)

# %%
main, weak = pretrained.load("main"), pretrained.load("guide")


def guided_by_hand(x, sigma, labels=None, w=3.0):
    d0, d1 = weak(x, sigma), main(x, sigma)
    return d0 + w * (d1 - d0)


def forbidden(*_):
    raise AssertionError("the guide was called")


x = draw_start(100)
apart = (guided_by_hand(x, 0.5) - guide(main, weak, 3.0)(x, 0.5)).abs().max()
off = guide(main, forbidden, 1.0)(x, 0.5).equal(main(x, 0.5))
say(f"By hand and `edm.guidance.guide`: {apart:.0e} apart. At weight 1 the guide is never called: {off}.")

# %% [markdown]
# Three recipes share the line, or nearly:
#
# | name | guide | paper's weight in 2D |
# |---|---|---|
# | classifier-free guidance (CFG) | a model of **both** classes | $w = 4$ |
# | autoguidance | a **bad version** of the main model: same class, smaller, less trained | $w = 3$ |
# | naive truncation | none: the score times a factor | 1.4 |
#
# ## 2. A fair comparison
#
# Three rules make a comparison fair. Every sampler starts from **the same points**, so that luck cancels in the difference. Quality and
# coverage are measured **both**. And everything is done for **several training seeds**. This is the first rule, and the test for outliers,
# written out:

# %%
sigmas = sigma_steps(32, sigma_max=5.0)
start = draw_start(N, seed=0)  # the same points for every method
level = metrics.region_levels(A)[0]  # the region where log p is above this holds 99 % of the true mass
for name, denoiser in {"no guidance": main, "autoguidance, w = 2": guide(main, weak, 2.0)}.items():
    points = sample(denoiser, start, sigmas)
    outliers = ~(A.log_prob(points) >= level)  # also what flew off to "not a number"
    say(f"{name}: {outliers.float().mean():.1%} of {N} samples are outliers.")

# %% [markdown]
# From here on `over_seeds` runs this loop for many methods and training seeds, and `measure` adds the coverage. The code calls a method an
# *arm* of the comparison. Coverage has two numbers, as in notebook 1: the total variation (TV) of the branches, and the leaves that hold
# less than a tenth of their share.
#
# **Commit to an answer (1 of 3).** Without guidance about 12 % of the samples are outliers. What is left with autoguidance at the paper's $w = 3$?
# (a) about 1 %, as with true samples; (b) about half; (c) most of them.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
WEIGHTS = (1.5, 3.0) if FAST else (1.25, 1.5, 2.0, 3.0, 4.0)
FACTORS = (1.1, 1.4) if FAST else (1.03, 1.05, 1.1, 1.2, 1.4)


def arms(seed):
    """Every sampler to compare, for the models of one training seed."""
    model = pretrained.load("main", seed)
    bad, both = pretrained.load("guide", seed), pretrained.load("uncond", seed)
    out = {"none": model}
    out |= {f"autoguidance {w:g}": guide(model, bad, w) for w in WEIGHTS}
    out |= {f"cfg {w:g}": guide(model, both, w) for w in sorted({*WEIGHTS, 4.0})}
    return out | {f"truncation {f:g}": truncate(model, f) for f in FACTORS}


runs = over_seeds(arms, SEEDS, N)
before, after = (spread(runs[arm]["outliers_99"], ".1%") for arm in ("none", "autoguidance 3"))

# %% tags=["hide-input"]
reveal(answer_1, "c", f"Outliers go from {before} to {after}. The next figure looks kinder than this number.")

# %% [markdown]
# Here is the paper's Figure 1, made from our models. First look with your eyes only: which panel looks like the truth? Then read the
# numbers under the panels. (The cell takes about half a minute.)

# %% tags=["hide-input"]
result = fig1.compute(n=512 if FAST else 2**13, pixels=PIXELS)
m = result.numbers["measured"]
show(
    fig1.draw(result),
    "**Figure 4.1.** The paper's Figure 1 from our models (training seed 0). Every panel starts from the same points. "
    "To the eye, autoguidance (e) leaves the least dust without losing the trunk. In numbers, it has "
    f"{m['autoguidance']['outliers_99']:.1%} outliers, against {m['none']['outliers_99']:.1%} without guidance.",
)

# %%
names = {
    "none": "no guidance",
    "autoguidance 3": "autoguidance, w = 3",
    "cfg 4": "CFG, w = 4",
    "truncation 1.4": "truncation, 1.4",
}
table(paired.header(SEEDS), [*paired.rows(runs, names), paired.floor_row(FLOOR)])

# %% [markdown]
# The paper reads its figure so: CFG costs diversity, truncation loses branches, and autoguidance concentrates the samples on the branches
# without loss. The first two are plain to see. The third does not hold for our models:
#
# - Autoguidance lowers outliers by a little, and by how much depends on the training seed.
# - It costs coverage: the total variation grows severalfold, and dozens of leaves fall below a tenth of their share.
# - For seed 1 a few trajectories fly off to infinity; the last column says how many. They count as outliers.
#
# CFG is worse in both respects: it has more outliers than no guidance, and it moves most of the mass. So autoguidance is ahead of CFG, as
# in the paper, but it is not free. Two questions are open. Why does it remove so few outliers, and why does it cost so much coverage? The
# next sections ask five suspects: the eye, the weight, the ruler, the noise level and the guide.
#
# ## 3. The eye: a dot is not a share

# %%
leaves = {arm: paired.visited(torch.from_numpy(result.arrays[f"samples_{arm}"])) for arm in fig1.PANELS}
table(
    ["panel of Figure 4.1", "leaves with a sample", "leaves with half of their share", "leaves under a tenth"],
    [[arm, f"{v['any']} of 64", f"{v['half']} of 64", f"{m[arm]['leaves_lost']:.0f}"] for arm, v in leaves.items()],
)

# %% [markdown]
# The picture shows *where* there are samples. A thousand dots in one place look like one. In the autoguided panel two leaves of three hold
# a dot, so the tree looks whole. Yet only about half of the leaves hold half of their share. Coverage is a matter of numbers.
#
# ## 4. The weight
#
# Perhaps $w = 3$ is not the best weight for our models. In the next figure, look at the left panel first: where are outliers fewest? Then
# look at what happened to coverage up to that weight.

# %% tags=["hide-input"]
families = {name: ["none", *(f"{name} {w:g}" for w in WEIGHTS)] for name in ("autoguidance", "cfg")}
best = min(families["autoguidance"], key=lambda name: sum(runs[name]["outliers_99"]))
show(
    paired.draw_sweep(
        [1.0, *WEIGHTS],
        families,
        runs,
        {"outliers_99": "outliers", "branch_tv": "TV of branches", "leaves_lost": "leaves lost of 64"},
        FLOOR,
    ),
    f"**Figure 4.2.** Line: mean of {len(SEEDS)} training seeds; band: least and greatest; dotted: true samples. "
    "Outliers fall first and rise again, and coverage only ever gets worse. Autoguidance has its fewest outliers at "
    f"w = {best.split()[-1]}, {spread(runs[best]['outliers_99'], '.1%')}.",
)

# %% [markdown]
# The same in pictures. Look at the red points, which are outliers, and at the outer branches: which of them hold blue points?

# %% tags=["hide-input"]
WINDOW = dict(centre=(0.3, 0.3), half_width=1.2, pixels=PIXELS, coverage=True)
few = start[: N // 2]
unguided = run(main, few)
strip = {f"w = {w:g}": run(guide(main, weak, w), few) for w in (2.0, 3.0, 4.0)}
show(
    draw_outliers({"no guidance": unguided, **strip}, width=3.9, columns=2, **WINDOW),
    f"**Figure 4.3.** No guidance and autoguidance at three weights, {N // 2} samples from the same noise. The trunk "
    "stays full while the leaves thin out, and from w = 3 on a clump forms in the loop right of the trunk. At w = 4, "
    f"{measure(strip['w = 4'])['leaves_lost']:.0f} of 64 leaves are lost.",
)

# %% [markdown]
# **A slider and a menu:** run the next cell to get them (again after reopening). They choose the weight and the guide. The unguided samples
# stand beside the guided ones.

# %%
GUIDES = {
    "autoguidance: smaller, less trained": "guide",
    "CFG: model of both classes": "uncond",
    "less trained only (section 7)": "early",
    "smaller only (section 7)": "small",
}
slider(
    lambda w, guide_by: draw_outliers(
        {"no guidance": unguided, f"guided, w = {w:g}": run(guide(main, pretrained.load(guide_by), w), few)}, **WINDOW
    ),
    SLIDERS,
    w=[1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0],
    guide_by=GUIDES,
)

# %% [markdown]
# **The playground** does the same in a browser, without Python, and shows every sample on its way. `make playground` writes the page as
# `html/playground.html`. If it is there, the next cell opens it here.
#
# ![The playground: samples without guidance and with it, side by side, with meters and controls](../docs/playground/playground.png)

# %% tags=["hide-input"]
if SLIDERS:
    embed("../html/playground.html", "w=2", height=760)

# %% [markdown]
# The fair comparison is not at one weight but along the whole curve: how many outliers, for how much coverage? In the next figure each line
# starts at no guidance and runs through growing weights. Lower left is better. Look at one height, such as 10 % of outliers: which line is
# leftmost there, in each panel?

# %% tags=["hide-input"]
families |= {"truncation": ["none", *(f"truncation {f:g}" for f in FACTORS)]}
labels = {f"{name} {w:g}": f"{w:g}" for name in ("autoguidance", "cfg") for w in WEIGHTS if w >= 2}
labels |= {f"truncation {f:g}": f"{f:g}" for f in FACTORS}
price = sum(runs[best]["branch_tv"])
near = min((f"truncation {f:g}" for f in FACTORS), key=lambda name: abs(sum(runs[name]["branch_tv"]) - price))
show(
    paired.draw_frontier(
        families, runs, labels, {"branch_tv": "total variation of the branches", "leaves_lost": "leaves lost of 64"}
    ),
    "**Figure 4.4.** Outliers against lost coverage; small points are training seeds. On the left autoguidance lies a "
    "little below CFG, up to its best weight. Truncation lies far below both. On the right the gap is small up to "
    "about ten lost leaves. At about the total variation of autoguidance at its best, truncation loses "
    f"{spread(runs[near]['leaves_lost'], '.0f')} leaves instead of {spread(runs[best]['leaves_lost'], '.0f')}.",
)

# %% [markdown]
# So is truncation the better method? In this world a *little* of it is better than a guide that acts at all noise levels. Factors of 1.03 to
# 1.05 leave fewer outliers at the same coverage, by either measure, and need no second model. That makes truncation the control that a guide
# has to beat. At 1.1 it loses half of the leaves, since it sharpens the density everywhere. It knows nothing of the model's errors, so it
# would thin the leaves of a perfect model, too (question 1). A guide knows something, but not at every noise level. Section 6 looks for the
# levels where it does.
#
# ## 5. The ruler
#
# Would another threshold tell another story? Compare outliers of the 99 % region with far outliers, which lie outside the 99.9 % region.

# %%
table(
    ["method", "outliers (99 %)", "far outliers (99.9 %)"],
    [
        [arm, *(spread(runs[arm][key], ".1%") for key in ("outliers_99", "outliers_999"))]
        for arm in ("none", best, "autoguidance 3", "cfg 4", "truncation 1.1")
    ],
)

# %% [markdown]
# The order is the same but for one pair. At w = 3 autoguidance has fewer outliers than no guidance, but no fewer far outliers. Both
# differences are smaller than the spread over training seeds. So the little that autoguidance removes at w = 3 depends on the ruler, and
# the larger differences do not. The ruler does not explain why it removes so little.
#
# ## 6. The noise level
#
# Notebook 1 found that the class is decided at high noise and the leaf at low noise. A *guidance interval* lets guidance act only for
# $\sigma_\text{lo} < \sigma \le \sigma_\text{hi}$. At other levels the main model is alone: `guide(main, weak, w, (lo, hi))`.
#
# **Commit to an answer (2 of 3).** Keep the paper's weights. Let guidance act only at σ ≤ 0.03, or only above σ = 0.1. Where does it remove
# the outliers? (a) at low noise; (b) at high noise; (c) at both alike.

# %%
answer_2 = None  # "a", "b" or "c"

# %%
INTERVALS = ((0, 0.03), (0.1, 5)) if FAST else ((0, 0.03), (0, 0.1), (0.1, 5))


def interval_arms(seed):
    model = pretrained.load("main", seed)
    kinds = {"autoguidance": (pretrained.load("guide", seed), 3.0), "cfg": (pretrained.load("uncond", seed), 4.0)}
    return {
        f"{arm} {lo:g}-{hi:g}": guide(model, weak, w, (lo, hi))
        for arm, (weak, w) in kinds.items()
        for lo, hi in INTERVALS
    }


runs |= over_seeds(interval_arms, SEEDS, N)
change = {arm: 100 * difference(runs, arm, "none", "outliers_99").mean() for arm in interval_arms(0)}
low, high = (change[f"autoguidance {name}"] for name in ("0-0.03", "0.1-5"))

# %% tags=["hide-input"]
reveal(answer_2, "a", f"Autoguidance changes outliers by {low:+.1f} points at low noise and {high:+.1f} at high noise.")

# %%
names = {arm: f"{arm.split()[0]}, {arm.split()[1].replace('-', ' < σ ≤ ')}" for arm in interval_arms(0)}
table(paired.header(SEEDS), paired.rows(runs, {"none": "no guidance"} | names))

# %% [markdown]
# Section 2 asked why autoguidance at w = 3 removes so few outliers and costs so much coverage. The noise level is the reason. **Guidance at
# low noise does the good, guidance at high noise does the harm.** Limited to σ ≤ 0.03, both guides remove more outliers than over the whole
# range. They keep most of the coverage, and hardly anything flies off. Above σ = 0.1, both have more outliers on average than no guidance,
# and nearly all of the total variation arises there. Compare the second row with Figure 4.4: held to low noise, autoguidance has caught up
# with mild truncation.
#
# Two remarks.
#
# - Even CFG works well at low noise. There the class is long decided, and all that is left of its guide is that it is a worse model.
# - The paper reports for images that an interval does not improve autoguidance. In our 2D world it does. One difference: the paper searched
#   the weights for each setting, and here $w=3$ was simply taken over.
#
# ## 7. The guide
#
# The paper's guide is smaller *and* less trained. Three models at $w = 2$ separate the two: `early` is the main run itself at an eighth of
# its training, `small` has half the width and all the training, `guide` is both.
#
# **Commit to an answer (3 of 3).** Which of them removes the most outliers? (a) the less trained one; (b) the smaller one; (c) both together.

# %%
answer_3 = None  # "a", "b" or "c"


# %%
def guide_arms(seed):
    model = pretrained.load("main", seed)
    return {f"{kind} 2": guide(model, pretrained.load(kind, seed), 2.0) for kind in ("early", "small", "guide")}


runs |= over_seeds(guide_arms, SEEDS, N)
names = {"early 2": "less trained", "small 2": "smaller", "guide 2": "both (the paper's)"}
means = {arm: sum(runs[arm]["outliers_99"]) for arm in names}
least = min(means, key=means.get)

# %% tags=["hide-input"]
reveal(answer_3, "abc"[list(names).index(least)], f"Fewest outliers are left with the guide that is {names[least]}.")

# %%
table(paired.header(SEEDS), paired.rows(runs, {"none": "no guidance"} | names))


# %% [markdown]
# The early snapshot of the *same* run removes the most outliers, and it costs nothing to train. A guide that is only smaller does little,
# and for one seed it does harm. But all three cost coverage, and in coverage the less trained one is not the best. Notebook 7 takes this
# apart with more seeds.
#
# ## What we measured

# %% tags=["hide-input"]
def points(arm):
    """Change of outliers against no guidance, in percentage points: mean ± spread over the training seeds."""
    return spread(100 * difference(runs, arm, "none", "outliers_99"), "+.1f") + " points"


low, seeds = "autoguidance 0-0.03", f"{len(SEEDS)} training seeds"
table(
    ["claim", "number", "over"],
    [
        ["no guidance: outliers", spread(runs["none"]["outliers_99"], ".1%"), f"{seeds} × {N}"],
        ["autoguidance, paper's w = 3: change of outliers", points("autoguidance 3"), "paired"],
        ["… its price: leaves lost of 64", spread(runs["autoguidance 3"]["leaves_lost"], ".0f"), seeds],
        ["CFG, paper's w = 4: change of outliers", points("cfg 4"), "paired"],
        ["… its price: TV of branches", spread(runs["cfg 4"]["branch_tv"], ".2f"), seeds],
        ["autoguidance at σ ≤ 0.03 only: change of outliers", points(low), "paired"],
        ["… its price: leaves lost of 64", spread(runs[low]["leaves_lost"], ".0f"), seeds],
        ["less trained guide, w = 2: change of outliers", points("early 2"), "paired"],
    ],
)

# %% [markdown]
# **Questions.**
#
# 1. Show that truncation is guidance by a guide whose score is zero. Which $w$ corresponds to 1.4?
# 2. Both methods of a paired run share the noise and the training seed. Compute the spread of the *unpaired* difference from the first table.
#    How many more seeds would it need?
# 3. Find the interval and weight with the fewest outliers for autoguidance on training seed 0. Then test the choice on seeds 1 and 2. Does
#    it hold? Why must one do it in this order?
# 4. Why can a trajectory fly off although both models alone never do? (Write the guided score far from the data as a sum of the two.)
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/04.md` beside this notebook.
#
# Back: [3 · Sampling](03_sampling.ipynb). Next: [5 · Why it works, on a line](05_one_dimension.ipynb). All: [the table of walkthroughs](README.md).
