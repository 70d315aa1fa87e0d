"""``forewarn charging``: the watch over charging cars and piles."""

from typing import Annotated

import typer

from forewarn.cli.opening import opened, say

app = typer.Typer(help="Watch charging: judge, stop, tell people.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Watch charging: judge, stop, tell people."""


@app.command()
def run(
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Judge what charging cars, piles and partners send, second by second.

    Runs until Ctrl-C. A danger stops the pile and the car at once, by the
    policies of partner and fleet; owners and the safety desk are told.
    'forewarn up' runs it, too.

    Example: FOREWARN_CHARGING__GATEWAY_URL=https://sms.example/send forewarn charging run
    """
    import threading

    from alerts.charging.process import put_first
    from forewarn.charging_watch import run_watch
    from forewarn.supervisor import stop_on_signals, stop_when_parent_ends

    stop = threading.Event()
    stop_on_signals(stop)
    if child:
        stop_when_parent_ends(stop)
    with opened(broker=True, patient=True) as settings:
        # Not before: servers that are started in there would come first, too.
        put_first()
        if not child:
            say(f"Watching charging at {settings.mqtt.host}:{settings.mqtt.port}; Ctrl-C ends it")
            say(f"Partners: {settings.partners.address()}/docs")
        run_watch(settings, stop=stop)
