"""``forewarn dealers``: the network, in and out as CSV, and its appointment slots."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from config.errors import UserMistake
from forewarn.cli.opening import dsn_of, opened, say

app = typer.Typer(help="The dealers that owners are sent to.", no_args_is_help=True)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV in UTF-8; docs/dealers.md says which columns.")],
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with it.")] = False,
) -> None:
    """Write the dealers of a file, new ones and known ones. One wrong line, and nothing is written.

    Example: forewarn dealers import dealers.csv --check
    """
    from alerts.dealer_file import import_dealers
    from ingest.datum import gcj02_to_wgs84
    from ingest.store.connection import connect

    try:
        content = file.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserMistake(f"there is no file {file}: correct its name") from error
    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        count = import_dealers(conn, content, from_gcj02=gcj02_to_wgs84, check_only=check)
    print(f"{count} dealers are fine; nothing was written" if check else f"{count} dealers written")


@app.command("export")
def export_file(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to; without, it is printed.")] = None,
) -> None:
    """Write every dealer as CSV, as import reads it.

    Example: forewarn dealers export dealers.csv
    """
    from alerts.dealer_file import write_dealers
    from alerts.dealers import all_dealers
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        dealers = all_dealers(conn, admitted_only=False)
    text = write_dealers(dealers)
    if file is None:
        sys.stdout.write(text)
        return
    # The mark by which Excel knows UTF-8.
    file.write_bytes(text.encode("utf-8-sig"))
    say(f"{len(dealers)} dealers written to {file}")


@app.command()
def slots(
    days: Annotated[int, typer.Option(min=1, max=60, help="Days ahead, today included.")] = 15,
) -> None:
    """Make the appointment slots of the days to come, of dealers whose file has hours and places.

    The schedule does it every day.

    Example: forewarn dealers slots --days 30
    """
    from alerts.slots import make_slots
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts", autocommit=True) as conn:
        made = make_slots(conn, now=utc_now(), days=days)
    print(f"{made} appointment slots made")
