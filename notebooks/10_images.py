# %% [markdown]
# # 10 · What is measured on images, and how to believe it
#
# In the plane the truth was known. On images it is not: there are only two sets of pictures, real ones and generated ones, and a number that
# compares them. This notebook measures four ways of sampling garments of 16 × 16 pixels. Then it asks of the numbers what a referee would ask:
# did the sampler converge, are there enough images, and does another measure agree?
#
# **You will be able to**
#
# - compute a Fréchet distance in three feature spaces, and read it beside the floor of real images;
# - test whether a sampler has converged, and say what unconverged samplers do to a comparison of methods;
# - design a comparison of two methods that the noise, the number of images and the features cannot overturn.
#
# **Read before:** notebook [8](08_digits.ipynb). **Time:** 40 minutes to read, 4 minutes to run.
# **Terms:** the [glossary](../docs/glossary.md).
#
# *How to use it:* run the cells from the top, one after the other (Shift + Enter). Three cells ask you to commit to an answer. Write your letter
# there before you run on.
#
# The data are Fashion-MNIST, 30 MB, which are downloaded if they are not on this machine. `DATA = "digits"` runs without a download.

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
FAST = False  # True: fewer images and steps, a quick look
SLIDERS = True  # False: the static pictures only

# %%
import numpy as np
import torch

from edm import data, models
from edm.generate import generate
from edm.guidance import guide, truncate, unconditional
from edm.metrics import feature_stats, frechet_distance, precision_recall_density_coverage
from edm.sampler import sigma_steps
from figures.lessons import believing, pictures
from figures.lessons.notebook import reveal, say, show, slider, table

DATA = "digits" if FAST else "fashion-16"
COUNT, STEPS, REFERENCE = (40, (2, 3, 4), 6) if FAST else (250, (6, 12, 32), 64)
pair = models.shipped(DATA)  # a main model, and a guide of half the width after an eighth of the training
train, test = believing.first(data.load(DATA), 300 if FAST else 12_000), data.load(DATA, "test")
say(f"{len(train):,} training images and {len(test):,} test images of {train.resolution} × {train.resolution} pixels.")

# %% [markdown]
# ## 1. Five ways to sample
#
# All five use the same main model. The first is this model alone, without guidance. *Truncation* multiplies its score by 1.03 and needs no
# guide: it is our control. *CFG* uses the main model without its label as the guide. *CFG in an interval* does so only at noise levels
# $0.2 < σ \le 3$. *Autoguidance* uses the smaller, less trained network that comes with the main model.
#
# The weights were taken from an earlier search, and nothing below is tuned.

# %%
main, weak = pair.main, pair.guide
METHODS = {
    "no guidance": main,
    "truncation ×1.03": truncate(main, 1.03),
    "CFG, w = 1.5": guide(main, unconditional(main), 1.5),
    "CFG in an interval, w = 2": guide(main, unconditional(main), 2.0, (0.2, 3.0)),
    "autoguidance, w = 1.5": guide(main, weak, 1.5),
}


def sampled(denoiser, first_seed=40_000, count=COUNT, steps=STEPS[-1]):
    """uint8 images. Seed s has its own noise and class s mod 10, whatever the method: so the comparison is paired."""
    seeds = range(first_seed, first_seed + count)
    parts = generate(denoiser, seeds, pair.shape, range(10), sigmas=sigma_steps(steps), batch=125)
    return torch.cat([part.images for part in parts])


made = {steps: {name: sampled(d, steps=steps) for name, d in METHODS.items()} for steps in STEPS}

# %% [markdown]
# Look down a column of the next figure. Every picture in it began with the same noise and was asked for the same class.

# %% tags=["hide-input"]
shown = {name: made[STEPS[-1]][name][:10] for name in ("no guidance", "CFG, w = 1.5", "autoguidance, w = 1.5")}
moved = (
    made[STEPS[-1]]["autoguidance, w = 1.5"].float() - made[STEPS[-1]]["no guidance"].float()
).square().mean().sqrt() / 255
show(
    pictures.draw_panels(shown, 10),
    "**Figure 10.1.** Ten noise seeds, three methods. The differences are hard to see, and no verdict should rest "
    f"on them. Autoguidance changes a pixel by {moved:.2f} (root mean square; black to white is 1).",
)

