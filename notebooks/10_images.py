# %% [markdown]
# # 10 · Paired runs on images: what of the paper's tables holds on small images
#
# Notebook 8 had one pair of networks. Here are fifteen training runs: five training seeds, each with a main model, a guide of the same capacity from another seed, and one of half the width, all with snapshots, so that every guide can be taken at any stage of its training and with any EMA width. With them the paper's Figures 3 and 7 and the rows of its Table 1 are measured, in a small world where every number can be made again in an hour and a half.
#
# | you will see | and measure |
# |---|---|
# | two hundred digits made now, with the shipped pair | distance, recall, and how near they come to training images |
# | how bad each network is alone | Fréchet distance by training length, capacity, EMA width |
# | Figure 3: which bad model guides best | five training seeds, paired |
# | Figure 7: CFG, CFG in an interval, autoguidance against w | quality and coverage |
# | Table 1's rows, with ablations | chosen on some noise, reported on other noise |
# | blends, and models that were harmed on purpose | which of the paper's verdicts come out |
# | the same study on garments, 16 × 16 | what carries over, to unseen images, too; and a search at a thirteenth of the price |
#
# The results come from `python -m figures images` and are stored with the project; the pictures here are drawn from them.
#
# **Read this first.** The stored results were measured with 12 steps of the sampler and 500 images a number, in one feature space and without control arms.
# At 12 steps the sampler had not converged. So the *order of the methods* below cannot be relied on, and the results page draws no verdict from it. The study is
# being measured again with 32 steps; until then, use this notebook to learn how such a study is made and read.

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
from edm import models
from edm.sampler import randn, seeded
from figures.lessons import pictures
from figures.engine.result import load_result
from figures.images import corruptions, fig3, fig4_8_grids, fig5_6_blend, fig7, networks, search, table1
from figures.images.points import against, best, mean
from figures.lessons.notebook import say, show, slider, spread, table

COUNT, STEPS = (30, 6) if FAST else (200, 10)


def stored(name):
    return load_result(name).numbers


def interval(d, form="+.3f"):  # paired difference over training seeds
    return f"{d['mean']:{form}} ({d['low']:{form}} to {d['high']:{form}})"


def fd(point):
    return spread(point["values"]["frechet_distance"], ".3f")


about = stored("digits/table1")
floors = about["floors"]
say(f"Stored results: {about['images_for_a_number']} images for each number, {about['sampler_steps']} steps of the sampler, training seeds {about['training_seeds']}. Weights of the networks: main {about['weights_of_networks']['main']:,}, half the width {about['weights_of_networks']['xs']:,}. T is {about['training_length']:,} training images.")

# %% [markdown]
# ## 1. A small run of our own
#
# First two hundred digits without guidance, with autoguidance and with CFG, from the same noise, with the pair that comes with the project (training seed 0). The classifier that gives the features trains itself now; its numbers are therefore comparable with one another, not with those of notebook 8.

# %%
pair, ruler = models.shipped("digits"), pictures.ruler(1 if FAST else 20)
arms = {"no guidance": pair.main, "autoguidance, w = 1.5": pair.guided("autoguidance", 1.5), "CFG, w = 1.25": pair.guided("cfg", 1.25)}
made = {name: pictures.images_of(d, range(20), STEPS)[0] for name, d in arms.items()}
moved = {name: float((x.float() - made["no guidance"].float()).square().mean().sqrt() / 255) for name, x in made.items()}
show(
    pictures.draw_panels(made, 20),
    f"**Figure 10.1.** Twenty seeds; in each column the same class and the same noise. Guidance changes pixels by {moved['autoguidance, w = 1.5']:.2f} and {moved['CFG, w = 1.25']:.2f} (root mean square, black to white is 1).",
)

