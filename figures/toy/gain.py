"""Two populations of training runs: what changes when the gain of the 2D model is forced to be negative?

The model's log density is gain mean(y^2) / sigma - ..., and the sign of the trained gain is an accident of the first training
steps. Where it is positive, the density grows far from the data. Here main models and guides are trained again from the same seeds
with gain = -softplus(r), and measured beside the shipped ones.
"""

from pathlib import Path

from edm.guidance import guide
from edm.metrics import paired_difference
from edm.storage.rows import run_rows
from figures.engine.plots import legend_below, panels, percent
from figures.engine.result import OUT, Result
from figures.toy.robustness import KEYS, measured, model
from toy2d import metrics, plots, pretrained
from toy2d.paired import draw_start

COST, NEEDS = "10 min", "the shipped 2D models; trains 4 pairs"
VERSION = 1  # raise it when rows or results change their meaning
FAST = dict(seeds=[0, 1], n=128, shrink=64)
KINDS = ("main", "guide")
GAINS = ("shipped", "negative")
PANELS = {
    "outliers_99": "outliers, flown off among them",
    "diverged": "flown off",
    "branch_tv": "branch TV",
    "leaves_lost": "leaves lost of 64",
}
WEIGHTS = (1.0, 2.0, 3.0)  # of autoguidance; 1 is no guidance


def row(gain: str, seed: int, n: int, noise_seed: int, folder: str, checkpoints: str, shrink: int) -> dict:
    """Numbers of one training seed's pair at each weight, and the gains of its two models."""
    if gain == "shipped":
        pair = [pretrained.load(kind, seed, folder) for kind in KINDS]
    else:
        recipes = [pretrained.RECIPES[kind] | dict(batch=4096, negative_gain=True) for kind in KINDS]
        pair = [model(recipe, seed, Path(checkpoints), shrink) for recipe in recipes]
    start = draw_start(n, noise_seed + seed)
    return {
        "gains": [m.gain.item() for m in pair],
        "arms": {f"{w:g}": measured(guide(*pair, w), start) for w in WEIGHTS},
    }


def compute(noise_seed=0, folder=pretrained.FOLDER, *, seeds=(0, 1, 2, 3), n=2**13, shrink=1, store=None,
            workers=None) -> Result:  # fmt: skip
    """seeds: training seeds. Seed s starts from the points of noise seed noise_seed + s; shrink shortens the training."""
    checkpoints = (store.path.parent if store else OUT) / "checkpoints"
    shared = dict(n=n, noise_seed=noise_seed, shrink=shrink)
    models = dict(
        shared=dict(folder=str(folder), checkpoints=str(checkpoints)), settings=dict(models=pretrained.identity(folder))
    )
    tasks = [dict(gain=gain, seed=s, **shared) for gain in GAINS for s in seeds]
    rows = run_rows(row, tasks, **models, store=store, workers=workers, desc="gain")
    found = {gain: [r for r in rows if r["gain"] == gain] for gain in GAINS}
    weights = [f"{w:g}" for w in WEIGHTS]
    runs = {
        gain: {w: {key: [r["arms"][w][key] for r in rows] for key in KEYS} for w in weights}
        for gain, rows in found.items()
    }
    floor = metrics.floor(n)
    numbers = {
        "seeds": list(seeds), "noise_seed": noise_seed, "n": n, "shrink": shrink, "weights": list(WEIGHTS), "runs": runs,
        "gains": {
            gain: {kind: [r["gains"][i] for r in rows] for i, kind in enumerate(KINDS)} for gain, rows in found.items()
        },
        "floor": {key: floor[key] for key in KEYS},
        "difference": {
            w: {key: paired_difference(runs["negative"][w][key], runs["shipped"][w][key]) for key in KEYS} for w in weights
        },
    }  # fmt: skip
    return Result(numbers)


def draw(result: Result):
    """Numbers against the weight, a line for each training seed: shipped runs by the sign of their gain, and forced ones."""
    numbers = result.numbers
    styles = {
        "shipped, gain < 0": (plots.BLUE, "o"),
        "shipped, gain > 0": (plots.VERMILLION, "^"),
        "gain forced negative": (plots.GREEN, "s"),
    }
    with plots.style():
        figure, axes = panels(2, 2, 2.7)
        for ax, (key, title) in zip(axes.flat, PANELS.items(), strict=True):
            for gain, main in (("shipped", numbers["gains"]["shipped"]["main"]), ("negative", None)):
                for i in range(len(numbers["seeds"])):
                    kind = list(styles)[2 if main is None else int(main[i] > 0)]
                    colour, marker = styles[kind]
                    y = [numbers["runs"][gain][f"{w:g}"][key][i] for w in numbers["weights"]]
                    ax.plot(numbers["weights"], y, marker=marker, color=colour, markersize=4, linewidth=1.2, label=kind)
            ax.axhline(numbers["floor"][key], color=plots.GREY, linestyle=":", linewidth=1, label="true samples")
            ax.set(title=title, xticks=numbers["weights"])
            if key in ("outliers_99", "diverged"):
                percent(ax.yaxis)
        for ax in axes[1]:
            ax.set_xlabel("autoguidance weight w")
        axes[0, 0].set_ylim(0, None)
        legend_below(figure)
    return figure
