"""A real browser, where there is one, with the page built anew."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds for anything on a loaded machine
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--window-size=1400,900",
)  # fmt: skip
TASKS = "disabled-by-default-devtools.timeline,__metadata"  # what Chromium is to trace: its threads' tasks


class Page:
    """The playground in a browser."""

    def __init__(self, driver, address: str):
        self.driver, self.address = driver, address

    def go(self, fragment: str = "", wait: bool = True):
        """Open the page afresh with that address, and wait for its run."""
        self.driver.get("about:blank")  # so that another fragment is another load
        self.driver.get(f"{self.address}#{fragment}")
        if wait:
            self.finish()
        return self

    def js(self, expression: str, *arguments):
        return self.driver.execute_script(f"return {expression}", *arguments)

    def until(self, expression: str, *arguments):
        end = time.monotonic() + PATIENCE
        while not self.js(expression, *arguments):
            assert time.monotonic() < end, f"{expression} did not come true within {PATIENCE} s"
            time.sleep(0.05)

    def finish(self):
        self.until("window.playground && playground.done")

    def set(self, **changes):
        """Change settings and wait for the run."""
        self.js("playground.set(arguments[0])", changes)
        self.finish()

    def samples(self, path: str = "guided") -> torch.Tensor:  # [N, 2]
        return torch.tensor(json.loads(self.js(f"JSON.stringify([...playground.run.{path}.states.at(-1)])"))).view(
            -1, 2
        )

    def find(self, selector: str, number: int = 0):
        return self.driver.find_elements("css selector", selector)[number]

    def text(self, selector: str) -> str:
        return self.js("document.querySelector(arguments[0]).textContent", selector)

    def shape(self, width: int, height: int, **media: str):
        """Size of the window, and media features such as prefers_color_scheme="dark"."""
        size = dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """The page, built anew, as a file: address."""
    out = tmp_path_factory.mktemp("playground") / "playground.html"
    script = [sys.executable, str(ROOT / "docs" / "playground" / "build.py"), "--out", str(out)]
    subprocess.run(script, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    return out.as_uri()


@pytest.fixture(scope="session")
def open_page(tmp_path_factory, address):
    """Function that starts Chromium and gives its Page; the test is skipped where it, its driver or selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium, driver = next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with chromedriver: apt-get install chromium chromium-driver")
    opened = []

    def start(**logs: str):
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"} | logs)
        if "performance" in logs:
            options.add_experimental_option("perfLoggingPrefs", {"traceCategories": TASKS})
        opened.append(webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)))
        return Page(opened[-1], address)

    yield start
    for browser in opened:
        browser.quit()


@pytest.fixture(scope="session")
def browser(open_page):
    return open_page()


@pytest.fixture
def page(browser):
    """The browser on a wide screen; afterwards its console must be empty."""
    browser.shape(1400, 900)
    yield browser
    log = browser.driver.get_log("browser")
    assert not log, log
