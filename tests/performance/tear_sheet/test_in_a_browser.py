"""The page in a real browser: everything is drawn, nothing is loaded, and its controls work.

Needs Debian's packages chromium and chromium-driver. Where they aren't installed, these tests can't run;
``test_tear_sheet.py`` then still checks every panel and every figure without a browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from performance.tear_sheet.colours import PALETTE
from performance.tear_sheet.sheet import write_tear_sheet
from tests.performance.tear_sheet.browser import CHROMIUM, DRIVER, Browser, browser
from tests.performance.tear_sheet.made_up import NASTY, full
from tests.performance.tear_sheet.runs import five_minute_market, packaged, trade

pytestmark = pytest.mark.skipif(
    not (CHROMIUM.exists() and DRIVER.exists()),
    reason="needs Debian's packages chromium and chromium-driver (apt-get install chromium chromium-driver)",
)

DRAW_ALL = (
    "document.querySelectorAll('details').forEach((one) => { one.open = true; }); backstopReport.drawAll();"
)
UNDRAWN = """return [...document.querySelectorAll('.plot')]
    .filter((one) => one.offsetParent !== null && one.querySelector('.main-svg') === null)
    .map((one) => one.dataset.figure);"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tear sheets of very different runs."""
    minutes = five_minute_market(("AAA", "BBB"), date(2012, 3, 1), date(2012, 6, 29))
    runs = {
        "daily": trade(packaged(), "momentum", first_bar=40).data,
        "five_minutes": trade(minutes, "williams_r").data,
        "no_fill": trade(packaged(until=date(2000, 3, 31)), "momentum").data,
        "one_day": trade(minutes, "williams_r", first_bar=len(minutes.end_ns) - 78).data,
        "everything": full(name=NASTY),
    }
    folder = tmp_path_factory.mktemp("pages")
    written = {}
    for name, data in runs.items():
        (folder / name).mkdir()
        written[name] = write_tear_sheet(data, folder / name, picture=False)[0]
    return written


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [
        ("daily", 1280, False),
        ("five_minutes", 390, True),
        ("no_fill", 390, False),
        ("one_day", 1280, True),
        ("everything", 390, True),
    ],
)
def test_every_figure_is_drawn_nothing_is_loaded_and_nothing_sticks_out(
    window: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
):
    window.requests(), window.complaints()
    window.open(pages[name], width=width, dark=dark)
    window.run(DRAW_ALL)
    assert window.run(UNDRAWN) == []
    assert window.run("return document.querySelectorAll('.plot').length") >= 2
    assert window.complaints() == []
    assert {url for url in window.requests() if not url.startswith(("data:", "blob:"))} == {
        pages[name].as_uri()
    }
    assert window.run("return document.documentElement.scrollWidth") <= width


def test_only_what_is_in_view_is_drawn_at_first(window: Browser, pages: dict[str, Path]):
    window.open(pages["daily"], width=1280)
    assert len(window.run(UNDRAWN)) > 5
    window.run("document.querySelector('[aria-label=\"Costs\"]').scrollIntoView()")
    drawn = """const plot = document.querySelector('[aria-label="Costs"]');
        const look = () => plot.querySelector('.main-svg') ? done(true) : requestAnimationFrame(look); look();"""
    assert window.run_async(drawn) is True


def test_the_selector_shows_another_symbol(window: Browser, pages: dict[str, Path]):
    window.open(pages["daily"], width=1280)
    window.run(DRAW_ALL)
    shown = """const parts = [...document.querySelectorAll('.choice')].filter((one) => !one.hidden);
        return parts.map((one) => one.querySelector('.plot').getAttribute('aria-label'));"""
    first = window.run(shown)
    window.run(
        """const select = document.querySelector('.tools select');
        select.selectedIndex = 2; select.dispatchEvent(new Event('change'));"""
    )
    second = window.run(shown)
    assert len(first) == len(second) == 1
    assert first != second
    assert window.run(UNDRAWN) == []


def test_the_scale_switches_between_logarithmic_and_linear(window: Browser, pages: dict[str, Path]):
    window.open(pages["daily"], width=1280)
    window.run(DRAW_ALL)
    scale = "return document.querySelector('[aria-label=\"Equity\"]')._fullLayout.yaxis.type"
    assert window.run(scale) == "log", "the benchmark is far above the strategy"
    window.run("document.querySelector('[data-switch]').click()")
    assert window.run(scale) == "linear"


def test_colours_follow_the_surroundings(window: Browser, pages: dict[str, Path]):
    window.open(pages["daily"], width=1280)
    window.run(DRAW_ALL)
    colour = "document.querySelector('[aria-label=\"Equity\"]').data.at(-1).line.color"
    line = f"return {colour}"
    page = "return getComputedStyle(document.documentElement).getPropertyValue('--page').trim()"
    assert (window.run(line), window.run(page)) == (PALETTE["equity"][0], PALETTE["page"][0])
    window.scheme("dark")
    # The page hears of it with the next frame.
    window.run_async(
        f"const look = () => {colour} === '{PALETTE['equity'][0]}' ? requestAnimationFrame(look) : done(); look();"
    )
    assert (window.run(line), window.run(page)) == (PALETTE["equity"][1], PALETTE["page"][1])


def test_the_browser_refuses_what_the_policy_forbids(window: Browser, pages: dict[str, Path]):
    window.open(pages["daily"], width=1280)
    refused = window.run_async(
        """const refused = [];
        document.addEventListener('securitypolicyviolation', (event) => {
          refused.push(event.effectiveDirective);
          if (refused.length === 3) done(refused.sort());
        });
        fetch('http://127.0.0.1:9/').catch(() => 0);
        new Image().src = 'http://127.0.0.1:9/picture.png';
        const script = document.createElement('script');
        script.textContent = 'window.strange = 1';
        document.body.append(script);"""
    )
    assert refused == ["connect-src", "img-src", "script-src-elem"]
    assert window.run("return window.strange") is None


def test_it_prints_every_figure_in_the_colours_of_paper(window: Browser, pages: dict[str, Path]):
    window.open(pages["daily"], width=1280, dark=True)
    window.run(
        """window.addEventListener('beforeprint', () => {
          window.widths = [...document.querySelectorAll('.main-svg')].map((one) => one.getBoundingClientRect().width);
        });"""
    )
    printed = window.devtools("Page.printToPDF", {"printBackground": True})
    assert len(printed["data"]) > 200_000
    assert max(window.run("return window.widths")) <= 703, "A4 less margins"
    assert window.run(UNDRAWN) == []
