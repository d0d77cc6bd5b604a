# %% [markdown]
# # 8 · From 2D to images: the same functions on digits
#
# Points in the plane have two coordinates, digits of 8 × 8 pixels have 64. Sampler, guidance and EMA know nothing of that difference: they see a tensor and a denoiser. This notebook runs them on images, looks into the network that makes a good denoiser (EDM2), and measures guidance as notebook 4 did: the same noise through every arm.
#
# | you will see | and measure |
# |---|---|
# | the three functions of the 2D study, on digits | that they are the same, and what exact denoising of a finite set would do |
# | preconditioning, in five lines | root mean squares of input and target at every noise level |
# | magnitude preservation | the size of the signal after every block |
# | the loss that knows how sure it can be | the learned uncertainty against the error it stands for |
# | a training of half a minute | the fall of the error |
# | no guidance, autoguidance, CFG from the same noise | Fréchet distance, class agreement, recall, coverage over three sets of seeds |

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

from edm import data, models, network
from edm.guidance import guide
from edm.network import EDM2Denoiser, c_noise
from edm.sampler import randn, sample, seeded, sigma_steps
from figures.lessons import paired, pictures
from figures.lessons.notebook import say, show, slider, spread, table
from toy2d.paired import difference

SETS, COUNT, STEPS = ([0, 30], 30, 6) if FAST else ([0, 200, 400], 200, 32)
networks = models.shipped("digits")  # main model, and a guide: the same network from another seed, trained an eighth as long
train_set = data.load("digits")
images, classes = data.to_float(train_set.images), torch.from_numpy(train_set.labels)  # [1437, 1, 8, 8] in [-1, 1], [1437]

# %% [markdown]
# ## 1. The same three functions
#
# A denoiser is any callable `D(x, sigma, labels)`. So what made points in notebook 3 makes digits here, and what guided points guides digits. Noise levels now begin at $\sigma_\text{max} = 80$: pixels lie in $[-1, 1]$, and the start must be indistinguishable from pure noise.

# %%
labels = torch.arange(10)
noise = randn(10, (1, 8, 8), seeded(range(10)))  # one generator for each seed
sigmas = sigma_steps(STEPS)
made = {w: sample(guide(networks.main, networks.guide, w), sigmas[0].float() * noise, sigmas, labels) for w in (1.0, 2.0)}
show(
    pictures.draw_panels({f"w = {w:g}": data.to_uint8(x) for w, x in made.items()}, 10),
    f"**Figure 8.1.** `sample(guide(main, weak, w), x, sigma_steps())`: not a line differs from the 2D study. Same noise above and below; guidance changes pixels by {float((made[2.0] - made[1.0]).square().mean().sqrt()):.2f} (root mean square, on a scale where black to white is 2).",
)

# %% [markdown]
# (The third function, `PowerEMA`, made the weights: both networks are averages of width 0.10, taken during training.) One thing does differ. In 2D the data was a density, here it is 1437 images. The *exact* denoiser of a finite set is known too: a mean of all its images, weighted by how likely each is the origin of $x$, $D(x;\sigma) = \sum_i y_i\, e^{-|x-y_i|^2/2\sigma^2} \big/ \sum_i e^{-|x-y_i|^2/2\sigma^2}$. It has the smallest training loss of all denoisers.
#
# *Predict before you run.* What does one get by sampling with the best possible denoiser of the training set?

# %%
stored = pictures.memory(images)
seeds = range(20 if FAST else 100)
start = sigmas[0].float() * randn(len(seeds), (1, 8, 8), seeded(seeds))
exact = sample(stored, start, sigmas)
own = data.to_float(pictures.images_of(networks.main, seeds, STEPS)[0])
held_out = data.to_float(data.load("digits", "test").images)
far = {title: pictures.nearest(x, images).median() for title, x in (("exact denoiser of the set", exact), ("the network", own), ("real images that were held out", held_out))}
table(["samples of", "median distance to the nearest training image"], [[title, f"{value:.3f}"] for title, value in far.items()])

