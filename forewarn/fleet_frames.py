"""A simulated fleet as the models see it, without a database: daily sums of what every car sent, and its lamps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.signals import catalogue
from forewarn.simulator.fleet import Blocks, FleetPlan, SimulatedVehicle, each_task, observed
from forewarn.simulator.messages import LampEvent, lamp_events
from forewarn.simulator.rollups import roll_up
from forewarn.simulator.truth import Truth, truth_of
from ingest.store.given import Rollups
from ingest.store.readings import REGIMES
from models.dataset import Stored

# Cars that are worked on together: enough that a window over all of them costs little for each.
TASK_CAR_DAYS = 11_520
_STATISTICS = ("n", "sum", "sumsq", "min", "max")

T = TypeVar("T")


@dataclass(frozen=True)
class CarsFrames:
    """What was received of some cars of a fleet.

    stored   : as ``models.dataset`` reads it; a car's vehicle_id is its number in the fleet and one
    vins     : by vehicle_id
    truth    : what was really wrong with them; only what scores an answer may look at it
    readings : how many they sent
    """

    stored: Stored
    vins: dict[int, str]
    truth: Truth
    readings: int


def simulated(
    plan: FleetPlan,
    columns: Sequence[str],
    work: Callable[[CarsFrames], T],
    *,
    processes: int | None = None,
) -> Iterator[T]:
    """Yield what ``work`` makes of a fleet, some cars at a time, in a fixed order; no more of it is held than that.

    columns   : of the reading, whose daily sums are wanted
    work      : a function of a module, which is called in a process of its own
    processes : None is one for each processor; 1 stays in this one
    """
    yield from each_task(
        plan, partial(_frames_of, tuple(columns), work), processes=processes, car_days=min(TASK_CAR_DAYS, _fair(plan))
    )


def _fair(plan: FleetPlan) -> int:
    """A small fleet is still divided among the processes."""
    return max(plan.vehicles * plan.days // 4, 1)


def _frames_of(columns: tuple[str, ...], work: Callable[[CarsFrames], T], plan: FleetPlan, blocks: Blocks) -> T:
    days: list[pd.DataFrame] = []
    events: list[tuple[int, LampEvent]] = []
    cars: dict[int, SimulatedVehicle] = {}
    truths: list[Truth] = []
    readings = 0
    for block, numbers in blocks:
        simulated_cars = observed(plan, block, numbers)
        truths.append(truth_of(simulated_cars.values(), plan.start, plan.days))
        for number, car in simulated_cars.items():
            days.append(daily_frame(number + 1, roll_up(car.readings)[1], columns))
            of_car = lamp_events(car.enrolment.vin, car.lamps, plan.start, plan.end)
            events += [(number + 1, event) for event in of_car]
            readings += len(car.readings.ts_ms)
        cars |= simulated_cars
    stored = Stored(
        aggregates=pd.concat(days, ignore_index=True),
        lamps=lamps_frame(events),
        vehicles=vehicles_frame({number + 1: car for number, car in cars.items()}),
    )
    vins = {number + 1: car.enrolment.vin for number, car in sorted(cars.items())}
    return work(CarsFrames(stored, vins, Truth(*(pd.concat(t) for t in zip(*truths, strict=True))), readings))


def daily_frame(vehicle_id: int | NDArray[np.int64], days: Rollups, columns: Sequence[str]) -> pd.DataFrame:
    """Return daily rollups as ``ingest.store.readings.daily_aggregates`` would read them from the store.

    vehicle_id : of all rows, or of each
    """
    frame: dict[str, Any] = {
        "vehicle_id": np.broadcast_to(np.asarray(vehicle_id, dtype=np.int64), len(days)).copy(),
        "day": pd.to_datetime(days.bucket_ms, unit="ms", utc=True),
        "received_on": pd.to_datetime(days.received_on, unit="D", utc=True),
        "regime": pd.Categorical.from_codes(days.regime.astype(np.int8), categories=pd.Index(REGIMES)),
        "n": days.columns.get("n", np.zeros(len(days), dtype=np.int64)),
    }
    unknown = np.full(len(days), np.nan)
    for column in columns:
        boolean = catalogue().by_column[column].type == "boolean"
        for statistic in _STATISTICS:
            name = f"{column}__{statistic}"
            if boolean and statistic in ("min", "max"):
                frame[name] = unknown
                continue
            values = days.columns.get(name, unknown)
            # A sum over nothing is nothing; a number of values is 0.
            frame[name] = np.nan_to_num(values) if statistic == "n" else values
    return pd.DataFrame(frame)


def lamps_frame(events: Sequence[tuple[int, LampEvent]]) -> pd.DataFrame:
    """Return lamps as ``ingest.store.events.lamps`` would read them from the store."""
    frame = pd.DataFrame(
        {
            "vehicle_id": np.array([vehicle_id for vehicle_id, _ in events], dtype=np.int64),
            "ts": pd.to_datetime(np.array([e.ts_ms for _, e in events], dtype=np.int64), unit="ms", utc=True),
            "received_at": pd.to_datetime(
                np.array([e.received_ms for _, e in events], dtype=np.int64), unit="ms", utc=True
            ),
            "code": np.array([event.code for _, event in events], dtype=object),
            "state": np.array([event.state for _, event in events], dtype=object),
            "level": np.array([event.level for _, event in events], dtype=np.int64),
        }
    )
    return frame.sort_values(["ts", "vehicle_id", "code"], kind="stable", ignore_index=True)


def vehicles_frame(cars: Mapping[int, SimulatedVehicle]) -> pd.DataFrame:
    """Return cars as ``models.dataset.read_vehicles`` would read them from the store."""
    ids = sorted(cars)
    told = [cars[vehicle_id].enrolment for vehicle_id in ids]
    return pd.DataFrame(
        {
            "vehicle_id": np.array(ids, dtype=np.int64),
            "powertrain": [enrolment.powertrain for enrolment in told],
            "model": [enrolment.model for enrolment in told],
        }
    )
