"""Which guidance serves which goal: every arm measured over all shipped training seeds, paired by starting points.

Writes table.md beside the picture; the README shows it.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from tqdm import tqdm

from edm.denoiser import Denoiser
from edm.guidance import guide, truncate
from figures.common import Result, plain, write
from toy2d import metrics, plots, pretrained
from toy2d.arms import draw_start, run

GUIDED = {
    "autoguidance": ("guide", (1.5, 2.0, 3.0)),
    "early": ("early", (2.0, 3.0)),
    "small": ("small", (2.0, 3.0)),
    "cfg": ("uncond", (1.5, 2.0, 4.0)),
}
INTERVAL = (0.01, 0.5)
TRUNCATIONS = (1.1, 1.4)
COLUMNS = {
    "outliers_99": ("outliers", "{:.1%}"),
    "diverged": ("flown off", "{:.2%}"),
    "branch_tv": ("branch TV", "{:.3f}"),
    "leaves_lost": ("leaves lost of 64", "{:.1f}"),
    "wasserstein": ("Wasserstein", "{:.3f}"),
    "kl_q_p": ("KL(q‖p)", "{:.2f}"),
    "kl_p_q": ("KL(p‖q)", "{:.2f}"),
}
COLOURS = plots.ARM_COLOURS | {"early": plots.SKY, "small": plots.VERMILLION}
COST, NEEDS = "5 min", "the shipped 2D models"
FAST = dict(n=128, seeds=[0, 1])


def arms(seed: int, folder=pretrained.FOLDER) -> dict[str, Denoiser]:
    main = pretrained.load("main", seed, folder)
    made = {"none": main}
    for arm, (kind, weights) in GUIDED.items():
        weak = pretrained.load(kind, seed, folder)
        made |= {f"{arm} w={w:g}": guide(main, weak, w) for w in weights}
        if arm == "autoguidance":
            made[f"{arm} w=3, σ in ({INTERVAL[0]}, {INTERVAL[1]}]"] = guide(main, weak, 3.0, INTERVAL)
    return made | {f"truncation ×{f:g}": truncate(main, f) for f in TRUNCATIONS}


def compute(noise_seed=0, folder=pretrained.FOLDER, *, seeds=None, n=2**14) -> Result:
    """seeds: training seeds (default: all in `folder`). Training seed s starts from the points of noise seed noise_seed + s."""
    seeds = pretrained.seeds(folder) if seeds is None else list(seeds)
    if not seeds:
        raise ValueError(f"no complete set of checkpoints in {folder}: run `python -m toy2d train --all`")
    runs = {}
    with tqdm(total=len(seeds) * len(arms(seeds[0], folder)), desc="table", unit="arm") as bar:
        for seed in seeds:
            start = draw_start(n, noise_seed + seed)
            for name, denoiser in arms(seed, folder).items():
                runs.setdefault(name, []).append(metrics.evaluate(run(denoiser, start)))
                bar.update()
    rows = {"exact": {"mean": metrics.floor(n)}} | {
        name: summary(per_seed, runs["none"]) for name, per_seed in runs.items()
    }
    return Result({"seeds": seeds, "noise_seed": noise_seed, "n": n, "rows": rows, "runs": runs})


def summary(per_seed: list[dict], baseline: list[dict]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over seeds, and those of the paired differences to the baseline."""
    values = {key: np.array([m[key] for m in per_seed]) for key in per_seed[0]}
    differences = {key: values[key] - np.array([m[key] for m in baseline]) for key in values}

    def spread(x: np.ndarray) -> float:
        return float(x.std(ddof=1)) if len(x) > 1 else float("nan")

    return {
        "mean": {k: float(v.mean()) for k, v in values.items()},
        "sd": {k: spread(v) for k, v in values.items()},
        "difference": {k: float(v.mean()) for k, v in differences.items()},
        "difference_sd": {k: spread(v) for k, v in differences.items()},
    }


def markdown(numbers: dict) -> str:
    """The table: mean ± standard deviation over seeds; Δ are paired differences to no guidance, seed by seed."""
    header = ["", "Δ outliers", "Δ branch TV"]
    header[1:1] = [title for title, _ in COLUMNS.values()]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for name, row in numbers["rows"].items():
        cells = [label(name)]
        cells += [cell(form, row["mean"][key], row.get("sd", {}).get(key)) for key, (_, form) in COLUMNS.items()]
        for key, form in (("outliers_99", "{:+.1%}"), ("branch_tv", "{:+.3f}")):
            paired = "difference" in row and name != "none"
            cells.append(cell(form, row["difference"][key], row["difference_sd"][key]) if paired else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(form: str, mean: float, sd: float | None) -> str:
    spread = "" if sd is None else " ± " + form.replace("+", "").format(sd).rstrip("%")
    return form.format(mean).replace("-", "−") + spread


def label(name: str) -> str:
    if name == "exact":
        return "true samples (floor)"
    arm, _, rest = name.partition(" ")
    return " ".join(filter(None, [plots.ARM_NAMES[arm], rest]))


def extras(result: Result, out: Path) -> None:
    """The table as Markdown."""
    write(out / "table.md", lambda p: p.write_text(markdown(plain(result.numbers))))


def draw(result: Result):
    """Quality against coverage: a small point a seed, a large one the mean, lines join the weights of one kind of guide."""
    numbers = plain(result.numbers)
    floor = numbers["rows"]["exact"]["mean"]
    with plots.style():
        figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained", sharey=True)
        for ax, key, text in zip(
            axes,
            ("branch_tv", "leaves_lost"),
            ("total variation of branch occupancy", "leaf branches lost, of 64"),
            strict=True,
        ):
            track: dict[str, list] = {}
            for name, runs in numbers["runs"].items():
                arm, _, rest = name.partition(" ")
                colour = COLOURS[arm]
                xy = torch.tensor([[m[key], m["outliers_99"]] for m in runs], dtype=torch.float64)
                ax.scatter(*xy.T, s=5, color=colour, alpha=0.5, linewidths=0)
                ax.scatter(*xy.mean(0), s=28, color=colour, linewidths=0, marker="D" if "σ" in rest else "o", zorder=3)
                ax.annotate(
                    rest.replace("w=3, ", "w=3 "),
                    xy.mean(0).tolist(),
                    xytext=(4, -9) if arm == "cfg" else (4, 3),
                    textcoords="offset points",
                    fontsize=7,
                    color=colour,
                )
                if "σ" not in rest:
                    track.setdefault(arm, []).append(xy.mean(0))
            for arm, means in track.items():
                joined = torch.stack(means if arm == "none" else [*track["none"], *means])
                ax.plot(*joined.T, color=COLOURS[arm], linewidth=1, label=plots.ARM_NAMES[arm])
            ax.axhline(floor["outliers_99"], color=plots.GREY, linewidth=0.8, linestyle=":")
            ax.axvline(floor[key], color=plots.GREY, linewidth=0.8, linestyle=":", label="true samples")
            ax.set_xlabel(f"{text} (lower: better coverage)")
        axes[0].set_ylabel("outliers (lower: better quality)")
        axes[0].yaxis.set_major_formatter(plt.matplotlib.ticker.PercentFormatter(1, decimals=0))
        axes[1].legend(frameon=False, fontsize=8)
    return figure
