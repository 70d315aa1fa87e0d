"""``forewarn ingest``: the consumers, and what they could not store."""

import json
from typing import Annotated

import typer

from forewarn.cli.opening import dsn_of, opened, say, settings_of_process

app = typer.Typer(help="Consume messages; look at those that could not be stored.", no_args_is_help=True)
dead_letters = typer.Typer(help="Messages that could not be stored, with the reason.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")


@app.command()
def run(
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes; default ingest.workers.")] = None,
) -> None:
    """Store what the broker delivers, until Ctrl-C.

    Workers that end are started again.

    Example: forewarn ingest run --workers 2
    """
    import threading

    from forewarn.delivery import ingest_workers, only_ingest
    from forewarn.supervisor import Supervisor, child_environment, stop_on_signals

    stop = threading.Event()
    stop_on_signals(stop)
    with opened(broker=True, workers=workers) as settings, only_ingest(settings):
        say(f"Reading from {settings.mqtt.host}:{settings.mqtt.port}; Ctrl-C ends it")
        Supervisor(ingest_workers(settings), environment=child_environment(settings)).run(stop)


@app.command(hidden=True)
def worker(index: Annotated[int, typer.Option(min=0)]) -> None:
    """Run one worker, as the supervisor does; it ends with its parent."""
    import threading

    from forewarn.supervisor import stop_on_signals, stop_when_parent_ends
    from ingest.worker import run_worker

    stop = threading.Event()
    stop_on_signals(stop)
    stop_when_parent_ends(stop)
    run_worker(settings_of_process(), stop=stop, index=index)


@dead_letters.command("list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most that many, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List messages that could not be stored, newest first.

    Example: forewarn ingest dead-letters list --limit 20 --json
    """
    from config import sql
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="ingest") as conn:
        found = conn.execute(sql.load("forewarn", "dead_letters"), {"limit": limit}).fetchall()
    columns = ("id", "received_at", "reason", "detail", "topic", "samples", "bytes")
    if as_json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in found], default=str, indent=2))
        return
    if not found:
        print("no dead letters")
    for number, received_at, reason, detail, topic, samples, size in found:
        print(
            f"{number}  {received_at:%Y-%m-%d %H:%M:%S}  {reason}: {detail}  ({topic}, {samples} samples, {size} bytes)"
        )
