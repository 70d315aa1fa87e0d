"""How fast the pages are that agents have open all day, with a fleet of a million cars behind them."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import available_timezones

import httpx
import msgspec
import numpy as np

from alerts.access.passwords import Passwords
from alerts.access.sessions import Attempt, Limits, open_session
from alerts.dealers import load_sample_dealers
from alerts.slots import make_slots
from alerts.work.windows import may_call
from config import sql as sql_files
from config.errors import UserMistake
from config.settings import Settings
from forewarn.bench.databases import own_database, server
from forewarn.embedded.ports import free_port
from ingest.store.connection import connect
from ingest.store.migrate import migrate

AGENTS, EVERY_S, _SEED = 50, 2.0, 1
# Somewhere in the world people may be called at nearly any hour; the benchmark is over when the window has closed.
_OPEN_FOR = timedelta(minutes=20)
_PASSWORD = "a benchmark is no secret"  # noqa: S105 - of accounts that end with it
_CHEAP = Passwords(memory_kib=8, rounds=1)
# The first pages read what is on disk, and count all cases.
_WARM_S = 20.0
_STARTED_WITHIN_S = 60.0
_EXPORTED = 10_000
# What an agent does, one after the other.
_ROUND = ("list", "claim", "case", "dealers", "release")

Say = Callable[[str], None]


class WorklistBenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What ``forewarn bench worklist`` prints, by these names. Milliseconds are from when an action was due.

    p50_ms, p95_ms     : of all actions; the others of one kind: the list's page, taking the next case, a case's page,
                         the search for dealers
    failed             : actions that were not answered as they should have been
    export_rows_per_s  : of the call list as CSV, 10,000 rows at once, when nobody else is there
    """

    vehicles: int
    cases: int
    agents: int
    actions: int
    failed: int
    p50_ms: float
    p95_ms: float
    list_p50_ms: float
    list_p95_ms: float
    claim_p50_ms: float
    claim_p95_ms: float
    case_p50_ms: float
    case_p95_ms: float
    dealers_p50_ms: float
    dealers_p95_ms: float
    export_rows_per_s: float


class _Done(msgspec.Struct):
    """One action: when it was due, how long after that it was answered, and whether as it should have been."""

    kind: str
    due: float
    ms: float
    ok: bool


def bench_worklist(settings: Settings, *, vehicles: int, cases: int, seconds: float, say: Say) -> WorklistBenchResult:
    """Measure the real web server in a process of its own, in a database of the benchmark's own.

    seconds : for so long agents work, one action every two seconds each, whether the last was answered or not
    """
    if cases > vehicles:
        raise UserMistake("a car has one open case: --cases is --vehicles at most")
    with ExitStack() as stack:
        dsn = stack.enter_context(own_database(stack.enter_context(server(settings))))
        migrate(dsn, settings.store)
        say(f"Making {vehicles:,} cars and {cases:,} open cases")
        tokens = _fill(dsn, vehicles=vehicles, cases=cases)
        say("Starting the web server")
        url = stack.enter_context(_serving(dsn))
        say(f"{AGENTS} agents work for {seconds:.0f} s")
        done, rows_per_s = asyncio.run(_work(url, tokens, seconds=seconds))
    return _result(done, vehicles=vehicles, cases=cases, rows_per_s=rows_per_s)


def _fill(dsn: str, *, vehicles: int, cases: int) -> list[str]:
    """Fill a migrated database and return the tokens of sessions of as many agents."""
    now = datetime.now(UTC)
    zone = _zone_at_work(now)
    values = {"vehicles": vehicles, "cases": cases, "now": now, "zone": zone}
    with connect(dsn, role="alerts", autocommit=True) as conn:
        load_sample_dealers(conn)
        make_slots(conn, now=now, days=15)
    with connect(dsn, role="admin", autocommit=True) as conn:
        for step in ("worklist_cars", "worklist_owners", "worklist_cases"):
            for statement in sql_files.load("forewarn.bench", step).split(";\n\n"):
                conn.execute(statement, values)
        conn.execute("VACUUM ANALYZE")
    limits = Limits(timedelta(hours=1), timedelta(hours=12))
    tokens = []
    with connect(dsn, role="alerts") as conn:
        for number in range(AGENTS):
            row = conn.execute(
                "INSERT INTO access.account (name, role, password_hash, created_at) VALUES (%s, 'agent', %s, %s)"
                " RETURNING account_id, password_hash",
                (f"agent-{number:02d}", _CHEAP.hash(_PASSWORD), now),
            ).fetchone()
            assert row is not None
            token = open_session(conn, Attempt(*row), _PASSWORD, hasher=_CHEAP, limits=limits, now=now)
            assert token is not None
            tokens.append(token)
    return tokens


