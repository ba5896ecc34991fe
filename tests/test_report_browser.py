"""
The page in a real browser: no errors, charts to be seen, hover at work.

Skipped without selenium, chromium and chromedriver.
"""

from __future__ import annotations

import shutil
import time

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import linpot

pytest.importorskip("selenium")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if BROWSER is None or DRIVER is None:
    pytest.skip("no chromium with its driver", allow_module_level=True)

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402

HOSTILE = "<img src=x onerror='window.hacked=1'><b>bold</b>"
PATIENCE = 300.0  # s, on machines that are busy


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser with a page of copper open: repulsion alone, which needs no fit."""
    images = []
    for seed in range(30):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results, stress=atoms.get_stress())
        atoms.info["config_type"] = HOSTILE if seed % 2 else "solid"
        images.append(atoms)
    potential = linpot.ZBL(("Cu",), {("Cu", "Cu"): 1.0}, {("Cu", "Cu"): 3.0})
    path = tmp_path_factory.mktemp("page") / "page.html"
    linpot.write_report(path, potential, images[:10], train=images[10:], title=HOSTILE)
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "window-size=1200,1000"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(PATIENCE)
    driver.get(path.as_uri())
    end = time.monotonic() + PATIENCE
    while not driver.execute_script("return document.documentElement.dataset.drawn"):
        assert time.monotonic() < end, driver.get_log("browser")
        time.sleep(0.1)
    yield driver
    driver.quit()


def scheme(browser, name: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": name}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def test_every_chart_is_drawn(browser):
    empty = browser.execute_script(
        "return [...document.querySelectorAll('.chart')]"
        ".filter((c) => c.querySelectorAll('.trace path').length === 0"
        " || c.getBoundingClientRect().height < 100).map((c) => c.id)"
    )
    assert empty == []
    assert browser.execute_script("return document.querySelectorAll('.chart').length") >= 8
    points = "return document.querySelectorAll('#parity-forces path.point').length"
    assert browser.execute_script(points) == 30 * 12


def test_hover_tells_the_structure_and_nothing_of_it_is_a_tag(browser):
    browser.execute_script(
        "const place = document.getElementById('parity-energy');"
        "place.scrollIntoView({block: 'center', behavior: 'instant'});"
    )
    x, y = browser.execute_script(
        "const place = document.getElementById('parity-energy');"
        "const trace = place._fullData.find((t) => t.name === 'test');"
        "const frame = place.getBoundingClientRect(), layout = place._fullLayout;"
        "return [frame.x + layout.xaxis._offset + layout.xaxis.d2p(trace.x[1]),"
        " frame.y + layout.yaxis._offset + layout.yaxis.d2p(trace.y[1])];"
    )
    for step in (-2, 0):
        event = {"type": "mouseMoved", "x": x + step, "y": y}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    text, end = "", time.monotonic() + PATIENCE
    while "reference" not in text and time.monotonic() < end:
        text = browser.execute_script(
            "return document.querySelector('#parity-energy .hoverlayer').textContent"
        )
        time.sleep(0.1)
    assert "Cu4" in text
    assert "error" in text
    assert HOSTILE in text or "solid" in text
    assert browser.execute_script("return window.hacked === undefined")
    assert browser.execute_script("return document.querySelectorAll('img').length") == 0


def test_errors_and_groups_can_be_chosen(browser):
    def choose(name: str, value: str) -> None:
        browser.execute_script(
            "const list = document.getElementById(arguments[0]); list.value = arguments[1];"
            "list.dispatchEvent(new Event('change'));",
            *(name, value),
        )

    title = "return document.getElementById('parity-forces').layout.yaxis.title.text"
    values = "return document.getElementById('parity-forces').data[1].y.slice(0, 5)"
    before = browser.execute_script(values)
    choose("view", "errors")
    assert browser.execute_script(title).startswith("predicted \u2212 reference")
    assert browser.execute_script(values) != before
    choose("view", "parity")
    assert browser.execute_script(values) == before
    chosen = "return document.getElementById('parity-energy').data[1].selectedpoints"
    choose("group", "0")
    assert len(browser.execute_script(chosen)) == 10
    choose("group", "")
    assert browser.execute_script(chosen) is None


def test_text_of_charts_follows_the_color_scheme(browser):
    shade = (
        "return getComputedStyle(document.querySelector('#parity-forces .xtick text')).fill"
        " + getComputedStyle(document.body).backgroundColor"
    )
    found = {}
    for name in ("light", "dark"):
        scheme(browser, name)
        found[name] = browser.execute_script(shade)
    scheme(browser, "light")
    assert found["light"] != found["dark"]


def test_page_fits_a_phone(browser):
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    end = time.monotonic() + PATIENCE  # charts follow the width after a moment
    while (width := browser.execute_script("return document.documentElement.scrollWidth")) != 390:
        assert time.monotonic() < end, width
        time.sleep(0.1)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_console_is_silent(browser):
    """Run last: it hears of everything before."""
    assert browser.get_log("browser") == []
