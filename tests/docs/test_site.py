"""The site: built without a warning, complete, and opened in a browser."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("sphinx_book_theme", reason="the site needs `pip install -e '.[site]'`")

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, ROOT / "docs" / "build.py", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def test_every_page_is_there_and_no_relative_link_is_broken(site):
    pages = [p for p in site.rglob("*.html") if "_static" not in p.parts]
    names = {p.relative_to(site).as_posix() for p in pages}
    notebooks = {f"notebooks/{p.stem}.html" for p in (ROOT / "notebooks").glob("[0-9]*.ipynb")}
    assert {
        "index.html",
        "docs/index.html",
        "RESULTS.html",
        "docs/glossary.html",
        "docs/api/edm.html",
    } | notebooks <= names
    for page in pages:
        text = re.sub(r"<script\b.*?</script>", "", page.read_text(), flags=re.S)
        for link in re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', text):
            if not re.match(r"\w+:|//", link):
                assert (page.parent / link).exists(), f"{page.relative_to(site)} links to {link}, which is not there"
        assert not re.search(r'<(?:script|link)[^>]+(?:src|href)="(?:https?:)?//', page.read_text()), "needs a network"


def test_docstrings_are_read(site):
    page = (site / "docs/api/edm.html").read_text()
    for name in ("edm.guidance.guide", "edm.sampler.sample", "edm.denoiser.Denoiser", "edm.ema.PowerEMA"):
        assert f'id="{name}"' in page


OWN_FILES = ["playground.html", "slides.html"]  # beside the pages, whole in themselves


@pytest.mark.parametrize("name", OWN_FILES)
def test_files_beside_the_pages_need_nothing_else(site, name):
    page = re.sub(r"<script\b.*?</script>", "", (site / name).read_text(), flags=re.S)
    assert not [
        link for link in re.findall(r'\b(?:src|href)="([^"]+)"', page) if not re.match(r"data:|#|https://arxiv", link)
    ]


def test_the_playground_is_embedded(site):
    page = (site / "docs/playground.html").read_text()
    assert re.search(r'<iframe[^>]+src="\.\./playground\.html"', page)  # that it is there, the test of links says
    assert re.search(r'<a[^>]+href="\.\./playground\.html"', page) and "_images/playground.png" in page


def test_launch_buttons_only_with_an_address(site):
    known = "urls" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (site / "notebooks/01_fractal.html").read_text()
    assert ("colab.research" in page or "mybinder" in page) == known


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(
    "page",
    [
        "docs/index.html",
        "docs/playground.html",
        "docs/why.html",
        "notebooks/05_one_dimension.html",
        "docs/api/edm.html",
        "slides.html",
    ],
)
def test_opens_in_a_browser(site, page, tmp_path):
    command = [
        CHROMIUM,
        *FLAGS.split(),
        f"--user-data-dir={tmp_path}",
        "--virtual-time-budget=20000",
        "--enable-logging=stderr",
    ]
    done = subprocess.run([*command, "--dump-dom", (site / page).as_uri()], capture_output=True, text=True, timeout=240)
    assert "<h1>" in done.stdout and "</html>" in done.stdout
    errors = [
        line for line in done.stderr.splitlines() if ":CONSOLE" in line and re.search(r"Error|Uncaught|Failed", line)
    ]
    assert not errors
    if "notebooks" in page:
        assert done.stdout.count("<mjx-container") > 5 and "<merror" not in done.stdout
