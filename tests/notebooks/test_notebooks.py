"""The walkthrough: every notebook runs from its script in a fresh kernel, and pairs have not drifted apart."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("notebooks_build", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)
SCRIPTS = build.scripts()
FAST = {"FAST": True, "SLIDERS": False}
MINIMAL = '# %% [markdown]\n# # Title\n\n# %% tags=["parameters"]\nFAST = False\nSLIDERS = True\n\n# %%\n'


def content(notebook) -> list[tuple]:
    return [(c.cell_type, c.source, tuple(c.metadata.get("tags", []))) for c in notebook.cells]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_runs_in_a_fresh_kernel(script, tmp_path):
    """In a folder that is neither the repository nor notebooks/: only the installed package is there."""
    notebook = build.execute(script, FAST, cwd=tmp_path)
    assert any("image/png" in o.get("data", {}) for c in notebook.cells if c.cell_type == "code" for o in c.outputs)


def check_pair(script: Path) -> None:
    stored = nbformat.read(script.with_suffix(".ipynb"), 4)
    assert content(stored) == content(jupytext.read(script)), "run `make sync`, then `make notebooks`"
    code = [c for c in stored.cells if c.cell_type == "code"]
    shown = [c for c in code if "hide-input" not in c.metadata.get("tags", [])]
    assert len(shown) <= 25 and len({c.id for c in stored.cells}) == len(stored.cells)
    assert all(c.execution_count for c in code), "outputs are missing: run `make notebooks`"
    text = script.with_suffix(".ipynb").read_text()
    assert not re.search(r"/(home|root|tmp)/|site-packages|Traceback", text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_pair_is_whole(script):
    check_pair(script)


def copy_pairs(folder: Path, scripts: list[Path]) -> list[Path]:
    """Pairs in FOLDER/notebooks below a copy of the configuration."""
    (folder / "notebooks").mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    for script in scripts:
        shutil.copy(script.with_suffix(".ipynb"), folder / "notebooks")
    return [Path(shutil.copy(script, folder / "notebooks")) for script in scripts]


def test_drift_is_noticed(tmp_path):
    (script,) = copy_pairs(tmp_path, SCRIPTS[:1])
    check_pair(script)
    text = script.read_text()
    for changed in (
        text + "\n# %%\nx = 1\n",
        text.replace("import torch", "import torch  # !", 1),
        text.replace("# %% [markdown]", "# %%", 1),
    ):
        script.write_text(changed)
        with pytest.raises(AssertionError, match="make sync"):
            check_pair(script)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_code_hidden_on_the_site_is_hidden_in_jupyter_too(script):
    """The site goes by the tag, JupyterLab by a word of its own."""
    notebook = nbformat.read(script.with_suffix(".ipynb"), 4)
    tagged = ["hide-input" in cell.metadata.get("tags", []) for cell in notebook.cells]
    hidden = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in notebook.cells]
    assert hidden == tagged and any(tagged) == ("hide-input" in script.read_text()), "notebooks/build.py run"


def test_sync_changes_nothing(tmp_path):
    """Whichever half of a pair is the newer one: scripts stay as they are, to the byte, notebooks keep cells and ids."""
    pairs = copy_pairs(tmp_path, SCRIPTS)
    before = {p.name: (p.read_text(), cells(p.with_suffix(".ipynb"))) for p in pairs}
    for newer in (".ipynb", ".py"):
        for path in pairs:
            os.utime(path.with_suffix(newer), (time.time() + 60,) * 2)
        build.sync(pairs)
        assert {p.name: (p.read_text(), cells(p.with_suffix(".ipynb"))) for p in pairs} == before, "run `make sync`"


def test_sync_brings_a_change_over_and_leaves_sources_of_assignments_alone(tmp_path):
    (script,) = copy_pairs(tmp_path, SCRIPTS[:1])
    known = {c.id for c in nbformat.read(script.with_suffix(".ipynb"), 4).cells}
    script.write_text(script.read_text() + "\n# %%\nx = 1\n")
    os.utime(script, (time.time() + 60,) * 2)
    build.sync([script])
    notebook = nbformat.read(script.with_suffix(".ipynb"), 4)
    assert notebook.cells[-1].source == "x = 1" and {c.id for c in notebook.cells[:-1]} == known
    shutil.copytree(ROOT / "notebooks/assignments/source", tmp_path / "notebooks/assignments/source")
    shutil.copy(ROOT / "notebooks/assignments/jupytext.toml", tmp_path / "notebooks/assignments")
    build.sync(list((tmp_path / "notebooks/assignments/source").glob("*.py")))
    assert not list(tmp_path.glob("notebooks/assignments/**/*.ipynb")), "a paired source leaks its solution"


def test_saving_in_jupyter_writes_both_halves(tmp_path):
    """Through Jupyter's contents manager, as its editor saves: content reaches the script, metadata does not, ids stay."""
    from jupytext import TextFileContentsManager

    (script,) = copy_pairs(tmp_path, SCRIPTS[:1])
    manager = TextFileContentsManager(root_dir=str(tmp_path))
    model = manager.get(f"notebooks/{script.stem}.ipynb")
    ids = [cell["id"] for cell in model["content"]["cells"]]
    model["content"]["cells"][0]["source"] += "\nOne more line."
    model["content"]["cells"][1]["metadata"]["collapsed"] = True
    model["content"]["metadata"]["widgets"] = {"x": 1}
    before = script.read_text()
    manager.save({key: model[key] for key in ("type", "content", "format")}, f"notebooks/{script.stem}.ipynb")
    assert script.read_text() == before.replace("\n\n# %% tags", "\n# One more line.\n\n# %% tags", 1)
    assert [cell.id for cell in nbformat.read(script.with_suffix(".ipynb"), 4).cells] == ids