# %%
live = pictures.paired_runs(arms, [20_000], COUNT, ruler, STEPS)
columns = {"frechet_distance": "Fréchet distance", "class_agreement": "class agreement", "recall": "recall", "coverage": "coverage", "nearest": "nearest training image"}
table(["", *columns.values()], [[name, *(spread(r[key], ".3f") for key in columns)] for name, r in live.items()])

# %%
slider(lambda w, kind: pictures.draw_panels({f"{kind}, w = {w:g}": pictures.images_of(pair.guided(kind, w), range(40), STEPS)[0]}, 20), SLIDERS, w=[1.0, 1.25, 1.5, 2.0, 3.0], kind=["autoguidance", "cfg"])

# %% [markdown]
# One set of noise, one training: an illustration, no evidence. (`nearest`: mean over images of the root mean square pixel difference to the nearest training image; black to white is 1.) The evidence follows.
#
# ## 2. How good is each network alone?

# %%
alone = stored("digits/networks")
points = {(p["main"][0], p["main"][1], p["main"][2]): p for p in alone["points"]}
by_width = ", ".join(f"{w:g}: {fd(points['main', 1, w])}" for w in (0.05, 0.1, 0.2))
show(
    networks.draw(load_result("digits/networks")),
    f"**Figure 10.2.** Left: networks alone by training length (dots: training seeds; dotted: as many test images as are generated; dashed: as many training images, what a perfect memory would score). Main {fd(points['main', 1, 0.1])}; its capacity after T/4, T/8, T/16: {fd(points['guide', 4, 0.1])}, {fd(points['guide', 8, 0.1])}, {fd(points['guide', 16, 0.1])}; half the width after T, T/8: {fd(points['xs', 1, 0.1])}, {fd(points['xs', 8, 0.1])}. "
    f"Right: the main model by EMA width, {by_width}.",
)

# %% [markdown]
# Two floors are drawn, for a distance between finite sets is never zero. Five hundred test images score 0.24 against the training images, because there are only 360 of them to draw from and they are other digits. Five hundred training images, as many of each class, score 0.035: nothing that samples 500 images can be expected below. Between the two a model may well lie; it is then closer to the training set than unseen real images are.
#
# A network of T/16 makes no digits (recall 0.4): after 69 batches, 40 of which were warm-up, it is not a worse model of digits but not yet a model.
#
# ## 3. Figure 3: which guide?
#
# Now each of these guides the main model. *Predict before you look:* which should be the best guide, the one nearest in quality to the main model or a much worse one?

# %%
three = stored("digits/fig3")
flat = {name: {p["w"]: p for p in some} for part in ("lengths", "capacities") for name, some in three[part].items()}
unguided = flat["T"][1]
show(
    fig3.draw(load_result("digits/fig3")),
    f"**Figure 10.3.** The paper's Figure 3. Above Fréchet distance, below recall, against w. At w = 1.5, guide of main's capacity: T/32 {fd(flat['T/32'][1.5])}, T/16 {fd(flat['T/16'][1.5])}, T/8 {fd(flat['T/8'][1.5])}, T/4 {fd(flat['T/4'][1.5])}, T {fd(flat['T'][1.5])}; no guidance {fd(unguided)}. "
    f"Guide of half the width: T/8 {fd(flat['XS, T/8'][1.5])}, T {fd(flat['XS, T'][1.5])}. Right: EMA widths of both at w = 1.5.",
)

# %%
table(
    ["guide, weight", "change of Fréchet distance (95 % interval)", "change of recall", "change of coverage"],
    [[f"{name}, w = {w:g}", *(interval(against(flat[name][w], unguided, key)) for key in ("frechet_distance", "recall", "coverage"))]
     for name, w in (("T/32", 1.25), ("T/32", 1.5), ("T/16", 1.25), ("T/16", 1.5), ("T/8", 1.25), ("T/8", 1.5), ("T/8, main's own run", 1.5), ("T/4", 1.5), ("T", 1.5), ("XS, T/8", 1.25), ("XS, T/8", 1.5), ("XS, T", 1.5))],
)

