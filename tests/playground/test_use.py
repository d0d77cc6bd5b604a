"""Working with the page: layout, links, keyboard, what it downloads, and how long it takes."""

import base64
import io
import json
import re
import time
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
Keys = webdriver.Keys

FEW = "n=256&steps=8"  # points and steps where the numbers do not matter


def test_one_file_under_two_megabytes_that_asks_nobody(page):
    page.go(FEW)
    source = page.driver.page_source
    assert len(source.encode()) < 2e6
    assert not re.findall(r"""(?:src|href)=["'](?!data:)[^"']*""", source)
    loaded = page.js("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert all(name.startswith(("blob:", "data:")) for name in loaded)
    assert "default-src 'none'" in page.js(
        "document.querySelector('meta[http-equiv]').content"
    )  # the browser sees to it


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width, height", [(390, 844), (1400, 900)])
def test_layout(page, width, height, scheme):
    page.shape(width, height, prefers_color_scheme=scheme)
    page.go(FEW)
    assert page.js("document.documentElement.scrollWidth") <= width
    small = """[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && e.closest('.hidden') === null
        && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
        && !['SCRIPT', 'STYLE', 'OPTION'].includes(e.tagName) && parseFloat(getComputedStyle(e).fontSize) < 12)
        .map(e => e.outerHTML.slice(0, 80))"""
    assert page.js(small) == []
    bright = page.js("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]") > 128
    assert bright == (scheme == "light")
    for name in ("plain", "guided"):  # the points are there: a good many pixels have their colour
        assert coloured(page, name, "inside", room=100) > 50  # small ones are pale
    if width < 500:  # thumbs are thicker than pointers
        assert (
            page.js("Math.min(...[...document.querySelectorAll('.transport button')].map(b => b.offsetHeight))") >= 36
        )


def test_either_picture_can_be_shown_alone(page):
    page.shape(390, 844)
    page.go(FEW)
    both = page.js("document.getElementById('guided').clientWidth")
    page.find(".enlarge", 1).click()
    page.until("document.getElementById('guided').clientWidth > 1.8 * arguments[0]", both)
    assert coloured(page, "guided", "inside", room=100) > 100 and not page.find("#plain").is_displayed()
    page.find(".enlarge", 1).click()
    page.until("document.getElementById('plain').clientWidth === arguments[0]", both)
    assert coloured(page, "plain", "inside", room=100) > 50


def test_picture_of_another_size_is_drawn_before_it_is_seen(page):
    page.go(FEW)
    script = """new Promise(done => {
        document.querySelector('.panels').style.maxWidth = '500px';
        requestAnimationFrame(() => requestAnimationFrame(() => {  // the first frame has shown it
            const canvas = document.getElementById('plain');
            done([canvas.clientWidth, canvas.width, canvas.getContext('2d').getImageData(5, 5, 1, 1).data[3]]);
        }));
    })"""
    shown, size, opacity = page.js(script)
    assert shown == size < 250 and opacity == 255


def coloured(page, canvas, name, room=40):
    """Pixels of a canvas within `room` of the colour of that name."""
    page.until("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    picture = page.js("document.getElementById(arguments[0]).toDataURL()", canvas).split(",")[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB"), int)
    colour = page.js("getComputedStyle(document.documentElement).getPropertyValue(arguments[0]).trim()", f"--{name}")
    return int((abs(pixels - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]) < room).all(2).sum())


def test_slider_moves_and_the_link_repeats_the_run(page):
    page.go(FEW + "&seed=2&noise=7")
    page.find("#weight").send_keys(Keys.ARROW_RIGHT * 3)
    page.until("playground.done && playground.settings.w === 3.15")
    link, points = page.driver.current_url, page.samples()
    assert "w=3.15" in link and "seed=2" in link and "noise=7" in link
    assert page.text("#guided-title") == "Autoguidance, w = 3.15"
    page.go(link.split("#")[1])
    assert page.js("playground.settings.w") == 3.15 and page.samples().equal(points)
    page.set(w=1)
    assert page.samples().equal(page.samples("plain"))  # weight 1 is no guidance


