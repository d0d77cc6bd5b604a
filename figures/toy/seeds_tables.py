"""More tables of the experiment `seeds`: split by the sign of the main model's gain, and beside models of the authors' program.

The model's log density is gain mean(y^2) / sigma - ... (`toy2d.model`). Where the trained gain came out positive it grows far from
the data, and trajectories fly off. So a mean over all training seeds averages two populations (experiment `gain`).
"""

from collections.abc import Sequence

import numpy as np

from edm.metrics import paired_difference
from figures.engine import tables
from figures.engine.result import GALLERY, load_result
from figures.engine.tables import minus
from figures.toy import seeds
from toy2d import pretrained

ARMS = ("none", "autoguidance 2", "autoguidance 3", "early 2", "cfg 4")
KEYS = ("outliers_99", "diverged", "branch_tv", "leaves_lost", "misplaced")
AUTHORS_ARMS = ("none", "autoguidance 2", "autoguidance 3", "cfg 4")
AUTHORS_KEYS = ("outliers_99", "branch_tv", "leaves_lost")


def populations(training_seeds: Sequence[int]) -> dict[str, list[int]]:
    """Positions in `training_seeds` of the shipped main models of negative and of positive gain."""
    gains = pretrained.gains("main")
    return {
        "gain < 0": [i for i, s in enumerate(training_seeds) if gains[s] < 0],
        "gain > 0": [i for i, s in enumerate(training_seeds) if gains[s] >= 0],
    }


def only(numbers: dict, chosen: Sequence[int]) -> dict:
    """The numbers of `seeds` as if only these training seeds (positions) had been run."""
    runs = {
        arm: {key: [values[i] for i in chosen] for key, values in run.items()} for arm, run in numbers["runs"].items()
    }
    return numbers | {
        "seeds": [numbers["seeds"][i] for i in chosen],
        "runs": runs,
        "difference": {
            arm: {key: paired_difference(values, runs["none"][key]) for key, values in run.items()}
            for arm, run in runs.items()
            if arm != "none"
        },
    }


def by_gain(numbers: dict) -> str:
    """One table for each population of training seeds, as Markdown."""
    parts = []
    for title, chosen in populations(numbers["seeds"]).items():
        listed = ", ".join(str(numbers["seeds"][i]) for i in chosen)
        if len(chosen) > 1:
            parts.append(
                f"Training seeds with {title}: {listed}.\n\n{seeds.markdown(only(numbers, chosen), ARMS, KEYS)}"
            )
    return "\n".join(parts)


def authors_beside_ours() -> str:
    """Models that the authors' own program trained, beside the shipped ones, as Markdown; means and ranges over seeds."""
    ours, theirs = (load_result(name, GALLERY).numbers for name in ("seeds", "authors_program"))
    rows = []
    for arm in AUTHORS_ARMS:
        cells = [seeds.label(arm)]
        for key in AUTHORS_KEYS:
            form = seeds.METRICS[key][1]
            for numbers in (theirs, ours):
                values = np.array(numbers["runs"][arm][key], float)
                cells.append(minus(f"{values.mean():{form}} ({values.min():{form}} to {values.max():{form}})"))
        rows.append(cells)
    names = [seeds.METRICS[key][0] for key in AUTHORS_KEYS]
    return tables.markdown(
        ["", *(f"{name}, {whose}" for name in names for whose in ("authors' program", "ours"))], rows
    )