# %%
slider(
    lambda w, kind: pictures.draw_panels(
        believing.beside(
            made[STEPS[-1]]["no guidance"][:10], sampled(pair.guided(kind, w), count=10), f"{kind}, w = {w:g}"
        ),
        10,
    ),
    SLIDERS,
    w=[1.0, 1.25, 1.5, 2.0, 3.0],
    kind=["autoguidance", "cfg"],
)

# %% [markdown]
# ## 2. Three rulers
#
# The *Fréchet distance* first turns every image into 64 numbers, its features. Then it summarizes each set of images by the mean and the covariance
# of the features, and computes the distance between two Gaussians with these moments:
# $$d = |m_1 - m_2|^2 + \operatorname{tr}\left(C_1 + C_2 - 2\,(C_1 C_2)^{1/2}\right).$$
# So it sees what the features see. We take three kinds. The *classifier's* features know what tells a shirt from a coat. The
# *autoencoder's* never saw a label. The third are the 64 *principal components* of the pixels, which nobody trained.

# %%
spaces = believing.feature_spaces(train, epochs=1 if FAST else 2)
real = {space: feature_stats(features(train.images)) for space, features in spaces.items()}


def distances(images):
    """Fréchet distance to the training images in each space."""
    return {space: frechet_distance(feature_stats(features(images)), real[space]) for space, features in spaces.items()}


# %% [markdown]
# **Commit to an answer (1 of 3).** Take as many *real test images* as we generated, and measure their distance to the training images. What comes
# out in the classifier's features? (a) Zero, up to rounding. (b) Clearly more than zero. (c) A negative number, half of the time.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
by_class = [np.flatnonzero(test.labels == k) for k in range(10)]


