"""What was really wrong with a simulated fleet. Only what scores the answer may look at it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from config.faults import fault_modes
from forewarn.simulator.lamps import Lamp
from forewarn.simulator.time import DAY_S

if TYPE_CHECKING:
    from forewarn.simulator.fleet import SimulatedVehicle

COLUMNS = ("vin", "fault_mode", "onset_at", "lamp_on_at", "has_precursor", "gradual")
_TIMES = ("onset_at", "lamp_on_at", "on_at", "off_at", "day", "found_at")


class Truth(NamedTuple):
    """Five tables; times are aware and in UTC.

    faults   : one row per faulty car: COLUMNS; lamp_on_at may lie after the fleet's end, and is NaT when the lamp
               stayed off for as long as was simulated; has_precursor: a report that could show the fault was made a day
               before the lamp; gradual: it grew over days
    severity : vin, fault_mode, day, severity (about 1 lights the lamp): every day from the onset on
    lamps    : vin, code, on_at, off_at (NaT: still on), fault_mode (None: nothing behind it)
    findings : what a workshop would find: vin, found_at, code of the lamp (None: at a service), finding ("confirmed",
               "not_confirmed"), fault_mode
    oddities : vin, oddity: healthy cars that look odd
    """

    faults: pd.DataFrame
    severity: pd.DataFrame
    lamps: pd.DataFrame
    findings: pd.DataFrame
    oddities: pd.DataFrame


def at(start: datetime, seconds: float) -> datetime:
    """Return the instant ``seconds`` after the start, in whole milliseconds."""
    return start + timedelta(milliseconds=int(seconds * 1000))


def truth_of(vehicles: "Iterable[SimulatedVehicle]", start: datetime, days: int) -> Truth:
    """Return the truth of a fleet that lived ``days`` from ``start``."""
    faults: list[dict[str, Any]] = []
    severity: list[pd.DataFrame] = []
    lamps: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    oddities: list[dict[str, Any]] = []
    for vehicle in vehicles:
        vin, plan = vehicle.enrolment.vin, vehicle.plan
        codes: tuple[str, ...] = ()
        if plan is not None:
            codes = tuple(fault_modes()[plan.mode].lamps)
            faults.append(
                {
                    "vin": vin,
                    "fault_mode": plan.mode,
                    "onset_at": at(start, plan.onset_s),
                    "lamp_on_at": first_lamp(vehicle.lamps, codes, plan.onset_s, start),
                    "has_precursor": vehicle.is_foreseeable,
                    "gradual": not plan.sudden,
                }
            )
            day = np.arange(max(0, int(plan.onset_s // DAY_S)), days + 1)
            severity.append(
                pd.DataFrame(
                    {
                        "vin": vin,
                        "fault_mode": plan.mode,
                        "day": [start + timedelta(days=int(n)) for n in day],
                        "severity": plan.severity(day.astype(np.float64) * DAY_S),
                    }
                )
            )
            if plan.repair_s is not None:
                lit = [lamp for lamp in vehicle.lamps if lamp.code in codes and lamp.on_s < plan.repair_s]
                findings.append(_finding(vin, at(start, plan.repair_s), lit[-1].code if lit else None, plan.mode))
        for lamp in vehicle.lamps:
            mode = plan.mode if plan is not None and lamp.code in codes and not lamp.nuisance else None
            off_at = at(start, lamp.off_s) if lamp.off_s is not None else pd.NaT
            on_at = at(start, lamp.on_s)
            lamps.append({"vin": vin, "code": lamp.code, "on_at": on_at, "off_at": off_at, "fault_mode": mode})
            if mode is None:
                findings.append(_finding(vin, at(start, lamp.off_s or lamp.on_s), lamp.code, None))
        if vehicle.oddity is not None:
            oddities.append({"vin": vin, "oddity": vehicle.oddity})
    return Truth(
        _frame(faults, COLUMNS),
        _utc(pd.concat(severity)) if severity else _frame([], ("vin", "fault_mode", "day", "severity")),
        _frame(lamps, ("vin", "code", "on_at", "off_at", "fault_mode")),
        _frame(findings, ("vin", "found_at", "code", "finding", "fault_mode")),
        _frame(oddities, ("vin", "oddity")),
    )


def no_truth() -> Truth:
    """Return the truth of cars of which nobody knows it, or nobody may: empty tables."""
    return truth_of([], datetime(1970, 1, 1, tzinfo=UTC), 0)


def first_lamp(lamps: Iterable[Lamp], codes: tuple[str, ...], onset_s: float, start: datetime) -> Any:
    """Return when the first lamp of these codes came on that is about what began at the onset; NaT when none did."""
    times = [lamp.on_s for lamp in lamps if lamp.code in codes and not lamp.nuisance and lamp.on_s >= onset_s]
    return at(start, min(times)) if times else pd.NaT


def _finding(vin: str, found_at: datetime, code: str | None, mode: str | None) -> dict[str, Any]:
    finding = "not_confirmed" if mode is None else "confirmed"
    return {"vin": vin, "found_at": found_at, "code": code, "finding": finding, "fault_mode": mode}


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    return _utc(pd.DataFrame(rows, columns=list(columns)))


def _utc(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.reset_index(drop=True)
    for name in _TIMES:
        if name in frame:
            frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame
