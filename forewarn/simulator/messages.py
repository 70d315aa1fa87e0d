"""Turns what a fleet's cars sent into MQTT messages, in the order in which they were received."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.signals import catalogue
from forewarn.message import Message
from forewarn.simulator.lamps import LEVELS, Lamp
from forewarn.simulator.readings import TEXTS, Readings
from forewarn.simulator.truth import at
from ingest import topics

if TYPE_CHECKING:
    from forewarn.simulator.fleet import Fleet

_BATTERY = "Vehicle.Powertrain.TractionBattery"
_CELLS = f"{_BATTERY}.CellVoltage.CellVoltages"
_PROBES = f"{_BATTERY}.Temperature.Probes"
# An event is sent at once.
_EVENT_LATENCY_MS = 500
_encoder = msgspec.json.Encoder()


class LampEvent(NamedTuple):
    """A lamp that came on or went out; epoch ms."""

    vin: str
    ts_ms: int
    received_ms: int
    code: str
    state: str
    level: int


def messages(fleet: "Fleet") -> Iterator[Message]:
    """Yield every message of the fleet on replay topics, earliest received first.

    The same fleet yields the same bytes every time.
    """
    events = [
        event
        for vehicle in fleet.vehicles
        for event in lamp_events(vehicle.enrolment.vin, vehicle.lamps, fleet.start, fleet.end)
    ]
    return in_order([(vehicle.enrolment.vin, vehicle.readings) for vehicle in fleet.vehicles], events)


def in_order(cars: Sequence[tuple[str, Readings]], events: Iterable[LampEvent]) -> Iterator[Message]:
    """Yield the messages of some cars and their events on replay topics, earliest received first."""
    encoders = [_Car(vin, readings) for vin, readings in cars]
    listed = list(events)
    received = [car.received_ms for car in encoders]
    received.append(np.array([event.received_ms for event in listed], dtype=np.int64))
    sizes = [len(times) for times in received]
    place = np.concatenate([np.arange(size) for size in sizes])
    source = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((place, source, np.concatenate(received)))
    for which, number in zip(source[order].tolist(), place[order].tolist(), strict=True):
        yield _event_message(listed[number]) if which == len(encoders) else encoders[which].message(number)


def lamp_events(vin: str, lamps: Iterable[Lamp], start: datetime, end: datetime) -> Iterator[LampEvent]:
    """Yield what a car says of its lamps before ``end``."""
    for lamp in lamps:
        for state, seconds in (("on", lamp.on_s), ("off", lamp.off_s)):
            if seconds is None or (moment := at(start, seconds)) >= end:
                continue
            ts_ms = round(moment.timestamp() * 1000)
            level = LEVELS[lamp.code] if state == "on" else 0
            yield LampEvent(vin, ts_ms, ts_ms + _EVENT_LATENCY_MS, lamp.code, state, level)


class _Car:
    """One car's messages, encoded when they are asked for: a fleet's JSON would not fit into memory."""

    def __init__(self, vin: str, readings: Readings) -> None:
        self._readings = readings
        self._topic = topics.telemetry(vin)
        starts = np.flatnonzero(np.diff(readings.message, prepend=-1))
        self._bounds = np.append(starts, len(readings.message))
        self.received_ms: NDArray[np.int64] = readings.received_ms[starts]
        self._columns = [(path, values, _converter(path)) for path, values in readings.columns.items()]

    def message(self, number: int) -> Message:
        first, last = int(self._bounds[number]), int(self._bounds[number + 1])
        received_ms = int(self.received_ms[number])
        payload = _encoder.encode({"samples": self._samples(first, last)})
        return Message(received_ms, topics.replay(received_ms, self._topic), payload, last - first)

    def _samples(self, first: int, last: int) -> list[dict[str, Any]]:
        readings = self._readings
        signals: list[dict[str, Any]] = [{} for _ in range(first, last)]
        for path, values, convert in self._columns:
            for sample, value in zip(signals, values[first:last].tolist(), strict=True):
                # NaN, which is not equal to itself, was not sent.
                if value == value:
                    sample[path] = convert(value) if convert else value
        for sample, row in zip(signals, readings.cell_row[first:last].tolist(), strict=True):
            if row >= 0:
                sample[_CELLS] = (readings.cell_mv[row] / 1000).tolist()
                if readings.probe_c.shape[1]:
                    sample[_PROBES] = readings.probe_c[row].tolist()
        times, numbers = readings.ts_ms[first:last].tolist(), readings.seq[first:last].tolist()
        return [
            {"ts": ts, "seq": seq, "signals": sample} for ts, seq, sample in zip(times, numbers, signals, strict=True)
        ]


def _converter(path: str) -> Callable[[float], Any] | None:
    texts = TEXTS.get(path)
    if texts is not None:
        return lambda value: texts[int(value)]
    return {"integer": int, "boolean": bool}.get(catalogue().by_path[path].type)


def _event_message(event: LampEvent) -> Message:
    payload = {"ts": event.ts_ms, "kind": "lamp", "code": event.code, "state": event.state, "level": event.level}
    topic = topics.replay(event.received_ms, topics.events(event.vin))
    return Message(event.received_ms, topic, _encoder.encode(payload), 1)
