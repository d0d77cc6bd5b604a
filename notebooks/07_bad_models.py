# %% [markdown]
# # 7 · What makes a good bad model
#
# Guidance works where main model and guide err in the same way, the guide more (notebooks 5 and 6). How does one *make* such a guide? Train it less, make it
# smaller, or average its weights longer? This notebook takes the ways apart, and asks how far the answers depend on our settings.
#
# **You will be able to**
#
# - say what a guide needs, and measure it: a shared error, and more of it;
# - compare guides fairly, by quality and coverage together;
# - judge from intervals over training runs which differences are real.
#
# **Read before:** notebook [6](06_why.ipynb). **Time:** 35 minutes to read, one minute to run.
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

from edm.guidance import guide
from figures.engine.result import load_result
from figures.engine.tables import difference_text
from figures.lessons import learning, why
from figures.lessons.notebook import reveal, say, show, slider, spread, table
from figures.toy import guide_design, robustness
from toy2d import metrics
from toy2d.fractal import fractal
from toy2d.paired import draw_start, measure, run
from toy2d.pretrained import load

SEEDS, N = ([0, 1], 256) if FAST else ([0, 1, 2], 2048)
KINDS = {"early": "less trained", "small": "smaller", "guide": "both (the paper's)"}

# %% [markdown]
# ## 1. Three guides
#
# The project comes with three guides for each main model:
#
# - `early` is as large as the main model and had an eighth of its training: it *is* the main run, at iteration 512;
# - `small` has half the width and all the training;
# - `guide`, the paper's, is small *and* short.
#
# Each guides its main model at $w = 2$, from the same starting points. A sample is an *outlier* if it lies outside the region that holds 99 % of the true
# mass. The test is one comparison, because the true density is known. Samples that flew off count as outliers too.
#
# **Commit to an answer (1 of 3).** Which guide removes hardly any outliers? (a) The less trained one. (b) The smaller one. (c) The paper's.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
truth = fractal("A")
level = metrics.region_levels(truth)[0]  # the log density at the edge of the region that holds 99 %


def is_outlier(x):
    flown = ~(x.norm(dim=1) < metrics.DIVERGED_RADIUS)
    return flown | (truth.log_prob(x) < level)


outliers, rest = {}, {}
for seed in SEEDS:
    main, start = load("main", seed), draw_start(N, seed)  # the same points for every guide
    arms = {"none": main} | {kind: guide(main, load(kind, seed), 2.0) for kind in KINDS}
    for name, denoiser in arms.items():
        x = run(denoiser, start)
        outliers.setdefault(name, []).append(is_outlier(x).double().mean().item())
        rest.setdefault(name, []).append(measure(x))  # coverage: branch TV, leaves lost, misplaced mass

# %%
change = {kind: np.array(outliers[kind]) - outliers["none"] for kind in KINDS}
moved = {k: np.array([a["misplaced"] - b["misplaced"] for a, b in zip(rest[k], rest["none"])]) for k in KINDS}
floor = measure(metrics.true_samples(truth, N))
table(
    [
        "guide, w = 2",
        "outliers",
        f"change in points, seeds {', '.join(map(str, SEEDS))}",
        "TV of branches",
        "leaves lost of 64",
        "misplaced mass",
        "its change in points",
    ],
    [
        [
            KINDS.get(name, "none"),
            spread(values, ".1%"),
            ", ".join(f"{100 * v:+.1f}" for v in change[name]) if name in KINDS else "",
            spread([r["branch_tv"] for r in rest[name]], ".3f"),
            spread([r["leaves_lost"] for r in rest[name]], ".0f"),
            spread([r["misplaced"] for r in rest[name]], ".1%"),
            spread(100 * moved[name], "+.1f") if name in KINDS else "",
        ]
        for name, values in outliers.items()
    ]
    + [
        [
            "true samples",
            f"{floor['outliers_99']:.1%}",
            "",
            f"{floor['branch_tv']:.3f}",
            f"{floor['leaves_lost']:.0f}",
            f"{floor['misplaced']:.1%}",
            "",
        ]
    ],
)
least = max(change, key=lambda kind: change[kind].mean())

# %% tags=["hide-input"]
reveal(
    answer_1,
    "abc"[list(KINDS).index(least)],
    "Mean change in points: " + ", ".join(f"{KINDS[kind]} {100 * v.mean():+.1f}" for kind, v in change.items()) + ".",
)

