"""An agent's way through the pages in a real browser, on a desk and on a phone, in both languages."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright
from psycopg.types.json import Jsonb

from alerts.access.roles import Role
from alerts.dealers import load_sample_dealers
from alerts.jobs import triage
from alerts.slots import make_slots
from alerts.web import create_app
from config.settings import Settings
from ingest.store.connection import connect, open_pool
from tests.rollups import roll_up
from tests.serving import served
from tests.signing_in import CHEAP, COOKIE, PASSWORD, sign_in

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
REASONS = [
    {
        "feature": "cell_low_dev_mv.rest.level.7d",
        "signal": "cell_low_dev_mv",
        "value": -38.0,
        "unit": "mV",
        "usual": -4.0,
    }
]
# The script that draws is five megabytes, which a machine with other work takes some seconds to read.
DRAWN_WITHIN_MS = 20_000
# Chromium calls home for updates and lists unless it is told not to; a sandbox needs rights that containers lack.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


class Site(NamedTuple):
    """A work list: its address, the token of an agent's session, its database."""

    url: str
    token: str
    database: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        reason = "there is no chromium: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(f"in CI this test must run: {reason}")
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def site(database: str, enrolled: Callable[..., dict[str, int]]) -> Iterator[Site]:
    """A work list with one safety case, whose owner speaks English, and 29 others."""
    vins = [f"LFWA{number:013d}" for number in range(30)]
    others = enrolled(*vins[1:], model="Dawn Touring")
    worst = enrolled(vins[0], owner_name="Anna Weber", language="en")[vins[0]]
    with connect(database, role="admin") as conn:
        conn.execute(
            "SELECT telemetry.ensure_partition('vehicle_reading', day::date)"
            " FROM generate_series('2026-01-01'::date, '2026-02-28'::date, '1 day') AS day"
        )
        conn.execute(
            "INSERT INTO telemetry.vehicle_reading"
            " (ts, vehicle_id, seq, received_at, at_rest, is_charging, cell_low_dev_mv, cell_low_number)"
            " SELECT ts, %s, 0, ts, true, false,"
            " -4 - 1.5 * greatest(0, 24 - extract(epoch FROM '2026-03-01'::timestamptz - ts) / 86400), 82"
            " FROM generate_series('2026-01-01'::timestamptz, '2026-02-28 23:00', '6 hours') AS ts",
            (worst,),
        )
    roll_up(database)
    with connect(database, role="models") as conn:
        conn.execute(
            "INSERT INTO prediction.run (job, started_at, finished_at, outcome) VALUES ('score', %s, %s, 'done')",
            (NOW, NOW),
        )
        for vehicle, mode, probability in [
            (worst, "hv_self_discharge", 0.93),
            *((vehicle, "lv_battery", 0.7) for vehicle in others.values()),
        ]:
            conn.execute(
                "INSERT INTO prediction.prediction (run_id, vehicle_id, fault_mode, scored_at, as_of, probability,"
                " threshold, model_version, reasons)"
                " SELECT max(run_id), %s, %s, %s, '2026-03-01', %s, 0.5, 'v1', %s FROM prediction.run",
                (vehicle, mode, NOW, probability, Jsonb(REASONS)),
            )
    with connect(database, role="alerts", autocommit=True) as conn:
        load_sample_dealers(conn)
        triage(conn, now=NOW)
        make_slots(conn, now=NOW, days=15)
    token = sign_in(database, Role.AGENT, now=NOW)
    with (
        open_pool(database, role="alerts", max_size=2) as pool,
        served(create_app(Settings(), pool, clock=lambda: NOW, hasher=CHEAP)) as address,
    ):
        yield Site(address, token, database)


def _sign_in(context: BrowserContext, site: Site) -> None:
    """Give the browser the session of an agent, as the sign-in would."""
    context.add_cookies([{"name": COOKIE, "value": site.token, "url": site.url}])


def _open(context: BrowserContext, site: Site, complaints: list[str]) -> Page:
    _sign_in(context, site)
    page = context.new_page()
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(site.url) else complaints.append(request.url))
    return page


def _expect_to_fit(page: Page) -> None:
    """Fail when the page is wider than the window; a chart takes a moment to find its width."""
    deadline = time.monotonic() + 5
    # The page's own rules forbid a waiting script, so it is asked again and again.
    while not page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
        assert time.monotonic() < deadline, "the page is wider than the window"
        page.wait_for_timeout(50)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_from_the_list_to_the_case(browser: Browser, site: Site, tmp_path: Path, size: Any, language: str) -> None:
    complaints: list[str] = []
    context = browser.new_context(viewport=size)
    page = _open(context, site, complaints)
    page.goto(site.url)
    page.get_by_role("link", name={"en": "English", "zh_CN": "中文"}[language]).click()
    rows = page.locator("table.calls tbody tr")
    expect(rows).to_have_count(25)
    first = rows.first
    expect(first).to_contain_text({"en": "Cell 82 rests", "zh_CN": "82 号单体静置"}[language])
    expect(first).to_contain_text("A***")
    expect(first).to_contain_text({"en": "Zhangjiang Service Centre", "zh_CN": "上海张江服务中心"}[language])
    _expect_to_fit(page)
    page.screenshot(path=tmp_path / "list.png")

    first.get_by_role("link").click()
    expect(page.locator("[data-drawn]")).to_be_visible(timeout=DRAWN_WITHIN_MS)
    expect(page.locator(".chart svg.main-svg").first).to_be_visible()
    assert page.locator(".chart .scatterlayer .trace").count() == 2
    # The script is in the owner's language; another agent finds it in theirs below.
    expect(page.locator("blockquote").first).to_contain_text("You agreed that your Dawn")
    assert page.locator("blockquote").count() == (1 if language == "en" else 2)
    _expect_to_fit(page)
    page.screenshot(path=tmp_path / "case.png", full_page=True)
    context.close()
    assert complaints == []


