"""The command that stands in for a charging operator whose piles are asked to stop."""

from typing import Annotated

import typer

from config.errors import UserMistake
from forewarn.cli.opening import say


def operator(
    manner: Annotated[str, typer.Option(help="obey, refuse, late or silent.")] = "obey",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    late_s: Annotated[float, typer.Option(min=0, max=60, help="Seconds that a late pile takes.")] = 12.0,
) -> None:
    """Be a charging operator: say what it is asked to stop, and answer.

    Runs until Ctrl-C. It speaks the stop of the generic webhook; 'forewarn
    partner add NAME --operator linhe --stop-by webhook --stop-url ADDRESS'
    makes its piles known. A pile that was stopped is not stopped twice.

    Example: forewarn simulate operator --manner late --late-s 12 --port 9100
    """
    import signal
    import threading

    from forewarn.simulator.charging.operator import MANNERS, StopAsked, simulated_operator

    if manner not in MANNERS:
        raise UserMistake(f"--manner is one of {', '.join(MANNERS)}, not {manner}")

    def tell(stop: StopAsked) -> None:
        place = "/".join(str(stop.data.get(name) or "-") for name in ("operator", "station", "connector"))
        print(f"{place} {stop.data.get('kind')} severity {stop.data.get('severity')}: {manner}", flush=True)

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with simulated_operator(lambda station: manner, late_s=late_s, asked=tell, port=port) as running:
        say(f"Stops are taken at {running.url}; Ctrl-C ends it")
        ended.wait()
