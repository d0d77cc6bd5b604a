# %% [markdown]
# # 8 · From 2D to images: the same functions on digits
#
# Points in the plane have two coordinates, digits of 8 × 8 pixels have 64. Sampler, guidance and EMA know nothing of that difference: they see a tensor and a
# denoiser. This notebook runs them on images. It looks into the network that makes a good denoiser (EDM2), and measures guidance as notebook 4 did, with the
# same noise through every arm.
#
# **You will be able to**
#
# - sample and guide images with the functions of the 2D study;
# - explain preconditioning, magnitude preservation and the learned uncertainty, and check each by a measurement;
# - say why the best denoiser of a training set is not what one wants;
# - run a paired comparison on images, and name what it cannot show.
#
# **Read before:** notebook [4](04_guidance.ipynb). **Time:** 45 minutes to read, 2 to 3 minutes to run.
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
FAST = False  # True: fewer images and steps, a quick look
SLIDERS = True  # False: the static pictures only

# %%
import numpy as np
import torch

from edm import data, models, network
from edm.guidance import guide
from edm.network import EDM2Denoiser, c_noise
from edm.sampler import randn, sample, seeded, sigma_steps
from figures.lessons import believing, inside, paired, pictures
from figures.lessons.notebook import reveal, say, show, slider, spread, table
from toy2d.paired import difference

SETS, COUNT, STEPS = ([0, 30], 30, 6) if FAST else ([0, 200, 400], 200, 32)
networks = models.shipped(
    "digits"
)  # main model, and a guide: the same network from another seed, trained an eighth as long
train_set = data.load("digits")
images, classes = (
    data.to_float(train_set.images),
    torch.from_numpy(train_set.labels),
)  # [1437, 1, 8, 8] in [-1, 1], [1437]

# %% [markdown]
# ## 1. The same three functions
#
# A denoiser is any callable `D(x, sigma, labels)`. So what made points in notebook 3 makes digits here, and what guided points guides digits. Noise levels
# begin at $\sigma_\text{max} = 80$ now. Pixels lie in $[-1, 1]$, and the start must be indistinguishable from pure noise.

# %%
labels = torch.arange(10)
noise = randn(10, (1, 8, 8), seeded(range(10)))  # one generator for each seed
sigmas = sigma_steps(STEPS)
made = {
    w: sample(guide(networks.main, networks.guide, w), sigmas[0].float() * noise, sigmas, labels) for w in (1.0, 2.0)
}

# %% [markdown]
# Compare the two rows of the next figure column by column.

# %% tags=["hide-input"]
show(
    pictures.draw_panels({f"w = {w:g}": data.to_uint8(x) for w, x in made.items()}, 10),
    "**Figure 8.1.** Ten digits without and with autoguidance, from the same noise. Not a line of the code differs "
    f"from the 2D study. Guidance changes a pixel by {float((made[2.0] - made[1.0]).square().mean().sqrt()):.2f} "
    "(root mean square; black to white is 2).",
)

# %% [markdown]
# One thing does differ. In 2D the data were a density, here they are 1437 images. The *exact* denoiser of a finite set is known, too. It is a mean of all images $y_i$,
# weighted by how likely each is the origin of $x$:
# $$D(x;\sigma) = \frac{\sum_i y_i\, e^{-|x-y_i|^2/2\sigma^2}}{\sum_i e^{-|x-y_i|^2/2\sigma^2}}.$$
# No denoiser has a smaller training loss.
#
# **Commit to an answer (1 of 3).** What does one get by sampling with the best possible denoiser of the training set? (a) The best new digits.
# (b) Blurred digits. (c) The training images.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
best_possible = pictures.memory(images)
seeds = range(20 if FAST else 100)
start = sigmas[0].float() * randn(len(seeds), (1, 8, 8), seeded(seeds))
exact = sample(best_possible, start, sigmas)
own = data.to_float(pictures.images_of(networks.main, seeds, STEPS)[0])
held_out = data.to_float(data.load("digits", "test").images)
samples_of = {"exact denoiser of the set": exact, "the network": own, "real images that were held out": held_out}
far = {title: pictures.nearest(x, images).median() for title, x in samples_of.items()}
table(
    ["samples of", "median distance to the nearest training image"],
    [[title, f"{value:.3f}"] for title, value in far.items()],
)

# %% tags=["hide-input"]
reveal(
    answer_1,
    "c",
    "(Root mean square over pixels; black to white is 1.) It makes the training images again, and nothing else. A "
    "network makes new images only because it does *not* reach the minimum of its loss: too small, too briefly "
    "trained, too smooth. Ours makes no copies.",
)


