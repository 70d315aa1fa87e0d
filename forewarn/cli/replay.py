"""The command that publishes a real recording over MQTT."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import UserMistake
from forewarn.cli.arguments import instant, times_of
from forewarn.cli.opening import dsn_of, opened, say
from forewarn.cli.outcomes import in_words

if TYPE_CHECKING:
    from forewarn.replay.wire import Wire


def replay(
    file: Annotated[Path, typer.Argument(help="A recording: CSV, an archive that holds it, of epfl a workbook.")],
    format: Annotated[str, typer.Option("--as", help="What it is: ev-bms, carobd, kit-obd2, epfl or csv.")],
    mapping: Annotated[
        Path | None, typer.Option("--map", help="With --as csv: the file that says what its columns are.")
    ] = None,
    speed: Annotated[
        str, typer.Option(help="1 as it was recorded, 60 so many times faster, or max as fast as it can be stored.")
    ] = "max",
    longest_gap: Annotated[
        float, typer.Option(min=0, help="Seconds that are waited between two messages at most; inf for no limit.")
    ] = 60,
    shift: Annotated[
        bool,
        typer.Option(
            "--shift-to-now",
            help="Move the recording as a whole so that it ends when its replay ends: with --speed 1 it begins now, "
            "with max it ends now. It becomes a car of its own every time.",
        ),
    ] = False,
    wire: Annotated[str, typer.Option(help="How the car sends it: json, gbt32960 or gbt32960-2025.")] = "json",
    trip: Annotated[str | None, typer.Option(help="Which file of the archive; default the first.")] = None,
    start: Annotated[
        str | None, typer.Option(help="When a recording without a calendar began, as 2018-06-01T08:00:00-03:00.")
    ] = None,
    no_ingest: Annotated[bool, typer.Option("--no-ingest", help="Leave storing to workers elsewhere.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Publish a real recording over MQTT.

    It counts as received when it was recorded, and its car is enrolled first. docs/replay.md tells of every format.

    Example: forewarn replay car2_processed.zip --as ev-bms --speed 60 --shift-to-now
    """
    from forewarn.delivery import deliver, ingest_beside
    from forewarn.progress import progress_bar
    from forewarn.publish import paced
    from forewarn.replay import read
    from forewarn.replay.shift import shift_to_now, shifted, shifted_car, span_of
    from forewarn.replay.wire import over_wire
    from ingest.store.connection import connect
    from ingest.store.enrolment import enrol

    times, way = times_of(speed), _way(wire)
    began = None if start is None else instant(start, option="--start")
    recording = read(file, as_format=format, trip=trip, start=began, mapping=mapping)
    if recording.enrolment is None and way != "json":
        raise UserMistake(f"--wire {wire} is how a car sends, and --as {format} is a station: leave --wire out")
    for note in recording.notes:
        say(note)
    span = span_of(recording.messages, speed=times, longest_gap_s=longest_gap) if shift or times else None
    if times is not None and span is not None:
        say(f"the replay takes {timedelta(seconds=round(span.lasts_s))}; no wait is longer than {longest_gap:g} s")
    with opened(broker=True) as settings, ingest_beside(settings, wanted=not no_ingest):
        messages, car = recording.messages, recording.enrolment
        if shift and span is not None:
            # Only now, for servers take their time to start.
            moved = shift_to_now(span, now_ms=round(datetime.now(UTC).timestamp() * 1000))
            car = shifted_car(car, moved)
            messages = shifted(messages, moved, vin=car.vin if car else None)
            say(f"shifted: it begins {_said(moved.begins_ms)} and ends {_said(moved.ends_ms)}")
        vehicle_id = None
        if car is not None:
            with connect(dsn_of(settings), role="admin") as conn:
                vehicle_id = enrol(conn, [car], chosen_at=datetime.now(UTC))[car.vin]
        sent = over_wire(messages, way)
        due = sent if times is None else paced(sent, speed=times, longest_gap_s=longest_gap)
        with progress_bar(f"Publishing {file.name}", total=recording.n_samples) as advance:
            done = deliver(due, settings, on_progress=advance)
    if as_json:
        print(json.dumps({"vehicle_id": vehicle_id, "rows": recording.n_rows, **asdict(done)}))
    else:
        whose = f"vehicle {vehicle_id}, " if vehicle_id is not None else ""
        print(f"{whose}{recording.n_rows:,} rows: {in_words(done)}")


def _said(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(sep=" ", timespec="seconds")


def _way(wire: str) -> "Wire":
    from forewarn.replay.wire import WIRES

    way = next((known for known in WIRES if known == wire), None)
    if way is None:
        raise UserMistake(f"--wire {wire} is not a way to send: use one of {', '.join(WIRES)}")
    return way


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(replay)
