"""Starts embedded servers again that were killed, on the same data and the same port."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from config.errors import UserMistake
from config.settings import Settings
from forewarn.embedded.broker import restart_broker, running_broker
from forewarn.embedded.broker import runs_in as broker_runs_in
from forewarn.embedded.locks import locked
from forewarn.embedded.postgres import restart_cluster, running_cluster
from forewarn.embedded.postmaster import running_pid

_LOOK_EVERY_S = 1.0


@dataclass(slots=True)
class _Kept:
    name: str
    home: Path
    runs: Callable[[], bool]
    # Called with the start lock held.
    restart: Callable[[], object]
    complaint: str = ""


@contextmanager
def kept_alive(
    settings: Settings, *, say: Callable[[str], None], look_every_s: float = _LOOK_EVERY_S
) -> Iterator[None]:
    """Watch the embedded servers that ``settings`` reach, which run now, from a thread.

    say : tells a person, in one line, that a server ended and that it runs again
    """
    kept = _embedded(settings)
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(look_every_s):
            for server in kept:
                _look(server, say)

    watcher = threading.Thread(target=watch, name="keeper", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        # A start that is under way is finished: what it started is found and stopped.
        watcher.join()


def _embedded(settings: Settings) -> list[_Kept]:
    kept = []
    cluster = running_cluster(settings.data_dir / "postgres", run_as=settings.embedded.run_as)
    if cluster is not None and cluster.dsn == settings.database.dsn:
        kept.append(
            _Kept(
                "PostgreSQL",
                cluster.home,
                lambda: running_pid(cluster.data) is not None,
                lambda: restart_cluster(cluster),
            )
        )
    broker = running_broker(settings.data_dir / "broker")
    if broker is not None and (broker.host, broker.port) == (settings.mqtt.host, settings.mqtt.port):
        kept.append(
            _Kept("the MQTT broker", broker.home, lambda: broker_runs_in(broker.home), lambda: restart_broker(broker))
        )
    return kept


def _look(server: _Kept, say: Callable[[str], None]) -> None:
    if server.runs():
        return
    try:
        with locked(server.home / "start.lock"):
            server.restart()
    except (UserMistake, OSError, psycopg.Error) as error:
        complaint = f"{server.name} ended and does not start again: {' '.join(str(error).split())}"
        if complaint != server.complaint:
            say(complaint)
        server.complaint = complaint
    else:
        say(f"{server.name} ended and was started again.")
        server.complaint = ""
