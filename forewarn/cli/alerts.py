"""``forewarn alerts``: the call list."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from config.errors import UserMistake
from forewarn.cli.opening import dsn_of, opened, say

app = typer.Typer(help="Who should be called, why, and where to send them.", no_args_is_help=True)


class Format(StrEnum):
    """How the list is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    XLSX = "xlsx"


@app.command("list")
def list_alerts(
    format: Annotated[Format, typer.Option(help="For people, for a spreadsheet or for a program.")] = Format.TABLE,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most that many, the most urgent.")] = 50,
    out: Annotated[Path | None, typer.Option(help="File for a workbook; without it, standard output.")] = None,
) -> None:
    """Print the call list, most urgent first. People are masked.

    Example: forewarn alerts list --format json --limit 10
    """
    from alerts.call_list import rows, to_csv, to_json, to_table, to_xlsx
    from forewarn.cli.tables import console
    from ingest.store.connection import connect

    with opened() as settings:
        with connect(dsn_of(settings), role="alerts") as conn:
            found = rows(conn, language=settings.language, limit=limit)
        if format is Format.JSON:
            print(to_json(found))
        elif format is Format.CSV:
            print(to_csv(found), end="")
        elif format is Format.XLSX:
            _write(to_xlsx(found), out)
        elif found:
            console().print(to_table(found, language=settings.language))
        if not found and format is Format.TABLE:
            print("the call list is empty")
            demo = settings.data_dir / "demo"
            if demo.is_dir():
                say(f"that of the demo: FOREWARN_DATA_DIR={demo} forewarn alerts list")


def _write(content: bytes, out: Path | None) -> None:
    if out is not None:
        try:
            out.write_bytes(content)
        except OSError as error:
            raise UserMistake(f"{out} cannot be written ({error.strerror}): name another file with --out") from error
    elif sys.stdout.isatty():
        raise UserMistake("a workbook is no text: name a file with --out, or send it on with > calls.xlsx")
    else:
        sys.stdout.buffer.write(content)
