"""The walkthrough: every notebook runs from its script in a fresh kernel, and pairs have not drifted apart."""

import importlib.util
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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_pair_is_whole(script):
    stored = nbformat.read(script.with_suffix(".ipynb"), 4)
    assert content(stored) == content(jupytext.read(script)), "run `make sync`, then `make notebooks`"
    code = [c for c in stored.cells if c.cell_type == "code"]
    assert len(code) <= 25 and len({c.id for c in stored.cells}) == len(stored.cells)
    assert all(c.execution_count for c in code), "outputs are missing: run `make notebooks`"
    text = script.with_suffix(".ipynb").read_text()
    assert not re.search(r"/home/|/root/|/tmp/|site-packages|Traceback", text)


def test_drift_is_noticed(tmp_path):
    script = tmp_path / "99_x.py"
    script.write_text(MINIMAL + "x = 1\n")
    nbformat.write(jupytext.read(script), script.with_suffix(".ipynb"))
    stored = nbformat.read(script.with_suffix(".ipynb"), 4)
    assert content(stored) == content(jupytext.read(script))
    script.write_text(MINIMAL + "x = 2\n")
    assert content(stored) != content(jupytext.read(script))


def test_sync_changes_nothing(tmp_path):
    """Whichever half of a pair is the newer one: scripts stay as they are, to the byte, notebooks keep cells and ids."""
    pairs = []
    for script in SCRIPTS:
        shutil.copy(script.with_suffix(".ipynb"), tmp_path)
        pairs.append(Path(shutil.copy(script, tmp_path)))
    shutil.copy(ROOT / "notebooks" / "jupytext.toml", tmp_path)
    before = {p.name: (p.read_text(), cells(p.with_suffix(".ipynb"))) for p in pairs}
    for newer in (".ipynb", ".py"):
        for path in pairs:
            build.os.utime(path.with_suffix(newer), (time.time() + 60,) * 2)
        build.sync(pairs)
        assert {p.name: (p.read_text(), cells(p.with_suffix(".ipynb"))) for p in pairs} == before, "run `make sync`"


def cells(path: Path) -> list[tuple]:
    return [(c.id, c.cell_type, c.source, len(c.get("outputs", []))) for c in nbformat.read(path, 4).cells]


def test_first_cell_is_the_same_everywhere():
    first = {next(c.source for c in jupytext.read(s).cells if "setup" in c.metadata.get("tags", [])) for s in SCRIPTS}
    assert len(first) == 1 and first.pop().startswith("REPOSITORY = ")


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
        env={**build.os.environ, "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