# %% [markdown]
# So the question of notebook 2 changes. With a finite set, error is not only a nuisance. Keep this in mind whenever 'closer to the training data' is
# called quality.
#
# ## 2. Preconditioning: five lines
#
# A network learns easily when what goes in and what must come out have about unit size. But $x = y + \sigma n$ has the size $\sqrt{\sigma_\text{data}^2 + \sigma^2}$,
# from 0.5 to 80. EDM wraps a raw network $F$ so that it never sees this:
# $$D(x;\sigma) = c_\text{skip}\, x + c_\text{out}\, F\big(c_\text{in}\, x;\ c_\text{noise}\big)$$
# $$c_\text{skip} = \frac{\sigma_d^2}{\sigma^2 + \sigma_d^2},\quad c_\text{out} = \frac{\sigma\, \sigma_d}{\sqrt{\sigma^2+\sigma_d^2}},\quad c_\text{in} = \frac{1}{\sqrt{\sigma^2+\sigma_d^2}},\quad c_\text{noise} = \tfrac14 \ln \sigma .$$

# %%
def denoise(net: EDM2Denoiser, x, sigma: float, labels, sd: float = 0.5):
    c_skip = sd**2 / (sigma**2 + sd**2)
    c_out = sigma * sd / (sigma**2 + sd**2) ** 0.5
    c_in = 1 / (sigma**2 + sd**2) ** 0.5
    f = net.unet(c_in * x, c_noise(torch.full((len(x),), sigma)), net.one_hot(labels, x))
    return c_skip * x + c_out * f


x = images[:10] + 0.5 * noise
with torch.no_grad():
    apart = (denoise(networks.main, x, 0.5, classes[:10]) - networks.main(x, 0.5, classes[:10])).abs().max()
say(f"By hand and `edm.network.EDM2Denoiser`: {apart:.0e} apart.")

# %% [markdown]
# Which answer should $F$ give? Solve for the $F$ that would make $D = y$: it is $(y - c_\text{skip}\, x) / c_\text{out}$. The choice of $c_\text{skip}$ and
# $c_\text{out}$ gives this target unit size. It also makes errors of $F$ count as little as possible in $D$. The next figure measures the sizes at
# nine noise levels. Look whether two of the lines stay near 1.

# %% tags=["hide-input"]
levels = np.geomspace(0.002, 80, 9)
measured = inside.scales(images, levels)
unit = inside.scales(images * (0.5 / images.square().mean().sqrt()), levels)
rms = float(images.square().mean().sqrt())
off = {name: (measured[name].min(), measured[name].max()) for name in ("input", "target")}
low, high = min(v[0] for v in off.values()), max(v[1] for v in off.values())
show(
    inside.draw_scales(levels, measured),
    "**Figure 8.2.** Left: the noisy image grows, while input and target of F stay about the same size. Right: at "
    "low noise the answer is mostly the image itself, at high noise all of it comes from the network. Input and "
    f"target lie between {low:.2f} and {high:.2f}.",
)

# %% [markdown]
# Nearly, but not quite 1. The formulas promise unit size for data of root mean square $\sigma_d = 0.5$, which EDM assumes of natural images. Our digits have more, because
# most of their pixels are black. The next line tests this explanation.

# %%
say(
    f"The digits have a root mean square of {rms:.2f}. Scaled to 0.5, input and target lie between "
    f"{min(unit['input'].min(), unit['target'].min()):.3f} and {max(unit['input'].max(), unit['target'].max()):.3f}."
)

# %% [markdown]
# ## 3. Magnitude preservation
#
# The same idea inside the network: *every layer* should keep unit size, at the start and all through training. EDM2 takes out biases, norms and learned scales. It makes
# each operation preserve magnitude:
#
# - a row of weights is used as $w / \|w\|$, so its length has no effect;
# - SiLU is divided by 0.596;
# - a sum of two unit signals is $\big((1-t)\,a + t\,b\big) \big/ \sqrt{(1-t)^2 + t^2}$.
#
# **Commit to an answer (2 of 3).** A signal of unit size goes through twelve of Torch's own layers with SiLU. What is left of its size? (a) About a half. (b) Less than a
# tenth. (c) It grows.

# %%
answer_2 = None  # "a", "b" or "c"

