"""The monthly report: what the models said, what came true, how long before, and what has moved."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from models import drift, feedback
from models.days import start_of_day
from models.promotion import Decision, decisions
from models.runs import Clock, recorded_run, utc_now

FOLDER = "reports"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is reported of one calendar month: of predictions whose horizon ended in it, and of lamps that came on.

    labels : how many there are of the month, by source
    drift  : of the last measurement begun in the month, of each signal the worst feature
    """

    month: str
    since: datetime
    until: datetime
    written_at: datetime
    labels: dict[str, int]
    precision: list[feedback.Precision]
    calibration: list[feedback.Calibration]
    foretold: list[feedback.Foretold]
    drift: list[drift.Measured]
    decisions: list[Decision]


class ReportResult(msgspec.Struct, frozen=True, kw_only=True):
    """Where a report was written."""

    run_id: int
    month: str
    html: Path
    json: Path

    def __str__(self) -> str:
        return f"the report about {self.month} is in {self.html}"


def write_report(
    conn: psycopg.Connection[Any],
    *,
    month_before: datetime,
    data_dir: Path,
    language: str = "en",
    clock: Clock = utc_now,
) -> ReportResult:
    """Write the report about the last whole month before an instant, as a page and as JSON; the same month again anew.

    conn    : role "models", outside a transaction; it is committed
    Returns : the files, below ``data_dir/reports``
    """
    from models.monthly_page import page

    since, until = last_month(month_before)
    with recorded_run(conn, "report", clock=clock) as run:
        found = collect(conn, since=since, until=until, at=run.started_at)
        folder = data_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        html, as_json = (folder / f"models-{found.month}.{suffix}" for suffix in ("html", "json"))
        _replace(as_json, msgspec.json.format(msgspec.json.encode(found), indent=2))
        _replace(html, page(found, language=language).encode())
        run.detail.update(month=found.month, html=str(html), json=str(as_json))
    return ReportResult(run_id=run.run_id, month=found.month, html=html, json=as_json)


def last_month(instant: datetime) -> tuple[datetime, datetime]:
    """Return the beginning and the end of the last whole month before an instant, UTC."""
    until = start_of_day(instant).replace(day=1)
    return (until - timedelta(days=1)).replace(day=1), until


def collect(conn: psycopg.Connection[Any], *, since: datetime, until: datetime, at: datetime) -> Report:
    """Return what is to be reported of [since, until)."""
    return Report(
        month=f"{since:%Y-%m}",
        since=since,
        until=until,
        written_at=at,
        labels=feedback.labels_between(conn, since=since, until=until),
        precision=feedback.precision_between(conn, since=since, until=until),
        calibration=feedback.calibration_between(conn, since=since, until=until),
        foretold=feedback.foretold_between(conn, since=since, until=until),
        drift=[one for one in drift.by_signal(drift.newest(conn, before=until)) if one.as_of >= since],
        decisions=[one for one in decisions(conn) if since <= one.decided_at < until],
    )


def _replace(file: Path, content: bytes) -> None:
    """Write a file as a whole: whoever reads it meanwhile reads the old one."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_bytes(content)
    draft.replace(file)