# %% [markdown]
# * **Bad, but not too bad.** The guides of T/8 (distance alone 4 and 7, against 0.26 of the main model) and T/4 bear every weight. Those of T/16 and T/32, which make no digits, lower the distance at w = 1.25, the T/16 as far as any; but recall falls, and at w = 1.5 most of the gain is lost again.
# * **As good as the main model is no guide**: the one of full length from another seed makes it worse at every weight. What differs between two good models is accident, and guidance multiplies it.
# * **Half the width, fully trained, gains next to nothing**, although it is clearly worse alone (0.54). So it is not enough to be worse: *how* matters.
# * **From the same run or from another**: no difference at T/8. Accidents that guides do not share with the main model, which notebook 8 suspected, are not what limits these weights. (In 2D the early snapshot of the same run was a little better, too little for eight training seeds to tell.)
#
# ## 4. Figure 7: three ways of guidance

# %%
seven = stored("digits/fig7")
by = {name: {p["w"]: p for p in some} for name, some in seven["methods"].items()}


def numbers(name, w, key, form=".3f"):
    return spread(by[name][w]["values"][key], form)


show(
    fig7.draw(load_result("digits/fig7")),
    f"**Figure 10.4.** The paper's Figure 7, with coverage. Best distances: CFG {fd(best(seven['methods']['CFG']))} at w = {best(seven['methods']['CFG'])['w']:g}, autoguidance {fd(best(seven['methods']['autoguidance']))} at w = {best(seven['methods']['autoguidance'])['w']:g}. At w = 2 recall is {numbers('CFG', 2, 'recall')} with CFG, {numbers('CFG, interval', 2, 'recall')} in the interval σ in ({seven['interval'][0]}, {seven['interval'][1]}], {numbers('autoguidance', 2, 'recall')} with autoguidance, and the distance {numbers('CFG', 2, 'frechet_distance')}, {numbers('CFG, interval', 2, 'frechet_distance')}, {numbers('autoguidance', 2, 'frechet_distance')}.",
)

# %% [markdown]
# Autoguidance keeps recall where CFG sells it, at every weight. With this guide it is also the flatter curve: from w = 1.25 to 2 the distance grows by a factor of less than two, with CFG by more than four. Yet at its best weight CFG comes *nearer* to the training images (0.09 against 0.13). In the paper it is the other way round (1.34 against 2.23), and the interval, which there improves CFG's best result, does so here only at equal weight (at w = 1.5 and 2), not for the best one.
#
# ## 5. Table 1
#
# So far we looked at the same noise on which one would choose a weight: the best of many numbers looks better than it is. So the table chooses weight and EMA widths by the Fréchet distance on noise seeds 0–499, and reports on others, which nothing was chosen on. (Training seeds are the same five in both.)

# %%
rows = about["rows"]
header = ["", "chosen", "Fréchet distance", "class agreement", "recall", "coverage", "change of distance (95 % interval)", "change of recall"]
body = [[n, "", *(f"{np.mean([r[k] for r in floors[kind]]):.3f}" for k in ("frechet_distance", "class_agreement", "recall", "coverage")), "", ""] for kind, n in (("test", "as many test images"), ("train", "as many training images"))]
for name, r in rows.items():
    changes = [interval(r["difference"][k]) for k in ("frechet_distance", "recall")] if "difference" in r else ["", ""]
    cells = [spread(r["values"][k], ".3f") if k in r["values"] else "" for k in ("frechet_distance", "class_agreement", "recall", "coverage")]
    body.append([name, table1.setting(r), *cells, *changes])
table(header, body)

# %%
auto, plain = rows["autoguidance (XS, less trained)"], rows["no guidance"]
show(
    table1.draw(load_result("digits/table1")),
    f"**Figure 10.5.** The rows with labels; dots are training seeds. Against the best unguided setting, autoguidance changes the Fréchet distance by {spread(auto['change'], '+.0%')} (each seed: {', '.join(f'{c:+.0%}' for c in auto['change'])}) and recall by {interval(auto['difference']['recall'])}; CFG by {spread(rows['CFG']['change'], '+.0%')} and {interval(rows['CFG']['difference']['recall'])}.",
)

