"""The alarms that piles send: of dangers with a delay or not at all, and of everyday faults."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from forewarn.message import Message
from forewarn.simulator.charging.codes import DANGER_FAULTS, START_FAULTS, Fault, Severity, code_of
from forewarn.simulator.charging.dangers import Danger
from forewarn.simulator.charging.happening import CELL_HIGH_V, CELL_WORST_V, LEGAL_OHM_PER_V, Happening
from forewarn.simulator.charging.heat import HOT_C
from forewarn.simulator.charging.sessions import Session
from ingest import topics

_encoder = msgspec.json.Encoder()
_WARM_C = 80.0
_BATTERY_WARM_C, _BATTERY_HOT_C = 62.0, 75.0
# Smoke has to reach the detector.
_SMOKE_S = 15.0
# What a monitor calls low before it is unlawful.
_LOW_OHM_PER_V = 500.0
OFFLINE = "offline"
_NAMES_CAR_SHARE = 0.7
_LATENCY_MS = (200, 2500)
_NOT_REPORTED_STARTS = 0.3
_GOES_OFF_S = (30.0, 1200.0)


@dataclass(frozen=True)
class PileAlarm:
    """One report of an alarm. Times are epoch ms; ``measures`` has OCPP measurands as keys."""

    session: Session
    alarm_id: str
    fault: str
    ts_ms: int
    received_ms: int
    code: str
    severity: Severity
    state: str
    text: str
    vin: str | None
    measures: dict[str, float]

    def message(self, *, live: bool = False) -> Message:
        """Return it as a message; on a replay topic unless it is ``live``."""
        payload: dict[str, Any] = {
            "id": self.alarm_id,
            "ts": self.ts_ms,
            "session_id": self.session.session_id,
            "code": self.code,
            "severity": self.severity,
            "state": self.state,
            "text": self.text,
            "measures": self.measures,
        }
        if self.vin is not None:
            payload["vin"] = self.vin
        topic = topics.charger(self.session.connector.at, "alarm")
        topic = topic if live else topics.replay(self.received_ms, topic)
        return Message(self.received_ms, topic, _encoder.encode(payload), 1)


def danger_alarms(
    session: Session, happening: Happening, danger: Danger, *, rng: np.random.Generator
) -> list[PileAlarm]:
    """Return what the pile reports of a danger: each stage late by the danger's delay; nothing when it is silent.

    An alarm that gets worse keeps its id.
    """
    # Drawn whether or not there is something to report, so that a stop changes nothing before it.
    names_car = rng.random() < _NAMES_CAR_SHARE
    late_s = danger.delay_s + np.sort(rng.uniform(0.0, 3.0, 4))
    latency_ms = rng.integers(*_LATENCY_MS, 4)
    stages = _stages(happening, danger)
    codes = {fault: code_of(DANGER_FAULTS[fault], session.operator, rng) for fault in sorted(DANGER_FAULTS)}
    if not danger.is_reported:
        return []
    alarms = []
    for number, (name, severity, holds) in enumerate(stages):
        if not holds.any():
            continue
        at_s = float(happening.t_s[np.argmax(holds)]) + float(late_s[number])
        if at_s > happening.t_s[-1]:
            continue
        ts_ms = session.started_ms + round(at_s * 1000)
        alarms.append(
            PileAlarm(
                session,
                f"{session.session_id}-{name}",
                name,
                ts_ms,
                ts_ms + int(latency_ms[number]),
                codes[name],
                severity,
                "on",
                DANGER_FAULTS[name].text,
                session.visit.vin if names_car and session.visit is not None else None,
                _measures(happening, at_s),
            )
        )
    return sorted(alarms, key=lambda alarm: alarm.ts_ms)


def _stages(happening: Happening, danger: Danger) -> list[tuple[str, Severity, NDArray[np.bool_]]]:
    car = happening.car
    assert car is not None
    hottest = car.probe_c.max(axis=1)
    ohm_per_v = happening.insulation_kohm * 1000 / np.maximum(car.course.pack_v, 100.0)
    never = np.zeros(len(happening.t_s), dtype=bool)
    match danger.physics:
        case "thermal_runaway":
            smoke = never if happening.vented_s is None else happening.t_s >= happening.vented_s + _SMOKE_S
            return [
                ("battery_hot", 2, hottest >= _BATTERY_WARM_C),
                ("battery_hot", 1, hottest >= _BATTERY_HOT_C),
                ("smoke", 1, smoke),
            ]
        case "insulation_loss" | "rain":
            # Rain comes down to what a monitor calls a notice.
            low: Severity = 2 if danger.is_danger else 3
            return [
                ("insulation", low, ohm_per_v < _LOW_OHM_PER_V),
                ("insulation", 1, ohm_per_v < LEGAL_OHM_PER_V),
            ]
        case "contact_heat":
            return [("gun_hot", 2, happening.gun_c >= _WARM_C), ("gun_hot", 1, happening.gun_c >= HOT_C)]
        case "over_voltage":
            highest = car.cell_v.max(axis=1)
            return [("over_voltage", 2, highest >= CELL_HIGH_V), ("over_voltage", 1, highest >= CELL_WORST_V)]
        case "disagreement":
            wrong = never.copy()
            if happening.condition_row is not None:
                wrong[happening.condition_row :] = True
            return [("meter", 2, wrong)]
        case _:
            return []


def _measures(happening: Happening, at_s: float) -> dict[str, float]:
    row = min(int(np.searchsorted(happening.t_s, at_s)), len(happening.t_s) - 1)
    return {
        "Voltage": round(float(happening.pile_v[row]), 1),
        "Current.Import": round(float(happening.pile_a[row]), 1),
        "Temperature": round(float(happening.gun_c[row])),
    }


def everyday_alarms(
    session: Session, faults: list[tuple[Fault, float]], *, rng: np.random.Generator
) -> list[PileAlarm]:
    """Return the reports of everyday faults: on, and off again within the session or soon after it."""
    alarms = []
    for number, (fault, at_s) in enumerate(faults):
        code = code_of(fault, session.operator, rng)
        off_s = at_s + rng.uniform(*_GOES_OFF_S)
        for state, seconds in (("on", at_s), ("off", off_s)):
            ts_ms = session.started_ms + round(seconds * 1000)
            # That a station is offline is told when it is back.
            told_ms = session.started_ms + round(off_s * 1000) if fault.name == OFFLINE else ts_ms
            alarms.append(
                PileAlarm(
                    session,
                    f"{session.session_id}-e{number}",
                    fault.name,
                    ts_ms,
                    told_ms + int(rng.integers(*_LATENCY_MS)),
                    code,
                    fault.severity,
                    state,
                    fault.text,
                    None,
                    {},
                )
            )
    return alarms


def start_alarms(session: Session, *, rng: np.random.Generator) -> list[PileAlarm]:
    """Return the report of a failed start, where there is one."""
    fault = START_FAULTS[rng.integers(len(START_FAULTS))]
    if rng.random() < _NOT_REPORTED_STARTS:
        return []
    return everyday_alarms(session, [(fault, 0.8 * session.seconds)], rng=rng)[:1]
