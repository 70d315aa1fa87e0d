"""``forewarn bench``: how fast it is on this machine."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.cli.opening import say, settings_of_process
from forewarn.workers import ON

if TYPE_CHECKING:
    import msgspec

app = typer.Typer(help="How fast it is on this machine, beside what it stands on.", no_args_is_help=True)


@app.command()
def ingest(
    messages: Annotated[int, typer.Option(min=100, max=10_000_000, help="Messages to store.")] = 100_000,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Samples in each message.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast queued messages are stored.

    Servers of its own, in a temporary folder; needs the broker mosquitto.
    The exit code is 1 when a sample was lost or stored twice.

    Example: forewarn bench ingest --messages 100000 --batch 1 --workers 1 --json
    """
    from forewarn.bench.ingest import bench_ingest

    result = bench_ingest(settings_of_process(), messages=messages, batch=batch, workers=workers, say=say)
    _show(result, as_json=as_json)
    if result.lost or result.duplicates:
        raise typer.Exit(1)


@app.command()
def alarm(
    alarms: Annotated[int, typer.Option(min=3, max=100_000, help="Dangers, a third by each way.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how long a danger takes to the stop and to the owner.

    A third arrives from partners by HTTP, a third from piles and a third from
    cars by MQTT, beside bulk ingest at 80 % of what this machine stores.
    Servers of its own, in a temporary folder; needs the broker mosquitto. The
    exit code is 1 when an alarm was lost.

    Example: forewarn bench alarm --json
    """
    from forewarn.bench.alarm import bench_alarm

    result = bench_alarm(settings_of_process(), alarms=alarms, say=say)
    _show(result, as_json=as_json)
    if result.lost:
        raise typer.Exit(1)


@app.command()
def storage(
    cars: Annotated[int, typer.Option(min=2, max=5000, help="Cars in the simulated fleet.")] = 60,
    days: Annotated[int, typer.Option(min=3, max=400, help="Days they have driven.")] = 21,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure what readings take and how fast they are found.

    On the server that database.dsn names, in a database that it makes and
    drops; without one, in a PostgreSQL of its own.

    Example: FOREWARN_DATABASE__DSN=postgresql://forewarn@db/forewarn forewarn bench storage --json
    """
    from forewarn.bench.storage import bench_storage

    _show(bench_storage(settings_of_process(), cars=cars, days=days, say=say), as_json=as_json)


@app.command()
def score(
    vehicles: Annotated[int, typer.Option(min=300, max=1_000_000, help="Cars to score.")] = 10_000,
    on: Annotated[str, typer.Option("--on", help=ON)] = "here",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how many cars are scored in a second, from rollups to predictions.

    On the server that database.dsn names, in a database that it makes and
    drops; without one, in a PostgreSQL of its own. 10,000 cars take 3 GB there.

    Example: forewarn bench score --vehicles 10000 --json
    """
    from forewarn.bench.score import bench_score

    _show(bench_score(settings_of_process(), vehicles=vehicles, on=on, say=say), as_json=as_json)


@app.command()
def worklist(
    vehicles: Annotated[int, typer.Option(min=1000, max=5_000_000, help="Cars whose owners are known.")] = 1_000_000,
    cases: Annotated[int, typer.Option(min=200, max=1_000_000, help="Open cases.")] = 100_000,
    seconds: Annotated[float, typer.Option(min=5, max=600, help="For so long agents work.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the pages of the call centre: 50 agents, one action every 2 s each.

    On the server that database.dsn names, in a database that it makes and
    drops; without one, in a PostgreSQL of its own. The web server is the
    real one, in a process of its own. The exit code is 1 when an action was
    not answered as it should have been.

    Example: forewarn bench worklist --vehicles 1000000 --cases 100000 --json
    """
    from forewarn.bench.worklist import bench_worklist

    result = bench_worklist(settings_of_process(), vehicles=vehicles, cases=cases, seconds=seconds, say=say)
    _show(result, as_json=as_json)
    if result.failed:
        raise typer.Exit(1)


@app.command()
def simulate(
    vehicles: Annotated[int, typer.Option(min=5, max=100_000, help="Cars in the simulated fleet.")] = 1000,
    days: Annotated[int, typer.Option(min=1, max=800, help="Days they live.")] = 180,
    raw: Annotated[int, typer.Option(min=0, help="Cars whose every reading is stored.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast a fleet is simulated into the store.

    On the server that database.dsn names, in databases that it makes and
    drops; without one, in a PostgreSQL of its own. The exit code is 1 when
    the same seed did not come to the same fleet.

    Example: forewarn bench simulate --vehicles 1000 --days 180 --json
    """
    from forewarn.bench.simulate import bench_simulate

    result = bench_simulate(settings_of_process(), vehicles=vehicles, days=days, raw=raw, say=say)
    _show(result, as_json=as_json)
    if not result.is_repeatable:
        raise typer.Exit(1)


def _show(result: "msgspec.Struct", *, as_json: bool) -> None:
    import msgspec

    figures = msgspec.structs.asdict(result)
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<26} {'not measured' if value is None else f'{value:,}' if _is_number(value) else value}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
