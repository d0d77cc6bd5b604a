# %% [markdown]
# # 12 · The published ImageNet-64 networks: read safely, sample, and what a reproduction costs
#
# The authors of the paper published their networks. This notebook reads such files without running what is in them. It sets up the paper's
# settings, and counts what it takes to repeat its numbers.
#
# **You will be able to**
#
# - explain why a file of weights can be a program, and read one without running it;
# - set up the paper's best settings, and say what each number in a file's name means;
# - estimate what an evaluation, an FID and a search cost, and keep counted, measured and assumed numbers apart.
#
# **Read before:** notebooks [8](08_digits.ipynb) and [9](09_ema.ipynb). **Time:** 35 minutes to read, one minute to run.
# **Terms:** the [glossary](../docs/glossary.md).
#
# *How to use it:* run the cells from the top, one after the other (Shift + Enter). Three cells ask you to commit to an answer. Write your letter
# there before you run on.
#
# Nothing below is an image or a score of the published networks, unless their files lie on this machine and a GPU is there.

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
import shlex
import tempfile
from pathlib import Path

import torch

from edm import cli, official
from figures.lessons import cost, published
from figures.lessons.notebook import reveal, say, show, slider, table
from figures.lessons.pictures import draw_panels

folder = Path(tempfile.mkdtemp())  # for the files made here

# %% [markdown]
# ## 1. A pickle is a program
#
# The published networks are Python pickles. A pickle is a list of instructions for a small machine with a stack. One instruction fetches a
# function *by any name that Python can import*, another one calls it. Here is a whole pickle, except for its header. It would open a file
# for writing, and so create it. It could as well send your keys somewhere.

# %%
files = published.hostile(folder)
lines = published.instructions(files["call"][0])
kept = [
    line.replace(str(folder), "…") for line in lines if not any(word in line for word in ("MEMOIZE", "FRAME", "PROTO"))
]
say(
    "```\n"
    + "\n".join(kept)
    + "\n```\n`STACK_GLOBAL` fetches `io.open`, `REDUCE` calls it. (Printed by a disassembler, which runs nothing.)"
)

# %% [markdown]
# `edm.official` does not look for dangerous names: that is a race one loses. It has a machine of its own (`edm/storage/unpickle.py`). That machine knows
# the twenty or so names that weights need, and gives them a meaning *itself*. Nothing is imported or called because a file says so.
#
# Three hostile files follow. Each is meant to leave a marker behind.
#
# - **call** is the pickle above.
# - **nested** hides the same inside the bytes of a tensor. From the outside only data can be seen.
# - **source** is a sound network in the published layout, which stores the *source text* of every class. The original programs execute that text when they
#   read a file. Here it writes the marker.
#
# **Commit to an answer (1 of 3).** Which of them must a careful reader refuse? (a) All three. (b) call and nested, but not source.
# (c) Only call.

# %%
answer_1 = None  # "a", "b" or "c"

# %%
rows = []
for kind, (path, marker) in files.items():
    try:
        found = official.load(path)
        answer = f"read: {type(found).__name__} of {sum(p.numel() for p in found.parameters())} weights"
    except official.RefusedPickle as refused:
        answer = "refused: " + str(refused).split("was not read: ")[1]
    left_by_us = marker.exists()
    published.read_by_python(
        path
    )  # the control: files made here, whose only deed is an empty file in a temporary folder
    rows.append(
        [f"**{kind}**", answer, "marker" if left_by_us else "nothing", "marker" if marker.exists() else "nothing"]
    )
    marker.unlink(missing_ok=True)
table(["file", "`edm.official.load`", "it left behind", "Python's `pickle.loads` left behind"], rows)

# %% tags=["hide-input"]
reveal(
    answer_1,
    "b",
    "The third file is safe to *read*: its text is read as text, and its weights are fine. What makes it dangerous "
    "is executing the text. The last column is the control. Without it, 'nothing was left behind' would prove only "
    "that the files are harmless.",
)

# %% [markdown]
# ## 2. What is inside a published file
#
# Our miniature has the published layout. It is a dictionary whose entry `ema` is a module object. Every module carries its class name, source text,
# parameters, buffers and children. Every tensor is a window on a storage, which is a file within the file. These are the names it asks for:

