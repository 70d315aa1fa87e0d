"""What was really wrong with a simulated fleet. Only what scores the answer may look at it."""

from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from forewarn.simulator.car import LAMPS, lamp_time

if TYPE_CHECKING:
    from forewarn.simulator.fleet import SimulatedVehicle

COLUMNS = ("vin", "fault_mode", "onset_at", "lamp_on_at", "has_precursor", "gradual")


def truth_of(vehicles: "tuple[SimulatedVehicle, ...]", start: datetime) -> pd.DataFrame:
    """Return one row per faulty car: vin, fault_mode, onset_at and lamp_on_at (UTC), has_precursor, gradual.

    ``lamp_on_at`` may lie after the fleet's end, and is NaT when the lamp stayed off for as long as was simulated.
    """
    rows = []
    for vehicle in vehicles:
        if vehicle.plan is None:
            continue
        code = LAMPS[vehicle.plan.mode]
        on_s = next((lamp.on_s for lamp in vehicle.lamps if lamp.code == code), None)
        rows.append(
            {
                "vin": vehicle.enrolment.vin,
                "fault_mode": vehicle.plan.mode,
                "onset_at": lamp_time(start, vehicle.plan.onset_s),
                "lamp_on_at": lamp_time(start, on_s) if on_s is not None else pd.NaT,
                "has_precursor": not vehicle.plan.sudden,
                "gradual": not vehicle.plan.sudden,
            }
        )
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in ("onset_at", "lamp_on_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame
