# %% [markdown]
# # 11 · Models that were harmed on purpose
#
# The paper explains autoguidance by an experiment. Take a good model and harm it a little. Take the same model and harm it more: that is the
# guide. If guidance removes what two models get wrong in the same way, it must undo the harm. This notebook repeats the experiment where the
# answer can be computed, then in the plane, then on images.
#
# **You will be able to**
#
# - derive what raised input noise does to samples, and which weight undoes it;
# - test that prediction on Gaussians, on the fractal and on images;
# - say which kinds of harm guidance undoes, and which it makes worse.
#
# **Read before:** notebooks [7](07_bad_models.ipynb) and [10](10_images.ipynb). **Time:** 45 minutes to read, 4 minutes to run.
# **Terms:** the [glossary](../docs/glossary.md).
#
# *How to use it:* run the cells from the top, one after the other (Shift + Enter). Three cells ask you to commit to an answer. Write your letter
# there before you run on.
#
# Section 4 needs Fashion-MNIST, 30 MB, which is downloaded if it is not on this machine.

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
FAST = False  # True: fewer points and images, a quick look
SLIDERS = True  # False: the static pictures only

# %%
import math

import numpy as np
import torch

from edm import data, models
from edm.corruption import GUIDE_FACTOR, MAIN_FACTOR, raise_noise
from edm.generate import generate
from edm.guidance import guide
from edm.metrics import feature_stats, frechet_distance
from edm.sampler import sample, sigma_steps
from figures.engine.result import load_result
from figures.lessons import believing, pictures, why
from figures.lessons.notebook import reveal, say, show, slider, spread, table
from figures.toy import corruptions
from toy2d import gaussian
from toy2d.corruption import dropout
from toy2d.fractal import fractal
from toy2d.paired import over_seeds
from toy2d.pretrained import load

SEEDS, N, POINTS = ([0, 1], 256, 2_000) if FAST else ([0, 1, 2], 2048, 20_000)
DATA, COUNT, STEPS = ("digits", 40, 4) if FAST else ("fashion-16", 200, 32)


def generator(seed):
    return torch.Generator().manual_seed(seed)


# %% [markdown]
# ## 1. Raised input noise narrows everything
#
# The first harm needs no randomness in the weights. Raise the noise of the input by a factor $f$, and *tell the model so*:
# $$D_f(x;\sigma) = D\big(x + \sqrt{f^2-1}\;\sigma\,n;\; f\sigma\big), \qquad n \sim \mathcal N(0, I)\ \text{new in every call}.$$
# The model makes no mistake: its input has the noise level $f\sigma$, as it was told. But the sampler asked for an answer at σ, and gets the answer
# of somebody who sees less.
#
# What does that do to samples? Take data $N(0, s^2)$ in one direction. The ideal denoiser at level $f\sigma$ answers
# $x\,\frac{s^2}{s^2+f^2\sigma^2}$ on average over the new noise. Insert this into the sampler's equation, as in notebook 5:
# $$\frac{dx}{d\sigma} = \frac{x - D_f}{\sigma} = \frac{f^2\sigma\,x}{s^2+f^2\sigma^2}
# \qquad\Longrightarrow\qquad d\ln x = \tfrac12\, d\ln(s^2+f^2\sigma^2).$$
# So on the way from $\sigma_{\max}$ to 0 every point shrinks by $\sqrt{s^2/(s^2+f^2\sigma_{\max}^2)}$. The start has the width $\sigma_{\max}$, nearly.
# The samples arrive with $s/f$:
# $$\boxed{\;s_f = \frac{s}{f}\;}\qquad\text{in every direction, whatever } s \text{ is.}$$
#
# **Commit to an answer (1 of 3).** The formula is that of infinitely many steps. New noise comes in with every call. What do samples do that are made
# with 12 steps and $f = 1.1$? (a) They are narrower than the truth by more than 1.1. (b) They are narrower, but by less. (c) They are *wider* than the truth.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
S = 0.175  # the width of a garment's pixel within its class


