"""The whole way in a real browser: from a predicted fault to the repaired car, and what the report says of it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from alerts.access.roles import Role
from alerts.charging.channels import File
from alerts.work.upkeep import keep_up
from ingest.store.connection import connect
from models.tables import flagged_predictions
from tests.browser.test_work_list import DESK, DRAWN_WITHIN_MS, NOW, PHONE, Site
from tests.browser.test_work_list import browser as browser
from tests.browser.test_work_list import site as site
from tests.signing_in import COOKIE, sign_in

# Where screenshots of the documentation go; without it they are the test's own.
SCREENSHOTS = os.environ.get("FOREWARN_SCREENSHOTS")
WORDS = {
    "en": {
        "tongue": "English",
        "next": "Next call",
        "call": "Call: show the number",
        "send": "Send it to the owner",
        "sent": "The coupon is on its way.",
        "book": "Book",
        "came": "Comes: appointment booked",
        "done": "Write down and go on",
        "written": "Written down.",
        "look": "Look it up",
        "redeem": "Redeem",
        "redeemed": "Redeemed.",
        "as expected": "as expected",
        "finding": "Write the finding down",
        "confirmed": "confirmed",
        "report": "Report of the month",
        "history": "appointment booked",
    },
    "zh_CN": {
        "tongue": "中文",
        "next": "下一个电话",
        "call": "拨打：显示号码",
        "send": "发给车主",
        "sent": "优惠券已发出。",
        "book": "预约",
        "came": "同意到店：已预约",
        "done": "保存并继续",
        "written": "已保存。",
        "look": "查询",
        "redeem": "核销",
        "redeemed": "已核销。",
        "as expected": "与预期一致",
        "finding": "保存检查结果",
        "confirmed": "已确认",
        "report": "月报",
        "history": "已预约",
    },
}


class Camera:
    """Takes the pictures of a way, numbered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.taken = 0

    def take(self, page: Page, name: str) -> None:
        self.taken += 1
        page.screenshot(path=self.folder / f"{self.taken}-{name}.jpg", type="jpeg", quality=70)


@pytest.fixture
def opened(browser: Browser, site: Site) -> Iterator[Any]:
    """Open a page as somebody: a role, or None for an owner, who has no account."""
    contexts: list[BrowserContext] = []

    def open_as(role: Role | None, language: str, *, size: Any = DESK, dealer_id: str | None = None) -> Page:
        context = browser.new_context(viewport=size)
        contexts.append(context)
        if role is Role.AGENT:
            context.add_cookies([{"name": COOKIE, "value": site.token, "url": site.url}])
        elif role is not None:
            token = sign_in(site.database, role, now=NOW, dealer_id=dealer_id)
            context.add_cookies([{"name": COOKIE, "value": token, "url": site.url}])
        context.add_cookies([{"name": "language", "value": language, "url": site.url}])
        return context.new_page()

    yield open_as
    for context in contexts:
        context.close()


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_from_the_predicted_fault_to_the_label(opened: Any, site: Site, tmp_path: Path, language: str) -> None:
    say = WORDS[language]
    camera = Camera(Path(SCREENSHOTS) / language if SCREENSHOTS else tmp_path)

    # The agent takes the most urgent case, by the keyboard.
    agent = opened(Role.AGENT, language)
    agent.goto(site.url)
    expect(agent.get_by_role("button", name=say["next"])).to_be_visible()
    camera.take(agent, "list")
    agent.keyboard.press("n")
    agent.wait_for_url("**/cases/*")
    case_id = int(agent.url.rsplit("/", 1)[1])
    expect(agent.locator("[data-drawn]")).to_be_visible(timeout=DRAWN_WITHIN_MS)
    expect(agent.locator("blockquote").first).to_contain_text("warranty for the life of the car")
    camera.take(agent, "case")

    # Reads, reveals the number and calls.
    agent.get_by_role("button", name=say["call"]).click()
    expect(agent.get_by_role("link", name="+8613800138000")).to_be_visible()
    expect(agent.locator("section.outcome")).to_be_visible()
    camera.take(agent, "call")

    # Offers, books a dealer, writes down what came of it.
    agent.get_by_role("button", name=say["send"]).click()
    expect(agent.get_by_role("status")).to_have_text(say["sent"])
    code = agent.locator("#coupon").inner_text()
    dealer_id = agent.locator("#slot").input_value().split()[0]
    agent.get_by_role("button", name=say["book"]).click()
    expect(agent.locator("section.visit .strong")).to_be_visible()
    agent.locator("section.outcome").get_by_label(say["came"]).check()
    agent.locator("#note").fill("Tuesday suits her; she brings the car herself.")
    agent.get_by_role("button", name=say["done"]).click()
    expect(agent.get_by_role("status")).to_have_text(say["written"])
    agent.goto(f"{site.url}/cases/{case_id}")
    expect(agent.locator("section.history")).to_contain_text("Tuesday suits her")
    camera.take(agent, "history")

    # The owner opens the link of the message.
    written = tmp_path / "messages.jsonl"
    with connect(site.database, role="alerts", autocommit=True) as conn:
        keep_up(conn, [File(written)], public_url=site.url, now=NOW)
    message = next(one for one in map(json.loads, written.read_text().splitlines()) if one["kind"] == "offer")
    owner = opened(None, language, size=PHONE)
    owner.goto(site.url + "/o/" + message["text"].rsplit("/o/", 1)[1])
    expect(owner.locator("code")).to_have_text(code)
    assert owner.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    # A picture of the square that a counter reads, not a broken one.
    assert owner.evaluate("document.querySelector('img.square').naturalWidth > 0")
    camera.take(owner, "coupon")
    owner.get_by_role("button", name="I have it").click()

    # The dealer redeems the coupon, and the workshop confirms the fault.
    dealer = opened(Role.DEALER, language, dealer_id=dealer_id)
    dealer.goto(f"{site.url}/dealer")
    dealer.locator("#code").fill(code.lower())
    dealer.get_by_role("button", name=say["look"]).click()
    dealer.get_by_role("button", name=say["redeem"], exact=True).click()
    expect(dealer.get_by_role("status")).to_have_text(say["redeemed"])
    camera.take(dealer, "redeemed")
    dealer.get_by_label(say["as expected"]).check()
    dealer.locator("input[name=parts]").fill("cell module 7")
    dealer.get_by_role("button", name=say["finding"]).click()
    expect(dealer.locator("section").filter(has_text="Dawn").get_by_text(say["confirmed"], exact=True)).to_be_visible()
    camera.take(dealer, "finding")

    # What was found is a label, the case is over, and the report says so.
    with connect(site.database, role="models") as conn:
        labels = conn.execute("SELECT fault_mode, confirmed FROM prediction.label WHERE source = 'finding'").fetchall()
        assert labels == [("hv_self_discharge", True)]
        assert len(flagged_predictions(conn)) == 30
    with connect(site.database, role="alerts") as conn:
        assert conn.execute(
            "SELECT outcome, (SELECT redeemed_by FROM care.coupon WHERE code = %s) FROM care.case WHERE case_id = %s",
            (code, case_id),
        ).fetchone() == ("repaired", dealer_id)
    supervisor = opened(Role.SUPERVISOR, language)
    supervisor.goto(f"{site.url}/work")
    camera.take(supervisor, "what-waits")
    supervisor.get_by_role("link", name=say["report"]).click()
    row = supervisor.locator("tr").filter(has_text=say["confirmed"]).first
    expect(row.locator("td").nth(1)).to_have_text("1")
    assert supervisor.locator("svg").count() >= 2
    camera.take(supervisor, "report")
