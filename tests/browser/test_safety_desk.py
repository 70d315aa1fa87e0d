"""A danger from its first message to everybody who has to know, as the safety desk sees it in a real browser."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from alerts.access.roles import Role
from alerts.web import create_app
from config.settings import ChargingSettings, DatabaseSettings, MqttSettings, Settings
from forewarn.embedded.ports import free_port
from forewarn.simulator.charging.stops import listening
from ingest.store.connection import open_pool
from tests.browser.test_work_list import browser as browser
from tests.integration.alerts.charging.test_watch_process import VIN, Gateway, alarm, heat, until, watching
from tests.integration.alerts.charging.test_watch_process import gateway as gateway
from tests.serving import served
from tests.signing_in import COOKIE, sign_in
from tests.unit.alerts.charging.test_desk import Contracts, Stopper

# From the car's message to the board: what is promised for the stop (250 ms) and the owner (1 s), and what a page
# takes to show it on a machine that runs everything at once.
ON_BOARD_WITHIN_S = 5.0


@pytest.fixture
def settings(database: str, broker_port: int, tmp_path: Path, gateway: Gateway) -> Settings:
    port = free_port()
    return Settings(
        data_dir=tmp_path,
        database=DatabaseSettings(dsn=database),
        mqtt=MqttSettings(host="127.0.0.1", port=broker_port),
        charging=ChargingSettings(gateway_url=gateway.url, public_url=f"http://127.0.0.1:{port}"),
        web={"port": port},  # type: ignore[arg-type]
    )


@pytest.fixture
def site(settings: Settings) -> Iterator[str]:
    assert settings.database.dsn is not None
    with (
        open_pool(settings.database.dsn, role="alerts", max_size=6) as pool,
        served(create_app(settings, pool), port=settings.web.port) as address,
    ):
        yield address


def test_a_danger_its_stop_the_owners_receipt_and_the_specialist_are_on_the_board(
    settings: Settings, site: str, browser: Browser, gateway: Gateway, enrolled: Callable[..., object]
) -> None:
    enrolled(VIN, owner_name="王芳")
    pile, complaints = Stopper(), list[str]()
    context = browser.new_context(locale="zh-CN")
    assert settings.database.dsn is not None
    token = sign_in(settings.database.dsn, Role.SAFETY, now=datetime.now(UTC), name="wang")
    context.add_cookies([{"name": COOKIE, "value": token, "url": site}])
    desk = context.new_page()
    desk.on("pageerror", lambda error: complaints.append(str(error)))
    desk.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    with listening(VIN, settings.mqtt) as car, watching(settings, partners=Contracts(pile)):
        desk.goto(f"{site}/safety")
        expect(desk.get_by_text("No danger that anybody knows of.")).to_be_visible()
        expect(desk.locator("#link")).to_have_text("live")
        desk.get_by_role("button", name="Turn the sound on").click()

        heat(settings, VIN, 40, 41, ago_s=10)
        began = time.monotonic()
        heat(settings, VIN, 72, 72, 72)
        case = desk.locator(".danger-case").first
        expect(case).to_be_visible(timeout=1000 * ON_BOARD_WITHIN_S)
        shown_s = time.monotonic() - began
        expect(case.get_by_text("has stopped")).to_be_visible(timeout=1000 * ON_BOARD_WITHIN_S)
        assert car() is not None
        expect(case.get_by_text("Send a specialist")).to_be_visible()
        expect(case.get_by_text("Call the owner")).to_be_visible()
        expect(case.get_by_text("The owner has confirmed nothing.")).to_be_visible()
        assert shown_s < ON_BOARD_WITHIN_S

        # The pile's own alarm joins the case; nobody confirms its stop, and the board says what to do.
        alarm(settings, vin=VIN)
        expect(case.get_by_text("linhe / sh0001 / 1")).to_be_visible(timeout=1000 * ON_BOARD_WITHIN_S)
        expect(case.get_by_text("asked, no answer yet")).to_be_visible()
        expect(desk.locator(".danger-case")).to_have_count(1)

        until(lambda: bool(gateway.taken))
        owner = context.new_page()
        owner.goto(gateway.taken[0]["receipt_url"])
        owner.get_by_role("button", name="我已阅读").click()
        expect(owner.get_by_text("谢谢")).to_be_visible()
        expect(case.get_by_text("The owner has confirmed")).to_be_visible(timeout=1000 * ON_BOARD_WITHIN_S)

        desk.bring_to_front()
        expect(case).to_have_class(_holds("is-loud"))
        desk.locator("h1").click()
        desk.keyboard.press("a")
        expect(case.get_by_text("wang has it")).to_be_visible(timeout=1000 * ON_BOARD_WITHIN_S)
        expect(case).not_to_have_class(_holds("is-loud"))
        case.get_by_label("Close").select_option("stopped")
        expect(desk.get_by_text("No danger that anybody knows of.")).to_be_visible(timeout=1000 * ON_BOARD_WITHIN_S)
    context.close()
    assert complaints == []


def _holds(name: str) -> Any:
    import re

    return re.compile(rf"\b{name}\b")