def test_slider_that_is_held_shows_where_points_will_end(page):
    page.go(FEW)
    page.js("(w => { w.value = 2; w.dispatchEvent(new Event('input')); })(document.getElementById('weight'))")
    page.until("document.getElementById('where').textContent.includes('preview')")
    assert page.js("playground.settings.w") == 2 and not page.js("playground.done")
    page.js("document.getElementById('weight').dispatchEvent(new Event('change'))")
    page.finish()
    assert page.js("playground.run.settings.w") == 2
    page.js("(w => { w.value = 5; w.dispatchEvent(new Event('input')); })(document.getElementById('weight'))")
    page.js("(w => { w.value = 2; w.dispatchEvent(new Event('change')); })(document.getElementById('weight'))")
    page.finish()  # back where it was before the preview came


def test_interval_handles_stay_apart(page):
    page.go(FEW + "&lo=0.1&hi=1")
    assert page.text("[data-of=interval]") == "0.1 < σ ≤ 1"
    page.find("[data-setting=lo]").send_keys(Keys.END)
    page.until("playground.done && playground.settings.lo > 0.1")
    assert page.js("playground.settings.lo < playground.settings.hi")
    page.find("[data-setting=lo]").send_keys(Keys.HOME)
    page.until("playground.done && playground.settings.lo === 0")


@pytest.mark.parametrize(
    "fragment, message",
    [
        ("w=abc", "Weight “abc” is not a number. Using 3."),
        ("w=1e9", "Weight 1e9 is outside 0 to 6. Using 3."),
        ("w=", "Weight “” is not a number. Using 3."),
        ("seed=9", "Training seed “9” is not in this page: there are 0, 1, 2, 3. Using 0."),
        ("noise=1.5", "Noise seed “1.5” is not a whole number. Using 0."),
        ("lo=2&hi=1", "The interval 2 < σ ≤ 1 is empty. Using all noise levels."),
        ("what=1", "The address names “what”, which this page does not know."),
        ("w=%3Cb%3E", "Weight “<b>” is not a number. Using 3."),
        ("__proto__=1", "The address names “__proto__”, which this page does not know."),
    ],
)
def test_bad_address_gives_a_message_and_the_default(page, fragment, message):
    page.go(FEW + "&" + fragment)
    assert page.js("playground.problems") == [message] == [page.find("#notices li").text]
    defaults = {"w": 3, "seed": 0, "noise": 0, "lo": 0, "hi": 5, "n": 256}
    assert defaults.items() <= page.js("playground.settings").items()


def test_keyboard_steps_pauses_and_replays(page):
    page.go(FEW)
    body = page.find("body")
    body.send_keys(Keys.ARROW_LEFT)
    page.until("playground.shown === 7")
    assert page.text("#where").startswith("σ = 0.002")
    page.find("#at").send_keys(Keys.HOME)
    page.until("playground.shown === 0")
    page.js("document.activeElement.blur()")
    body.send_keys(Keys.ARROW_RIGHT)
    page.until("playground.shown === 1")
    body.send_keys(" ")
    page.until("playground.shown === 8")
    body.send_keys("p")
    page.until("playground.settings.pull === 1")
    body.send_keys("2")
    page.until("playground.settings.method === 'truncation'")


def test_run_pauses_and_goes_on(page):
    page.go("n=512&steps=64", wait=False)
    page.until("window.playground && playground.shown > 1")
    page.find("#play").click()
    at = page.js("playground.shown")
    assert 1 < at < 64
    time.sleep(0.5)
    assert page.js("playground.shown") <= at + 1 and page.find("#play").text == "Play"
    page.find("#step").click()
    page.until("playground.shown > arguments[0]", at)
    page.find("#play").click()
    page.finish()