def test_filters_pages_and_the_copied_coupon(browser: Browser, site: Site) -> None:
    complaints: list[str] = []
    context = browser.new_context(viewport=DESK, permissions=["clipboard-read", "clipboard-write"])
    page = _open(context, site, complaints)
    page.goto(site.url)
    page.get_by_role("link", name="Next calls").click()
    expect(page.locator("table.calls tbody tr")).to_have_count(5)
    page.get_by_role("link", name="High-voltage battery cell self-discharge 1").click()
    expect(page.locator("table.calls tbody tr")).to_have_count(1)
    page.get_by_label("City", exact=True).select_option("Shanghai")
    page.wait_for_url("**city=Shanghai**")
    expect(page.locator("table.calls tbody tr")).to_have_count(1)
    # All of a row leads to its case, not only its title.
    cell = page.locator("td.c-dealer").bounding_box()
    assert cell is not None
    page.mouse.click(cell["x"] + cell["width"] / 2, cell["y"] + cell["height"] / 2)
    expect(page.locator("[data-drawn]")).to_be_visible(timeout=DRAWN_WITHIN_MS)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#coupon").inner_text()
    context.close()
    assert complaints == []


def test_a_city_chosen_while_the_page_still_loads_counts(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport=DESK)
    _sign_in(context, site)
    page = context.new_page()

    def late(route: Route) -> None:
        page.wait_for_timeout(700)
        route.continue_()

    page.route("**/static/forewarn.js", late)
    page.goto(site.url, wait_until="commit")
    page.get_by_label("City", exact=True).select_option("Shanghai")
    page.wait_for_url("**city=Shanghai**")
    context.close()


def test_the_list_works_without_scripts(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    _sign_in(context, site)
    page = context.new_page()
    page.goto(site.url)
    page.get_by_label("City", exact=True).select_option("Shanghai")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("table.calls tbody tr")).to_have_count(25)
    context.close()


WORDS = {
    "en": {"tongue": "English", "name": "Name", "password": "Password", "in": "Sign in", "out": "Sign out"},
    "zh_CN": {"tongue": "中文", "name": "账号", "password": "密码", "in": "登录", "out": "退出登录"},
}


@pytest.mark.parametrize(
    ("size", "language", "scripts"), [(DESK, "en", True), (PHONE, "zh_CN", False)], ids=["desk", "phone"]
)
def test_signing_in_with_the_keyboard_and_out_again(
    browser: Browser, site: Site, tmp_path: Path, size: Any, language: str, scripts: bool
) -> None:
    words = WORDS[language]
    complaints: list[str] = []
    context = browser.new_context(viewport=size, java_script_enabled=scripts)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{site.url}/?city=Shanghai")
    page.get_by_role("link", name=words["tongue"]).click()
    expect(page.get_by_role("heading", name=words["in"])).to_be_visible()

    # The field of the name has the focus: nothing but the keyboard is needed.
    expect(page.get_by_label(words["name"])).to_be_focused()
    page.keyboard.type("agent")
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label(words["name"])).to_have_value("agent")
    expect(page.get_by_label(words["password"])).to_have_value("")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=tmp_path / "sign-in.png")

    expect(page.get_by_label(words["password"])).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    # Back to where the way in began, as whoever signed in.
    page.wait_for_url("**/?city=Shanghai")
    expect(page.locator("table.calls tbody tr")).to_have_count(25)
    page.screenshot(path=tmp_path / "signed-in.png")
    page.get_by_role("button", name=words["out"]).click()
    expect(page.get_by_role("heading", name=words["in"])).to_be_visible()
    page.goto(site.url)
    expect(page.get_by_role("heading", name=words["in"])).to_be_visible()
    context.close()
    assert complaints == []


def test_the_number_is_shown_when_asked_for_and_dealers_with_it(browser: Browser, site: Site, tmp_path: Path) -> None:
    complaints: list[str] = []
    context = browser.new_context(viewport=DESK)
    page = _open(context, site, complaints)
    page.goto(site.url)
    page.locator("table.calls tbody tr").first.get_by_role("link").click()
    owner = page.locator("section.owner")
    expect(owner).to_contain_text("138****8000")
    owner.get_by_role("button", name="Show the number").click()
    expect(owner.get_by_role("link", name="+8613800138000")).to_have_attribute("href", "tel:+8613800138000")
    near = page.locator("section.dealer li")
    expect(near).to_have_count(3)
    expect(near.first).to_contain_text("next free")
    expect(page.locator("[data-drawn]")).to_be_visible(timeout=DRAWN_WITHIN_MS)
    _expect_to_fit(page)
    page.screenshot(path=tmp_path / "case.png", full_page=True)
    context.close()
    assert complaints == []
    with connect(site.database, role="alerts") as conn:
        seen = conn.execute("SELECT actor, case_id IS NOT NULL FROM audit.event WHERE action = 'phone revealed'")
        assert seen.fetchall() == [("agent", True)]