# %% [markdown]
# * **The target, 20 % below the best unguided distance without loss of recall or coverage, is not met on digits.** The distance halves, but the setting with the lowest distance has a guide of T/16, and recall falls. Choosing by a distance alone buys distance with recall; Figure 10.3 has settings of T/8 that lose hardly any, and nobody chose them.
# * **Less training is what makes the guide**, as the paper says: a guide that is only less trained does as well as one that is also smaller, and keeps a little more recall; one that is only smaller does next to nothing.
# * **Separate EMA widths bring nothing certain here**: the setting that is chosen has equal widths. The grid was small (three widths, one weight); in Figure 10.3 the guide's width matters only when it is too wide, for then it still averages over its first steps.
# * **CFG is not beaten.** It gains more distance, and pays with no more recall. Ten well separated classes of digits make it strong: knowing the class decides nearly everything.
# * **Without labels** (withheld from all networks, which saw a tenth of their training that way) the distance is thirteen times as large. Autoguidance lowers it in every seed, but nowhere near the conditional model, as in the paper.
#
# What did we get nearer *to*? Distances so far are to the training images.

# %%
table(
    ["", "distance to training images", "to test images", "nearest training image", "share of near copies"],
    [[n, *(f"{np.mean([r[k] for r in floors[kind]]):.3f}" for k in ("frechet_distance", "test_distance", "nearest", "copies"))] for kind, n in (("test", "as many test images"), ("train", "as many training images"))]
    + [[name, *(spread(rows[name]["values"][k], ".3f") for k in ("frechet_distance", "test_distance", "nearest", "copies"))] for name in ("no guidance", "CFG", "autoguidance (XS, less trained)", "less training only")],
)

# %% [markdown]
# (Nearest: mean root mean square pixel difference, black to white is 1. Near copies: images nearer to a training image than all but 1 % of the real test images are.) Nothing is memorised: made digits are as far from the training images as unseen real ones. Guidance moves them a little nearer, within the range of real ones.
#
# But *towards the test images nothing is gained*: guided digits are as far or certainly farther. Is the gain then only overfitting to 1 437 images? This yardstick cannot tell. Even real training images (0.23) are hardly nearer to the test images than the unguided model, because 360 images are few and happen to be other digits: what this distance sees is mostly that difference. A larger set (Fashion-MNIST has 10 000 test images) can decide it: section 8.
#
# ## 6. Blends

# %%
mix = stored("digits/fig5_6_blend")
show(
    fig5_6_blend.draw(load_result("digits/fig5_6_blend")),
    f"**Figure 10.6.** CFG and autoguidance together [AG, eq. 6], total weight shared between them. Half and half at w = 1.5: {fd(next(p for p in mix['blends']['1.5'] if p['share'] == 0.5))}, against {fd(next(p for p in mix['blends']['1.5'] if p['share'] == 0))} (CFG) and {fd(next(p for p in mix['blends']['1.5'] if p['share'] == 1))} (autoguidance).",
)

# %% [markdown]
# A blend lies between its ends, or near the better one: no setting was found in which the two together beat the better of them by more than the spread of the trainings. The paper shows its blends as pictures, without a claim in numbers.
#
# ## 7. Models that were harmed on purpose
#
# The paper's explanation of autoguidance is tested by breaking things: take one good model, harm it a little, and guide it by itself harmed twice as much. If guidance undoes the harm that both share, this must work, and fail when the harm is of another kind.

