"""The combustion engine: revs and load, coolant that warms up and may be missing, oil pressure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.driving import Motion
from forewarn.simulator.faults import Faults
from forewarn.simulator.relax import relax, remembered
from forewarn.simulator.sampling import Samples
from forewarn.simulator.streams import Streams
from forewarn.simulator.usage import Kind, Segments

_ENGINE = "Vehicle.Powertrain.CombustionEngine"
Columns = dict[str, NDArray[np.float64]]

# One recorded petrol car over 53 trips: idles at 680 to 1,030 rpm, median 800; under way 1,420, 1,910 in one of ten.
_IDLE_RPM, _IDLE_SWING_RPM, _IDLE_TAU_S = 800.0, 95.0, 40.0
_RPM_PER_KMH = (58.0, 22.0)  # in the lowest and in the highest gear
_SHIFTS_AT_KMH = 38.0
# The coolant is heated towards this and held by the thermostat. Recorded: 338 s to 80 C by the engine's own clock
# (median of 13 cold starts of a petrol car; its rows come twice a second and are no clock), 730 s (two of a diesel).
_HEATS_TO_C, _THERMOSTAT_C = 106.0, 88.0
_WARM_TAU_S, _WARM_SPREAD, _COOL_TAU_S = 360.0, 0.22, 9000.0
# Air (g/s for each rpm and kPa): 1.5 litres every second turn, 1.2 g a litre at 101 kPa, filled to 85 %.
_AIR_G = 1.5 * 1.2 * 0.85 / 101.0 / 120.0
COOLANT_LAMP_C = 115.0
# Share of the coolant that is left when the level is low, and critically low.
LEVEL_LOW, LEVEL_CRITICAL = 0.72, 0.45
_LOST_AT_LAMP = 0.58
# With less coolant than this the thermostat no longer holds the temperature: so many degrees for all that is missing.
_HOLDS_ABOVE, _HOTTER_C = 0.8, 70.0
# Oil: 0.3 bar at any time, 1.8 bar at higher revs.
OIL_LAMP_KPA, OIL_LAMP_FAST_KPA, OIL_FAST_RPM = 30.0, 180.0, 2500.0
_OIL_LOST_AT_LAMP = 0.55


@dataclass(frozen=True)
class Engine:
    """One car's engine: error of its fuelling (percent), thermostat (C), oil pump (share), km since it was filled.

    warm_tau_s : how fast its coolant warms up; large engines take longer
    """

    trim_pct: float
    thermostat_c: float
    oil: float
    tank_km: float
    warm_tau_s: float = _WARM_TAU_S


@dataclass(frozen=True)
class EngineState:
    """What lamps are about: whether it turns, C, share of the coolant that is left, kPa, rpm."""

    running: NDArray[np.bool_]
    coolant_c: NDArray[np.float64]
    coolant_left: NDArray[np.float64]
    oil_kpa: NDArray[np.float64]
    rpm: NDArray[np.float64]


def draw_engine(rng: np.random.Generator, *, old: bool = False) -> Engine:
    return Engine(
        trim_pct=float(rng.normal(-0.3, 1.8)),
        thermostat_c=float(rng.normal(_THERMOSTAT_C, 1.2)),
        oil=rng.uniform(0.80, 0.9) if old else rng.uniform(0.92, 1.08),
        tank_km=float(rng.uniform(0, 400)),
        warm_tau_s=float(_WARM_TAU_S * rng.lognormal(0.0, _WARM_SPREAD)),
    )


def run_engines(
    model: CarModel,
    engines: list[Engine],
    segments: Segments,
    samples: Samples,
    motion: Motion,
    running: NDArray[np.bool_],
    air_c: NDArray[np.float64],
    faults: Faults,
    streams: Streams,
) -> tuple[EngineState, Columns]:
    """Return the engines' state and their signals; NaN where the car sleeps, 0 rpm where a hybrid drives on its pack.

    running : (n_samples,) as of ``pack.engine_runs``
    """
    noise = _Noise(streams, samples)
    driving = segments.kind[samples.segment] == Kind.DRIVE
    speed = motion.speed_kmh
    pull = np.clip(motion.acceleration, -1.0, 1.5)
    # Pulling hard opens the throttle more than in proportion; a coasting engine still turns its own friction.
    demand = np.where(pull > 0, 20.0 * pull + 22.0 * pull**2, 7.0 * pull)
    load = np.clip(26.0 + 0.09 * speed + demand + 6.0 * noise("load"), 17.0, 100.0)
    load = np.where(speed > 0, load, np.clip(33.0 + 7.0 * noise("idle load"), 20, 60))
    gear = _RPM_PER_KMH[1] + (_RPM_PER_KMH[0] - _RPM_PER_KMH[1]) * np.exp(-speed / _SHIFTS_AT_KMH)
    turning = np.maximum(_IDLE_RPM, gear * speed * (1.0 + 0.17 * noise("gear")) + 180.0 * np.clip(pull, 0.0, None))
    rpm = np.where(
        speed > 0, turning, _IDLE_RPM + _IDLE_SWING_RPM * remembered(noise("idle"), samples.since_s, _IDLE_TAU_S)
    )
    cranking = driving & (samples.number == 0) & (model.powertrain == "ice")
    rpm = np.where(running, rpm, np.where(cranking, 220.0, 0.0))
    coolant, left = _coolant(engines, samples, running, speed, load, air_c, faults)
    oil_share = np.array([engine.oil for engine in engines])[samples.car]
    oil_share = oil_share * np.clip(
        1.0 - _OIL_LOST_AT_LAMP * faults.severity("oil_pressure", samples.car, samples.t_s), 0.02, 1.0
    )
    thick = 1.0 + 0.012 * np.clip(88.0 - coolant, 0.0, 80.0)
    oil = oil_share * np.minimum((70.0 + 0.125 * rpm) * thick, 550.0) * np.clip(1.0 + 0.03 * noise("oil"), 0.8, 1.2)
    state = EngineState(running, coolant, left, oil, rpm)
    trim = np.array([engine.trim_pct for engine in engines])[samples.car]
    tank = (motion.driven_km + np.array([engine.tank_km for engine in engines])[samples.car]) % 520 / 520
    slow = remembered(noise("long trim"), samples.since_s, 600.0)
    soak = relax(np.where(running, air_c + 10.0, air_c + 22.0 * np.exp(-speed / 30.0)), samples.since_s, 300.0)

    manifold = np.clip(1.0 + load + 2.0 * noise("map"), 17, 102)

    def while_running(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(running, values, np.nan)

    columns = {
        f"{_ENGINE}.Speed": np.where(driving, rpm, np.nan),
        f"{_ENGINE}.EngineCoolant.Temperature": np.where(driving, coolant, np.nan),
        f"{_ENGINE}.EOP": while_running(oil),
        f"{_ENGINE}.MAP": while_running(manifold),
        f"{_ENGINE}.TPS": while_running(np.clip(13.2 + 0.18 * load + 1.2 * noise("tps"), 12, 90)),
        "Vehicle.OBD.MAF": while_running(rpm * manifold * _AIR_G),
        "Vehicle.OBD.EngineLoad": while_running(load),
        "Vehicle.OBD.IntakeTemp": while_running(np.clip(soak + 5.0, -40, 80)),
        "Vehicle.OBD.ShortTermFuelTrim1": while_running(np.clip(3.3 * noise("short trim"), -24, 24)),
        "Vehicle.OBD.LongTermFuelTrim1": while_running(np.clip(trim + 1.3 * slow, -20, 20)),
        "Vehicle.OBD.TimingAdvance": while_running(
            np.clip(np.where(speed > 0, 13.0 - 6.0 * pull, 2.0) + 7.5 * noise("timing"), -24, 40)
        ),
        "Vehicle.OBD.FuelLevel": np.where(driving, 100.0 - tank * 85, np.nan),
    }
    return state, columns


def _coolant(
    engines: list[Engine],
    samples: Samples,
    running: NDArray[np.bool_],
    speed: NDArray[np.float64],
    load: NDArray[np.float64],
    air_c: NDArray[np.float64],
    faults: Faults,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coolant's temperature (C) and how much of it is left (share)."""
    left = np.clip(1.0 - _LOST_AT_LAMP * faults.severity("coolant", samples.car, samples.t_s), 0.0, 1.0)
    # Less of it warms up and cools down faster.
    warms = np.array([engine.warm_tau_s for engine in engines])[samples.car]
    tau = np.where(running, warms, _COOL_TAU_S) * (0.35 + 0.65 * left)
    target = np.where(running, _HEATS_TO_C, air_c)
    target = np.where(np.isinf(samples.since_s), air_c, target)
    warm = relax(target, samples.since_s, tau)
    held = np.array([engine.thermostat_c for engine in engines])[samples.car]
    missing = np.clip(_HOLDS_ABOVE - left, 0.0, None)
    # Standing in the heat or pulling hard needs more of the radiator than rolling along.
    burden = 0.4 + 0.6 * np.clip(load / 60.0, 0.0, 1.4) + 0.012 * np.clip(air_c - 20.0, 0.0, 20.0)
    burden += 0.15 * (speed < 10.0)
    burden = relax(burden, samples.since_s, 120.0)
    excess = np.where(warm > held - 3.0, missing * _HOTTER_C * burden, 0.0)
    return np.minimum(warm, held + 1.5 * (burden - 0.8)) + relax(excess, samples.since_s, 90.0), left


class _Noise:
    """Standard normal noise by name."""

    def __init__(self, streams: Streams, samples: Samples) -> None:
        self._streams = streams
        self._counts = samples.counts

    def __call__(self, name: str) -> NDArray[np.float64]:
        return self._streams.normal(f"engine {name}", self._counts)
