"""The alarms that piles send: of dangers with a delay or not at all, and of everyday faults."""

from dataclasses import dataclass, replace
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
# GB/T 44500-2024: no cell of a car in use may get hotter.
_BATTERY_WARM_C = {"NMC": 60.0, "LFP": 65.0}
_BATTERY_HOT_C = 75.0
# Smoke has to reach the detector.
_SMOKE_S = 15.0
# What a monitor calls low before it is unlawful.
_LOW_OHM_PER_V = 500.0
# How far back something has to go before its alarm ends: alarms that flutter are of no use to anybody.
_COOLED_C, _RECOVERED, _FELL_V = 5.0, 1.1, 0.05
# Whoever unplugs the car takes so long, and the pile to test itself.
_GONE_S = (10.0, 120.0)
# Reports of one alarm that have a delay of their own; more than on, worse and off are rare.
_DRAWS = 4
OFFLINE = "offline"
_NAMES_CAR_SHARE = 0.7
_LATENCY_MS = (200, 2500)
_NOT_REPORTED_STARTS = 0.3
_GOES_OFF_S = (30.0, 1200.0)


@dataclass(frozen=True)
class PileAlarm:
    """One report of an alarm. Times are epoch ms; ``measures`` has OCPP measurands as keys.

    alarm_id : empty until the alarms of the session are ``numbered``
    """

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
    """Return what the pile reports of a danger: each change late by the danger's delay; nothing when it is silent.

    It is on, worse, and off when it has passed or, at the latest, when the car is gone; a fire has no end here.
    """
    # Drawn whether or not there is something to report, so that a stop changes nothing before it.
    vin = _said_vin(session, rng)
    late_s = danger.delay_s + np.sort(rng.uniform(0.0, 3.0, _DRAWS))
    latency_ms = rng.integers(*_LATENCY_MS, _DRAWS)
    gone_s = session.seconds + rng.uniform(*_GONE_S)
    codes = {fault: code_of(DANGER_FAULTS[fault], session.operator, rng) for fault in sorted(DANGER_FAULTS)}
    if not danger.is_reported:
        return []
    alarms = []
    for watch in _watches(happening, danger):
        reports: list[tuple[float, Severity, str]] = []
        for number, (row, severity, state) in enumerate(_changes(watch)):
            at_s = float(happening.t_s[row]) + float(late_s[min(number, _DRAWS - 1)])
            if at_s <= happening.t_s[-1]:
                reports.append((at_s, severity, state))
        if reports and reports[-1][2] == "on" and watch.ends_with_session:
            reports.append((gone_s, reports[-1][1], "off"))
        alarms += [
            PileAlarm(
                session,
                "",
                watch.fault,
                session.started_ms + round(at_s * 1000),
                session.started_ms + round(at_s * 1000) + int(latency_ms[min(number, _DRAWS - 1)]),
                codes[watch.fault],
                severity,
                state,
                DANGER_FAULTS[watch.fault].text,
                vin,
                _measures(happening, at_s),
            )
            for number, (at_s, severity, state) in enumerate(reports)
        ]
    return alarms


@dataclass(frozen=True)
class _Watch:
    """What makes the pile report one fault of a danger.

    worst   : the severity that holds at each row, None for none
    is_over : (n,), where it has clearly passed
    ends_with_session : whether the pile sees nothing of it any more once the car is gone
    """

    fault: str
    worst: list[Severity | None]
    is_over: NDArray[np.bool_]
    ends_with_session: bool = True


def _changes(watch: _Watch) -> list[tuple[int, Severity, str]]:
    """Return row, severity and state of each change, from what was so up to then only."""
    changes: list[tuple[int, Severity, str]] = []
    said: Severity | None = None
    for row, (worst, is_over) in enumerate(zip(watch.worst, watch.is_over.tolist(), strict=True)):
        if worst is not None and (said is None or worst < said):
            said = worst
            changes.append((row, said, "on"))
        elif said is not None and is_over:
            changes.append((row, said, "off"))
            said = None
    return changes


