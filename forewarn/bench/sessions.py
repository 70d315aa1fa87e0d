"""Sessions at the benchmark's broker: left behind to collect messages, and read by paho alone."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from config.errors import UserMistake

_ANSWER_WITHIN_S = 10.0
# Nothing for that long from a broker on this machine: nothing more will come.
_STALLED_AFTER_S = 30.0


def leave_session(port: int, client_id: str, filters: Iterable[str]) -> None:
    """Subscribe in a persistent session and go: the broker keeps for it what is published from now on."""
    subscribed = threading.Event()
    client = _client(client_id, clean=False)

    def subscribe(*_: Any) -> None:
        client.subscribe([(topic_filter, 1) for topic_filter in filters])

    client.on_connect = subscribe
    client.on_subscribe = lambda *_: subscribed.set()
    _with_loop(client, port, lambda: _wait_for(subscribed, f"{client_id} could not subscribe"))


def end_session(port: int, client_id: str) -> None:
    """Make the broker forget a session and what waits in it."""
    connected = threading.Event()
    client = _client(client_id, clean=True)
    client.on_connect = lambda *_: connected.set()
    _with_loop(client, port, lambda: _wait_for(connected, f"{client_id} could not connect"))


def receive_limit(port: int, client_id: str, *, messages: int) -> float:
    """Return what ``receive`` returns in a process that has nothing else in it: the faster for it.

    Raises : UserMistake, with what that process said
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", "forewarn.bench.sessions", str(port), client_id, str(messages)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UserMistake(f"bare paho could not be measured: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")
    end_session(port, client_id)
    return float(done.stdout)


def receive(port: int, client_id: str, *, messages: int) -> float:
    """Return the messages a second that bare paho receives of a session in which ``messages`` wait.

    It acknowledges by hand and never does, decodes nothing and stores nothing: what no consumer built on it can beat.
    MQTT 3.1.1, since paho reads that faster than 5. From the first message to the last: at least two.
    """
    received = 0
    began = ended = 0.0
    complete = threading.Event()

    def count(*_: Any) -> None:
        nonlocal received, began, ended
        received += 1
        if received == 1:
            began = time.perf_counter()
        if received == messages:
            ended = time.perf_counter()
            complete.set()

    def wait() -> None:
        seen = -1
        while not complete.wait(_STALLED_AFTER_S):
            if received == seen:
                raise UserMistake(f"the broker delivered {received} of {messages} messages: see its memory and log")
            seen = received

    client = _client(client_id, clean=False)
    client.on_message = count
    _with_loop(client, port, wait)
    return messages / (ended - began)


def _client(client_id: str, *, clean: bool) -> Client:
    return Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean, manual_ack=True)


def _with_loop(client: Client, port: int, wait: Callable[[], None]) -> None:
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        wait()
    finally:
        client.disconnect()
        client.loop_stop()


def _wait_for(event: threading.Event, failure: str) -> None:
    if not event.wait(_ANSWER_WITHIN_S):
        raise UserMistake(f"{failure} within {_ANSWER_WITHIN_S:.0f} s: see that the machine is not overloaded")


if __name__ == "__main__":
    _port, _client_id, _messages = sys.argv[1:]
    sys.stdout.write(f"{receive(int(_port), _client_id, messages=int(_messages))}\n")
