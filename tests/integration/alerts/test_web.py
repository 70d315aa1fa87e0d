import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from openpyxl import load_workbook
from psycopg_pool import ConnectionPool

from alerts.access.roles import Role
from alerts.access.tokens import csrf_of
from alerts.dealers import all_dealers
from alerts.evidence import observe_vehicle
from alerts.triage import apply_predictions
from alerts.web import create_app
from config.faults import fault_modes
from config.settings import Settings
from ingest.store.connection import connect, open_pool
from tests.rollups import roll_up
from tests.serving import served
from tests.signing_in import COOKIE, sign_in

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
OWNER, PHONE, VIN = "欧阳娜娜", "+8613812345678", "LFWA0000000004321"


@contextmanager
def serving(pool: ConnectionPool[psycopg.Connection[Any]]) -> Iterator[httpx.Client]:
    """Serve the application on a free port of this machine."""
    with (
        served(create_app(Settings(), pool, clock=lambda: NOW)) as address,
        httpx.Client(base_url=address, timeout=10) as client,
    ):
        yield client


@pytest.fixture
def client(database: str) -> Iterator[httpx.Client]:
    """A browser of an agent who is signed in."""
    with open_pool(database, role="alerts", max_size=2) as pool, serving(pool) as client:
        client.cookies.set(COOKIE, sign_in(database, Role.AGENT, now=NOW))
        yield client


@pytest.fixture
def case_path(
    alerts_conn: psycopg.Connection[Any],
    enrolled: Callable[..., dict[str, int]],
    flag: Callable[..., Any],
    database: str,
) -> str:
    """One case of a car whose 12 V battery got weaker for two weeks."""
    vehicle = enrolled(VIN, owner_name=OWNER, phone=PHONE)[VIN]
    with connect(database, role="admin") as conn:
        conn.execute(
            "SELECT telemetry.ensure_partition('vehicle_reading', day::date)"
            " FROM generate_series('2026-02-01'::date, '2026-02-28'::date, '1 day') AS day"
        )
        conn.execute(
            "INSERT INTO telemetry.vehicle_reading"
            " (ts, vehicle_id, seq, received_at, at_rest, is_charging, lv_battery_v)"
            " SELECT ts, %s, 0, ts, true, false,"
            " 12.6 - 0.02 * greatest(0, 14 - extract(epoch FROM '2026-03-01'::timestamptz - ts) / 86400)"
            " FROM generate_series('2026-02-01'::timestamptz, '2026-02-28 23:00', '6 hours') AS ts",
            (vehicle,),
        )
    roll_up(database)
    apply_predictions(
        alerts_conn,
        [flag(vehicle)],
        fault_modes=fault_modes(),
        dealers=all_dealers(alerts_conn),
        observe=lambda prediction, mode, usual: observe_vehicle(
            alerts_conn, prediction.vehicle_id, mode.chart, as_of=prediction.as_of, usual=usual
        ),
        now=NOW,
    )
    row = alerts_conn.execute("SELECT case_id FROM care.case").fetchone()
    assert row is not None
    return f"/cases/{row[0]}"


def test_pages_show_the_case_and_nobody(client: httpx.Client, case_path: str) -> None:
    for path in ("/", case_path, "/call-list.csv", "/call-list.json"):
        text = client.get(path).text
        assert "欧阳**" in text
        assert "138****5678" in text
        assert OWNER not in text
        assert PHONE not in text
        assert VIN not in text
    text = client.get(case_path).text
    assert "he 12 V battery rests at 12.3" in text
    assert "usual 12.60 V, and loses 20 mV a day" in text
    assert "Shanghai Changfeng Service Point" in text
    assert "The coupon is for" in text
    # The owner is spoken to in Chinese, whatever the agent reads.
    assert '<blockquote lang="zh-CN">' in text


def test_the_chart_is_drawn_from_stored_readings(client: httpx.Client, case_path: str) -> None:
    figure = client.get(f"{case_path}/chart.json").json()
    readings, daily = figure["data"]
    assert len(readings["x"]) == 28 * 4
    assert len(daily["x"]) == 28
    assert daily["y"][-1] < daily["y"][0]


