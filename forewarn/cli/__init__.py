"""The command ``forewarn``. Commands import what they need when they run: ``--help`` stays quick."""

import signal
import sys

import typer

from forewarn.cli import (
    accounts,
    alerts,
    bench,
    charging,
    dealers,
    drift,
    evaluate,
    ingest,
    keys,
    models,
    partner,
    replay,
    simulate,
    system,
)
from forewarn.cli.failures import explain

app = typer.Typer(
    name="forewarn",
    help="Says which car will light a warning lamp soon, before it does, and who should be called.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
system.add_to(app)
replay.add_to(app)
models.add_to(app)
drift.add_to(app)
evaluate.add_to(app)
app.add_typer(simulate.app, name="simulate")
app.add_typer(ingest.app, name="ingest")
app.add_typer(alerts.app, name="alerts")
app.add_typer(accounts.app, name="accounts")
app.add_typer(keys.app, name="keys")
app.add_typer(dealers.app, name="dealers")
app.add_typer(charging.app, name="charging")
app.add_typer(partner.app, name="partner")
app.add_typer(bench.app, name="bench")


def main(arguments: list[str] | None = None) -> None:
    """Run the command and end the process: 0 done, 1 unexpected, 2 a person's mistake, 130 interrupted."""
    # Ends as Ctrl-C does, so that servers which nobody needs any more are stopped.
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(run(arguments))


def _terminated(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; failures are explained on standard error."""
    try:
        code = app(args=arguments, prog_name="forewarn", standalone_mode=False)
    except typer.Exit as ending:
        code = ending.exit_code
    except BaseException as failure:
        explained = explain(failure)
        if explained is None:
            raise
        if explained.text:
            print(explained.text, file=sys.stderr)
        return explained.code
    return code if isinstance(code, int) else 0
