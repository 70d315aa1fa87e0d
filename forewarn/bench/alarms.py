"""What the benchmark of dangers sends and what it hears of it, each with its time. Latencies are pure arithmetic."""

import http.client
import json
import math
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from ingest import topics

Source = Literal["http", "pile", "car"]
SOURCES: tuple[Source, ...] = ("http", "pile", "car")
OPERATOR = "bench"
_BATTERY = "Vehicle.Powertrain.TractionBattery."
_COOL_C, _HOT_C = 30.0, 72.0
# A car's samples before the one that makes it a danger: one that is sound, two that are hot. The third hot one is two
# seconds after the first, which is as long as the condition has to hold.
BEFORE = (_COOL_C, _HOT_C, _HOT_C)


class Danger(msgspec.Struct, frozen=True):
    """One danger: where it comes from, and the car and place it is about."""

    number: int
    source: Source

    @property
    def vin(self) -> str:
        return f"LFWC{self.number:013d}"

    @property
    def at(self) -> topics.Connector:
        return topics.Connector(OPERATOR, f"st{self.number:05d}", "1")

    @property
    def expects(self) -> frozenset[str]:
        """Whom the stop has to reach: where a pile is known, the pile and the car it names."""
        return frozenset({"car"}) if self.source == "car" else frozenset({"pile", "car"})


class Heard:
    """When what was sent and what came of it, by danger; times are ``time.perf_counter``. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sent: dict[int, float] = {}
        self.stops: dict[tuple[int, str], float] = {}
        self.owners: dict[int, float] = {}

    def note_sent(self, number: int) -> None:
        with self._lock:
            self.sent[number] = time.perf_counter()

    def note_stop(self, number: int, target: str, at_s: float) -> None:
        with self._lock:
            self.stops.setdefault((number, target), at_s)

    def note_owner(self, number: int) -> None:
        with self._lock:
            self.owners.setdefault(number, time.perf_counter())

    def stop_ms(self, danger: Danger) -> float | None:
        """Return how long after it was sent the last of its stops arrived; None where one never did."""
        with self._lock:
            sent = self.sent.get(danger.number)
            arrived = [self.stops.get((danger.number, target)) for target in danger.expects]
        if sent is None or any(one is None for one in arrived):
            return None
        return 1000 * (max(one for one in arrived if one is not None) - sent)

    def owner_ms(self, danger: Danger) -> float | None:
        with self._lock:
            sent, told = self.sent.get(danger.number), self.owners.get(danger.number)
        return None if sent is None or told is None else 1000 * (told - sent)


def percentile(values: list[float], share: float) -> float | None:
    """Return the smallest value that ``share`` of all values do not exceed; None of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def number_of_vin(vin: str) -> int:
    return int(vin[4:])


def car_message(danger: Danger, degrees: float, *, ts_ms: int) -> tuple[str, bytes]:
    """Return topic and payload of one second of a charging car: 96 cells, 16 probes."""
    probes = [25.0] * 15 + [degrees]
    signals: dict[str, Any] = {
        f"{_BATTERY}CellVoltage.CellVoltages": [3.7] * 96,
        f"{_BATTERY}Temperature.Probes": probes,
        f"{_BATTERY}Temperature.Max": degrees,
        f"{_BATTERY}Temperature.Min": 25.0,
        f"{_BATTERY}CurrentVoltage": 355.0,
        f"{_BATTERY}CurrentCurrent": 120.0,
        f"{_BATTERY}InsulationResistance": 5000.0,
        f"{_BATTERY}Charging.IsCharging": True,
    }
    payload = msgspec.json.encode({"samples": [{"ts": ts_ms, "seq": 0, "signals": signals}]})
    return topics.charging(danger.vin), payload


def pile_message(danger: Danger, *, ts_ms: int) -> tuple[str, bytes]:
    """Return topic and payload of a pile's alarm that names its car."""
    alarm = {"id": f"A{danger.number}", "ts": ts_ms, "session_id": f"s{danger.number}", "vin": danger.vin}
    return topics.charger(danger.at, "alarm"), msgspec.json.encode(alarm | {"code": "18", "severity": 1})


def event(danger: Danger, *, ts_ms: int) -> dict[str, Any]:
    """Return the CloudEvent with which a partner pushes an anomaly."""
    at = danger.at
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"/{OPERATOR}",
        "type": "forewarn.charging.anomaly.v1",
        "time": _iso(ts_ms),
        "data": {
            "id": f"A{danger.number}",
            "operator": at.operator,
            "station": at.station,
            "connector": at.connector,
            "session_id": f"s{danger.number}",
            "vin": danger.vin,
            "code": "120",
            "severity": 1,
            "kind": "over_temperature",
            "state": "on",
            "ts": _iso(ts_ms),
        },
    }


def _iso(ts_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ts_ms / 1000)) + f".{ts_ms % 1000:03d}Z"


@contextmanager
def cars(port: int, heard: Heard) -> Iterator[Client]:
    """Be all cars: hear commands, answer that they are done. Yields a client to publish with."""
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id="forewarn-bench-cars")
    client.max_inflight_messages_set(1000)

    def on_message(connected: Client, _data: Any, message: Any) -> None:
        at_s = time.perf_counter()
        heard.note_stop(number_of_vin(message.topic.split("/")[2]), "car", at_s)
        command = json.loads(message.payload)
        answer = {"id": command["id"], "ts": time.time_ns() // 1_000_000, "result": "done"}
        connected.publish(f"{message.topic}/ack", json.dumps(answer), qos=1)

    # As piles and cars do that mean it: paho alone would hold a message back for the acknowledgement of the last.
    client.on_socket_open = _send_at_once
    client.on_connect = lambda connected, *_: connected.subscribe("v1/vehicles/+/commands", qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if not subscribed.wait(10):
            raise RuntimeError("the cars of the benchmark cannot hear commands")
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def _send_at_once(_client: Client, _data: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _Gateway(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    taken: Callable[[dict[str, Any]], None]


class _TakeMessage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Gateway

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()
        self.server.taken(message)

    def log_message(self, *_: object) -> None:
        """Say nothing: figures are what is printed."""


@contextmanager
def gateway(taken: Callable[[dict[str, Any]], None]) -> Iterator[str]:
    """Be the gateway that sends text messages to owners; yields its address. ``taken`` is told what was accepted."""
    with _Gateway(("127.0.0.1", 0), _TakeMessage) as server:
        server.taken = taken
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="gateway", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/send"
        finally:
            server.shutdown()
            thread.join()


class Partner:
    """Pushes events over connections that stay open, as an operator's own platform does. ``close`` ends it.

    headers : signs a body, as the partner's key has it
    """

    def __init__(
        self, port: int, path: str, headers: Callable[[bytes, str], dict[str, str]], heard: Heard, *, threads: int = 8
    ) -> None:
        self._port, self._path, self._headers, self._heard = port, path, headers, heard
        self._waiting: queue.SimpleQueue[Danger | None] = queue.SimpleQueue()
        self.statuses: dict[int, int] = {}
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def push(self, danger: Danger) -> None:
        self._waiting.put(danger)

    def close(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while (danger := self._waiting.get()) is not None:
            said = event(danger, ts_ms=time.time_ns() // 1_000_000)
            body = json.dumps(said).encode()
            headers = self._headers(body, said["id"]) | {"content-type": "application/cloudevents+json"}
            if connection.sock is None:
                connection.connect()
            self._heard.note_sent(danger.number)
            try:
                connection.request("POST", self._path, body, headers)
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            self.statuses[status] = self.statuses.get(status, 0) + 1
        connection.close()