# %%
raw = network.load(models.CHECKPOINTS / "digits-main.safetensors")
torch.manual_seed(0)
fresh = EDM2Denoiser(**raw.kwargs)
some = slice(0, 50 if FAST else 400)
through = {
    title: inside.magnitudes(net, images[some], 0.5, classes[some])
    for title, net in (("at the start", fresh), ("trained", raw))
}
chains = {"torch": inside.plain_chain(), "EDM2": inside.plain_chain(preserving=True)}
left = chains["torch"][-1]

# %% tags=["hide-input"]
reveal(
    answer_2,
    "b" if left < 0.1 else "a" if left < 1 else "c",
    f"A factor of {left:.3f} is left. EDM2's layers leave a factor of {chains['EDM2'][-1]:.2f}.",
)

# %% [markdown]
# Look at the right half of the next figure for what training does to the sizes.

# %% tags=["hide-input"]
ends = {title: list(values.values()) for title, values in through.items()}
show(
    inside.draw_magnitudes(chains, through),
    "**Figure 8.3.** Size of a signal: left after each of twelve layers, right after each block of the digits "
    "network. Training lets it grow in the decoder, but within one order of magnitude: up to "
    f"{max(ends['trained']):.1f}, from at most {max(ends['at the start']):.1f} at the start.",
)

# %% [markdown]
# 'Preserving' holds in expectation, for independent signals of unit size. Trained signals are not independent. A block can learn to add what points in the direction
# of its input, and in the decoder nothing normalizes. Still, no layer saturates and none goes silent, and the learning rate means the same for all.
#
# ## 4. The loss, and knowing how sure one can be
#
# The squared error of a denoiser at $\sigma = 80$ is about the variance of the data, at 0.002 next to nothing. EDM weighs it with
# $\lambda(\sigma) = (\sigma^2+\sigma_d^2)/(\sigma\sigma_d)^2$, so that the error of $F$ counts equally everywhere. But some levels are learned soon, and others never can be,
# since noise hides what the network is asked for. EDM2 lets the network learn $u(\sigma)$, the logarithm of the error it has to expect, and divides by it:
# $$\mathcal L = \frac{\lambda(\sigma)}{e^{u(\sigma)}}\, \left\| D(y + \sigma n;\, \sigma) - y \right\|^2 + u(\sigma).$$
# Set the derivative by $u$ to zero: at the optimum $e^u = \lambda \|D-y\|^2$. Every noise level then contributes the same, 1, to the loss. Look in the next figure whether
# the dots (errors) lie on the lines (expectations), and by how much the guide is worse.

# %% tags=["hide-input"]
levels = np.geomspace(0.005, 40, 4 if FAST else 14)
both = {"main model": networks.main, "guide": networks.guide}
curves = {title: inside.uncertainty(net, images[some], classes[some], levels) for title, net in both.items()}
looked_at = (levels > 0.03) & (levels < 7)  # two standard deviations of what training draws
ratio = {title: (error / expected)[looked_at] for title, (error, expected) in curves.items()}
worse = (curves["guide"][0] / curves["main model"][0])[looked_at]
show(
    inside.draw_uncertainty(levels, curves),
    "**Figure 8.4.** What the networks expect (lines), and their true errors on training images (dots). Where "
    f"training looks, the guide's error is {worse.min():.2f} to {worse.max():.2f} times the main model's: a worse "
    "model of the same kind, as a guide should be.",
)

# %% [markdown]
# Both networks do a little better than they expect. These are averages of weights, while $u$ was learned from the errors of the weights in training, which jitter (notebook 9).
# Question 4 tests whether that is the reason.
#
# Training itself is the 2D training with another loss: a generator that yields after every step (`edm.train.steps`). Here is half a minute of it, from nothing.

# %%
losses = inside.train_a_little(4 if FAST else 60)

