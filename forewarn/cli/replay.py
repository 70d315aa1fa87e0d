"""The command that publishes a real recording over MQTT."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from config.errors import UserMistake
from forewarn.cli.opening import dsn_of, opened, say
from forewarn.cli.publish import in_words


def replay(
    file: Annotated[Path, typer.Argument(help="A recording: CSV, or an archive that holds it.")],
    format: Annotated[str, typer.Option("--as", help="What the recording is: ev-bms or carobd.")],
    speed: Annotated[str, typer.Option(help="How many times faster than it was recorded, or max.")] = "max",
    wire: Annotated[str, typer.Option(help="How the car sends it: json, gbt32960 or gbt32960-2025.")] = "json",
    trip: Annotated[str | None, typer.Option(help="Which file of the archive; default the first.")] = None,
    start: Annotated[
        str | None, typer.Option(help="When a recording without a calendar began, as 2018-06-01T08:00:00-03:00.")
    ] = None,
    no_ingest: Annotated[bool, typer.Option("--no-ingest", help="Leave storing to workers elsewhere.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Publish a real recording over MQTT.

    It counts as received when it was recorded, and its car is enrolled first.

    Example: forewarn replay car2_processed.zip --as ev-bms --speed max
    """
    from datetime import UTC

    from forewarn.delivery import deliver, ingest_beside
    from forewarn.progress import progress_bar
    from forewarn.publish import paced
    from forewarn.replay import read
    from forewarn.replay.wire import WIRES, over_wire
    from ingest.store.connection import connect
    from ingest.store.enrolment import enrol

    times = _times(speed)
    way = next((known for known in WIRES if known == wire), None)
    if way is None:
        raise UserMistake(f"--wire {wire} is not a way to send: use one of {', '.join(WIRES)}")
    recording = read(file, as_format=format, trip=trip, start=_instant(start))
    for note in recording.notes:
        say(note)
    with opened(broker=True) as settings:
        with connect(dsn_of(settings), role="admin") as conn:
            vehicle_id = enrol(conn, [recording.enrolment], chosen_at=datetime.now(UTC))[recording.vin]
        sent = over_wire(recording.messages, way)
        messages = sent if times is None else paced(sent, speed=times)
        with (
            ingest_beside(settings, wanted=not no_ingest),
            progress_bar(f"Publishing {file.name}", total=recording.n_rows) as advance,
        ):
            done = deliver(messages, settings, on_progress=advance)
    if as_json:
        print(json.dumps({"vehicle_id": vehicle_id, "rows": recording.n_rows, **asdict(done)}))
    else:
        print(f"vehicle {vehicle_id}, {recording.n_rows:,} rows: {in_words(done)}")


def _times(speed: str) -> float | None:
    if speed == "max":
        return None
    try:
        times = float(speed)
    except ValueError:
        times = 0.0
    if not 0 < times < float("inf"):
        raise UserMistake(f"--speed {speed} is not a speed: give a number above 0, as 60, or max")
    return times


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserMistake(f"--start {text} is not a time: write it as 2018-06-01T08:00:00-03:00") from error
    if instant.tzinfo is None:
        raise UserMistake(f"--start {text} has no time zone: add it, as in 2018-06-01T08:00:00-03:00")
    return instant


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(replay)