def test_language_is_remembered(client: httpx.Client, case_path: str) -> None:
    answer = client.get("/language/zh_CN", params={"back": "/?city=Shanghai"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?city=Shanghai")
    assert "外呼名单" in client.get("/").text
    assert client.get("/language/de").status_code == 404
    assert client.get("/language/en", params={"back": "//x"}).headers["location"] == "/"


def test_csv_opens_in_a_spreadsheet(client: httpx.Client, case_path: str) -> None:
    answer = client.get("/call-list.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    (line,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert line["dealer_id"] == "sh-changfeng"
    assert client.get("/call-list.json").json()[0]["coupon"] == line["coupon"]


def test_filters_and_odd_addresses(client: httpx.Client, case_path: str) -> None:
    assert case_path in client.get("/?fault=lv_battery&city=").text
    assert case_path not in client.get("/?fault=hv_self_discharge").text
    assert case_path not in client.get("/?after=1-B-1").text
    for path in (
        "/cases/999",
        "/cases/x",
        f"/cases/{10**30}",
        "/cases/-1",
        "/?after=x",
        "/nowhere",
        "/cases/0/chart.json",
    ):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert "Not on the list" in answer.text


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/forewarn.css", "/nowhere"])
def test_nothing_foreign_runs_in_a_page(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_scripts_are_files_of_this_server(client: httpx.Client, case_path: str) -> None:
    page = client.get(case_path).text
    sources = [part.split('"')[1] for part in page.split("<script ")[1:]]
    assert page.count("<script") == len(sources) == 2
    for tag in sources:
        assert tag.startswith("/")
        answer = client.get(tag)
        assert answer.status_code == 200
        assert "javascript" in answer.headers["content-type"]
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_another_name_for_this_server_is_refused(client: httpx.Client) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


def test_health_and_a_database_that_went_away(database: str) -> None:
    with open_pool(database, role="alerts", max_size=1) as pool, serving(pool) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        client.cookies.set(COOKIE, sign_in(database, Role.AGENT, now=NOW))
        pool.timeout = 0.5
        with pool.connection():
            # The only connection is taken: to the pages that is a database that does not answer.
            assert client.get("/healthz").status_code == 503
            answer = client.get("/")
        assert answer.status_code == 503
        assert "does not answer" in answer.text


def test_an_empty_list_says_so(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "Nobody to call" in answer.text


def test_what_no_page_of_ours_sends_is_refused_not_broken(database: str, client: httpx.Client, case_path: str) -> None:
    csrf = {"csrf": csrf_of(client.cookies[COOKIE])}
    assert client.post("/cases/99999/note", data={**csrf, "text": "x"}).status_code == 404
    for place in ("city", "fault"):
        assert client.get("/", params={place: "\0"}).status_code == 404
    assert client.post(f"{case_path}/appointment", data={**csrf, "slot": f"a {'9' * 5000}"}).status_code == 422
    time = {"disposition": "call_back", "call_back_at": "0001-01-01T00:00", "zone": "Asia/Shanghai"}
    assert client.post(f"{case_path}/outcome", data={**csrf, **time}).status_code == 422


def test_what_no_page_of_a_supervisor_sends_is_refused_not_broken(
    database: str, client: httpx.Client, case_path: str
) -> None:
    client.cookies.set(COOKIE, sign_in(database, Role.SUPERVISOR, now=NOW))
    for month in ("0000-01", "9999-12", "1999-12"):
        assert client.get("/report", params={"month": month}).status_code == 404
    for month in ("2000-01", "2999-12"):
        assert client.get("/report", params={"month": month}).status_code == 200
    fields = {"csrf": csrf_of(client.cookies[COOKIE]), "reason": "x", "days": "9" * 5000}
    assert client.post(f"{case_path}/silence", data=fields).status_code == 422


def test_a_character_that_a_workbook_has_not_costs_nobody_the_list(
    database: str, client: httpx.Client, case_path: str
) -> None:
    with connect(database, role="admin") as conn:
        conn.execute("UPDATE telemetry.vehicle SET city = E'Shang\x07hai'")
    sheet = load_workbook(io.BytesIO(client.get("/call-list.xlsx").content)).active
    assert sheet is not None
    assert "Shanghai" in [cell.value for cell in list(sheet.iter_rows())[1]]


@pytest.mark.parametrize(
    "ends",
    [
        "UPDATE care.case SET state = 'closed', closed_at = now(), outcome = 'repaired', closed_by = 'workshop'",
        "UPDATE pii.owner SET do_not_call = true",
    ],
)
def test_a_case_that_ends_during_the_call_still_takes_its_outcome(
    database: str, client: httpx.Client, case_path: str, alerts_conn: psycopg.Connection[Any], ends: str
) -> None:
    csrf = {"csrf": csrf_of(client.cookies[COOKIE])}
    # A Sunday, at an hour at which owners may be called.
    assert client.post(f"{case_path}/phone", data=csrf).status_code == 200
    with connect(database, role="admin") as conn:
        conn.execute(ends)
    assert client.post("/work/next", data=csrf).headers["location"].startswith(case_path)
    assert f"{case_path}/outcome" in client.get(case_path).text
    missing = client.post(f"{case_path}/outcome", data={**csrf, "disposition": "declined"})
    assert missing.status_code == 422
    said = {"disposition": "complaint", "note": "was called twice"}
    assert client.post(f"{case_path}/outcome", data={**csrf, **said}).status_code == 303
    assert alerts_conn.execute("SELECT disposition, note FROM care.contact").fetchall() == [tuple(said.values())]
    assert client.get("/work").status_code == 200
    assert client.get(case_path).status_code == 404
