"""The site: `make html` builds it with Sphinx from these pages, the notebooks with their stored outputs, and the docstrings.

The source folder is the root of the repository, so that README, notebooks and results are pages where they stand.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs"), str(ROOT / "notebooks")]

from address import current  # noqa: E402 (found through the path above)
from api_pages import write_pages  # noqa: E402
from command_line import write_page  # noqa: E402

write_page(ROOT / "docs" / "command_line.md")  # before Sphinx looks which pages there are
write_pages(ROOT, ROOT / "docs" / "api")

project = "Diffusion guidance"
author = "the authors of diffusion-guidance"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",
]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md", "docs/api/*.rst", "notebooks/*.ipynb", "notebooks/README.md", "notebooks/assignments/README.md",
    "RESULTS.md", "CHANGELOG.md", "figures/gallery/*.md", "figures/gallery/*/*.md",
]  # fmt: skip
exclude_patterns = ["html", ".venv", "**/.ipynb_checkpoints"]
templates_path: list[str] = []

nb_execution_mode = "off"  # the outputs are stored with the notebooks
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing",  # links to files of the repository that are no pages
    "myst.header",
    "mystnb.unknown_mime_type",  # sliders: they need a running kernel
    "docutils",  # of Markdown tables in `figures/gallery`
    "toc.not_included",  # tables that results link to
]

html_theme = "sphinx_book_theme"
html_title = "Diffusion guidance"
html_theme_options = {"show_toc_level": 2, "use_download_button": True, "home_page_in_toc": True}
if address := current():  # buttons that open the repository, and a notebook in a hosted service
    html_theme_options |= {"repository_url": address, "use_repository_button": True, "repository_branch": "main"}
    html_theme_options["launch_buttons"] = {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com" if address.startswith("https://github.com/") else "",
    }
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False

autodoc_default_options = {"members": True, "member-order": "bysource", "special-members": "__call__"}
autodoc_typehints = "signature"
autodoc_mock_imports: list[str] = []


def readable(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings are plain text: paragraphs, and blocks whose columns are aligned by spaces. Make reStructuredText of them."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", "\n".join(lines).strip()):
        rows = block.split("\n")
        if any(re.search(r"^\s|^\||\S {3,}\S", row) for row in rows):
            out += ["::", "", *("    " + row for row in rows), ""]
            continue
        text = escape_outside(re.sub(r"`([^`]+)`", r"\0\1\0", block))
        out += [*text.replace("\0", "``").split("\n"), ""]
    lines[:] = out


def escape_outside(text: str) -> str:
    """Escape what reStructuredText would take as markup: not in code, between NUL characters, and not around *one phrase*."""
    parts = text.split("\0")
    for i, part in enumerate(parts):
        if i % 2 == 0:
            part = re.sub(r"(?<![\w*])\*(\w[\w -]*)\*(?![\w*])", "\1\\1\1", part)
            parts[i] = re.sub(r"([*|_\\])", r"\\\1", part).replace("\1", "*")
    return "\0".join(parts)


def keep_outputs_inside(app) -> None:
    """Pictures taken from notebooks go into the site's folder; left alone, myst-nb makes one beside it."""
    inside = str(Path(app.outdir) / "_notebooks")
    app.env.mystnb_config = app.env.mystnb_config.copy(output_folder=inside)


def setup(app) -> None:
    app.connect("builder-inited", keep_outputs_inside, priority=900)
    app.connect("autodoc-process-docstring", readable)