# %% [markdown]
# *Misplaced mass* is quality and coverage in one number: the share of samples to be moved so that every branch, and the outside, hold what they should. Outliers
# fall with every guide that is less trained. But **misplaced mass does not fall with any of them at w = 2**: all pay with coverage. Who looks at outliers only
# would not notice.
#
# ## 2. What a guide needs
#
# Why is the smaller model such a weak guide? Split the guide's error into two parts. One part *repeats* the main model's error $e_1$: the projection
# $c\,e_1$ of the guide's error $e_0$ on it. The other part is the guide's *own*. Then guidance makes the error
# $$e_1 + (w-1)(e_1 - e_0) = \big[1 - (w-1)(c - 1)\big]\, e_1 - (w-1)\,e_\text{own}.$$
# So a guide helps by $c - 1$: it must repeat the main model's error *more than once*. And it harms by its own error. Look for the levels where $c$ is above 1, and
# how large the own error is there.

# %%
levels = (0.01, 0.03, 0.1, 0.3, 1.0)


def split(main, weak, sigma, seed):
    """How often the guide repeats the main model's error, and the guide's own error in units of the main model's."""
    x = truth.sample(2 * N, sigma, torch.Generator().manual_seed(seed))
    exact = truth.score(x, sigma)
    e1, e0 = main.score(x, sigma) - exact, weak.score(x, sigma) - exact
    c = (e0 * e1).sum() / (e1 * e1).sum()
    return c.item(), ((e0 - c * e1).norm() / e1.norm()).item()


parts = {
    kind: np.array([[split(load("main", s), load(kind, s), sigma, s) for sigma in levels] for s in SEEDS])
    for kind in KINDS
}  # kind -> [seeds, levels, 2]

# %% tags=["hide-input"]
low = {kind: v[:, 0] for kind, v in parts.items()}
show(
    why.draw_split(levels, parts, KINDS),
    "**Figure 7.1.** The guide's error, in units of the main model's (thin lines: training seeds). Left, the part "
    "that repeats it: only at low noise does it pass 1. At σ = 0.01 the less trained guide repeats the error "
    f"{spread(low['early'][:, 0], '.2f')} times, the smaller one {spread(low['small'][:, 0], '.2f')} times.",
)

# %% [markdown]
# The smaller model repeats the error about once: its error is the main model's, and there is hardly anything to extrapolate. The less trained ones repeat more, at low
# noise. At high noise all three have little but errors of their own. There guidance can only harm, and it does (notebook 6 found leaves lost there).
#
# ## 3. The map of guides
#
# The paper searched for its guide with about 30 000 evaluations on images. In the plane a map is cheap. `python -m figures guide_design` trains guides of three widths, six
# training lengths and three EMA widths. Each is measured at the weight that left the fewest outliers *on other starting points*, among weights that cost at most 0.05 of
# total variation.
#
# **Commit to an answer (2 of 3).** Look for guides that lower the *misplaced mass*, quality and coverage together, for certain (95 % interval below zero). How many are
# there? (a) More than half. (b) A few. (c) None.

# %%
answer_2 = None  # "a", "b" or "c"

# %%
made = load_result("guide_design")
d = made.numbers


def sure(key, sign):
    """For how many guides the 95 % interval of the change lies on one side of zero."""
    return sum(sign * g["change"][key]["low" if sign > 0 else "high"] > 0 for g in d["cells"])


better = sure("misplaced", -1)

# %% tags=["hide-input"]
reveal(
    answer_2,
    "c" if better == 0 else "b" if better < len(d["cells"]) / 2 else "a",
    f"Of {len(d['cells'])} guides, {better} lower misplaced mass for certain, and {sure('misplaced', 1)} raise it. "
    f"Outliers fall for certain with {sure('outliers_99', -1)}, and the total variation of the branches rises with "
    f"{sure('branch_tv', 1)}.",
)

# %% [markdown]
# In the figure, T is the main model's training length. Look for the two ends: guides that had too little training, and guides that had too much.

# %% tags=["hide-input"]
top = min(d["cells"], key=lambda g: g["change"]["outliers_99"]["mean"])
show(
    guide_design.draw(made),
    f"**Figure 7.2.** Change of outliers by {len(d['cells'])} guides, {len(d['seeds'])} training seeds. Between T/16 "
    "and T/4 the points differ by less than the intervals. The best guide has width "
    f"{top['hidden']} and {top['length']} iterations, with a "
    f"change of {difference_text(top['change']['outliers_99'], '+.1%')}; its neighbors are within the interval.",
)

