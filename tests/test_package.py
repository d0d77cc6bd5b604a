"""The wheel: built, installed away from the checkout, and used there as after `pip install git+...`.

The environment of the tests usually holds an editable install, whose import finder would supply whatever the wheel lacks. So
everything here runs under `python -S`, which starts no such finder, with the wheel's folder first on the path.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("edm", "toy2d", "figures")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder into which the wheel was installed. It is built from a copy: a build leaves its parts in the source tree."""
    folder = tmp_path_factory.mktemp("package")
    source, wheels, target = folder / "source", folder / "wheels", folder / "installed"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__", "out"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "figures/out").mkdir()
    (source / "figures/out/fig1.json").write_text("{}")  # a result of one's own stays at home
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    options = ["--no-deps", "--no-index", "--quiet"]
    build = [*pip, "wheel", *options, "--no-build-isolation", "--wheel-dir", wheels, source]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("*.whl")
    done = subprocess.run([*pip, "install", *options, "--target", target, wheel], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def python(installed: Path, cwd: Path, *arguments) -> subprocess.CompletedProcess:
    """Python in folder `cwd`, where of this project nothing but what is in `installed` can be imported."""
    paths = [str(installed), *{sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "Agg"}
    command = [sys.executable, "-S", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def prints(installed: Path, cwd: Path, *arguments) -> str:
    done = python(installed, cwd, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_it_is_the_wheel_that_is_used(installed, tmp_path):
    code = "import edm, figures, toy2d; print(*(p.__file__ for p in (edm, toy2d, figures)), edm.__version__, sep='\\n')"
    *files, version = prints(installed, tmp_path, "-c", code).splitlines()
    assert [Path(file).parent for file in files] == [installed / package for package in PACKAGES]
    assert (installed / f"diffusion_guidance-{version}.dist-info").is_dir()


def test_it_holds_all_code_and_all_data_that_is_read(installed):
    for package in PACKAGES:
        kinds = ("*.py", "*.safetensors", "*.json", "*.npz", "py.typed")
        wanted = {p.relative_to(ROOT) for kind in kinds for p in (ROOT / package).rglob(kind)}
        wanted = {p for p in wanted if p.parts[:2] != ("figures", "out")}
        assert wanted == {p.relative_to(installed) for kind in kinds for p in (installed / package).rglob(kind)}


def test_commands_work_in_an_empty_folder(installed, tmp_path):
    assert "fig1" in (listed := prints(installed, tmp_path, "-m", "figures", "list")) and "table1" in listed
    assert "python -m edm train" in prints(installed, tmp_path, "-m", "edm", "--help")
    assert not list(tmp_path.iterdir())
    where = prints(installed, tmp_path, "-c", "from toy2d.__main__ import ALL_OUT; print(ALL_OUT.resolve())")
    assert Path(where.strip()) == tmp_path / "toy2d-models"  # trained models do not go into the installed package
    prints(installed, tmp_path, "-m", "figures", "fig1", "--fast", "--out", "mine")
    assert {p.name for p in tmp_path.glob("mine/*")} >= {"fig1.json", "fig1.npz", "fig1.pdf", "fig1.png"}


@pytest.mark.parametrize("name, cells", [("04_guidance", 4), ("10_images", 4)])
def test_notebooks_begin_in_an_empty_folder(installed, tmp_path, name, cells):
    """The first cells: setup, parameters, imports, and one that computes or reads stored results."""
    notebook = jupytext.read(ROOT / f"notebooks/{name}.py")
    code = "\n".join([c.source for c in notebook.cells if c.cell_type == "code"][:cells])
    assert prints(installed, tmp_path, "-c", code.replace("FAST = False", "FAST = True"))


def test_a_lost_room_is_noticed(installed, tmp_path):
    """What the tests above rest on: nothing else supplies a part of the wheel."""
    (installed / "figures/images").rename(tmp_path / "images")
    try:
        done = python(installed, tmp_path / "images", "-m", "figures", "list")
    finally:
        (tmp_path / "images").rename(installed / "figures/images")
    assert done.returncode == 1 and "No module named 'figures.images'" in done.stderr