def width(factor, steps, s=S, weak=None, w=1.0, fresh=True):
    """Width of samples over the true width: the ideal model with raised noise, guided by the same with more."""

    def harmed(f, seed):
        ideal = gaussian.ideal_denoiser(s)
        return raise_noise(ideal, f, generator(seed)) if fresh else lambda x, sigma, labels=None: ideal(x, f * sigma)

    denoiser = harmed(factor, 1) if weak is None else guide(harmed(factor, 1), harmed(weak, 2), w)
    evenly = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS  # no chance in the start
    start = 80.0 * torch.special.ndtri(evenly)[:, None]
    return sample(denoiser, start, sigma_steps(steps)).std().item() / s


few_steps = width(1.1, 12)

# %% tags=["hide-input"]
reveal(
    answer_1,
    "c" if few_steps > 1 else "b",
    f"With 12 steps the width is {few_steps:.2f} times the true one, with 32 steps {width(1.1, 32):.2f}, with 500 "
    "steps "
    f"{width(1.1, 50 if FAST else 500):.2f}. The formula says {1 / 1.1:.2f}. New noise adds to the width, and only "
    "many steps average it out.",
)

# %% [markdown]
# The next figure draws the formula and three numbers of steps. Look how the dots come down to the line.

# %% tags=["hide-input"]
factors = np.linspace(1, 1.3, 31)
at = (1.0, 1.05, 1.1, 1.2, 1.3)
measured = {f"{n} steps": (at, [width(f, n) for f in at]) for n in ((12, 32, 50) if FAST else (12, 32, 250))}
last = list(measured.values())[-1][1]
show(
    believing.draw_narrowing(
        factors, {"predicted: 1/f": 1 / factors}, measured, "factor f by which the noise is raised"
    ),
    "**Figure 11.1.** Width of samples with raised input noise, over the true width. With many steps the dots lie on "
    "the line. The largest "
    f"difference between them is {max(abs(m * f - 1) for m, f in zip(last, at)):.1%} there.",
)

# %% [markdown]
# ## 2. The weight that gives the width back
#
# Now guide the model of $f_1$ by that of $f_0 > f_1$. Both shrink samples, the guide more. Notebook 5 found that guidance between Gaussians
# delivers $s_1 (s_1/s_0)^{w-1}$. With $s_1 = s/f_1$ and $s_0 = s/f_0$ this is
# $$s_w = \frac{s}{f_1}\left(\frac{f_0}{f_1}\right)^{w-1}, \qquad\text{which is } s \text{ at}\qquad
# \boxed{\;w = \frac{\ln f_0}{\ln f_0 - \ln f_1}\;}$$
# The width $s$ has dropped out. So *one* weight mends all directions at once. In notebook 5 that was not so: there a weight that is right for the
# trunk was wrong for a leaf.
#
# **Commit to an answer (2 of 3).** The paper raised the noise by 10 % for the main model and by 20 % for the guide, and found its best weight by a search
# over images. What does the formula say? (a) 1.5, (b) 2.1, (c) 3.0.

# %%
answer_2 = None  # "a", "b" or "c"

# %%
restoring = gaussian.noise_restoring_weight(MAIN_FACTOR, GUIDE_FACTOR)

# %% tags=["hide-input"]
reveal(
    answer_2,
    "b",
    f"It is ln 1.2 / (ln 1.2 − ln 1.1) = {restoring:.2f}. The paper's search ended at 2.00. No network and no data "
    "enter the formula.",
)

# %% tags=["hide-input"]
weights = np.linspace(1, 3, 41)
line = {"predicted": (1 / MAIN_FACTOR) * (GUIDE_FACTOR / MAIN_FACTOR) ** (weights - 1)}
tried, three = (1.0, 1.5, 2.1, 3.0), (0.016, 0.175, 1.0)
dots = {
    f"width s = {s:g}": (tried, [width(MAIN_FACTOR, 64, s, GUIDE_FACTOR, w, fresh=False) for w in tried]) for s in three
}
at_best = [row[1][2] for row in dots.values()]
show(
    believing.draw_narrowing(weights, line, dots, "guidance weight w"),
    "**Figure 11.2.** Raised noise, 10 % for the main model and 20 % for the guide. Three directions of very "
    "different width lie on one line, and all "
    f"are right at the same weight. At w = 2.1 their widths are {min(at_best):.3f} to {max(at_best):.3f} times the "
    "true ones.",
)


