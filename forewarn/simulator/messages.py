"""Turns what a fleet's cars sent into MQTT messages, in the order in which they were received."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from config.signals import catalogue
from forewarn.message import Message
from forewarn.simulator.car import LAMP_LEVELS, lamp_time
from forewarn.simulator.readings import STATES, Readings
from ingest import topics

if TYPE_CHECKING:
    from forewarn.simulator.fleet import Fleet, SimulatedVehicle

_CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
_encoder = msgspec.json.Encoder()


def messages(fleet: "Fleet") -> Iterator[Message]:
    """Yield every message of the fleet on replay topics, earliest received first.

    The same fleet yields the same bytes every time.
    """
    received, car, kind, place = [], [], [], []
    events: list[tuple[int, Message]] = []
    cars = [_Car(vehicle) for vehicle in fleet.vehicles]
    for number, vehicle in enumerate(fleet.vehicles):
        bounds = cars[number].bounds
        received.append(vehicle.readings.received_ms[bounds[:-1]])
        car.append(np.full(len(bounds) - 1, number))
        kind.append(np.zeros(len(bounds) - 1, dtype=np.int64))
        place.append(np.arange(len(bounds) - 1))
        events += [(number, event) for event in _lamp_messages(fleet, vehicle)]
    received.append(np.array([event.received_ms for _, event in events], dtype=np.int64))
    car.append(np.array([number for number, _ in events], dtype=np.int64))
    kind.append(np.ones(len(events), dtype=np.int64))
    place.append(np.arange(len(events)))
    columns = [np.concatenate(part) for part in (place, kind, car, received)]
    order = np.lexsort(columns)
    for is_event, which_car, which in zip(
        columns[1][order].tolist(), columns[2][order].tolist(), columns[0][order].tolist(), strict=True
    ):
        yield events[which][1] if is_event else cars[which_car].message(which)


class _Car:
    """One car's messages, encoded when they are asked for: a fleet's JSON would not fit into memory."""

    def __init__(self, vehicle: "SimulatedVehicle") -> None:
        readings = vehicle.readings
        self._readings = readings
        self._topic = topics.telemetry(vehicle.enrolment.vin)
        starts = np.flatnonzero(np.diff(readings.message, prepend=-1))
        self.bounds = np.append(starts, len(readings.message))
        self._columns = [(path, values, _converter(path)) for path, values in readings.columns.items()]

    def message(self, number: int) -> Message:
        first, last = int(self.bounds[number]), int(self.bounds[number + 1])
        received_ms = int(self._readings.received_ms[first])
        payload = _encoder.encode({"samples": self._samples(first, last)})
        return Message(received_ms, topics.replay(received_ms, self._topic), payload, last - first)

    def _samples(self, first: int, last: int) -> list[dict[str, Any]]:
        readings: Readings = self._readings
        signals: list[dict[str, Any]] = [{} for _ in range(first, last)]
        for path, values, convert in self._columns:
            for sample, value in zip(signals, values[first:last].tolist(), strict=True):
                # NaN, which is not equal to itself, was not sent.
                if value == value:
                    sample[path] = convert(value) if convert else value
        for sample, row in zip(signals, readings.cell_row[first:last].tolist(), strict=True):
            if row >= 0:
                sample[_CELLS] = (readings.cell_mv[row] / 1000).tolist()
        keys = zip(readings.ts_ms[first:last].tolist(), readings.seq[first:last].tolist(), signals, strict=True)
        return [{"ts": ts, "seq": seq, "signals": sample} for ts, seq, sample in keys]


def _converter(path: str) -> Callable[[float], Any] | None:
    kind = catalogue().by_path[path].type
    if kind == "text":
        return lambda value: STATES[int(value)]
    return {"integer": int, "boolean": bool}.get(kind)


def _lamp_messages(fleet: "Fleet", vehicle: "SimulatedVehicle") -> Iterator[Message]:
    for lamp in vehicle.lamps:
        for state, seconds in (("on", lamp.on_s), ("off", lamp.off_s)):
            if seconds is None or (at := lamp_time(fleet.start, seconds)) >= fleet.end:
                continue
            ts_ms = round(at.timestamp() * 1000)
            event = {"ts": ts_ms, "kind": "lamp", "code": lamp.code, "state": state, "level": 0}
            event["level"] = LAMP_LEVELS[lamp.code] if state == "on" else 0
            received_ms = ts_ms + 500
            topic = topics.replay(received_ms, topics.events(vehicle.enrolment.vin))
            yield Message(received_ms, topic, _encoder.encode(event), 1)