def real_test(count):
    """Test images, as many of each class as are generated."""
    return test.images[[by_class[i % 10][i // 10] for i in range(count)]]


floor = distances(real_test(COUNT))

# %% tags=["hide-input"]
reveal(
    answer_1,
    "b",
    f"It is {floor['classifier']:.3f}. A mean and a covariance of {COUNT} images are off by chance, and a squared "
    "distance counts every error as distance. This is the *floor*: a model that comes near it cannot be told from "
    "real images by this distance.",
)

# %% [markdown]
# ## 3. Did the sampler converge?
#
# A method is compared by its samples, and a sampler with few steps adds errors of its own. So the first question is whether the number of steps
# still matters. There are two tests. A direct one: how far are the pixels from those that many more steps would give? And one by the result:
# does the distance still change?
#
# **Commit to an answer (2 of 3).** The next figure goes from 6 to 32 steps. Some methods look better with 12 steps than they are with 32. Which
# one is flattered *most*? (a) Autoguidance. (b) Truncation. (c) CFG.

# %%
answer_2 = None  # "a", "b" or "c"

# %%
few = 50 if COUNT > 50 else COUNT  # pixel errors are paired, so that a few images suffice
errors = {}
for name in ("no guidance", "autoguidance, w = 1.5"):
    best = sampled(METHODS[name], count=few, steps=REFERENCE).float()
    errors[name] = [float((made[n][name][:few].float() - best).square().mean().sqrt()) / 255 for n in STEPS]
found = {n: {name: distances(images) for name, images in by_method.items()} for n, by_method in made.items()}
by_steps = {name: [found[n][name]["classifier"] for n in STEPS] for name in METHODS}
change = {name: values[-2] - values[-1] for name, values in by_steps.items()}

# %% tags=["hide-input"]
flattered = min(change, key=change.get)  # whose distance rises most when the sampler gets better
reveal(
    answer_2,
    "b" if flattered.startswith("truncation") else "a" if flattered.startswith("auto") else "c",
    f"From {STEPS[-2]} to {STEPS[-1]} steps the distance with truncation changes by "
    f"{-change['truncation ×1.03']:+.2f}, with CFG by {-change['CFG, w = 1.5']:+.2f}, and with autoguidance by "
    f"{-change['autoguidance, w = 1.5']:+.2f}.",
)
show(
    believing.draw_steps(STEPS, by_steps, errors, REFERENCE),
    "**Figure 10.2.** Left: distance of each method against the number of steps. Lines that cross are pairs of "
    f"methods whose order depends on the sampler. Right: with {STEPS[-2]} steps an unguided pixel is still off by "
    f"{errors['no guidance'][-2]:.3f}, with {STEPS[-1]} by {errors['no guidance'][-1]:.3f} (root mean square; black "
    "to white is 1).",
)


# %% [markdown]
# Why truncation? Let us measure how *wide* the samples are: the standard deviation of a pixel among images of one class. Compare each row with
# the last.

# %%
def width(images, labels):
    """Standard deviation of a pixel within a class: root mean square over pixels, mean over classes; black to white is 1."""
    return np.mean([(images[labels == k].float() / 255).var(0).mean().sqrt() for k in range(10)])


labels, true_width = torch.arange(COUNT) % 10, width(*map(torch.as_tensor, (train.images, train.labels)))
names = ("no guidance", "truncation ×1.03", "autoguidance, w = 1.5")
table(
    ["width of the samples", *names],
    [[f"{n} steps", *(f"{width(made[n][name], labels):.3f}" for name in names)] for n in STEPS]
    + [["training images", *[f"{true_width:.3f}"] * len(names)]],
)

# %% [markdown]
# With 12 steps unguided samples are too wide, and truncation makes them narrower. So it repairs the sampler. With 32 steps there is nothing left
# to repair, and truncation makes the samples too narrow. (With 6 steps even truncation widens. So this explanation ends where steps are that long.)
#
# The next table orders the methods from best to worst. Read it row by row.

# %%
ranked = {n: sorted(METHODS, key=lambda name, n=n: found[n][name]["classifier"]) for n in STEPS}
table(
    ["steps", *(f"place {i + 1}" for i in range(len(METHODS)))],
    [[n, *(f"{name} ({found[n][name]['classifier']:.2f})" for name in ranked[n])] for n in STEPS],
)
gained = {
    n: (found[n]["no guidance"]["classifier"] - found[n]["truncation ×1.03"]["classifier"])
    / (found[n]["no guidance"]["classifier"] - found[n]["autoguidance, w = 1.5"]["classifier"])
    for n in STEPS
}
say(
    f"Truncation's gain over no guidance, as a share of autoguidance's: {gained[STEPS[-2]]:.0%} with {STEPS[-2]} "
    f"steps, {gained[STEPS[-1]]:.0%} with {STEPS[-1]} steps. (A negative share means that it is worse than no "
    "guidance.)"
)

# %% [markdown]
# This is how a comparison goes wrong. With 12 steps the three guided methods are hardly apart; with 32, autoguidance is well ahead. And truncation
# turns from a gain into a harm. With 12 steps that control warns us: something that needs no guide seems to do a part of a guide's work.
# **A method that repairs the sampler looks like a method that improves the model.**
#
# On digits the effect is stronger. At a large weight, CFG is far ahead of autoguidance with 10 steps, and far behind it with 32. Let us see it
# with the pair of notebook 8.

# %%
digits, digit_set = models.shipped("digits"), data.load("digits")
digit_axes = believing.first(digit_set, 300 if FAST else 1437)
digit_space = believing.feature_spaces(digit_axes, epochs=1 if FAST else 20)["classifier"]
digit_real = feature_stats(digit_space(digit_axes.images))


def digit_distance(kind, steps):
    parts = generate(
        digits.guided(kind, 3.0), range(COUNT), digits.shape, range(10), sigmas=sigma_steps(steps), batch=125
    )
    return frechet_distance(feature_stats(digit_space(torch.cat([part.images for part in parts]))), digit_real)


turn = {kind: [digit_distance(kind, n) for n in ((3, 4) if FAST else (10, 32))] for kind in ("autoguidance", "cfg")}
table(
    ["digits, w = 3", "10 steps", "32 steps"],
    [[name, *(f"{v:.2f}" for v in turn[kind])] for kind, name in (("autoguidance", "autoguidance"), ("cfg", "CFG"))],
)

# %% [markdown]
# ## 4. Does another measure agree?
#
# The next figure has one panel for each feature space. Compare the order of the dots from panel to panel. The dashed lines are the floors.

# %% tags=["hide-input"]
last = found[STEPS[-1]]
winners = {space: min(METHODS, key=lambda name, space=space: last[name][space]) for space in spaces}
show(
    believing.draw_spaces(last, floor),
    f"**Figure 10.3.** Distance of each method in three feature spaces, {STEPS[-1]} steps, {COUNT} images. The order "
    f"is not the same in all of them. The nearest in the classifier's features is '{winners['classifier']}', at "
    f"{last[winners['classifier']]['classifier']:.2f}; in the components of the pixels it is '{winners['pixels']}', "
    f"at {last[winners['pixels']]['pixels']:.2f}, where the floor of real images is {floor['pixels']:.2f}.",
)

# %% [markdown]
# Where a dot lies at its floor or to the left of it, this number of images cannot tell the method from real images. There the order of the dots
# means nothing, so being "nearest" means nothing either. And a result that holds in one feature space only is a result about that space. So name
# one space beforehand, the *primary* one, and ask that at least one other agrees.
#
# It also helps to look at quality and variety apart. *Precision* is the share of generated images that lie among the real ones. *Recall* is the
# share of real images that lie among the generated ones. For both, the right value is not one but that of real images, in the last row.

# %%
real_features = spaces["classifier"](test.images[-5000:])


def near(images):
    return precision_recall_density_coverage(real_features, spaces["classifier"](images))


rows = {name: near(made[STEPS[-1]][name]) for name in METHODS} | {"as many real images": near(real_test(COUNT))}
table(
    ["classifier features", "precision", "recall"],
    [[name, *(f"{r[key]:.3f}" for key in ("precision", "recall"))] for name, r in rows.items()],
)
goal = rows["as many real images"]
gap = {key: max(abs(rows[name][key] - goal[key]) for name in METHODS) for key in ("precision", "recall")}
say(
    f"At most {gap['recall']:.3f} lie between the recall of a method and that of real images, and {gap['precision']:.3f} "
    f"between the precisions. One image in {COUNT} is {1 / COUNT:.3f}: these are differences of a few images."
)

# %% [markdown]
# ## 5. Are there enough images, and was it the noise?
#
# The floor depends on the number of images. The next figure measures real test images, more and more of them. Look how far to the right the gray line still falls.

# %% tags=["hide-input"]
counts = [n for n in (60, 120, 250, 500, 1000, 2000, 5000) if n <= 10 * min(map(len, by_class))]


def by_count(images):
    return [
        frechet_distance(feature_stats(spaces["classifier"](images[:n])), real["classifier"])
        for n in counts
        if n <= len(images)
    ]


curve = by_count(real_test(counts[-1]))
generated = {name: by_count(made[STEPS[-1]][name]) for name in ("no guidance", "autoguidance, w = 1.5")}
show(
    believing.draw_counts(counts, curve, generated),
    "**Figure 10.4.** Distance to the training images against the number of images. The gray line are real images, "
    f"so all of it is chance: it falls about as one over the number, from {curve[0]:.2f} with {counts[0]} to "
    f"{curve[-1]:.3f} with {counts[-1]} images. So a distance means nothing without the number of images beside it.",
)

# %% [markdown]
# **Commit to an answer (3 of 3).** We measure no guidance and autoguidance again, from *another block of noise*: seeds 0 to 249 instead of
# 40 000 to 40 249. What stays the same? (a) The two distances, nearly. (b) Which of the two is nearer, but not by how much. (c) Not even that.

# %%
answer_3 = None  # "a", "b" or "c"

# %%
TWO = ("no guidance", "autoguidance, w = 1.5")
other = {name: distances(sampled(METHODS[name], first_seed=0))["classifier"] for name in TWO}
here = {name: last[name]["classifier"] for name in TWO}
table(
    ["noise seeds from", *TWO, "difference"],
    [
        [first, *(f"{d[name]:.3f}" for name in TWO), f"{d[TWO[1]] - d[TWO[0]]:+.3f}"]
        for first, d in ((40_000, here), (0, other))
    ],
)
gaps = [d[TWO[1]] - d[TWO[0]] for d in (here, other)]

# %% tags=["hide-input"]
reveal(
    answer_3,
    "c" if gaps[0] * gaps[1] < 0 else "b",
    f"The unguided distance changes by {abs(other[TWO[0]] - here[TWO[0]]):.3f}, only because the noise is another. "
    f"The difference of the methods is {gaps[0]:+.3f} from one block and {gaps[1]:+.3f} from the other. Had we "
    f"measured each method from its own block, the difference would be {other[TWO[1]] - here[TWO[0]]:+.3f} or "
    f"{here[TWO[1]] - other[TWO[0]]:+.3f}.",
)

# %% [markdown]
# So compare methods from the same noise, and use several blocks. In these two blocks the direction is the same, and the size is not. Never put a
# distance from one block beside a distance from another.
#
# ## 6. What a believable comparison needs
#
# | question | what to do | where |
# |---|---|---|
# | did the sampler converge? | more steps, until differences between methods stop changing | section 3 |
# | would something trivial do as well? | a control that needs no guide: truncation, or more steps | section 3 |
# | does another measure agree? | a primary feature space, named beforehand, and one other | section 4 |
# | quality or variety? | precision and recall, beside those of real images | section 4 |
# | are there enough images? | the floor of as many real images, in every table | section 5 |
# | was it the noise? | the same noise for all methods, several blocks | section 5 |
# | was it the training run? | several training runs, and settings chosen on others | not here |
#
# The last row is what this notebook cannot do: it has one training run. `python -m figures images --data fashion-16` measures all of this over seven
# runs, with settings that are chosen on two of them and reported on the other five. It takes about ten hours. [The page on images](../docs/images.md)
# says how far that study is.
#
# ## What we measured

# %%
table(
    ["question", "number"],
    [
        [
            f"no guidance, {STEPS[-2]} and {STEPS[-1]} steps",
            ", ".join(f"{v:.3f}" for v in by_steps["no guidance"][-2:]),
        ],
        [
            f"autoguidance, {STEPS[-2]} and {STEPS[-1]} steps",
            ", ".join(f"{v:.3f}" for v in by_steps["autoguidance, w = 1.5"][-2:]),
        ],
        [f"floor of {COUNT} real images, three spaces", ", ".join(f"{floor[s]:.3f}" for s in spaces)],
        [
            "truncation's share of autoguidance's gain",
            f"{gained[STEPS[-2]]:.0%} with {STEPS[-2]} steps, {gained[STEPS[-1]]:.0%} with {STEPS[-1]}",
        ],
        [
            "difference autoguidance minus none, two blocks of noise",
            f"{here[TWO[1]] - here[TWO[0]]:+.3f}, {other[TWO[1]] - other[TWO[0]]:+.3f}",
        ],
    ],
)

# %% [markdown]
# One pair of networks and 250 images for a number: this shows how to measure, and is no verdict on the methods.
#
# **Questions.**
#
# 1. Why does the expected distance of N real images fall as 1/N? Which part of the formula makes it positive?
# 2. Your model's distance is *below* the floor of test images. Name two reasons that are no praise for the model.
# 3. Truncation narrows samples. Why does that help a sampler with 12 steps more than one with 32?
# 4. In which feature space would you expect CFG to look best, and why?
# 5. A paper compares its method at 50 steps with a rival at 20, with the same number of evaluations. Which control do you ask for?
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/10.md` beside this notebook.
#
# Back: [9 · Averages of weights](09_ema.ipynb). Next: [11 · Models that were harmed on purpose](11_corrupted.ipynb).
# All: [the table of walkthroughs](README.md).