# %%
by_ema = {e: np.mean([g["change"]["outliers_99"]["mean"] for g in d["cells"] if g["ema"] == e]) for e in d["emas"]}
by_length = {t: [g for g in d["cells"] if g["length"] == t] for t in d["lengths"]}
table(
    ["training length of the guide", "mean change of outliers, in points", "guides for which w = 1 was best"],
    [
        [
            t,
            f"{100 * np.mean([g['change']['outliers_99']['mean'] for g in cells]):+.1f}",
            f"{sum(g['w'] == 1 for g in cells)} of {len(cells)}",
        ]
        for t, cells in by_length.items()
    ],
)
say(
    "Mean change by EMA width of the guide: "
    + ", ".join(f"{e:g}: {100 * v:+.1f} points" for e, v in by_ema.items())
    + "."
)

# %% [markdown]
# The EMA width of the guide makes no difference that could be seen. Notebook 9 explains why that is so here, and not on images. So far, in this world,
# **no guide that less training or less capacity makes improves quality and coverage together for certain.** Most buy the one with the other.
#
# That holds for guides that act at every noise level. Section 2 says what to try instead: act where the errors are shared. `python -m figures intervals` did so. It chose interval
# and weight on four training seeds, and reports on four others:

# %%
chosen = load_result("intervals").numbers["best"]
table(
    ["guide", "chosen", "outliers", "misplaced mass", "TV of branches"],
    [
        [
            KINDS[kind],
            f"w = {c['w']:g}, {c['interval'][0]:g} < σ ≤ {c['interval'][1]:g}",
            *(
                difference_text(c["reported"][key], form)
                for key, form in (("outliers_99", "+.1%"), ("misplaced", "+.1%"), ("branch_tv", "+.3f"))
            ),
        ]
        for kind, c in chosen.items()
    ],
)

# %% [markdown]
# (Changes against no guidance, with 95 % intervals.) Held to low noise, guidance lowers outliers *and* misplaced mass. The price in coverage is small, but it is not zero.

# %% [markdown]
# **A menu and two sliders:** run the next cell to get them (again after reopening). They choose the guide, the weight, and the noise level
# up to which guidance acts.

# %%
slider(
    lambda guide_by, w, up_to: why.draw_arms(
        {"none": load("main"), "guided": guide(load("main"), load(guide_by), w, (0.0, up_to))},
        {"none": "no guidance", "guided": f"{KINDS[guide_by]}, w = {w:g}, σ ≤ {up_to:g}"},
        1024,
        pixels=120,
    ),
    SLIDERS,
    guide_by={title: kind for kind, title in KINDS.items()},
    w=[1.0, 1.25, 1.5, 2.0, 2.5, 3.0],
    up_to=[0.03, 0.06, 0.12, 0.25, 0.5, 5.0],
)

# %% [markdown]
# The next figure shows the same without a slider: where outliers stay with each of three ways.

# %% tags=["hide-input"]
main, start = load("main"), draw_start(2 * N, 0)
ways = {
    "no guidance": main,
    "less trained, w = 2": guide(main, load("early"), 2.0),
    "… only for σ ≤ 0.06": guide(main, load("early"), 2.0, (0.0, 0.06)),
}
ended = {name: run(denoiser, start) for name, denoiser in ways.items()}
held = {name: measure(x) for name, x in ended.items()}
show(
    learning.draw_outliers(ended, pixels=80 if FAST else 300),
    "**Figure 7.3.** Samples in a window of the tree, outliers in red (training seed 0). Guidance takes points out "
    f"from between the branches. At all noise levels it loses {held['less trained, w = 2']['leaves_lost']:.0f} "
    f"leaves, held to σ ≤ 0.06 it loses {held['… only for σ ≤ 0.06']['leaves_lost']:.0f}, without guidance "
    f"{held['no guidance']['leaves_lost']:.0f} are lost.",
)

# %% [markdown]
# ## 4. Do the phenomena depend on our settings?
#
# The paper fits the exact score, and says that its figures stay the same over a wide range of parameters. `python -m figures robustness` trained 14 settings with three training
# seeds or more each. To afford it, main models have half the training and an eighth of the batch.
#
# **Commit to an answer (3 of 3).** In how many of the settings does autoguidance by the paper's kind of guide lower the outliers *for certain*? (a) In nearly all.
# (b) In about half. (c) In few.

# %%
answer_3 = None  # "a", "b" or "c"

# %%
side = load_result("robustness")
s = side.numbers
gains = {name: v["difference"]["2"] for name, v in s["settings"].items()}
certain = [name for name, g in gains.items() if g["outliers_99"]["high"] < 0]
fewer = [name for name, g in gains.items() if g["outliers_99"]["mean"] < 0]
worse = [name for name, g in gains.items() if g["branch_tv"]["low"] > 0]