# %%
made = published.miniature(folder / "miniature.pkl")
say("\n".join(f"* `{name}`" for name in published.asked_for(folder / "miniature.pkl")))

# %%
inside = official.read(folder / "miniature.pkl")
table(["argument", "value"], [["class", inside.class_name], *([name, value] for name, value in inside.kwargs.items())])
groups = {}
for name, tensor in inside.tensors.items():
    group = ".".join(name.split(".")[:2]) if name.startswith("unet.") else name.split(".")[0]
    groups.setdefault(group, []).append(tensor.numel())
table(
    ["tensors", "how many", "numbers in them"],
    [[f"`{group}`", len(sizes), f"{sum(sizes):,}"] for group, sizes in groups.items()],
)

# %% [markdown]
# From these arguments and tensors `edm.official.load` builds the `EDM2Denoiser` of notebook 8. Is it the network that was written? Compare every tensor, then outputs.

# %%
loaded, original = official.load(folder / "miniature.pkl"), made.float().eval()
x, labels = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4)
with torch.no_grad():
    apart = max(float((loaded(x, s, labels) - original(x, s, labels)).abs().max()) for s in (0.01, 0.5, 20.0))
equal = sum(torch.equal(inside.tensors[name].float(), tensor) for name, tensor in original.state_dict().items())
official.convert(folder / "miniature.pkl", folder / "miniature.safetensors")
sizes = [(folder / f"miniature.{kind}").stat().st_size / 1e6 for kind in ("pkl", "safetensors")]
say(
    f"{equal} of {len(inside.tensors)} tensors equal, outputs {apart:.0e} apart. As safetensors, which cannot hold a "
    f"program: {sizes[1]:.2f} MB instead of {sizes[0]:.2f} MB."
)

# %% [markdown]
# ## 3. The paper's settings
#
# The files on ImageNet 64 × 64 have names such as `edm2-img64-s-1073741-0.045.pkl`. This one has size S, was trained for 1 073 741 thousand images,
# and its weights are an average of width 0.045 (notebook 9). The guide of the autoguidance rows is XS, trained an eighth as long.
#
# **Commit to an answer (2 of 3).** Main model and guide each have a best EMA width. Is the guide's (a) narrower than the main model's, (b) the same,
# or (c) wider?

# %%
answer_2 = None  # "a", "b" or "c"

# %%
PAPER = {
    "img64-s": "FID 1.58",
    "img64-s-dino": "FD_DINOv2 58.52",
    "img64-s-autoguidance": "FID 1.01",
    "img64-s-autoguidance-dino": "FD_DINOv2 31.85",
}
table(
    ["preset", "main model", "guide", "w", "the paper reports (not measured here)"],
    [
        [f"`{name}`", f"`{p.main}`", f"`{p.guide}`" if p.guide else "–", f"{p.weight:g}", PAPER[name]]
        for name, p in official.PRESETS.items()
    ],
)

# %% tags=["hide-input"]
reveal(
    answer_2,
    "c",
    "The guide is averaged wider in both rows, 0.110 against 0.045 for FID. A wide average reaches back to a younger "
    "network: one more step towards a worse model of the same kind. DINOv2's optimum has more guidance and wider "
    "averages than FID's, so the measure decides what is best.",
)

# %% [markdown]
# The commands for a shell, from the repository root. A downloaded network is kept in `data/networks`; `convert` is optional.

# %%
COMMANDS = """\
python -m edm convert --preset img64-s-autoguidance
python -m edm sample --preset img64-s-autoguidance --seeds 0-9
python -m edm sample --preset img64-s-autoguidance --guidance none --seeds 0-9 --out runs/samples/same-noise-unguided
torchrun --nproc-per-node 8 -m edm sample --preset img64-s-autoguidance --seeds 0-49999 --batch 256 --out out/img64
python -m edm evaluate --images out/img64 --data imagenet64 --features inception --reference img64.pkl"""
for line in COMMANDS.splitlines():
    cli.parser().parse_args(shlex.split(line.split("-m edm ")[1]))  # fails for a command that the program does not know
say(
    f"```\n{COMMANDS}\n```\nThe program's own parser accepts all {len(COMMANDS.splitlines())}. Seed *s* gets class *s* "
    "mod 1000, so 50 000 images have 50 of each. A run that was stopped goes on, and makes no image twice."
)

