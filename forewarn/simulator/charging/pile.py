"""What a pile measures and sends of a session, with the resolution of real ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from forewarn.message import Message
from forewarn.simulator.charging.alarms import PileAlarm
from forewarn.simulator.charging.dangers import Danger
from forewarn.simulator.charging.happening import Happening
from forewarn.simulator.charging.pack import Floats
from forewarn.simulator.charging.sessions import Session
from ingest import topics

# OCPP measurands with their resolution and noise (standard deviation, in the unit of the measurand).
_MEASURED: dict[str, tuple[float, float]] = {
    "Voltage": (0.1, 0.15),
    "Current.Import": (0.1, 0.12),
    "Power.Active.Import": (0.01, 0.01),
    "SoC": (1.0, 0.0),
    "Temperature": (1.0, 0.3),
    "InsulationResistance": (1.0, 0.0),
}
ENERGY = "Energy.Active.Import.Register"
# Meters of class 1 are far better than 1 % in the field.
METER_ERROR = 0.003
_INSULATION_NOISE = 0.04
_LATENCY_MS = (150, 1800)
# What a station does with readings while it is offline: it sends half of them later.
_KEPT_SHARE = 0.5

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class PileReadings:
    """What one pile sent of one session, in time order.

    ts_ms, received_ms : (n,) epoch ms
    columns : by OCPP measurand, (n,) in V, A, kW, kWh, %, C, kOhm; NaN was not sent
    """

    session: Session
    ts_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    columns: dict[str, Floats]

    def message(self, row: int, *, live: bool = False) -> Message:
        """Return one row as a message; on a replay topic unless it is ``live``."""
        signals: dict[str, Any] = {}
        for name, values in self.columns.items():
            value = float(values[row])
            # NaN, which is not equal to itself, was not sent.
            if value == value:
                signals[name] = value
        sample = {"ts": int(self.ts_ms[row]), "seq": 0, "signals": signals}
        payload = _encoder.encode({"session_id": self.session.session_id, "samples": [sample]})
        received_ms = int(self.received_ms[row])
        topic = topics.charger(self.session.connector.at, "telemetry")
        return Message(received_ms, topic if live else topics.replay(received_ms, topic), payload, 1)


def pile_readings(
    session: Session,
    happening: Happening,
    danger: Danger | None,
    alarms: Sequence[PileAlarm],
    *,
    every_s: float,
    register_kwh: float,
    offline: tuple[float, float] | None,
    rng: np.random.Generator,
) -> PileReadings:
    """Return what the pile sent, every ``every_s`` seconds and, from its first alarm on, every second.

    Whatever the alarm is about: how often a pile reports tells nothing that it has not said itself.
    register_kwh : what its meter had counted before the session
    offline      : [from, to) seconds without a connection
    """
    t_s, count = happening.t_s, len(happening.t_s)
    gain = 1.0 + rng.normal(0.0, METER_ERROR)
    wrong = 1.0 + happening.disagreement if danger is not None and danger.biased == "pile" else np.ones(count)
    amps, kw = happening.pile_a * wrong * gain, happening.pile_kw * wrong * gain
    steps = np.diff(happening.energy_kwh, prepend=0.0) * wrong * gain
    true: dict[str, Floats] = {
        "Voltage": happening.pile_v,
        "Current.Import": amps,
        "Power.Active.Import": kw,
        "SoC": np.minimum(happening.soc * 100, 100.0),
        "Temperature": happening.gun_c,
        "InsulationResistance": happening.insulation_kohm,
    }
    columns: dict[str, Floats] = {}
    for name, values in true.items():
        resolution, noise = _MEASURED[name]
        spread = rng.standard_normal(count)
        noisy = values * (1 + spread * _INSULATION_NOISE) if name == "InsulationResistance" else values + spread * noise
        per_unit = round(1 / resolution)
        columns[name] = np.clip(np.round(noisy * per_unit) / per_unit, 0.0, None) + 0.0
    # What does not flow is measured as nothing: meters have a threshold.
    for name in ("Current.Import", "Power.Active.Import"):
        columns[name] = np.where(happening.pile_a > 0, columns[name], 0.0)
    columns[ENERGY] = np.round(register_kwh + np.cumsum(steps), 2)
    if session.connector.kind == "AC":
        # Without messages from the battery a pile knows neither.
        del columns["SoC"], columns["InsulationResistance"]
    latency_ms = rng.integers(*_LATENCY_MS, count)
    is_kept = rng.random() < _KEPT_SHARE
    sent = np.round(t_s % every_s, 6) == 0
    ts_ms = session.started_ms + np.rint(t_s * 1000).astype(np.int64)
    if alarms:
        sent |= ts_ms >= min(alarm.ts_ms for alarm in alarms)
    received_ms = ts_ms + latency_ms
    if offline is not None:
        during = (t_s >= offline[0]) & (t_s < offline[1])
        received_ms = np.where(during, session.started_ms + round(offline[1] * 1000) + latency_ms, received_ms)
        sent &= ~during | is_kept
    return PileReadings(
        session,
        ts_ms[sent],
        np.maximum.accumulate(received_ms[sent]),
        {name: values[sent] for name, values in columns.items()},
    )


def counted_kwh(happening: Happening) -> float:
    """Return the energy (kWh) that truly passed the pile's meter."""
    return float(happening.energy_kwh[-1]) if len(happening.energy_kwh) else 0.0
