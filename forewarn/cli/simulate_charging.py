"""The command that simulates charging stations, the cars on them, and dangers."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import UserMistake
from forewarn.cli.arguments import times_of
from forewarn.cli.opening import dsn_of, opened, say
from forewarn.cli.outcomes import in_words

if TYPE_CHECKING:
    from config.settings import Settings
    from forewarn.message import Message
    from forewarn.simulator.charging import Traffic
    from forewarn.simulator.charging.dangers import Kind
    from forewarn.simulator.charging.truth import Truth
    from ingest.store.enrolment import Enrolment

_MQTT = "mqtt"
# Beside the cars in danger and those that merely look so, some charge as cars do.
_HEALTHY_CARS = 12
# An over-charge needs a car that fills up, which half of them do.
_CARS_PER_DANGER = 3
# Drawing a live danger and encoding what it sends takes a second or two on a busy machine.
_PREPARE_MS = 4_000


def charging(
    stations: Annotated[int, typer.Option(min=1, max=10_000, help="Stations, over all cities.")] = 16,
    days: Annotated[int, typer.Option(min=1, max=400, help="Days, up to last midnight (UTC).")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same charging.")] = 1,
    dangers: Annotated[int, typer.Option(min=0, max=10_000, help="Cars that something dangerous happens to.")] = 6,
    danger: Annotated[
        str | None, typer.Option(help="Which danger, such as thermal_runaway; all kinds by turns without it.")
    ] = None,
    speed: Annotated[str, typer.Option(help="How many times faster than it happened, or max.")] = "max",
    to: Annotated[str, typer.Option(help="mqtt, or a folder for Parquet files.")] = _MQTT,
    live: Annotated[
        bool, typer.Option("--live", help="One danger now, second by second, until it is stopped or over.")
    ] = False,
    no_ingest: Annotated[bool, typer.Option("--no-ingest", help="Leave storing to workers elsewhere.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate charging stations and cars that charge, with dangers among them.

    Over MQTT its cars are enrolled first, with their owners' consent. What was really wrong is in the folder's truth/
    and is never published. A live danger hears the stop that Forewarn asks for, and acknowledges it.

    Example: forewarn simulate charging --stations 8 --days 1 --dangers 3 --danger thermal_runaway
    """
    kind = _kind(danger)
    times = times_of(speed)
    if live:
        if to != _MQTT or times is not None:
            raise UserMistake("--live happens now, over MQTT: leave out --to and --speed")
        _publish_live(kind or "thermal_runaway", stations=stations, seed=seed, ingest=not no_ingest, as_json=as_json)
        return
    if to != _MQTT and times is not None:
        raise UserMistake("--speed is for publishing: leave it out with --to a folder")
    enrolments, traffic = _simulate(stations=stations, days=days, seed=seed, dangers=dangers, kind=kind)
    if to == _MQTT:
        _publish(enrolments, traffic, times, ingest=not no_ingest, as_json=as_json)
    else:
        _write(traffic, Path(to), as_json=as_json)


def _simulate(
    *, stations: int, days: int, seed: int, dangers: int, kind: "Kind | None"
) -> "tuple[list[Enrolment], Traffic]":
    from forewarn.simulator.charging import simulate_charging
    from forewarn.simulator.charging.cars import draw_cars
    from forewarn.simulator.charging.traffic import last_day, stations_of

    start = last_day(days, now=datetime.now(UTC))
    enrolments, visits = draw_cars(
        _HEALTHY_CARS + _CARS_PER_DANGER * dangers, stations_of(stations, seed=seed), start=start, days=days, seed=seed
    )
    try:
        traffic = simulate_charging(
            stations=stations, days=days, seed=seed, start=start, visits=visits, dangers=dangers, kind=kind
        )
    except ValueError as error:
        raise UserMistake(f"{error}: ask for fewer") from error
    if traffic.placed.unplaced:
        say(f"{len(traffic.placed.unplaced)} cars found no free connector: more --stations have room for them")
    return enrolments, traffic


