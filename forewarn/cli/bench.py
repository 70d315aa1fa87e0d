"""``forewarn bench``: how fast it is on this machine."""

import json
from typing import Annotated

import typer

from forewarn.cli.opening import say, settings_of_process

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
    import msgspec

    from forewarn.bench.ingest import bench_ingest

    result = bench_ingest(settings_of_process(), messages=messages, batch=batch, workers=workers, say=say)
    figures = msgspec.structs.asdict(result)
    if as_json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<22} {'not measured' if value is None else f'{value:,}' if _is_number(value) else value}")
    if result.lost or result.duplicates:
        raise typer.Exit(1)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