# %% [markdown]
# The weights are licensed CC BY-NC-SA 4.0 by their authors: no commercial use. And without a connection? Here the address of a server that does not exist stands for it:

# %%
try:
    official.fetch(official.PRESETS["img64-s"].main, folder, "http://127.0.0.1:9/")
except FileNotFoundError as error:
    say("> " + str(error).replace(str(folder.absolute()), "…/data/networks"))

# %%
preset = "img64-s-autoguidance"
here = published.found(preset)
if here and torch.cuda.is_available():
    pictures = published.panels(here, (1.0, official.PRESETS[preset].weight), range(8 if FAST else 16))
    show(
        draw_panels(pictures, 8),
        f"**Sampled now** from the published networks on {torch.cuda.get_device_name()}: without and with "
        "autoguidance, from the same noise. So few images support no number.",
    )
else:
    names = " and ".join(f"`{name}`" for name in official.PRESETS[preset][:2])
    lacks = ([] if here else [f"{names} do not lie in `data/networks`"]) + (
        [] if torch.cuda.is_available() else ["there is no GPU"]
    )
    say(
        f"**No picture here**: on the machine that executed this notebook {', and '.join(lacks)}. Where that is "
        "otherwise, this cell samples 16 images without and with guidance from the same noise."
    )

# %% [markdown]
# ## 4. What one evaluation costs
#
# Torch's *meta* device runs a network on tensors that have a shape and no content. Nothing is computed, but every operation can be counted. The product of
# an $m \times k$ and a $k \times n$ matrix takes $2mkn$ operations (FLOP): a multiplication and an addition for each term.
#
# **Commit to an answer (3 of 3).** XS has 128 channels and S has 192. What does autoguidance of S by XS cost, as a multiple of S alone? (a) About 1.2,
# (b) about 1.45, (c) 2.

# %%
answer_3 = None  # "a", "b" or "c"

# %%
networks = {
    name: cost.network(name) for name in (("img64-xs", "img64-s") if FAST else ("img64-xs", "img64-s", "img64-m"))
}
xs, s = networks["img64-xs"], networks["img64-s"]
show(
    cost.draw_networks(networks),
    "**Figure 12.1.** Operations of one evaluation of one 64 × 64 image, by resolution. Most of the work is done at "
    f"the two highest resolutions. S has {s.flops / xs.flops:.2f} times the operations of XS, with a width 1.5 times "
    "as large.",
)

# %% [markdown]
# Every guided evaluation also calls the guide. This is the price of guidance:

# %%
n = cost.evaluations()
table(
    ["arm", "FLOP for one image", "against no guidance", "weights in float16"],
    [
        [
            title,
            f"{cost.sampling_flops(s, guide, 1):.3g}",
            f"{cost.sampling_flops(s, guide, 1) / cost.sampling_flops(s, None, 1):.2f}",
            f"{2 * (s.parameters + extra) / 1e9:.2f} GB",
        ]
        for title, guide, extra in (
            ("S alone", None, 0),
            ("S guided by XS (autoguidance)", xs, xs.parameters),
            ("S guided by another S", s, s.parameters),
        )
    ],
)

# %% tags=["hide-input"]
reveal(
    answer_3,
    "b",
    "Operations grow with the square of the width, so XS costs about (128/192)² = 0.44 of S. Counted, it is "
    f"{xs.flops / s.flops:.2f}. A smaller guide is not only the better one, it is cheaper. (32 steps of Heun's method "
    f"are {n} evaluations.)",
)

# %% [markdown]
# **Memory.** Sampling must hold the outputs of the encoder until the decoder asks for them. Training keeps what the backward pass will need. For every weight
# it also keeps the gradient, two moments and two averages, all in float32.

# %%
GB = 1e9
table(
    [
        "network",
        "sampling: held for each image",
        "training: kept for each image",
        "training: state, whatever the batch",
        "images in 60 GB beside the state",
    ],
    [
        [
            name,
            f"{net.held_bytes / 1e6:.0f} MB",
            f"{net.saved_bytes / 1e6:.0f} MB",
            f"{cost.optimizer_bytes(net) / GB:.1f} GB",
            f"{int((60 * GB - cost.optimizer_bytes(net)) / net.saved_bytes)}",
        ]
        for name, net in networks.items()
    ],
)