# %% [markdown]
# (Here the new noise was left out, to see the mean effect alone.)
#
# ## 3. On the fractal
#
# The exact score of the fractal makes no error either. So whatever changes below is the harm, and what guidance makes of it. The trained main model
# stands beside it. *Misplaced mass* is quality and coverage in one number: the share of samples that lie where they should not.

# %%
def noise_arms(seed):
    arms = {}
    for name, model in (("exact score", fractal("A")), ("trained model", load("main", seed))):
        main = raise_noise(model, MAIN_FACTOR, generator(seed))
        weak = raise_noise(model, GUIDE_FACTOR, generator(seed + 100))
        arms[name] = model
        arms[f"{name}, +10 %"] = main
        arms[f"{name}, +10 % guided by +20 %, w = {restoring:.1f}"] = guide(main, weak, restoring)
    return arms


noisy = over_seeds(noise_arms, SEEDS, N)  # every arm from the same starting points, seed by seed
NUMBERS = {"outliers_99": ".1%", "branch_tv": ".3f", "leaves_lost": ".0f", "misplaced": ".1%"}
HEADER = ["outliers", "TV of branches", "leaves lost of 64", "misplaced mass"]
table(
    ["raised noise", *HEADER], [[name, *(spread(r[key], f) for key, f in NUMBERS.items())] for name, r in noisy.items()]
)

# %% tags=["hide-input"]
exact = [name for name in noisy if name.startswith("exact")]
titles = dict(zip(exact, ("exact score", "noise raised by 10 %", f"guided, w = {restoring:.1f}")))
show(
    why.draw_arms({name: noise_arms(0)[name] for name in exact}, titles, N, pixels=60 if FAST else 240),
    "**Figure 11.3.** The exact score, harmed, and guided by itself harmed more. Look at the thin outer branches: "
    "they fade and come back. Misplaced "
    f"mass is {spread(noisy[exact[0]]['misplaced'], '.1%')}, then {spread(noisy[exact[1]]['misplaced'], '.1%')}, "
    f"then {spread(noisy[exact[2]]['misplaced'], '.1%')}.",
)

# %% [markdown]
# **Two sliders:** run the next cell to get them (again after reopening). They set the factor $f$ of the noise and the weight. The guide's
# factor is $f^2$.

# %%
slider(
    lambda f, w: why.draw_arms(
        {
            "exact": fractal("A"),
            "harmed": raise_noise(fractal("A"), f, generator(0)),
            "guided": guide(
                raise_noise(fractal("A"), f, generator(0)), raise_noise(fractal("A"), f**2, generator(1)), w
            ),
        },
        {"exact": "exact score", "harmed": f"noise × {f:g}", "guided": f"guided by noise × {f**2:.2f}, w = {w:g}"},
        1024,
        pixels=120,
    ),
    SLIDERS,
    f=[1.02, 1.05, 1.1, 1.2, 1.4],
    w=[1.0, 1.5, 2.0, 2.5, 3.0],
)

# %% [markdown]
# With the exact score it happens as computed: the harm costs leaves, and guidance gives them back. It cannot give back everything. What comes in as
# new noise is not shared by the two models, and guidance multiplies it.
#
# Look at the trained model in the table. There the harm *lowers* the outliers. That is no miracle: narrower samples stay closer to the branches. Guidance
# undoes this too, so the leaves come back and the outliers as well. **Undoing a harm is not the same as improving a model.**
#
# ## 4. On images
#
# Now the shipped pair of notebook 10. The model is harmed by itself, so only its main network is used. If the formula holds, the *spread of a pixel within
# its class* falls by 1.1, and comes back at w = 2.10. The Fréchet distance in classifier features stands beside it. There is also a control: unguided
# images that are moved towards the mean of their class, by a factor of 1.1 and without any noise.

# %%
pair = models.shipped(DATA)
train, test = believing.first(data.load(DATA), 300 if FAST else 12_000), data.load(DATA, "test")
main, main_noisy = pair.main, raise_noise(pair.main, MAIN_FACTOR, generator(1))
weak_noisy = raise_noise(pair.main, GUIDE_FACTOR, generator(2))
seeds = range(50_000, 50_000 + COUNT)
classes = torch.tensor([s % 10 for s in seeds])