def _watches(happening: Happening, danger: Danger) -> list[_Watch]:
    car = happening.car
    assert car is not None
    chemistry = car.pack.chemistry
    never = np.zeros(len(happening.t_s), dtype=bool)
    match danger.physics:
        case "thermal_runaway":
            hottest, warm_c = car.probe_c.max(axis=1), _BATTERY_WARM_C[chemistry]
            smoke = never if happening.vented_s is None else happening.t_s >= happening.vented_s + _SMOKE_S
            # What is dead says nothing that could end an alarm.
            silent_s = np.inf if happening.silent_from_s is None else happening.silent_from_s
            is_over = (hottest < warm_c - _COOLED_C) & (happening.t_s < silent_s)
            return [
                _Watch(
                    "battery_hot",
                    _worst((2, hottest >= warm_c), (1, hottest >= _BATTERY_HOT_C)),
                    is_over,
                    ends_with_session=happening.silent_from_s is None,
                ),
                _Watch("smoke", _worst((1, smoke)), never, ends_with_session=False),
            ]
        case "insulation_loss" | "rain":
            ohm_per_v = happening.insulation_kohm * 1000 / np.maximum(car.course.pack_v, 100.0)
            # Rain comes down to what a monitor calls a notice.
            low: Severity = 2 if danger.is_danger else 3
            worst = _worst((low, ohm_per_v < _LOW_OHM_PER_V), (1, ohm_per_v < LEGAL_OHM_PER_V))
            return [_Watch("insulation", worst, ohm_per_v > _LOW_OHM_PER_V * _RECOVERED)]
        case "contact_heat":
            worst = _worst((2, happening.gun_c >= _WARM_C), (1, happening.gun_c >= HOT_C))
            return [_Watch("gun_hot", worst, happening.gun_c < _WARM_C - _COOLED_C)]
        case "over_voltage":
            highest, high_v = car.cell_v.max(axis=1), CELL_HIGH_V[chemistry]
            worst = _worst((2, highest >= high_v), (1, highest >= CELL_WORST_V[chemistry]))
            return [_Watch("over_voltage", worst, highest < high_v - _FELL_V)]
        case "disagreement":
            wrong = never.copy()
            if happening.condition_row is not None:
                wrong[happening.condition_row :] = True
            # Without a current there is nothing to compare.
            flows = happening.pile_a > 0
            return [_Watch("meter", _worst((2, wrong & flows)), ~flows)]
        case _:
            return []


def _worst(*stages: tuple[Severity, NDArray[np.bool_]]) -> list[Severity | None]:
    """Return by row the severity of the last of ``stages`` that holds, None where none does."""
    worst: list[Severity | None] = [None] * len(stages[0][1])
    for severity, holds in stages:
        for row in np.flatnonzero(holds).tolist():
            worst[row] = severity
    return worst


def numbered(alarms: list[PileAlarm]) -> list[PileAlarm]:
    """Return a session's reports by time; an alarm has its place among them as its id, and keeps it."""
    by_time = sorted(alarms, key=lambda alarm: alarm.ts_ms)
    places = {fault: place for place, fault in enumerate(dict.fromkeys(alarm.fault for alarm in by_time), start=1)}
    return [replace(alarm, alarm_id=f"{alarm.session.session_id}-{places[alarm.fault]}") for alarm in by_time]


def _said_vin(session: Session, rng: np.random.Generator) -> str | None:
    """Return the car that the pile names in a session's alarms, whatever they are about."""
    names_car = rng.random() < _NAMES_CAR_SHARE
    return session.visit.vin if names_car and session.visit is not None else None


def _measures(happening: Happening, at_s: float) -> dict[str, float]:
    if at_s > happening.t_s[-1]:
        # The car is gone.
        return {}
    row = int(np.searchsorted(happening.t_s, at_s))
    return {
        "Voltage": round(float(happening.pile_v[row]), 1),
        "Current.Import": round(float(happening.pile_a[row]), 1),
        "Temperature": round(float(happening.gun_c[row])),
    }


def everyday_alarms(
    session: Session, happening: Happening, faults: list[tuple[Fault, float]], *, rng: np.random.Generator
) -> list[PileAlarm]:
    """Return the reports of everyday faults: on, and off again within the session or soon after it."""
    vin = _said_vin(session, rng)
    alarms = []
    for fault, at_s in faults:
        code = code_of(fault, session.operator, rng)
        off_s = at_s + rng.uniform(*_GOES_OFF_S)
        for state, seconds in (("on", at_s), ("off", off_s)):
            ts_ms = session.started_ms + round(seconds * 1000)
            # That a station is offline is told when it is back.
            told_ms = session.started_ms + round(off_s * 1000) if fault.name == OFFLINE else ts_ms
            alarms.append(
                PileAlarm(
                    session,
                    "",
                    fault.name,
                    ts_ms,
                    told_ms + int(rng.integers(*_LATENCY_MS)),
                    code,
                    fault.severity,
                    state,
                    fault.text,
                    vin,
                    _measures(happening, seconds),
                )
            )
    return alarms


def start_alarms(session: Session, happening: Happening, *, rng: np.random.Generator) -> list[PileAlarm]:
    """Return the report of a failed start, where there is one."""
    fault = START_FAULTS[rng.integers(len(START_FAULTS))]
    if rng.random() < _NOT_REPORTED_STARTS:
        return []
    return everyday_alarms(session, happening, [(fault, 0.8 * session.seconds)], rng=rng)[:1]
