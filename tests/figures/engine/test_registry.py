"""The list of experiments: every module keeps the Protocol, and imports only ever point down."""

import ast
import inspect
from collections.abc import Mapping
from pathlib import Path

import pytest

from figures.engine import registry
from figures.engine.result import Result

ROOT = Path(__file__).parents[3]
FILES = {
    str(path.relative_to(ROOT)): path
    for folder in ("edm", "toy2d", "figures", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


@pytest.mark.parametrize("name", registry.MODULES)
def test_every_module_is_an_experiment(name):
    module = registry.load(name)
    for attribute in ("COST", "NEEDS"):
        assert isinstance(getattr(module, attribute), str) and getattr(module, attribute)
    assert type(module.VERSION) is int and module.VERSION >= 1
    compute, draw = inspect.signature(module.compute), inspect.signature(module.draw)
    assert compute.return_annotation is Result
    assert isinstance(module.FAST, Mapping) and module.FAST.keys() <= compute.parameters.keys()
    assert all(p.default is not p.empty for p in compute.parameters.values())  # everything can be left out
    assert list(draw.parameters) == ["result"]
    title = module.__doc__.split("\n\n")[0]
    assert title.rstrip()[-1] in ".?!" and len(title) > 20
    if hasattr(module, "extras"):
        assert list(inspect.signature(module.extras).parameters) == ["result", "out"]
    if "store" in compute.parameters:
        assert "workers" in compute.parameters


def test_every_module_of_the_toy_and_image_rooms_with_a_version_is_listed():
    rooms = [path for path in FILES if path.startswith(("figures/toy/", "figures/images/"))]
    found = {p.removesuffix(".py").replace("/", ".") for p in rooms if "\ndef compute(" in FILES[p].read_text()}
    assert found == set(registry.MODULES.values())


def test_options_that_an_experiment_takes():
    assert {"seed", "w", "retrain"} <= registry.options("fig1") and "adopt" not in registry.options("fig1")
    assert {"adopt", "workers"} <= registry.options("seeds") and not {"seed", "retrain"} & registry.options("seeds")
    assert "retrain" not in registry.options("product")  # its numbers are those of several training seeds
    for name in registry.GROUPS["images"]:
        assert "data" in registry.options(name) and "retrain" not in registry.options(name)


def imports(path: Path) -> set[str]:
    """Modules that a file imports, with the names it takes from them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def of(path: str, *packages: str) -> set[str]:
    return {name for name in imports(FILES[path]) if name.split(".")[0] in packages}


FLOORS = {"edm": ("toy2d", "figures", "notebooks", "tests"), "toy2d": ("figures", "notebooks", "tests"),
          "figures": ("notebooks", "tests")}  # fmt: skip


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_point_down(floor):
    wrong = {path: found for path in FILES if path.startswith(f"{floor}/") and (found := of(path, *FLOORS[floor]))}
    assert not wrong


def test_no_experiment_imports_from_the_lessons_and_the_engine_from_no_experiment():
    for path in FILES:
        if path.startswith("figures/") and not path.startswith("figures/lessons/"):
            assert not {name for name in of(path, "figures") if name.startswith("figures.lessons")}, path
        if path.startswith("figures/engine/"):
            assert all(name.startswith("figures.engine") for name in of(path, "figures")), path


@pytest.mark.parametrize("name", ["denoiser", "guidance", "sampler", "ema"])
def test_the_method_knows_nothing_of_images_and_networks(name):
    allowed = ("edm.denoiser", "edm.guidance", "edm.sampler", "edm.ema")
    assert all(found.startswith(allowed) for found in of(f"edm/{name}.py", "edm"))
    others = {found.split(".")[0] for found in imports(FILES[f"edm/{name}.py"])} - {"edm"}
    assert others <= {"math", "copy", "collections", "dataclasses", "itertools", "typing", "numpy", "scipy", "torch"}


LONGEST = 260


@pytest.mark.parametrize("path", FILES)
def test_a_file_fits_on_a_few_screens(path):
    assert len(FILES[path].read_text().splitlines()) <= LONGEST