def sampled(denoiser):
    parts = generate(denoiser, seeds, pair.shape, range(10), sigmas=sigma_steps(STEPS), batch=100)
    return torch.cat([part.images for part in parts])


def class_sd(images, labels):
    """Standard deviation of a pixel within its class; black to white is 1."""
    x = images.flatten(1).double() / 255
    return torch.stack([x[labels == k].var(0) for k in range(10)]).mean().sqrt().item()


made = {
    "no guidance": sampled(main),
    "noise +10 %": sampled(main_noisy),
    "noise +20 %": sampled(weak_noisy),
    f"+10 % guided by +20 %, w = {restoring:.2f}": sampled(guide(main_noisy, weak_noisy, restoring)),
}
control = made["no guidance"].double()
for k in range(10):
    center = data.as_tensor(train.images[train.labels == k]).double().mean(0)
    control[classes == k] = center + (control[classes == k] - center) / MAIN_FACTOR
made["control: no guidance, narrowed by 1.1"] = control.round().clamp(0, 255).to(torch.uint8)

# %%
features = believing.feature_spaces(train, epochs=1 if FAST else 2)["classifier"]
real = feature_stats(features(train.images))
by_class = [np.flatnonzero(test.labels == k) for k in range(10)]
real_images = data.as_tensor(test.images[[by_class[i % 10][i // 10] for i in range(COUNT)]])  # as many of each class
sd = {name: class_sd(x, classes) for name, x in made.items()} | {"as many real images": class_sd(real_images, classes)}
fd = {
    name: frechet_distance(feature_stats(features(x)), real)
    for name, x in (made | {"as many real images": real_images}).items()
}
table(
    ["images", "SD within a class", "over no guidance", "Fréchet distance"],
    [[name, f"{sd[name]:.4f}", f"{sd[name] / sd['no guidance']:.3f}", f"{fd[name]:.3f}"] for name in sd],
)
say(
    f"A Gaussian of this width, sampled with {STEPS} steps, has {width(MAIN_FACTOR, STEPS) / width(1.0, STEPS):.3f} "
    "times its width with the noise raised by "
    f"10 %, and {width(MAIN_FACTOR, STEPS, S, GUIDE_FACTOR, restoring) / width(1.0, STEPS):.3f} times with guidance."
)

# %% tags=["hide-input"]
names = list(made)
show(
    pictures.draw_panels({name: made[name][:20] for name in (names[0], names[1], names[3])}, 20),
    "**Figure 11.4.** Garments from the same noise: whole model, harmed model, guided. Look at fine detail, such as "
    "stripes. The spread within a class is "
    f"{sd[names[1]] / sd[names[0]]:.3f} of the whole model's after the harm, and {sd[names[3]] / sd[names[0]]:.3f} "
    "after guidance.",
)

# %% [markdown]
# The width follows the closed form, although garments are not Gaussian: the last sentence under the table predicts both ratios. The distance goes up with the
# harm, and a part of the way back down with guidance. Compare the control. Narrowing alone, without any model in it, raises the distance too, and by more. So
# that raised noise narrows these images is enough to explain what it does to the distance.
#
# The sign depends on the model. Where samples are too *wide*, for example with 12 steps of the sampler (notebook 10), the same harm can lower the
# distance. So a lower distance after a corruption is no sign that the corruption did good.
#
# ## 5. Dropout: what is shared, and what only fluctuates
#
# The paper's other harm is dropout, left on while sampling: 5 % of the units for the main model, 10 % for the guide. A dropped-out answer has three
# parts: the model's answer, a mean error in proportion to the rate, and a fluctuation that depends on which units fell out. Both models have the mean
# error in common. The fluctuation they can share only if the same units fall out.
#
# So there are different experiments under one name:
#
# - *own masks*: each model draws its own, new in every call;
# - *nested masks*: new in every call, and the guide drops what the main model drops, and more;
# - *one mask*: the same all along, and nested;
# - *mean of 16*: own masks, but each answer is an average over 16 of them, so that fluctuations shrink fourfold.
#
# **Commit to an answer (3 of 3).** At w = 2, the weight that cancels the mean error: where does guidance *lower* the outliers? (a) With own masks, nested
# masks and the mean of 16. (b) With nested masks and the mean of 16. (c) Only with the mean of 16.

# %%
answer_3 = None  # "a", "b" or "c"


# %%
def mean_of(model, rate, draws, masks=16):
    one = dropout(model, rate, draws)
    return lambda x, sigma, labels=None: sum(one(x, sigma) for _ in range(masks)) / masks


def dropout_arms(seed):
    model = load("main", seed)
    own = dropout(model, 0.05, generator(seed)), dropout(model, 0.10, generator(seed + 100))
    nested = dropout(model, 0.05, generator(seed)), dropout(model, 0.10, generator(seed))
    fixed = tuple(dropout(model, rate, generator(seed), fixed=True) for rate in (0.05, 0.10))
    mean = mean_of(model, 0.05, generator(seed)), mean_of(model, 0.10, generator(seed + 100))
    arms = {"no dropout": model}
    for name, pair in (("own masks", own), ("nested masks", nested), ("one mask", fixed), ("mean of 16", mean)):
        arms[f"{name}, w = 1"], arms[f"{name}, w = 2"] = pair[0], guide(*pair, 2.0)
    return arms


dropped = over_seeds(dropout_arms, SEEDS, N // 4)
table(
    ["dropout 5 / 10 %", *HEADER],
    [[name, *(spread(r[key], f) for key, f in NUMBERS.items())] for name, r in dropped.items()],
)
change = {
    name: np.mean(dropped[f"{name}, w = 2"]["outliers_99"]) - np.mean(dropped[f"{name}, w = 1"]["outliers_99"])
    for name in ("own masks", "nested masks", "mean of 16")
}
fewer = [name for name, v in change.items() if v < 0]

# %% tags=["hide-input"]
reveal(
    answer_3,
    {3: "a", 2: "b", 1: "c"}.get(len(fewer), "none of them"),
    "Change of outliers from w = 1 to w = 2: " + ", ".join(f"{name} {v:+.1%}" for name, v in change.items()) + ".",
)


# %% [markdown]
# Why? Look at the errors themselves. The next cell compares the error that 5 % of dropout makes with the error that 10 % makes, at true points. For
# guidance to cancel them at $w = 2$, they must point the same way (cosine 1), and the second must be twice as long.

# %%
def of_errors(model, small, large, sigma, seed):
    """Cosine of the errors that two harms make, and how many times longer the second is."""
    x = fractal("A").sample(N, sigma, generator(seed))
    a, b = (d(x, sigma) - model(x, sigma) for d in (small, large))
    return ((a * b).sum() / (a.norm() * b.norm())).item(), (b.norm() / a.norm()).item()


rows = {"mean of 64 masks": [], "own masks": [], "nested masks": [], "one mask": []}
for seed in SEEDS:
    model, rates = load("main", seed), (0.05, 0.10)
    rows["mean of 64 masks"].append([mean_of(model, r, generator(seed + i), 64) for i, r in enumerate(rates)])
    rows["own masks"].append([dropout(model, r, generator(seed + i)) for i, r in enumerate(rates)])
    rows["nested masks"].append([dropout(model, r, generator(seed)) for r in rates])
    rows["one mask"].append([dropout(model, r, generator(seed), fixed=True) for r in rates])
angles = {
    name: np.array([of_errors(load("main", s), *pair, 0.03, s) for s, pair in zip(SEEDS, pairs)])
    for name, pairs in rows.items()
}
table(
    ["dropout 5 and 10 %, σ = 0.03", "cosine of the errors", "length of the second / first"],
    [[name, spread(v[:, 0], ".2f"), spread(v[:, 1], ".2f")] for name, v in angles.items()],
)

# %% [markdown]
# Only the *mean* error is what the idea needs: nearly one direction, and twice as long. A single mask has an error of its own, and the two
# models' errors agree only in part. Own masks agree hardly at all. Guidance multiplies whatever does not agree. **It undoes the error that two models
# share, and amplifies what they do not share.** So coverage, which the mean error had spoiled, comes back with own masks too: the total variation falls. But
# outliers rise. On images a fluctuation is spread over thousands of pixels and many large layers. In our network of 64
# hidden units it is not small.
#
# ## 6. All kinds, alike and unlike
#
# `python -m figures corruptions` does this for eight training seeds, for eight kinds of harm, and for pairs of *unlike* kinds. The weight of each pair is chosen on
# one set of starting points and reported on another. Look at the upper row of the figure: which pairs have a best weight above 1?

# %% tags=["hide-input"]
result = load_result("corruptions")
c = result.numbers
same = corruptions.find(c, "weights", "weights")
unlike = [p for p in c["pairs"] if p["main"] not in (p["weak"], "clean")]
copies = [p for p in c["pairs"] if p["main"] == "clean"]
show(
    corruptions.draw(result),
    f"**Figure 11.5.** Guidance after many kinds of harm, {len(c['seeds'])} training seeds. Kinds whose errors point "
    "the same way are undone: of the damage by "
    f"weight noise in one direction, {corruptions.undone(same):.0%} at w = {same['weight']:g}. Kinds that share no "
    "direction are not.",
)

# %%
table(
    ["main and guide harmed alike", "best weight", "misplaced mass: before, harmed, guided", "share undone"],
    [
        [corruptions.name(p), f"{p['weight']:g}", believing.path(p, "misplaced", ".1%"), f"{corruptions.undone(p):.0%}"]
        for p in c["pairs"]
        if p["main"] == p["weak"]
    ],
)
say(
    f"With unlike kinds of harm w = 1 stays best in {sum(p['weight'] == 1 for p in unlike)} of {len(unlike)} pairs. "
    "A harmed copy of the main model is no good "
    f"guide for the model as it is: w = 1 stays best in {sum(p['weight'] == 1 for p in copies)} of {len(copies)} cases."
)

# %% [markdown]
# What counts is not that two models were harmed by one recipe. Rounding to 5 and to 4 bits is one recipe, and its errors have no common
# direction: it is not undone. What counts is that the errors *point the same way*. And the last sentence above closes a short cut: a good bad model cannot be
# had by breaking a good one. It has to fail as the good one fails (notebook 7).
#
# ## What we measured

# %%
found = {
    kind: corruptions.find(c, kind, kind) for kind in ("noise", "exact noise", "dropout", "weights", "weights apart")
}
table(
    ["the paper's claim, or ours", "our number", "verdict"],
    [
        ["raised noise: the weight that undoes it", f"{restoring:.2f} by formula, 2.00 in the paper", "explained"],
        [
            "… undone in the plane, exact score",
            f"{corruptions.undone(found['exact noise']):.0%} of the damage",
            "holds",
        ],
        [
            "… width on images: harmed, guided",
            f"{sd[names[1]] / sd[names[0]]:.3f}, {sd[names[3]] / sd[names[0]]:.3f}",
            "one run",
        ],
        ["dropout: outliers", believing.path(found["dropout"], "outliers_99", ".1%"), "not undone"],
        ["… TV of branches", believing.path(found["dropout"], "branch_tv", ".3f"), "undone in part"],
        ["(ours) weight noise, one direction", f"{corruptions.undone(found['weights']):.0%} of the damage", "undone"],
        ["(ours) … unrelated directions", f"w = {found['weights apart']['weight']:g} is best", "not undone"],
        ["unlike kinds: w = 1 stays best", f"{sum(p['weight'] == 1 for p in unlike)} of {len(unlike)} pairs", "holds"],
    ],
)

# %% [markdown]
# **Questions.**
#
# 1. Truncation multiplies the score by $k$. Show that from a high $\sigma_{\max}$ it leaves the width $s\,(s/\sigma_{\max})^{k-1}$. How does this differ from raised noise?
# 2. Why does the weight 2.10 not depend on the data, while the best weight of notebook 5 did?
# 3. The exact model makes no error. Why does raised noise hurt it all the same, and what is the best that guidance could do?
# 4. For weight noise that is drawn anew in every call, the mean error grows with the *square* of its size. Which weight cancels 5 % and 10 %?
# 5. A colleague finds that raised input noise improves the Fréchet distance of his model. What do you ask him to measure?
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/11.md` beside this notebook.
#
# Back: [10 · What is measured on images](10_images.ipynb). Next: [12 · The published networks](12_published.ipynb).
# All: [the table of walkthroughs](README.md).