# %%
harm = stored("digits/image_corruptions")
show(
    corruptions.draw(load_result("digits/image_corruptions")),
    f"**Figure 10.7.** Left: main model with 5 % dropout, alone {harm['verdicts']['dropout, guide dropout']['unguided']:.3f}; right: with its input's noise raised by 10 %, alone {harm['verdicts']['noise, guide noise']['unguided']:.3f}; unharmed (blue) {fd(harm['whole'])}. Guided by itself with twice the harm, of the same kind or of the other; twice the harm alone: {fd(harm['weaker']['dropout'])} and {fd(harm['weaker']['noise'])}.",
)

# %%
table(
    ["main harmed by, guide harmed by", "unguided", "guided (best w)", "change (95 % interval)", "change of recall", "what is left against the unharmed"],
    [[name, f"{v['unguided']:.3f}", f"{v['guided']:.3f} (w = {v['w']:g})", interval(v["difference"]["frechet_distance"]), interval(v["difference"]["recall"]), interval(v["left"])] for name, v in harm["verdicts"].items()],
)

# %% [markdown]
# **This experiment does not come out as in the paper**, and the two halves fail differently.
#
# * *Input noise is no harm here.* Raising the noise by 10 and 20 % lowers the distance (to 0.14 and 0.09): a denoiser that is told of more noise than there was before averages more, and our unguided main model makes digits that are too rough. So the 'twice as much harmed' guide is the *better* one by this yardstick, and extrapolating away from it must lead back. It does: at w = 1.5 the distance is again about that of the unharmed model. In direction, then, guidance undoes what both share, as the paper says; it just was not a fault. (Smoothing alone nearly reaches CFG's best distance. One more reason not to read such a gain as 'better images' without recall, which falls.)
# * *Dropout is a harm, and guidance does not undo it*: the distance rises with w. A likely reason, not tested here: masks are drawn anew in every call, so the difference of the two models is mostly the accident of two masks, and $w-1$ amplifies it; the paper took 32 steps, over which accidents average out better than over our 12, and far larger networks, in which a dropped feature matters less.
# * *Mismatched kinds*: guiding the dropout model by the noisy one makes it much worse. The opposite pair gains a little.
#
# ## 8. Does it carry over? Fashion-MNIST
#
# Digits are an easy, tiny world. The same study on Fashion-MNIST, 60 000 garments at 16 × 16 (every four pixels averaged, so that a CPU suffices): fifteen trainings again, main models of 3 072 batches. *Predict:* digits left open whether the gain is more than a memory of the training images. Will autoguidance come nearer to 10 000 test images, too?

# %%
fashion = stored("fashion-16/table1")
show(fig4_8_grids.draw(load_result("fashion-16/fig4_8_grids")), "**Figure 10.8.** Garments from the same noise, one class a column: from top to bottom the weight, from left to right CFG, half of each, autoguidance.")

# %%
garments = models.shipped("fashion-16")  # training seed 0: the main model, and a guide of half the width after T/8
slider(lambda w, kind: pictures.draw_panels({f"{kind}, w = {w:g}": pictures.images_of(garments.guided(kind, w), range(40), STEPS, garments.shape)[0]}, 20), SLIDERS, w=[1.0, 1.25, 1.5, 2.0, 3.0], kind=["autoguidance", "cfg"])

# %%
clothes = fashion["rows"]
keys = ("frechet_distance", "test_distance", "class_agreement", "precision", "recall", "coverage")
table(
    ["", "chosen", "distance to training images", "to test images", "class agreement", "precision", "recall", "coverage", "change of distance (95 % interval)", "of distance to test images", "of recall"],
    [[n, "", *(f"{np.mean([r[k] for r in fashion['floors'][kind]]):.3f}" for k in keys), "", "", ""] for kind, n in (("test", "as many test images"), ("train", "as many training images"))]
    + [[name, table1.setting(r), *(spread(r["values"][k], ".3f") if k in r["values"] else "" for k in keys), *(interval(r["difference"][k]) if "difference" in r else "" for k in ("frechet_distance", "test_distance", "recall"))] for name, r in clothes.items()],
)

