"""``forewarn ingest``: the consumers, and what they could not store."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import UserMistake
from forewarn.cli import dead_letters
from forewarn.cli.opening import opened, say, say_what_store_costs, settings_of_process

if TYPE_CHECKING:
    from config.settings import Settings
    from ingest.queue_probe import ProbeResult

app = typer.Typer(help="Consume messages; look at those that could not be stored.", no_args_is_help=True)
app.add_typer(dead_letters.app, name="dead-letters")


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
    own_broker = settings_of_process().mqtt.host is None
    with opened(broker=True, workers=workers, patient=True) as settings, only_ingest(settings):
        say_what_store_costs(settings)
        if not own_broker:
            for line in _warnings(settings):
                say(f"Warning: {line}")
        say(f"Reading from {settings.mqtt.host}:{settings.mqtt.port}; Ctrl-C ends it")
        Supervisor(ingest_workers(settings), environment=child_environment(settings)).run(stop)


def _warnings(settings: "Settings") -> list[str]:
    from ingest.broker_check import broker_warnings

    return broker_warnings(settings.mqtt, shared=settings.ingest.workers > 1)


@app.command("check-broker")
def check_broker(
    messages: Annotated[
        int, typer.Option(min=1, max=250_000, help="Messages to queue; more than an outage would be.")
    ] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find out what the broker would lose while ingest is away.

    Leaves a session of its own, publishes small messages for it below
    v1/probe/, comes back and counts; needs the rights of the principal
    forewarn-probe. The exit code is 1 when something was lost or could not be
    measured.

    Example: forewarn ingest check-broker --messages 50000
    """
    from ingest.probe_session import BrokerSilent
    from ingest.queue_probe import probe_queue

    settings = settings_of_process()
    if settings.mqtt.host is None:
        raise UserMistake("this checks a broker of your own: set FOREWARN_MQTT__HOST (docs/embedded.md has our own's)")
    warnings = _warnings(settings)
    say(f"Queueing {messages:,} messages")
    try:
        found = probe_queue(settings.mqtt, messages=messages)
    except BrokerSilent as silence:
        where = f"{settings.mqtt.host}:{settings.mqtt.port}"
        raise UserMistake(f"the broker at {where} cannot be measured ({silence}): see that it runs") from silence
    if as_json:
        facts = {
            "protocol": found.protocol,
            "messages": found.messages,
            "acknowledged": found.acknowledged,
            "delivered": found.delivered,
            "lost": found.lost,
            "session_kept": found.session_kept,
            "refused": found.refused,
            "warnings": warnings,
        }
        print(json.dumps(facts))
    else:
        for line in warnings:
            print(f"warning: {line}")
        print(_measured(found))
    if found.refused is not None or found.lost or found.acknowledged < found.messages:
        raise typer.Exit(1)


def _measured(found: "ProbeResult") -> str:
    if found.refused is not None:
        return f"not measured: {found.refused}"
    kept = f"of {found.acknowledged:,} messages that the broker took for an absent consumer"
    if found.lost:
        why = "" if found.session_kept else "; it forgot the session"
        return f"{kept} it lost {found.lost:,}{why}: docs/broker.md says what to set"
    if found.acknowledged < found.messages:
        return f"{kept} it lost none, but it took no more of the {found.messages:,} in time"
    return f"{kept} it lost none"


@app.command(hidden=True)
def worker(
    index: Annotated[int, typer.Option(min=0)] = 0,
    charging: Annotated[bool, typer.Option("--charging", help="Read the charging lane.")] = False,
) -> None:
    """Run one worker, as the supervisor does; it ends with its parent."""
    import threading

    from forewarn.supervisor import stop_on_signals, stop_when_parent_ends
    from ingest.worker import run_worker

    stop = threading.Event()
    stop_on_signals(stop)
    stop_when_parent_ends(stop)
    run_worker(settings_of_process(), stop=stop, index=index, lane="charging" if charging else "bulk")