# %% [markdown]
# These are counted in float16, without what a library needs for itself. So a batch of 2048 images is accumulated in parts (`--micro-batch`), or spread
# over GPUs.
#
# One thing can be measured on any machine, because seconds do not depend on what the weights say: an evaluation with *random* weights.

# %%
seconds = {"img64-xs": cost.seconds_here("img64-xs", 1 if FAST else 2)}
seconds["img64-s"] = float("nan") if FAST else cost.seconds_here("img64-s")
threads, speed = torch.get_num_threads(), xs.flops / seconds["img64-xs"]
say(
    f"Measured on the CPU that executed this notebook ({threads} thread{'s' * (threads > 1)}, one run): XS "
    f"{seconds['img64-xs']:.2f} s, that is {speed / 1e9:.0f} · 10⁹ FLOP/s"
    + (f"; S {seconds['img64-s']:.2f} s" if not FAST else "")
    + f". At the speed of XS one guided image takes about {cost.sampling_flops(s, xs, 1) / speed / 60:.0f} minutes, "
    f"and the 50 000 images of one FID {cost.sampling_flops(s, xs) / speed / 3.156e7:.1f} years."
)

# %% [markdown]
# ## 5. What a full reproduction costs
#
# From here on two assumptions enter, and they stand in the code: what a GPU *sustains* on these networks, and what it draws. Published peak rates are higher
# than what networks reach. Put in what you have measured (`python -m tests.bench_network --gpu`).

# %%
TFLOPS, WATTS = 100.0, 700.0  # assumed, not measured: sustained 10^12 FLOP/s and watts of one GPU
EVALUATIONS_OF_THE_SEARCH, PAPER_MWH = 30_000, (60, 150)  # the paper's own account

fid = cost.sampling_flops(s, xs)
search = EVALUATIONS_OF_THE_SEARCH * fid
cheap = {
    "two rounds over w, EMA of main, EMA of guide: 9 values each, 5 000 images": 2 * 3 * 9 * 5_000,
    "the best setting three times with 50 000": 3 * 50_000,
}
rungs = {
    "one image, S alone": cost.sampling_flops(s, None, 1),
    "one image, S guided by XS": cost.sampling_flops(s, xs, 1),
    "50 000 images: one FID": fid,
    "three of them, as the paper does": 3 * fid,
    "a cheap search (below)": cost.sampling_flops(s, xs, sum(cheap.values())),
    "training the guide XS, T/8": cost.training_flops(xs, cost.GUIDE_TRAINING),
    "training the main model S": cost.training_flops(s, cost.MAIN_TRAINING),
    "the paper's grid search": search,
}
hours = {name: cost.gpu_hours(flops, TFLOPS) for name, flops in rungs.items()}
show(
    cost.draw_ladder(rungs, TFLOPS),
    f"**Figure 12.2.** Operations from one image to the paper's search; the hours assume {TFLOPS:.0f} TFLOP/s "
    f"sustained. Look at the last two bars. The search, {EVALUATIONS_OF_THE_SEARCH:,} evaluations of 50 000 images, "
    f"costs as much as {search / rungs['training the main model S']:.0f} trainings of S.",
)

# %% [markdown]
# How sensitive are the hours to the assumption, and does the paper's own energy account fit?

# %%
table(
    [
        "sustained TFLOP/s (assumed)",
        "one FID",
        "training S and its guide",
        "the paper's search",
        f"… at {WATTS:.0f} W a GPU",
    ],
    [
        [
            f"{t:g}",
            cost.hours_text(cost.gpu_hours(fid, t)),
            *(
                f"{cost.gpu_hours(f, t):,.0f} GPU h"
                for f in (rungs["training the main model S"] + rungs["training the guide XS, T/8"], search)
            ),
            f"{cost.megawatt_hours(cost.gpu_hours(search, t), WATTS):.0f} MWh",
        ]
        for t in (25.0, 50.0, 100.0, 200.0, 400.0)
    ],
)