# %% tags=["hide-input"]
reveal(
    answer_3,
    "c" if len(certain) < len(gains) / 4 else "b" if len(certain) < 3 * len(gains) / 4 else "a",
    f"In {len(certain)} of {len(gains)}. The mean falls in {len(fewer)}. Coverage gets worse for certain in "
    f"{len(worse)}. (Three seeds make wide intervals: 'not certain' does not mean 'no effect'.)",
)

# %% tags=["hide-input"]
alone = [np.mean(v["arms"]["1"]["outliers_99"]) for v in s["settings"].values()]
show(
    robustness.draw(side),
    "**Figure 7.4.** Outliers and coverage in 14 settings, without guidance and with it; small dots are training "
    f"seeds. Every setting leaves outliers without guidance, from {min(alone):.0%} to {max(alone):.0%}, where true "
    "samples have 1 %.",
)

# %% [markdown]
# So **the disease is robust, and the cure less so**. There are outliers in every setting. A smaller, shorter trained guide removes some of them in most settings, seldom by more
# than training runs differ. The loss of coverage is there in all of them.
#
# One setting deserves a look: *denoising score matching*, where the target is a noisy point's origin and not the exact score, as on images.

# %%
denoising = s["denoising"]
wide, base, narrow = (
    s["settings"][k]["arms"]["3"]["diverged"][1] for k in ("noise spread 2.0", "baseline", "noise spread 1.0")
)
table(
    ["question", "answer (95 % interval)"],
    [
        [
            "denoising target instead of the exact score: outliers",
            difference_text(denoising["unguided"]["outliers_99"], "+.1%"),
        ],
        ["… and what guidance gains more there", difference_text(denoising["gain_of_guidance"], "+.1%")],
        [
            "flown off at w = 3 if training sees a noise spread of 1.0, 1.5, 2.0 (seed 1)",
            f"{narrow:.1%}, {base:.1%}, {wide:.1%}",
        ],
    ],
)

# %% [markdown]
# A denoising target makes a worse model with the same number of iterations. There is no sign that guidance helps it more. And samples that fly off have to do with noise levels
# that training hardly saw. Sampling starts at σ = 5, which lies 2.6 standard deviations above the mean of ln σ in training.
#
# ## 5. Can one break a good model instead?
#
# There seems to be a short cut. Take the main model, and spoil it: drop units, add noise to its weights, round them. That costs no training. Notebook
# [11](11_corrupted.ipynb) tries it. It finds that a spoiled copy is no good guide for the model as it is, because its error is not the main model's own. A good bad model
# has to fail as the good one fails.
#
# ## What we measured

# %%
both = s["moments"]["AB"]
table(
    ["claim of the paper", "our number", "verdict"],
    [
        ["less training makes the guide: change of outliers", f"{100 * change['early'].mean():+.1f} points", "holds"],
        ["less capacity alone hardly does", f"{100 * change['small'].mean():+.1f} points", "holds"],
        [
            "(ours) misplaced mass falls for certain",
            f"with {better} of {len(d['cells'])} guides at all noise levels",
            "it does not",
        ],
        [
            "(ours) … held to low noise, less trained guide",
            difference_text(chosen["early"]["reported"]["misplaced"], "+.1%"),
            "see the interval",
        ],
        [
            "figures unchanged over parameters: outliers at w = 2",
            f"fall in {len(fewer)} of {len(gains)}, surely in {len(certain)}",
            "partly",
        ],
        ["mean 0, deviation 0.5 over both classes", f"deviations {both['sd'][0]:.3f}, {both['sd'][1]:.3f}", "holds"],
    ],
)

# %% [markdown]
# **Questions.**
#
# 1. Derive the formula of section 2. Which weight makes the guided error smallest, in terms of $c$ and the size of the own error?
# 2. A guide repeats the main model's error 0.9 times. Is any weight above 1 useful? What about a weight below 1?
# 3. Make a guide by moving the main model's weights $\theta$ back to those of `early`: $\theta + a\,(\theta_\text{early} - \theta)$. Is any $a < 1$ better
#    than the snapshot itself?
# 4. The map was read at weights chosen on other starting points. What would go wrong if they were chosen on the same ones?
# 5. With three training seeds, a 95 % interval uses Student's t with two degrees of freedom. How much narrower would it be with eight seeds of the same spread?
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/07.md` beside this notebook.
#
# Back: [6 · Why it works, on the fractal](06_why.ipynb). Next: [8 · From 2D to images](08_digits.ipynb).
# All: [the table of walkthroughs](README.md).
