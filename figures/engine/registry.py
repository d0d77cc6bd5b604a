"""The list of experiments: what `python -m figures NAME` can make. Modules are loaded when they are wanted."""

import importlib
from pathlib import Path
from typing import Protocol

from matplotlib.figure import Figure

from figures.engine.result import Result


class Experiment(Protocol):
    """What a module must have to be listed. Where it has `extras(result, out)`, that writes more files."""

    COST: str  # time on 2 cores
    NEEDS: str  # what must be there before
    FAST: dict  # arguments of `compute` for a quick look

    def compute(self, **options: object) -> Result: ...

    def draw(self, result: Result) -> Figure: ...

    def extras(self, result: Result, out: Path) -> None: ...


GROUPS: dict[str, dict[str, str]] = {  # group -> experiment -> module
    "all": {
        name: f"figures.toy.{name}" for name in ("fig1", "fig2", "fig9", "flow", "density")
    },  # the paper's 2D figures
    "experiments": {  # 2D, over training seeds
        name: f"figures.toy.{name}"
        for name in ("seeds", "pull", "intervals", "guide_design", "search", "corruptions", "robustness", "methods")
    },
    "images": {  # the image study, of --data
        "networks": "figures.images.networks",
        "fig3": "figures.images.fig3",
        "fig7": "figures.images.fig7",
        "table1": "figures.images.table1",
        "image_search": "figures.images.search",
        "fig5_6_blend": "figures.images.fig5_6_blend",
        "image_corruptions": "figures.images.corruptions",
        "fig4_8_grids": "figures.images.fig4_8_grids",
        "methods_images": "figures.images.methods",
    },
}
MODULES: dict[str, str] = {name: module for group in GROUPS.values() for name, module in group.items()}


def names(wanted: list[str]) -> list[str]:
    """Names of experiments, with those of groups in place of the groups. Raises ValueError for an unknown one."""
    out = [name for word in wanted for name in GROUPS.get(word, [word])]
    if unknown := [name for name in out if name not in MODULES]:
        raise ValueError(f"unknown figure {unknown[0]!r}: choose from {', '.join([*MODULES, *GROUPS, 'list'])}")
    return out


def load(name: str) -> Experiment:
    """The module of an experiment."""
    return importlib.import_module(MODULES[name])  # type: ignore[return-value]
