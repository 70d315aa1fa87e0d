"""The monthly report of the call centre: promises kept, from contact to confirmed fault, coupons, retention."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import dict_row

from config import sql

Connection = psycopg.Connection[Any]
FOLDER = "reports"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Promises that were due in the month: how many, how many were kept in time, how many are open still."""

    kind: str
    due: int
    kept: int
    open: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """How many cases of the month came so far: opened, called, with an appointment, visited, confirmed."""

    step: str
    cases: int


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """Findings of the month by what they are grouped by: how many, how many confirmed what was predicted."""

    group: str
    findings: int
    confirmed: int
    lead_d: float | None = None


class Coupons(msgspec.Struct, frozen=True, kw_only=True):
    """Coupons of a campaign: issued and redeemed in the month."""

    campaign: str
    issued: int
    redeemed: int


class DealerScore(msgspec.Struct, frozen=True, kw_only=True):
    """A dealer's month. score : mean of 1 to 5, None where nobody answered; late_tasks : of its manager"""

    dealer_id: str
    name_zh: str
    name_en: str
    admitted: bool
    visits: int
    no_shows: int
    findings: int
    confirmed: int
    answers: int
    score: float | None
    late_tasks: int


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """Owners who came to a workshop of the network within the month, of those invited and those not."""

    invited: bool
    cars: int
    came: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is reported of [since, until); see the parts. dispositions : calls by what came of them"""

    month: str
    since: datetime
    until: datetime
    written_at: datetime
    promises: list[Kept]
    funnel: list[Step]
    dispositions: dict[str, int]
    by_mode: list[Precision]
    by_model: list[Precision]
    by_dealer: list[DealerScore]
    coupons: list[Coupons]
    retention: list[Retention]


def collect(conn: Connection, *, since: datetime, until: datetime, now: datetime) -> Report:
    """Return what is to be reported of a time, role "alerts"."""
    values = {"since": since, "until": until, "now": now}

    def rows(query: LiteralString, **more: Any) -> Sequence[dict[str, Any]]:
        with conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(sql.load(__package__, query), {**values, **more}).fetchall()

    def parts(type_: Any, query: LiteralString, **more: Any) -> Any:
        return [msgspec.convert(row, type_) for row in rows(query, **more)]

    [funnel] = rows("report_funnel")
    return Report(
        month=f"{since:%Y-%m}",
        since=since,
        until=until,
        written_at=now,
        promises=parts(Kept, "report_promises"),
        funnel=[Step(step=step, cases=cases) for step, cases in funnel.items()],
        dispositions={row["disposition"]: row["calls"] for row in rows("report_dispositions")},
        by_mode=parts(Precision, "report_precision", by="mode"),
        by_model=parts(Precision, "report_precision", by="model"),
        by_dealer=parts(DealerScore, "report_dealers"),
        coupons=parts(Coupons, "report_coupons"),
        retention=parts(Retention, "report_retention"),
    )


def write_report(report: Report, data_dir: Path, *, language: str) -> None:
    """Write a report as a page and as JSON below ``data_dir/reports``; the same month again anew."""
    from alerts.report_page import page

    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content in (
        ("json", msgspec.json.format(msgspec.json.encode(report), indent=2)),
        ("html", page(report, language=language).encode()),
    ):
        file = folder / f"care-{report.month}.{suffix}"
        draft = file.with_name(f".{file.name}.draft")
        draft.write_bytes(content)
        draft.replace(file)