def test_pull_is_drawn_with_arrows_under_the_pointer(page):
    page.go(FEW + "&pull=1&method=cfg&w=4&view=tree")
    page.until("document.querySelector('.mark.rises') !== null")
    page.find("#at").send_keys(Keys.ARROW_LEFT * 4)
    page.until("playground.shown === 4")
    webdriver.ActionChains(page.driver).move_to_element_with_offset(page.find("#guided"), 30, -60).perform()
    page.until("document.getElementById('legend').textContent.includes('pull')")
    assert coloured(page, "guided", "pull") > 20 and coloured(page, "plain", "pull") == 0
    page.set(hi=0.01)
    page.js("playground.set({view: 'tree'})")
    page.find("#at").send_keys(Keys.HOME)
    page.until("document.getElementById('legend').textContent.includes('does not act')")
    page.set(method="exact")
    page.until("document.getElementById('legend').textContent.includes('no guide')")


def test_every_run_leaves_a_dot_that_brings_it_back(page):
    page.driver.execute_script("sessionStorage.clear()")
    page.go(FEW)
    for w in (1.5, 2):
        page.set(w=w)
    assert page.js("document.querySelectorAll('#frontier path:not(.truth)').length") == 4  # and one without guidance
    page.go(FEW + "&method=none")
    assert page.js("document.querySelectorAll('#frontier path:not(.truth)').length") == 4
    page.find("#frontier").send_keys(Keys.ARROW_RIGHT * 3)
    assert "Autoguidance, w = 1.5" in page.text("#dot")
    page.find("#frontier").send_keys(Keys.ENTER)
    page.until("playground.done && playground.settings.w === 1.5")
    page.find("#clear").click()
    assert page.js("document.querySelectorAll('#frontier path:not(.truth)').length") == 0


def test_downloaded_table_holds_the_samples_and_their_python(page, tmp_path):
    page.go(FEW + "&seed=3")
    options = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", options)
    page.find("#csv").click()
    end = time.monotonic() + 30
    while not (tmp_path / "playground-autoguidance.csv").exists() and time.monotonic() < end:
        time.sleep(0.05)
    text = (tmp_path / "playground-autoguidance.csv").read_text()
    assert (
        '# x = sample(guide(pretrained.load("main", 3), pretrained.load("guide", 3), 3), draw_start(256, seed=0)'
        in text
    )
    rows = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    table = np.genfromtxt(io.StringIO(rows), delimiter=",", names=True)
    guided = np.stack([table["guided_x"], table["guided_y"]], 1)
    assert np.allclose(guided, page.samples(), rtol=1e-6)
    assert table["guided_outlier"].mean() == pytest.approx(page.js("playground.run.guided.meters.at(-1).outliers"))
    assert (table["guided_outlier"] >= table["guided_flown"]).all()


def test_less_motion_on_request(page):
    page.shape(1400, 900, prefers_reduced_motion="reduce")
    page.go("n=256&steps=32", wait=False)
    seen = set()
    while not page.js("window.playground && playground.done"):
        seen.add(page.js("window.playground && playground.shown"))
    assert seen <= {None, 0, 32}
    page.js("playground.set({w: 2})")
    page.until("document.getElementById('where').textContent.includes('step 32') && playground.done")


def test_main_thread_stays_free_and_the_run_is_quick(open_page):
    """Processor time, which a loaded machine does not stretch: of each task of the page's thread, and of the workers."""
    page = open_page(performance="ALL")
    page.driver.get(f"{page.address}#n=2048&steps=8")  # without `go`: each load costs the tracing seconds
    page.finish()
    events = [json.loads(entry["message"])["message"] for entry in page.driver.get_log("performance")]
    events = [event["params"] for event in events if event["method"] == "Tracing.dataCollected"]
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e.get("name") == "thread_name"}
    tasks = defaultdict(list)
    for event in events:
        if event.get("name") == "RunTask" and "tdur" in event:
            tasks[names.get((event["pid"], event["tid"]))].append(event["tdur"] / 1e6)
    assert len(tasks["CrRendererMain"]) > 100 and max(tasks["CrRendererMain"]) < 0.1
    of_32_steps = sum(tasks["DedicatedWorker thread"]) * (2 * 32 - 1) / (2 * 8 - 1)  # N steps are 2 N - 1 evaluations
    assert of_32_steps / 2 < 8  # seconds on two cores