def _publish(
    enrolments: "list[Enrolment]", traffic: "Traffic", times: float | None, *, ingest: bool, as_json: bool
) -> None:
    from forewarn.delivery import deliver, ingest_beside
    from forewarn.progress import progress_bar
    from forewarn.publish import paced
    from forewarn.simulator.charging import messages

    sent = messages(traffic)
    with opened(broker=True) as settings:
        _enrol(settings, enrolments, chosen_at=traffic.start)
        with (
            ingest_beside(settings, wanted=ingest),
            progress_bar("Publishing what stations and cars sent", total=None) as advance,
        ):
            done = deliver(sent if times is None else paced(sent, speed=times), settings, on_progress=advance)
    if as_json:
        print(json.dumps({"sessions": len(traffic.placed.sessions), **asdict(done)}))
    else:
        print(f"{len(traffic.placed.sessions):,} sessions: {in_words(done)}")


def _publish_live(kind: "Kind", *, stations: int, seed: int, ingest: bool, as_json: bool) -> None:
    from forewarn.delivery import deliver, ingest_beside
    from forewarn.publish import paced
    from forewarn.simulator.charging.live import draw_live_danger
    from forewarn.simulator.charging.stops import listening
    from forewarn.simulator.charging.traffic import stations_of

    places = stations_of(stations, seed=seed)
    with opened(broker=True) as settings, ingest_beside(settings, wanted=ingest):
        # Servers run: from here on seconds count.
        starts_ms = time.time_ns() // 1_000_000 + _PREPARE_MS
        danger = draw_live_danger(kind, places, seed=seed, now_ms=starts_ms)
        at = danger.session.connector.at
        say(f"{kind} ahead in car {danger.enrolment.vin} at {at.operator} {at.station}, connector {at.connector}")
        _enrol(settings, [danger.enrolment], chosen_at=datetime.now(UTC))
        with listening(danger.enrolment.vin, settings.mqtt) as stops:
            sent = _at(starts_ms, danger.messages(stops))
            done = deliver(paced(sent, speed=1.0), settings)
        stopped_at_ms = stops()
    row = danger.run(stopped_at_ms).truth[0]
    if as_json:
        print(json.dumps({"vin": row.vin, "kind": kind, "stopped_at_ms": stopped_at_ms, **_when(row), **asdict(done)}))
    else:
        stopped = "nobody stopped it" if stopped_at_ms is None else "it was stopped"
        print(f"{kind}: {stopped}; {row.finding}; {in_words(done)}")


def _when(row: "Truth") -> dict[str, int | None]:
    return {"onset_ms": row.onset_ms, "condition_ms": row.condition_ms, "alarm_ms": row.alarm_ms}


def _at(starts_ms: int, messages: "Iterator[Message]") -> "Iterator[Message]":
    """Return ``messages`` when it is ``starts_ms``, with what takes time before the first one done."""
    first = next(messages)
    time.sleep(max(0.0, (starts_ms - time.time_ns() // 1_000_000) / 1000))
    return chain([first], messages)


def _enrol(settings: "Settings", enrolments: "list[Enrolment]", *, chosen_at: datetime) -> None:
    from ingest.store.connection import connect
    from ingest.store.enrolment import enrol

    with connect(dsn_of(settings), role="admin") as conn:
        enrol(conn, enrolments, chosen_at=chosen_at)


def _write(traffic: "Traffic", directory: Path, *, as_json: bool) -> None:
    from forewarn.progress import progress_bar
    from forewarn.simulator.charging.frames import write_parquet

    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UserMistake(f"--to {directory} is not empty: name a new folder")
    with progress_bar("Writing what stations and cars sent", total=len(traffic.placed.sessions)) as advance:
        rows = write_parquet(traffic, directory, on_progress=advance)
    done = {"sessions": len(traffic.placed.sessions), "rows": rows, "directory": str(directory)}
    print(
        json.dumps(done) if as_json else f"{done['sessions']:,} sessions, {rows:,} readings and alarms in {directory}"
    )


def _kind(danger: str | None) -> "Kind | None":
    from forewarn.simulator.charging.dangers import KINDS

    known = next((kind for kind in KINDS if kind == danger), None)
    if danger is not None and known is None:
        raise UserMistake(f"--danger {danger} is not a danger: use one of {', '.join(KINDS)}")
    return known
