"""``forewarn alerts``: the call list."""

from enum import StrEnum
from typing import Annotated

import typer

from forewarn.cli.opening import dsn_of, opened, say

app = typer.Typer(help="Who should be called, why, and where to send them.", no_args_is_help=True)


class Format(StrEnum):
    """How the list is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command("list")
def list_alerts(
    format: Annotated[Format, typer.Option(help="For people, for a spreadsheet or for a program.")] = Format.TABLE,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most that many, the most urgent.")] = 50,
) -> None:
    """Print the call list, most urgent first. People are masked.

    Example: forewarn alerts list --format json --limit 10
    """
    from alerts.call_list import rows, to_csv, to_json, to_table
    from forewarn.cli.tables import console
    from ingest.store.connection import connect

    with opened() as settings:
        with connect(dsn_of(settings), role="alerts") as conn:
            found = rows(conn, language=settings.language, limit=limit)
        if format is Format.JSON:
            print(to_json(found))
        elif format is Format.CSV:
            print(to_csv(found), end="")
        elif found:
            console().print(to_table(found, language=settings.language))
        if not found and format is Format.TABLE:
            print("the call list is empty")
            demo = settings.data_dir / "demo"
            if demo.is_dir():
                say(f"that of the demo: FOREWARN_DATA_DIR={demo} forewarn alerts list")
