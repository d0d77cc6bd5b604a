"""The shipped 2D models, and how such files are written and read: safetensors weights, the recipe as JSON in the header."""

import hashlib
import json
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from edm import official
from edm.storage.atomic import write_atomic
from toy2d.model import LogDensityMLP
from toy2d.train import train

FOLDER = Path(__file__).parent / "checkpoints"

# What each model of a pair is for; all but `early` are runs of `toy2d.train.train` with these arguments.
RECIPES = {
    "main": dict(classes="A", hidden=64, iterations=4096),  # the model to be guided
    "guide": dict(classes="A", hidden=32, iterations=512),  # autoguidance: smaller and less trained
    "uncond": dict(classes="AB", hidden=32, iterations=512),  # classifier-free guidance: knows no class
    "early": dict(classes="A", hidden=64, iterations=512),  # less trained only: the main run itself, at iteration 512
    "small": dict(classes="A", hidden=32, iterations=4096),  # smaller only
}

# The networks behind the paper's own figure, as its authors publish them: files to download into one folder, under these names.
PUBLISHED = {
    "main": "clsA-layers04-dim64/iter4096.pkl",
    "guide": "clsA-layers04-dim32/iter0512.pkl",
    "uncond": "clsAB-layers04-dim32/iter0512.pkl",
}


def path(kind: str, seed: int = 0, folder: Path | str = FOLDER) -> Path:
    """Where the model of that kind and seed lies."""
    if kind not in RECIPES:
        raise ValueError(f"unknown model {kind!r}: choose one of {', '.join(RECIPES)}")
    return Path(folder) / f"{kind}-{seed}.safetensors"


def seeds(folder: Path | str = FOLDER) -> list[int]:
    """The training seeds for which every kind of model is there."""
    found = [{int(p.stem.split("-")[1]) for p in Path(folder).glob(f"{kind}-*.safetensors")} for kind in RECIPES]
    return sorted(set.intersection(*found))


def identity(folder: Path | str = FOLDER) -> str:
    """Eight characters that stand for the weights of all models in `folder`: equal weights, equal text, wherever they lie."""
    found = hashlib.sha256()
    for file in sorted(f for kind in RECIPES for f in Path(folder).glob(f"{kind}-[0-9]*.safetensors")):
        data = file.read_bytes()
        header = 8 + int.from_bytes(data[:8], "little")  # what follows the header are the weights
        found.update(file.name.encode() + data[header:])
    return found.hexdigest()[:8]


def load(kind: str = "main", seed: int = 0, folder: Path | str = FOLDER) -> LogDensityMLP:
    """A trained model: "main", "guide", "uncond", "early" or "small" (see RECIPES), ready to denoise."""
    file = path(kind, seed, folder)
    if not file.exists():
        have = ", ".join(map(str, seeds(folder))) or "none"
        raise FileNotFoundError(
            f"no checkpoint {file}: seeds at hand are {have}; make it with `python -m toy2d train --all --seeds {seed}`"
        )
    return load_file(file)


def load_published(kind: str, folder: Path | str) -> LogDensityMLP:
    """One of the paper's own networks, "main", "guide" or "uncond", from the downloaded files in `folder` (see PUBLISHED).

    Nothing in the file is executed (`edm.official`). Raises FileNotFoundError for a file that is not there, RefusedPickle or
    ValueError for one that holds something else than a 2D network.
    """
    file = Path(folder) / PUBLISHED[kind]
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}: the folder must hold {', '.join(PUBLISHED.values())}")
    found = official.load(file)
    if not isinstance(found, official.Published):
        raise ValueError(f"{file} holds an image network, not a 2D one")
    model = LogDensityMLP(**found.kwargs)
    try:
        model.load_state_dict(found.tensors)
    except RuntimeError as error:
        raise ValueError(f"{file} does not hold the weights of a 2D network ({error})") from error
    return model.eval().requires_grad_(False)


def gains(kind: str = "main", folder: Path | str = FOLDER) -> dict[int, float]:
    """Training seed -> `gain` of that kind of model.

    Its sign splits the training runs into two populations. Where it is positive, the log density grows without bound far from the
    data: it cannot be normalised, and some guided samples fly off.
    """
    return {seed: load(kind, seed, folder).gain.item() for seed in seeds(folder)}


def save(file: Path | str, model: LogDensityMLP, config: dict) -> None:
    """Write weights and recipe to `file`, whole or not at all."""
    write_atomic(file, to_bytes(model.state_dict(), {"config": json.dumps(config)}))


def load_file(file: Path | str) -> LogDensityMLP:
    """The model in a file written by `save`. Raises ValueError naming the file if it is not a whole one."""
    try:
        with safe_open(file, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
        hidden = tensors["layers.0.weight"].shape[0]
        model = LogDensityMLP(hidden, layers=len(tensors) - 2)
        model.load_state_dict(tensors)
    except (SafetensorError, RuntimeError, KeyError, IndexError) as error:
        raise ValueError(
            f"{file} is not a whole 2D checkpoint ({error}); delete it and train or fetch it again"
        ) from error
    return model.eval().requires_grad_(False)


def config(file: Path | str) -> dict:
    """The recipe stored with the weights."""
    with safe_open(file, framework="pt") as stored:
        return json.loads(stored.metadata()["config"])


def facts(recipe: dict, seed: int, start: float) -> dict:
    """What is stored beside the weights; start: `time.perf_counter()` when training began."""
    return recipe | dict(seed=seed, torch=torch.__version__, seconds=round(time.perf_counter() - start, 1))


def make(seed: int, folder: Path | str = FOLDER, device: str = "cpu") -> None:
    """Train every shipped kind for one seed (about 2 minutes on 2 cores); `early` is a snapshot of the main run."""
    for kind, recipe in RECIPES.items():
        if kind == "early":
            continue
        start = time.perf_counter()
        trained = train(**recipe, seed=seed, device=device)
        save(path(kind, seed, folder), trained.model, facts(recipe, seed, start))
        if kind == "main":
            early = RECIPES["early"]
            trained.model.load_state_dict(trained.snapshots[early["iterations"]])
            save(path("early", seed, folder), trained.model, facts(early, seed, start))