# %% [markdown]
# One thing in this table should worry you. The weights were chosen on noise seeds 0–499, where the unguided distance was much lower than where it is reported, for every training run. Is the noise itself to blame?

# %%
sets = {first: randn(about["images_for_a_number"], (1, 16, 16), seeded(range(first, first + 500))) for first in (*fashion["chosen_on"], *fashion["first_noise_seeds"])}
table(
    ["noise seeds", "variance of the images' mean, expected 1", "unguided distance there"],
    [[f"{first} to {first + 499}", f"{256 * z.mean((1, 2, 3)).var():.2f} ± {(2 / 499) ** 0.5:.2f}", f"{clothes['no guidance']['chosen_at']:.3f} (when choosing)" if first in fashion["chosen_on"] else ""] for first, z in sets.items()]
    + [["the last four together", "", spread(clothes["no guidance"]["values"]["frechet_distance"], ".3f")]],
)

# %% [markdown]
# The first five hundred noise seeds are a freak: distances from them lie far from those of the other blocks. The spread of brightness, in the table above, was tested as the reason, and it is not. That is why settings
# are compared *from the same noise*, and why a distance from one set of seeds must never stand beside one from another set.

# %%
there = stored("fashion-16/fig3")
show(fig3.draw(load_result("fashion-16/fig3")), "**Figure 10.9.** Figure 3 on Fashion-MNIST at 16 × 16: the guide's training length, its capacity, and the EMA widths of both.")
show(fig7.draw(load_result("fashion-16/fig7")), "**Figure 10.10.** Figure 7: three ways of guidance against the weight.")

# %%
cheap = stored("fashion-16/image_search")
show(
    search.draw(load_result("fashion-16/image_search")),
    f"**Figure 10.11.** Does one need the grid? Successive halving looks at the first {cheap['counts'][0]} images of all {cheap['candidates']} settings of the table, at the first {cheap['counts'][1]} of the best fifth, and takes the best: {cheap['times_fewer']:.1f} times fewer images. On fresh noise, what it found minus the best of the grid: {interval(cheap['regret'])}; minus no guidance: {interval(cheap['gain'])}.",
)

# %% [markdown]
# * **Autoguidance more than halves the best unguided distance, in every training, and recall rises.** So the target, 20 % less without loss of recall or coverage, is met with room to spare, where digits failed it.
# * **What is gained is variety.** Precision, the share of made garments that lie among the real ones, *falls* a little with every kind of guidance, while more of them are what they should be (class agreement). On digits and in 2D it was the other way round: precision rose or outliers fell, and variety paid. Unguided recall is 0.93, that of as many real images 0.96: there was something to gain.
# * **It is no memory of the training images.** The distance to 10 000 unseen test images falls by as much. On digits the test set was too small to tell.
# * **T/16, the paper's length, is the best for a guide of main's capacity**, not certainly better than T/8; at half the width it is T/8. T/16 means 192 batches: past the warm-up, unlike on digits, a bad model but a model. The guide of T/32 still helps at w = 1.25 and ruins at w = 2: the weaker the guide, the smaller the best weight.
# * **CFG gains as much distance and loses recall**; with an interval it comes nearest of all, and loses recall, too. The paper has autoguidance before both. With ten classes, most garments are told by their class alone: CFG is strong where the label says nearly everything.
# * **Guide of the same run or of another:** at every weight the main model's own early snapshot was a little better, never certainly so over five trainings; in 2D, over eight, neither.
# * **A blend** of half and half at w = 1.5 came out below both its ends (0.21 against 0.24 and 0.24; by 0.03 (0.01 to 0.05) on the seeds for choosing), with a recall between theirs; at w = 2 it did not.
# * **The search finds a setting as good as the grid's best**, for a thirteenth of the images: 25 images rank 51 settings badly (rank correlation 0.1 to 0.6 with 500 images), but well enough to drop the worse four fifths. On digits they rank hardly better than chance, and the search still came within 0.004 (0.001 to 0.008) of the grid's best, less than one set of noise differs from another: there the second look, at ten settings, does all the work.
# * **Corruptions** come out as on digits ([RESULTS.md](../RESULTS.md)): dropout is not undone, and raised input noise is no harm to begin with.
#
# ## What we measured
#
# Verdicts for both data sets, by rule from the intervals, are in [RESULTS.md](../RESULTS.md). On digits:

# %%
table(
    ["the paper's claim", "our number on digits", "verdict"],
    [
        ["autoguidance lowers the distance", f"{spread(auto['change'], '+.0%')} against the best unguided", f"holds, {sum(c < 0 for c in auto['change'])} of {len(auto['change'])} trainings"],
        ["… without loss of variety", f"recall {interval(auto['difference']['recall'])}, coverage {interval(auto['difference']['coverage'])}", "recall is lost, coverage gained"],
        ["… and better than CFG", f"{fd(auto)} against {fd(rows['CFG'])}", "does not hold: CFG is nearer"],
        ["CFG loses variety", f"recall {interval(rows['CFG']['difference']['recall'])}", "holds"],
        ["an interval improves CFG", f"{fd(rows['CFG, interval'])} against {fd(rows['CFG'])}", "does not hold (one interval tried)"],
        ["less training alone gives most of the gain", f"{spread(rows['less training only']['change'], '+.0%')} of {spread(auto['change'], '+.0%')}", "holds"],
        ["less capacity alone gives little", spread(rows["less capacity only"]["change"], "+.0%"), "holds"],
        ["a guide of T/16 is best", f"T/16 {fd(flat['T/16'][1.25])} at w = 1.25, T/8 {fd(flat['T/8'][1.5])}, T/4 {fd(flat['T/4'][1.5])} at w = 1.5", "by distance; T/8 keeps recall"],
        ["separate EMA widths help", f"best of nine pairs of widths: {best(three['widths'])['main'][2]:g} / {best(three['widths'])['guide'][2]:g}, {fd(best(three['widths']))}; best equal ones {fd(best(p for p in three['widths'] if p['main'][2] == p['guide'][2]))}", "not decided (small grid)"],
        ["harm of the same kind is undone", f"dropout {interval(harm['verdicts']['dropout, guide dropout']['difference']['frechet_distance'])}, noise {interval(harm['verdicts']['noise, guide noise']['difference']['frechet_distance'])}", "does not hold; input noise is no harm here"],
        ["without labels it helps too (paper: -67 %)", f"{spread(rows['no labels, autoguidance']['change'], '+.0%')}", "holds, by a smaller share"],
    ],
)

# %% [markdown]
# Five training seeds are few: intervals over five pairs say little about differences below 0.02. Weights were searched on a coarse grid (1.1, 1.25, 1.5, 2, up to 3 for two of the ways). Digits are an easy, tiny world; Fashion-MNIST at 16 × 16 took three hours on two cores; in full size it is one command on a GPU: `until python -m figures images --data fashion-mnist --minutes 9; [ $? -ne 3 ]; do :; done` (it has not run yet).
#
# **Questions.** (1) Why does a guide of full length from another seed make things worse, although the line is the same? What does the difference of two equally good models consist of? (2) CFG's guide is the main model without labels. In which sense is it *also* less trained here? (3) Intervals over training seeds use Student's t with four degrees of freedom. How wide would they have been with three training seeds of the same spread, and how wide would they be with ten? (4) The unguided row chose its EMA width, the guided ones were mostly measured at 0.10. Whom does that favour?
# (5) Real training images, as many as are generated, have a recall below that of the models. Why? (A real image counts as recalled when it lies in the ball of some generated one. What makes balls large?)
#
# Back: [9 · Averages of weights](09_ema.ipynb). Next: [11 · The published networks](11_published.ipynb). All: [the table of walkthroughs](README.md).