# %% tags=["hide-input"]
tenth = max(1, len(losses) // 10)
show(
    inside.draw_training([losses]),
    f"**Figure 8.5.** Weighted squared error of a new network over {len(losses)} batches of 128. It starts where a "
    f"network with F = 0 stands, and falls from {losses[:tenth].mean():.2f} to {losses[-tenth:].mean():.2f}. (The "
    "shipped main model had 1100 batches, its guide an eighth of that.)",
)

# %% [markdown]
# ## 5. A paired run
#
# Now as in notebook 4, with images: no guidance; autoguidance by the less trained network; CFG, whose guide is the main model with the class withheld. Every arm starts from
# the same noise, seed by seed. There are four numbers.
#
# - **Fréchet distance** between made and real images, as in FID, in the 64 features of a small classifier that trains itself in this cell. A distance is comparable only
#   under the same features.
# - **Class agreement**: does the classifier see the class that was asked for? That is quality, of a kind.
# - **Recall** and **coverage**: the share of real images that lie near made ones, or have one near them. That is variety.
#
# **Commit to an answer (3 of 3).** At $w = 3$: which arm loses recall? (a) Autoguidance. (b) CFG. (c) Both alike.

# %%
answer_3 = None  # "a", "b" or "c"

# %%
ruler = pictures.ruler(3 if FAST else None)
WEIGHTS = (1.5, 3.0) if FAST else (1.25, 2.0, 3.0)
arms = {"none": networks.main}
arms |= {f"{kind} {w:g}": networks.guided(kind, w) for kind in ("autoguidance", "cfg") for w in WEIGHTS}
runs = pictures.paired_runs(arms, SETS, COUNT, ruler, STEPS)
NUMBERS = {
    "frechet_distance": "Fréchet distance",
    "class_agreement": "class agreement",
    "recall": "recall",
    "coverage": "coverage",
}
table(
    ["arm", *NUMBERS.values(), "nearest training image"],
    [[arm, *(spread(r[key], ".3f") for key in NUMBERS), spread(r["nearest"], ".3f")] for arm, r in runs.items()]
    + [
        [
            f"real test images ({ruler.floor['images']})",
            *(f"{ruler.floor[key]:.3f}" for key in NUMBERS),
            f"{far['real images that were held out']:.3f}",
        ]
    ],
)


# %% [markdown]
# (Mean ± standard deviation over sets of seeds. The row of real images has another number of images, and a distance shrinks with the number: notebook 10.) The spread in
# the table is that of a whole set. The question is about differences, and those are paired:

# %%
def changes(key, form="+.3f"):
    return {arm: spread(difference(runs, arm, "none", key), form) for arm in runs if arm != "none"}


table(
    ["arm minus no guidance", *NUMBERS.values()],
    [[arm, *(changes(key)[arm] for key in NUMBERS)] for arm in runs if arm != "none"],
)
lost = {kind: difference(runs, f"{kind} 3", "none", "recall").mean() for kind in ("autoguidance", "cfg")}

# %% tags=["hide-input"]
reveal(
    answer_3,
    "b" if lost["cfg"] < lost["autoguidance"] - 0.05 else "a" if lost["autoguidance"] < lost["cfg"] - 0.05 else "c",
    f"Recall changes by {lost['autoguidance']:+.2f} with autoguidance and by {lost['cfg']:+.2f} with CFG.",
)

# %% [markdown]
# The same as curves. Look at the weight from which each curve lies above its start.

# %% tags=["hide-input"]
families = {kind: ["none", *(f"{kind} {w:g}" for w in WEIGHTS)] for kind in ("autoguidance", "cfg")}
best = {kind: min(names, key=lambda name: sum(runs[name]["frechet_distance"])) for kind, names in families.items()}
top = WEIGHTS[-2]
show(
    paired.draw_sweep([1.0, *WEIGHTS], families, runs, NUMBERS, ruler.floor),
    f"**Figure 8.6.** Four numbers against the weight: means of {len(SETS)} sets of {COUNT} seeds, with the least and "
    f"greatest set; dotted: real test images. CFG's distance grows sooner. At w = {top:g} it is "
    f"{spread(runs[f'cfg {top:g}']['frechet_distance'], '.2f')} with CFG and "
    f"{spread(runs[f'autoguidance {top:g}']['frechet_distance'], '.2f')} with autoguidance.",
)

# %% [markdown]
# What holds here of what the paper says?
#
# - **Both guides help in small doses**: at w = 1.25 each lowers the distance.
# - **Autoguidance keeps variety, CFG sells it.** This is the paper's point.
# - **Autoguidance is less sensitive to w.** At w = 2 it is no worse than no guidance, and CFG is far worse.
# - **Too much is too much for both.** At w = 3 both distances are above that of no guidance.
#
# Such sentences depend on the number of sampler steps. With 10 steps instead of 32 the order at w = 3 is the opposite (notebook 10 shows it). And with 200 images of a set of
# 1437, nothing here is evidence about larger models. It shows how a comparison is made.
#
# Where does the harm at w = 3 come from? Notebook 6 has a suspect: at high noise the two networks share no errors, and guidance multiplies their accidents. So let guidance
# act at w = 3 only below σ = 0.5, and only above it.

# %%
halves = {"autoguidance 3, σ ≤ 0.5": (0, 0.5), "autoguidance 3, σ > 0.5": (0.5, 100)}
parts = {name: guide(networks.main, networks.guide, 3.0, part) for name, part in halves.items()}
runs |= pictures.paired_runs(parts, SETS, COUNT, ruler, STEPS)
table(
    ["arm", *NUMBERS.values()],
    [[arm, *(spread(runs[arm][key], ".3f") for key in NUMBERS)] for arm in ("none", *halves, "autoguidance 3")],
)

# %% [markdown]
# Compare the two halves with no guidance and with the whole. Neither half alone does the harm of the whole. So neither the suspect nor its opposite is shown: the doses
# add up.
#
# In the last figure, compare the rows at w = 4 with the first row: this is what too much guidance does.

# %% tags=["hide-input"]
shown = {
    f"autoguidance, w = {w:g}" if w > 1 else "no guidance": pictures.images_of(
        networks.guided("autoguidance", w), range(20), STEPS
    )[0]
    for w in (1.0, 2.0, 4.0)
}
shown |= {f"CFG, w = {w:g}": pictures.images_of(networks.guided("cfg", w), range(20), STEPS)[0] for w in (2.0, 4.0)}


def variety(name):  # mean distance between the two images of a class
    x = data.to_float(shown[name])
    return float((x[:10] - x[10:]).square().mean(dim=(1, 2, 3)).sqrt().mean())


show(
    pictures.draw_panels(shown, 20),
    "**Figure 8.7.** Twenty seeds; in each column the same class and the same noise. With CFG at w = 4 the two "
    f"digits of a class become alike: their mean distance falls from {variety('no guidance'):.2f} to "
    f"{variety('CFG, w = 4'):.2f}. With autoguidance at w = 4 digits fall apart, which a distance of "
    f"{variety('autoguidance, w = 4'):.2f} does not tell.",
)

# %%
slider(
    lambda w, kind: pictures.draw_panels(
        believing.beside(
            shown["no guidance"],
            pictures.images_of(networks.guided(kind, w), range(20), STEPS)[0],
            f"{kind}, w = {w:g}",
        ),
        20,
    ),
    SLIDERS,
    w=[1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0],
    kind=["autoguidance", "cfg"],
)

# %% [markdown]
# ## What we measured

# %%
table(
    ["claim", "number", "over"],
    [
        ["input and target of F have unit size", f"{low:.2f} to {high:.2f}", "9 noise levels"],
        ["… with data scaled to 0.5", f"{unit['input'].min():.3f} to {unit['target'].max():.3f}", "9 noise levels"],
        [
            "size after the blocks, trained",
            f"{min(ends['trained']):.2f} to {max(ends['trained']):.2f}",
            f"{len(images[some])} images",
        ],
        [
            "error over learned expectation, main model",
            f"{ratio['main model'].min():.2f} to {ratio['main model'].max():.2f}",
            f"{int(looked_at.sum())} noise levels",
        ],
        [
            "Fréchet distance without guidance",
            spread(runs["none"]["frechet_distance"], ".3f"),
            f"{len(SETS)} sets × {COUNT}",
        ],
        [
            f"{best['autoguidance']}: change of it",
            changes("frechet_distance").get(best["autoguidance"], "none"),
            "paired",
        ],
        [f"{best['cfg']}: change of it", changes("frechet_distance").get(best["cfg"], "none"), "paired"],
        ["recall at w = 3, change: autoguidance, CFG", f"{lost['autoguidance']:+.2f}, {lost['cfg']:+.2f}", "paired"],
    ],
)

# %% [markdown]
# One training run stands behind all of this; ± is over seeds of the noise, not of the training.
#
# **Questions.**
#
# 1. Derive $c_\text{skip}$ from the demand that errors of $F$ be amplified least.
# 2. Show that $\lambda\, c_\text{out}^2 = 1$.
# 3. The exact denoiser of the set has distance 0 to it. Which of the four numbers of section 5 would praise it, and which would not?
# 4. Train a network (`python -m edm train`), and repeat Figure 8.4 with the last weights instead of their average. Do the dots move to the lines?
# 5. CFG's guide is the main model without the class. Why can it not be called a bad version of the main model, and where in Figure 8.6 do you see it?
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/08.md` beside this notebook.
#
# Back: [7 · What makes a good bad model](07_bad_models.ipynb). Next: [9 · Averages of weights](09_ema.ipynb).
# All: [the table of walkthroughs](README.md).