def _zone_at_work(now: datetime) -> str:
    """Return a time zone in which people may be called now and for a while. Raises : UserMistake"""
    for zone in sorted(available_timezones()):
        if may_call(zone, now) and may_call(zone, now + _OPEN_FOR):
            return zone
    raise UserMistake("nobody on earth may be called at this hour, by config/service.toml: try again in an hour")


@contextmanager
def _serving(dsn: str) -> Iterator[str]:
    """Start ``forewarn serve`` and yield its address; it ends with the context."""
    port = free_port()
    with TemporaryDirectory(prefix="forewarn-bench-") as folder:
        log = Path(folder) / "log"
        environment = {
            **os.environ,
            "FOREWARN_DATABASE__DSN": dsn,
            "FOREWARN_WEB__PORT": str(port),
            "FOREWARN_DATA_DIR": folder,
        }
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "forewarn", "serve"], env=environment, stdout=out, stderr=out
            )
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + _STARTED_WITHIN_S
            while True:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise UserMistake(f"the web server did not start: {log.read_text()[-400:]}")
                try:
                    if httpx.get(f"{url}/healthz", timeout=2).status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(20)


async def _work(url: str, tokens: list[str], *, seconds: float) -> tuple[list[_Done], float]:
    begins = time.perf_counter() + 1.0
    counts_from, until = begins + _WARM_S, begins + _WARM_S + seconds
    done: list[_Done] = []
    # People do not work in step: when each begins is drawn, and with it who is there at the same moment.
    firsts = begins + np.random.default_rng(_SEED).uniform(0, len(_ROUND) * EVERY_S, len(tokens))
    await asyncio.gather(
        *(
            _agent(url, token, first=first, until=until, done=done)
            for token, first in zip(tokens, firsts.tolist(), strict=True)
        )
    )
    async with _browser(url, tokens[0]) as client:
        began = time.perf_counter()
        answer = await client.get("/api/v1/alerts", params={"format": "csv", "limit": _EXPORTED})
        took = time.perf_counter() - began
    return [one for one in done if one.due >= counts_from], (answer.text.count("\r\n") - 1) / took


async def _agent(url: str, token: str, *, first: float, until: float, done: list[_Done]) -> None:
    """Do one thing after the other, each counted from when it is due: who has to wait loses time, as people do."""
    async with _browser(url, token) as client:
        csrf, case, due, turn = "", "", first, 0
        while due < until:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            kind = _ROUND[turn % len(_ROUND)]
            match kind:
                case "list":
                    answer = await client.get("/")
                    csrf = answer.text.partition('name="csrf" value="')[2].partition('"')[0]
                    ok = answer.status_code == 200 and 'class="calls"' in answer.text
                case "claim":
                    answer = await client.post("/work/next", data={"csrf": csrf})
                    case = answer.headers.get("location", "").partition("?")[0]
                    ok = answer.status_code == 303 and case.startswith("/cases/")
                case "case":
                    answer = await client.get(case)
                    ok = answer.status_code == 200
                case "dealers":
                    answer = await client.get(f"/api/v1{case}/dealers")
                    ok = answer.status_code == 200 and len(answer.json()) > 0
                case _:
                    answer = await client.post(f"{case}/release", data={"csrf": csrf})
                    ok = answer.status_code == 303
            done.append(_Done(kind, due, 1000 * (time.perf_counter() - due), ok))
            turn += 1
            due += EVERY_S


def _browser(url: str, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, cookies={"forewarn-session": token}, timeout=120)


def _result(done: list[_Done], *, vehicles: int, cases: int, rows_per_s: float) -> WorklistBenchResult:
    def at(share: float, *kinds: str) -> float:
        found = [one.ms for one in done if one.kind in kinds]
        return round(float(np.quantile(found, share)), 1) if found else float("nan")

    return WorklistBenchResult(
        vehicles=vehicles,
        cases=cases,
        agents=AGENTS,
        actions=len(done),
        failed=sum(not one.ok for one in done),
        p50_ms=at(0.5, *_ROUND),
        p95_ms=at(0.95, *_ROUND),
        list_p50_ms=at(0.5, "list"),
        list_p95_ms=at(0.95, "list"),
        claim_p50_ms=at(0.5, "claim"),
        claim_p95_ms=at(0.95, "claim"),
        case_p50_ms=at(0.5, "case"),
        case_p95_ms=at(0.95, "case"),
        dealers_p50_ms=at(0.5, "dealers"),
        dealers_p95_ms=at(0.95, "dealers"),
        export_rows_per_s=round(rows_per_s, 1),
    )