# %% [markdown]
# (Root mean squares over pixels.) The training set itself, nothing else. **A network makes new images only because it does not reach the minimum of its loss**: too small, too briefly trained, too smooth. Ours makes no copies: its samples are a little *further* from the training images than held-out real images are.
# So the question of notebook 2 changes: with a finite set, error is not only a nuisance. Keep this in mind whenever 'closer to the training data' is called quality.
#
# ## 2. Preconditioning: five lines
#
# A network learns easily when what goes in and what it must put out have about unit size. But $x = y + \sigma n$ has the size $\sqrt{\sigma_\text{data}^2 + \sigma^2}$, from 0.5 to 80. EDM wraps a raw network $F$ so that it never sees this:
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
# Where does $F$'s target come from? Solve for the $F$ that would make $D = y$: it is $(y - c_\text{skip} x) / c_\text{out}$. The choice of $c_\text{skip}$ and $c_\text{out}$ gives it unit size, and makes errors of $F$ count as little as possible in $D$. Measure all three, at nine noise levels:

# %%
levels = np.geomspace(0.002, 80, 9)
measured = pictures.scales(images, levels)
unit = pictures.scales(images * (0.5 / images.square().mean().sqrt()), levels)
rms, spread_of = float(images.square().mean().sqrt()), float(images.std())
off = {name: (measured[name].min(), measured[name].max()) for name in ("input", "target")}
show(
    pictures.draw_scales(levels, measured),
    f"**Figure 8.2.** Left: the noisy image grows from {measured['x'][0]:.2f} to {measured['x'][-1]:.0f}, while input and target of $F$ stay between {min(off['input'][0], off['target'][0]):.2f} and {max(off['input'][1], off['target'][1]):.2f}. "
    f"Right: at low noise the answer is mostly the image itself, at high noise all comes from the network.",
)

# %%
say(
    f"Almost, but **not one**: up to {off['input'][1]:.2f}. The formulas promise unit size for data of root mean square $\\sigma_d = 0.5$, which EDM assumes of natural images; our digits have {rms:.2f} (mean {float(images.mean()):.2f}, standard deviation {spread_of:.2f}; most pixels are black). "
    f"The check: with the same digits scaled to 0.5 all values lie between {min(unit['input'].min(), unit['target'].min()):.3f} and {max(unit['input'].max(), unit['target'].max()):.3f}. The networks here were trained as they are; the factor {rms / 0.5:.1f} at one end of the noise is one that a network can live with."
)

# %% [markdown]
# ## 3. Magnitude preservation
#
# The same idea inside the network: *every layer* should keep unit size, at the start and all through training. EDM2 takes out biases, norms and learned scales, and makes each operation preserve magnitude. A row of weights is used as $w / \|w\|$, so its length is moot; SiLU is divided by 0.596; a sum of two unit signals is $\big((1-t)\,a + t\,b\big) \big/ \sqrt{(1-t)^2 + t^2}$.

# %%
raw = network.load(models.CHECKPOINTS / "digits-main.safetensors")
torch.manual_seed(0)
fresh = EDM2Denoiser(**raw.kwargs)
some = slice(0, 50 if FAST else 400)
through = {title: pictures.magnitudes(net, images[some], 0.5, classes[some]) for title, net in (("at the start", fresh), ("trained", raw))}
chains = {"torch": pictures.plain_chain(), "EDM2": pictures.plain_chain(preserving=True)}
ends = {title: list(values.values()) for title, values in through.items()}
show(
    pictures.draw_magnitudes(chains, through),
    f"**Figure 8.3.** Left: twelve layers with SiLU. Torch's own lose the signal (factor {chains['torch'][-1]:.2f}), EDM2's keep it within a factor {chains['EDM2'][-1]:.1f}. Right: after every block of the digits network, at the start between {min(ends['at the start']):.2f} and {max(ends['at the start']):.2f}; "
    f"trained, up to {max(ends['trained']):.2f}.",
)

# %% [markdown]
# 'Preserving' holds in expectation, for independent signals of unit size. Trained signals are not independent: a block can learn to add what points in the direction of its input, and in the decoder, where nothing normalises, size creeps up block by block. It stays within one order of magnitude, and that is the point: no layer saturates, none goes silent, and the learning rate means the same for all. Row lengths need no expectation, they are forced:

# %%
norms = pictures.row_norms(raw)
say(f"All {len(norms)} stored rows of the shipped average have a norm of {norms.mean():.3f} ± {norms.std():.3f} (in units of $\\sqrt n$). Not quite 1, although training forces 1 at each step: these are *averages* of weights, and a mean of vectors of equal length is shorter, the more their direction moved. The shortest has {norms.min():.3f}. "
    "In use each row is normalised again, so this costs nothing.")

