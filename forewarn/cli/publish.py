"""The command that publishes a simulated fleet over MQTT."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.cli.opening import dsn_of, opened

if TYPE_CHECKING:
    from forewarn.delivery import Outcomes


def in_words(done: "Outcomes") -> str:
    """Return what became of samples as one line."""
    return (
        f"{done.received:,} samples received: {done.stored:,} stored, {done.duplicate:,} duplicate, "
        f"{done.dead:,} dead letters, {done.refused:,} refused"
    )


def simulate(
    vehicles: Annotated[int, typer.Option(min=1, max=100_000, help="Cars in the fleet.")] = 120,
    days: Annotated[int, typer.Option(min=1, max=400, help="Days they have driven, up to last midnight (UTC).")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet.")] = 1,
    no_ingest: Annotated[bool, typer.Option("--no-ingest", help="Leave storing to workers elsewhere.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Publish a simulated fleet over MQTT.

    Its cars are enrolled first, with their owners' consent.

    Example: forewarn simulate --vehicles 20 --days 30
    """
    from datetime import UTC, datetime

    from forewarn.delivery import deliver, ingest_beside
    from forewarn.progress import progress_bar
    from forewarn.simulator import messages, simulate_fleet
    from ingest.store.connection import connect
    from ingest.store.enrolment import enrol

    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with opened(broker=True) as settings:
        with progress_bar("Simulating the fleet", total=vehicles) as advance:
            fleet = simulate_fleet(vehicles=vehicles, days=days, seed=seed, end=end, on_progress=advance)
        with connect(dsn_of(settings), role="admin") as conn:
            enrol(conn, fleet.enrolments, chosen_at=fleet.start)
        with (
            ingest_beside(settings, wanted=not no_ingest),
            progress_bar("Publishing the fleet", total=fleet.n_readings) as advance,
        ):
            done = deliver(messages(fleet), settings, on_progress=advance)
    print(json.dumps(asdict(done)) if as_json else in_words(done))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(simulate)
