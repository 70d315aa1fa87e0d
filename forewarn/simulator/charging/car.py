"""What a charging car sends: the truth through its sensors, once a second in every session."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from forewarn.message import Message
from forewarn.simulator.charging.dangers import Danger
from forewarn.simulator.charging.happening import Happening
from forewarn.simulator.charging.pack import Floats
from forewarn.simulator.charging.runaway import PROBE_HIGHEST_C
from forewarn.simulator.charging.sessions import Session
from ingest import topics

_BATTERY = "Vehicle.Powertrain.TractionBattery."
CELLS = f"{_BATTERY}CellVoltage.CellVoltages"
PROBES = f"{_BATTERY}Temperature.Probes"
IS_CHARGING = f"{_BATTERY}Charging.IsCharging"
_WHOLE_NUMBERS = frozenset({f"{_BATTERY}CellVoltage.IdMin", f"{_BATTERY}CellVoltage.IdMax", f"{_BATTERY}WarningLevel"})
_LATENCY_MS = (60, 450)
_CELL_NOISE_V, _PROBE_NOISE_C, _CURRENT_NOISE_A, _PACK_NOISE_V = 0.0008, 0.15, 0.15, 0.08
# Insulation monitors are coarse: a few percent.
_INSULATION_NOISE = 0.03
_LOWEST_CELL_V = 0.5
# The car's own level, as one carmaker's gateway sets it, once the condition has held for two seconds.
_WORST_C, _DEAD_V, _SPREAD_V, _DIFFERENCE_C, _LOW_KOHM = 70.0, 1.9, 0.3, 20.0, 250.0
# For LFP in proportion to CELL_HIGH_V.
_WORST_V = {"NMC": 4.35, "LFP": 3.89}

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class CarReadings:
    """What one car sent in one session, in time order.

    ts_ms, received_ms : (n,) epoch ms
    columns  : by signal path, (n,) in the units of the catalogue
    cell_v   : (n, cells) V, whole millivolts
    probe_c  : (n, probes) C
    """

    vin: str
    ts_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    columns: dict[str, Floats]
    cell_v: Floats
    probe_c: Floats

    def message(self, row: int, *, live: bool = False) -> Message:
        """Return one row as a message; on a replay topic unless it is ``live``."""
        signals: dict[str, Any] = {}
        for path, values in self.columns.items():
            value = float(values[row])
            signals[path] = int(value) if path in _WHOLE_NUMBERS else bool(value) if path == IS_CHARGING else value
        signals[CELLS] = self.cell_v[row].tolist()
        signals[PROBES] = self.probe_c[row].tolist()
        payload = _encoder.encode({"samples": [{"ts": int(self.ts_ms[row]), "seq": 0, "signals": signals}]})
        received_ms = int(self.received_ms[row])
        topic = topics.charging(self.vin)
        return Message(received_ms, topic if live else topics.replay(received_ms, topic), payload, 1)


def car_readings(
    session: Session,
    happening: Happening,
    danger: Danger | None,
    *,
    every_s: float,
    phase_ms: int,
    rng: np.random.Generator,
) -> CarReadings:
    """Return what the session's car sent, every ``every_s`` seconds, whatever happens.

    phase_ms : when within a second the car measures: never on the full one, where its other telemetry is
    """
    car = happening.car
    assert car is not None
    assert session.visit is not None
    # Noise is drawn for every second of the session, so that a stop changes nothing before it.
    count = len(happening.t_s)
    course = car.course
    cell_v = np.round(car.cell_v + rng.standard_normal(car.cell_v.shape) * _CELL_NOISE_V, 3)
    probe_c = np.round(car.probe_c + rng.standard_normal(car.probe_c.shape) * _PROBE_NOISE_C)
    wrong = 1.0 - happening.disagreement if danger is not None and danger.biased == "car" else np.ones(count)
    current = np.round((course.current_a * wrong + rng.standard_normal(count) * _CURRENT_NOISE_A), 1)
    pack_v = np.round(course.pack_v + rng.standard_normal(count) * _PACK_NOISE_V, 1)
    insulation = np.round(happening.insulation_kohm * (1 + rng.standard_normal(count) * _INSULATION_NOISE))
    latency_ms = rng.integers(*_LATENCY_MS, count)
    if danger is not None and danger.spike is not None:
        _add_spike(danger.spike, cell_v, probe_c, rng)
    cell_v = np.clip(cell_v, 0.0, 5.0)
    probe_c = np.clip(probe_c, -40.0, PROBE_HIGHEST_C)
    insulation = np.clip(insulation, 0.0, 60000.0)
    columns = {
        f"{_BATTERY}StateOfCharge.Current": np.clip(np.round(course.soc * 100, 1), 0.0, 100.0),
        f"{_BATTERY}CurrentVoltage": np.clip(pack_v, 0.0, 1000.0),
        f"{_BATTERY}CurrentCurrent": current,
        f"{_BATTERY}CellVoltage.Min": np.clip(cell_v.min(axis=1), _LOWEST_CELL_V, None),
        f"{_BATTERY}CellVoltage.Max": np.clip(cell_v.max(axis=1), _LOWEST_CELL_V, None),
        f"{_BATTERY}CellVoltage.IdMin": cell_v.argmin(axis=1) + 1.0,
        f"{_BATTERY}CellVoltage.IdMax": cell_v.argmax(axis=1) + 1.0,
        f"{_BATTERY}Temperature.Min": probe_c.min(axis=1),
        f"{_BATTERY}Temperature.Max": probe_c.max(axis=1),
        f"{_BATTERY}Temperature.Average": np.round(probe_c.mean(axis=1), 1),
        f"{_BATTERY}InsulationResistance": insulation,
        f"{_BATTERY}WarningLevel": _warning_level(cell_v, probe_c, insulation, worst_v=_WORST_V[car.pack.chemistry]),
        IS_CHARGING: (course.current_a > 0).astype(np.float64),
    }
    sent = _sent(happening, danger, every_s)
    ts_ms = session.started_ms + phase_ms + np.rint(happening.t_s[sent] * 1000).astype(np.int64)
    return CarReadings(
        session.visit.vin,
        ts_ms,
        # A connection keeps its order.
        np.maximum.accumulate(ts_ms + latency_ms[sent]),
        {path: values[sent] + 0.0 for path, values in columns.items()},
        cell_v[sent],
        probe_c[sent],
    )


def _sent(happening: Happening, danger: Danger | None, every_s: float) -> NDArray[np.bool_]:
    t_s = happening.t_s
    sent: NDArray[np.bool_] = np.round(t_s % every_s, 6) == 0
    if danger is not None and danger.gap is not None:
        sent &= (t_s < danger.gap[0]) | (t_s >= danger.gap[1])
    if happening.silent_from_s is not None:
        sent &= t_s < happening.silent_from_s
    return sent


def _add_spike(spike: tuple[float, float], cell_v: Floats, probe_c: Floats, rng: np.random.Generator) -> None:
    row, amount = min(int(spike[0]), len(cell_v) - 1), spike[1]
    place = int(rng.integers(min(cell_v.shape[1], probe_c.shape[1])))
    if amount > 0:
        probe_c[row, place] += round(amount)
    else:
        cell_v[row, place] = np.round(cell_v[row, place] + amount, 3)


def _warning_level(cell_v: Floats, probe_c: Floats, insulation_kohm: Floats, *, worst_v: float) -> Floats:
    """Return the car's own alarm level (n,), 3 is the worst."""
    hottest = probe_c.max(axis=1)
    worst = (hottest >= _WORST_C) | (cell_v.max(axis=1) >= worst_v) | (cell_v.min(axis=1) <= _DEAD_V)
    bad = (hottest - probe_c.min(axis=1) >= _DIFFERENCE_C) | (np.ptp(cell_v, axis=1) >= _SPREAD_V)
    level = np.select([_held(worst), _held(bad | (insulation_kohm <= _LOW_KOHM))], [3.0, 2.0], default=0.0)
    return np.asarray(level, dtype=np.float64)


def _held(condition: NDArray[np.bool_]) -> NDArray[np.bool_]:
    held: NDArray[np.bool_] = condition.copy()
    held[1:] &= condition[:-1]
    held[2:] &= condition[:-2]
    held[:2] = False
    return held