def cells(path: Path) -> list[tuple]:
    return [(c.id, c.cell_type, c.source, len(c.get("outputs", []))) for c in nbformat.read(path, 4).cells]


def test_first_cell_is_the_same_everywhere():
    first = {next(c.source for c in jupytext.read(s).cells if "setup" in c.metadata.get("tags", [])) for s in SCRIPTS}
    assert len(first) == 1 and first.pop().startswith("REPOSITORY = ")


@pytest.mark.parametrize("where", ["root", "notebooks", "elsewhere"])
@pytest.mark.parametrize("address", ["", "https://example.org/us/guidance"])
def test_first_cell_finds_a_checkout_or_installs(where, address, tmp_path, monkeypatch):
    """As on a machine where the package cannot be imported. Without an address it says what to do."""
    setup = next(c.source for c in jupytext.read(SCRIPTS[0]).cells if "setup" in c.metadata.get("tags", []))
    setup = re.sub(r'^REPOSITORY = ".*?"', f'REPOSITORY = "{address}"', setup)
    commands = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.chdir({"root": ROOT, "notebooks": ROOT / "notebooks", "elsewhere": tmp_path}[where])
    if where == "elsewhere" and not address:
        with pytest.raises(ModuleNotFoundError, match="pip install"):
            exec(setup, {})
        return
    exec(setup, {})
    if where == "elsewhere":
        assert commands[0][1:3] == ["-m", "pip"] and commands[0][-1] == f"diffusion-guidance[notebooks] @ git+{address}"
    else:
        assert sys.path == [str(ROOT)] and not commands


def test_sliders_draw_again(tmp_path):
    """In a real kernel: the figure for the middle value at first, another one when the slider moves."""
    script = tmp_path / "99_slider.py"
    script.write_text(
        MINIMAL
        + """import ipywidgets
import matplotlib.pyplot as plt
from figures.lessons.notebook import slider

drawn = []
def draw(w):
    drawn.append(w)
    return plt.figure()
slider(draw, True, w=[1.0, 2.0, 3.0])
assert drawn == [2.0], drawn
handle, = [w for w in ipywidgets.widgets.widget._instances.values() if isinstance(w, ipywidgets.SelectionSlider)]
handle.value = 3.0
assert drawn == [2.0, 3.0] and not plt.get_fignums()
slider(draw, True, w={"first title": 5.0, "second": 6.0})
menu, = [w for w in ipywidgets.widgets.widget._instances.values() if isinstance(w, ipywidgets.Dropdown)]
menu.label = "second"
assert drawn[2:] == [5.0, 6.0], drawn
"""
    )
    notebook = build.execute(script, FAST)
    views = [o for o in notebook.cells[-1].outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})]
    assert len(views) == 2


def test_errors_name_script_line_and_cell(tmp_path):
    script = tmp_path / "99_broken.py"
    script.write_text(MINIMAL + "y = 1\nraise ValueError('broken here')\n")
    line = script.read_text().split("\n").index("raise ValueError('broken here')") + 1
    with pytest.raises(
        build.NotebookError, match=rf"99_broken.py:{line} \(code cell 2, line 2\): ValueError: broken here"
    ):
        build.execute(script, FAST)


def test_a_lost_parameters_tag_fails_hard(tmp_path):
    script = tmp_path / "99_untagged.py"
    script.write_text(MINIMAL.replace(' tags=["parameters"]', ""))
    with pytest.raises(build.NotebookError, match="need 1"):
        build.execute(script, FAST)
    script.write_text(MINIMAL.replace("SLIDERS = True", ""))
    with pytest.raises(build.NotebookError, match="does not set SLIDERS"):
        build.execute(script, FAST)


def test_a_script_runs_as_plain_python(tmp_path):
    text = SCRIPTS[2].read_text().replace("FAST = False", "FAST = True").replace("SLIDERS = True", "SLIDERS = False")
    (tmp_path / "plain.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "plain.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
