"""The list of experiments: what `python -m figures NAME` can make. Modules are loaded when they are wanted."""

import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Protocol

from matplotlib.figure import Figure

from figures.engine.result import Result


class Experiment(Protocol):
    """What a module must have to be listed. Its docstring begins with a title.

    A module may have `extras(result: Result, out: Path)` besides, which writes more files. The arguments of `compute` say
    which options the experiment takes. One that keeps rows takes `store`, an `edm.storage.rows.Store`.
    """

    COST: str  # time on 2 cores
    NEEDS: str  # what must be there before
    VERSION: int  # raised by a person when rows or results change their meaning
    FAST: Mapping[str, object]  # arguments of `compute` for a quick look

    def compute(self) -> Result: ...

    def draw(self, result: Result) -> Figure: ...


GROUPS: dict[str, dict[str, str]] = {  # group -> experiment -> module
    "all": {
        name: f"figures.toy.{name}" for name in ("fig1", "fig2", "fig9", "flow", "density")
    },  # the paper's 2D figures
    "experiments": {  # 2D, over training seeds
        name: f"figures.toy.{name}"
        for name in (
            "seeds",
            "pull",
            "intervals",
            "guide_design",
            "search",
            "corruptions",
            "robustness",
            "theory",
            "target",
            "where",
            "methods",
            "product",
            "gain",
            "steps",
        )
    },
    "images": {  # the image study, of --data
        "convergence": "figures.images.convergence",
        "networks": "figures.images.networks",
        "fig3": "figures.images.fig3",
        "fig7": "figures.images.fig7",
        "table1": "figures.images.table1",
        "length": "figures.images.length",
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


def options(name: str) -> set[str]:
    """Names of the options that an experiment takes.

    They are the arguments of its `compute`. `retrain` trains the models of one training seed, so it is for figures that are
    made from these alone. `adopt` is for experiments that keep rows.
    """
    known = set(inspect.signature(load(name).compute).parameters)
    retrain = {"retrain"} if {"seed", "folder"} <= known and "seeds" not in known else set()
    return known | retrain | ({"adopt"} if "store" in known else set())


def check_options(wanted: Iterable[str], given: Iterable[str]) -> None:
    """Refuse an option that an experiment, or every member of a group, would not take. Raises ValueError naming both."""
    for option in given:
        for word in wanted:
            if not any(option in options(name) for name in GROUPS.get(word, [word])):
                takers = [name for name in MODULES if option in options(name)]
                raise ValueError(f"{word} does not take {flag(option)}; these do: {', '.join(takers)}")


def flag(option: str) -> str:
    """How the command line spells an option."""
    return "--weight" if option == "w" else f"--{option.replace('_', '-')}"