# %% [markdown]
# ## 4. The loss, and knowing how sure one can be
#
# The squared error of a denoiser at $\sigma = 80$ is about the variance of the data, at 0.002 next to nothing. EDM weighs it with $\lambda(\sigma) = (\sigma^2+\sigma_d^2)/(\sigma\sigma_d)^2$, which makes the error of $F$ count equally everywhere. But soon some levels are learned and others can never be, since noise hides what the network is asked for. EDM2 lets the network learn $u(\sigma)$, the logarithm of the error it has to expect, and divides by it:
# $$\mathcal L = \frac{\lambda(\sigma)}{e^{u(\sigma)}}\, \left\| D(y + \sigma n;\, \sigma) - y \right\|^2 + u(\sigma).$$
# Set the derivative by $u$ to zero: at the optimum $e^u = \lambda \|D-y\|^2$. Every noise level then contributes the same, 1, to the loss. Is it so in our networks?

# %%
levels = np.geomspace(0.005, 40, 4 if FAST else 14)
both = {"main model": networks.main, "guide": networks.guide}
curves = {title: pictures.uncertainty(net, images[some], classes[some], levels) for title, net in both.items()}
looked_at = (levels > 0.03) & (levels < 7)  # two standard deviations of what training draws
ratio = {title: (error / expected)[looked_at] for title, (error, expected) in curves.items()}
worse = (curves["guide"][0] / curves["main model"][0])[looked_at]
show(
    pictures.draw_uncertainty(levels, curves),
    f"**Figure 8.4.** What the networks expect (lines), and what is true (dots, {len(images[some])} training images). Where training looks, error over expectation lies between {ratio['main model'].min():.2f} and {ratio['main model'].max():.2f} for the main model, {ratio['guide'].min():.2f} and {ratio['guide'].max():.2f} for the guide. "
    f"The guide's error is {worse.min():.2f} to {worse.max():.2f} times the main model's: the worse model, as a guide should be.",
)

# %% [markdown]
# Nearly. Both networks do a little better than they expect. One reason would be that these are averages of weights, while $u$ was learned from the errors of the weights in training, which jitter (notebook 9); that is a guess, to be tested by question 4.
#
# Training itself is the 2D training with another loss, a generator that yields after every step (`edm.train.steps`). Half a minute of it, from nothing:

# %%
losses = pictures.train_a_little(4 if FAST else 60)
tenth = max(1, len(losses) // 10)
show(
    pictures.draw_training([losses]),
    f"**Figure 8.5.** Weighted squared error of a new network over {len(losses)} batches of 128. It starts at {losses[:tenth].mean():.2f}, where a network with F = 0 stands, and ends at {losses[-tenth:].mean():.2f}. The shipped main model had 1100 batches, its guide an eighth of that.",
)

# %% [markdown]
# ## 5. A paired run
#
# Now as in notebook 4, with images: no guidance; autoguidance by the less trained network; CFG, whose guide is the main model with the class withheld. Every arm starts from the same noise, seed by seed. Four numbers:
#
# * **Fréchet distance** between made and real images, as FID, in the 64 features of a small classifier that trains itself in this cell (a distance is comparable only under the same features);
# * **class agreement**: does the classifier see the class that was asked for? That is quality, of a kind;
# * **recall** and **coverage**: share of real images that lie near made ones, or have one near them. That is variety.
#
# *Predict before you run.* Which arm will have the best Fréchet distance? Which of recall and agreement will fall with $w$?

# %%
ruler = pictures.ruler(3 if FAST else None)
WEIGHTS = (1.5, 3.0) if FAST else (1.25, 2.0, 3.0)
arms = {"none": networks.main} | {f"{kind} {w:g}": networks.guided(kind, w) for kind in ("autoguidance", "cfg") for w in WEIGHTS}
runs = pictures.paired_runs(arms, SETS, COUNT, ruler, STEPS)
NUMBERS = {"frechet_distance": "Fréchet distance", "class_agreement": "class agreement", "recall": "recall", "coverage": "coverage"}
table(
    ["arm", *NUMBERS.values(), "nearest training image"],
    [[arm, *(spread(r[key], ".3f") for key in NUMBERS), spread(r["nearest"], ".3f")] for arm, r in runs.items()]
    + [[f"real test images ({ruler.floor['images']})", *(f"{ruler.floor[key]:.3f}" for key in NUMBERS), f"{far['real images that were held out']:.3f}"]],
)

# %% [markdown]
# (Mean ± standard deviation over sets of seeds. The row of real images is no lower bound for the others: it has another number of images, and a Fréchet distance shrinks with the number.) The spread in the table is that of a whole set. The question is about differences, and those are paired:

# %%
def changes(key, form="+.3f"):
    return {arm: spread(difference(runs, arm, "none", key), form) for arm in runs if arm != "none"}


table(["arm minus no guidance", *NUMBERS.values()], [[arm, *(changes(key)[arm] for key in NUMBERS)] for arm in runs if arm != "none"])

# %%
families = {kind: ["none", *(f"{kind} {w:g}" for w in WEIGHTS)] for kind in ("autoguidance", "cfg")}
best = {kind: min(names, key=lambda name: sum(runs[name]["frechet_distance"])) for kind, names in families.items()}
show(
    paired.draw_sweep([1.0, *WEIGHTS], families, runs, NUMBERS, ruler.floor),
    f"**Figure 8.6.** Line: mean of {len(SETS)} sets of {COUNT} seeds; band: least and greatest; dotted: real test images. Lowest Fréchet distances: {spread(runs[best['autoguidance']]['frechet_distance'], '.3f')} ('{best['autoguidance']}') and {spread(runs[best['cfg']]['frechet_distance'], '.3f')} ('{best['cfg']}'), without guidance {spread(runs['none']['frechet_distance'], '.3f')}. "
    f"At w = 3 the Fréchet distance is {spread(runs['autoguidance 3']['frechet_distance'], '.2f')} with autoguidance and {spread(runs['cfg 3']['frechet_distance'], '.2f')} with CFG, recall {spread(runs['autoguidance 3']['recall'], '.3f')} with autoguidance and {spread(runs['cfg 3']['recall'], '.3f')} with CFG.",
)

# %% [markdown]
# What holds here of what the paper says?
#
# * **Both guides help, in small doses.** At w = 1.25 each lowers the Fréchet distance by about a quarter.
# * **Autoguidance keeps variety, CFG sells it.** This is the paper's point, and it holds. At w = 3 autoguidance has hardly changed recall, and CFG has lost
#   30 points of it.
# * **Autoguidance is less sensitive to w.** This holds, too. At w = 2 autoguidance is still below no guidance, while CFG is three times above it.
# * **Too much is too much for both.** At w = 3 the distance with autoguidance is above no guidance, and with CFG it is five times as large.
#
# The number of sampler steps decides such sentences. With 10 steps instead of 32 the order at w = 3 is the opposite: autoguidance 3.6, CFG 0.5 (`STEPS = 10` shows it).
# A sampler that has not converged adds errors of its own, and guidance multiplies them. So look for convergence before you compare methods.
#
# Where does the harm at w = 3 come from? Notebook 6 has a suspect. Errors of two networks have a common part, which guidance cancels, and accidents of each training, which it multiplies by $w - 1$. Accidents
# dominate at high noise, and our guide comes from *another seed*. If that is the reason, the harm comes from high noise. Let guidance act at w = 3 only below, and only above, σ = 0.5.

# %%
halves = {"autoguidance 3, σ ≤ 0.5": (0, 0.5), "autoguidance 3, σ > 0.5": (0.5, 100)}
runs |= pictures.paired_runs({name: guide(networks.main, networks.guide, 3.0, part) for name, part in halves.items()}, SETS, COUNT, ruler, STEPS)
table(["arm", *NUMBERS.values()], [[arm, *(spread(runs[arm][key], ".3f") for key in NUMBERS)] for arm in ("none", *halves, "autoguidance 3")])

# %% [markdown]
# **Neither half does harm alone.** Guidance at w = 3 below σ = 0.5 and guidance above it both give about the distance of no guidance. Only both together make it worse. So neither the
# suspect nor its opposite is shown: the doses add up. (With 10 steps the lower half alone looks ruinous, at a distance of 2. That was the sampler.)

# %%
shown = {f"autoguidance, w = {w:g}" if w > 1 else "no guidance": pictures.images_of(networks.guided("autoguidance", w), range(20), STEPS)[0] for w in (1.0, 2.0, 4.0)}
shown |= {f"CFG, w = {w:g}": pictures.images_of(networks.guided("cfg", w), range(20), STEPS)[0] for w in (2.0, 4.0)}
plain, pushed = (data.to_float(shown[name]) for name in ("no guidance", "CFG, w = 4"))
auto = data.to_float(shown["autoguidance, w = 4"])


def variety(x):  # mean distance between the two images of a class
    return float((x[:10] - x[10:]).square().mean(dim=(1, 2, 3)).sqrt().mean())


show(
    pictures.draw_panels(shown, 20),
    f"**Figure 8.7.** Twenty seeds; in each column the same class and the same noise. The mean distance between the two examples of a class is {variety(plain):.2f} without guidance and {variety(pushed):.2f} with CFG at w = 4, which makes them more alike. With autoguidance at w = 4 it is {variety(auto):.2f}: these are not more varied, they fall apart.",
)

# %%
slider(lambda w, kind: pictures.draw_panels({f"{kind}, w = {w:g}": pictures.images_of(networks.guided(kind, w), range(40), STEPS)[0]}, 10), SLIDERS,
       w=[1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0], kind=["autoguidance", "cfg"])

# %%
slider(lambda sigma: pictures.draw_panels(pictures.noised(images[:10], [sigma], networks.main, classes[:10]), 10), SLIDERS,
       sigma=[0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0])

# %% [markdown]
# ## What we measured

# %%
table(
    ["claim", "number", "over"],
    [
        ["input and target of F have unit size", f"{min(off['input'][0], off['target'][0]):.2f} to {max(off['input'][1], off['target'][1]):.2f}; with data scaled to 0.5: {unit['input'].min():.3f} to {unit['target'].max():.3f}", "9 noise levels"],
        ["size after the blocks, at the start and trained", f"{min(ends['at the start']):.2f} to {max(ends['at the start']):.2f}; {min(ends['trained']):.2f} to {max(ends['trained']):.2f}", f"{len(images[some])} images"],
        ["error over learned expectation, main model", f"{ratio['main model'].min():.2f} to {ratio['main model'].max():.2f}", f"{int(looked_at.sum())} noise levels"],
        ["Fréchet distance without guidance", spread(runs["none"]["frechet_distance"], ".3f"), f"{len(SETS)} sets × {COUNT}"],
        [f"{best['autoguidance']}: change of it", changes("frechet_distance").get(best["autoguidance"], "none"), "paired"],
        [f"{best['cfg']}: change of it", changes("frechet_distance").get(best["cfg"], "none"), "paired"],
        [f"recall at w = {max(w for w in WEIGHTS if w < 3):g}, change: autoguidance, CFG", ", ".join(changes("recall")[f"{kind} {max(w for w in WEIGHTS if w < 3):g}"] for kind in ("autoguidance", "cfg")), "paired"],
        ["Fréchet distance at w = 3: autoguidance, CFG", f"{spread(runs['autoguidance 3']['frechet_distance'], '.2f')}, {spread(runs['cfg 3']['frechet_distance'], '.2f')}", f"{len(SETS)} sets × {COUNT}"],
    ],
)

# %% [markdown]
# One training run stands behind all of this; ± is over seeds of the noise, not of the training. Notebook 10 takes several trainings.
#
# **Questions.** (1) Derive $c_\text{skip}$ from the demand that errors of $F$ be amplified least. (2) Show that $\lambda\, c_\text{out}^2 = 1$. (3) The exact denoiser of the set had distance 0 to it. Which of the four numbers would praise it, which would not? (4) Train a network (`python -m edm train`), and repeat Figure 8.4 with the last weights instead of their average. Then with digits scaled to $\sigma_d = 0.5$: does the Fréchet distance improve, over three training seeds?
# (5) CFG's guide is the main model without class. Why can it not be called a bad version of the main model, and where in Figure 8.6 do you see it?
#
# Back: [7 · What makes a good bad model](07_bad_models.ipynb). Next: [9 · Averages of weights](09_ema.ipynb). All: [the table of walkthroughs](README.md).