# %%
slider(lambda tflops: cost.draw_ladder(rungs, tflops), SLIDERS, tflops=[1, 10, 25, 50, 100, 200, 400])
implied = [search / (mwh * 1e6 / WATTS) / 3600 / 1e12 for mwh in PAPER_MWH]
each = [1000 * mwh / EVALUATIONS_OF_THE_SEARCH for mwh in PAPER_MWH]
share = {title: images / (EVALUATIONS_OF_THE_SEARCH * 50_000) for title, images in cheap.items()}
say(
    f"The paper states {PAPER_MWH[0]} to {PAPER_MWH[1]} MWh for its search, {each[0]:.0f} to {each[1]:.0f} kWh an "
    f"evaluation. With our count of operations and {WATTS:.0f} W, GPUs that sustain {implied[1]:.0f} to "
    f"{implied[0]:.0f} TFLOP/s use as much. So **count and account agree**, as far as the hardware is known."
)

# %% [markdown]
# (The paper's larger tables are about 512 × 512 images. Their latents are 64 × 64, so the network is nearly the same. Decoding and features are left out.)
#
# **A cheap search.** A grid over three quantities asks every combination. If the optimum is smooth, as the paper's Figure 3 suggests, one can walk along one
# axis at a time. Fewer images do, if all settings start from the *same noise*: then what differs is the setting and not the draw (notebook 10).

# %%
total = sum(cheap.values())
table(
    ["part", "images", "share of the paper's search", f"GPU hours at {TFLOPS:.0f} TFLOP/s (assumed)"],
    [
        [
            title,
            f"{images:,}",
            f"1 / {1 / share[title]:,.0f}",
            f"{cost.gpu_hours(cost.sampling_flops(s, xs, images), TFLOPS):.0f}",
        ]
        for title, images in cheap.items()
    ]
    + [
        [
            "**together**",
            f"{total:,}",
            f"1 / {EVALUATIONS_OF_THE_SEARCH * 50_000 / total:,.0f}",
            f"{hours['a cheap search (below)']:.0f}",
        ]
    ],
)

# %% [markdown]
# What does it give up? The Fréchet distance of 5 000 images is larger than that of 50 000, so one must compare like with like. Its optimum may lie a little
# elsewhere. And one axis at a time can stop short of the best corner. It finds *a* good setting and says how good. It does not prove that there is no
# better one. Nobody has run it here.
#
# ## What we measured

# %%
table(
    ["claim", "number", "kind"],
    [
        [
            "hostile files that left a mark through `edm.official`",
            f"{sum(row[2] == 'marker' for row in rows)} of {len(rows)}",
            "measured",
        ],
        ["… through Python's own machine", f"{sum(row[3] == 'marker' for row in rows)} of {len(rows)}", "measured"],
        ["miniature in the published layout, read back", f"{equal} of {len(inside.tensors)} tensors equal", "measured"],
        ["EDM2-S, one evaluation", f"{s.flops / 1e9:.1f} · 10⁹ FLOP, {s.parameters:,} parameters", "counted"],
        ["price of autoguidance by XS", f"{(s.flops + xs.flops) / s.flops:.2f} times", "counted"],
        ["one FID, S guided by XS", f"{fid:.2g} FLOP", "counted"],
        ["… in GPU hours", f"{hours['50 000 images: one FID']:.1f} at {TFLOPS:.0f} TFLOP/s", "counted × assumed"],
        [
            "the paper's search",
            f"{search / rungs['training the main model S']:.0f} trainings of S",
            "counted, from the paper's number of evaluations",
        ],
        ["XS on the CPU here", f"{seconds['img64-xs']:.2f} s an evaluation", "measured, one run, random weights"],
        ["FID of the published networks", "–", "not measured: see the commands in section 3"],
    ],
)

# %% [markdown]
# **Questions.**
#
# 1. A reader that refuses every name but twenty can still be attacked, by what a permitted name is made to do. Find three checks in
#    `edm/storage/unpickle.py` that guard against files which lie about sizes.
# 2. Derive the 1.45 from the widths 128 and 192. Why is it not exactly $1 + (128/192)^2$?
# 3. A guidance interval covers half of the evaluations. What does autoguidance cost then?
# 4. You have 24 GPU hours. Write down the settings that you would evaluate, with how many images, and what you could claim afterwards.
# 5. Which numbers in the last table would change on another machine?
#
# If you learn alone: answers to the questions, and to the three commitments, are in `answers/12.md` beside this notebook.
#
# Back: [11 · Models that were harmed on purpose](11_corrupted.ipynb). Next: this was the last walkthrough; go on with the
# [results](../RESULTS.md) or run an experiment (`python -m figures list`). All: [the table of walkthroughs](README.md).
