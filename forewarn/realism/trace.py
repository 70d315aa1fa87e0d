"""One car's telemetry in one form, whether it was recorded or simulated, and what the car did at each report."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Regime = Literal["rest", "drive", "charge"]
REGIMES: tuple[Regime, ...] = ("rest", "drive", "charge")

BATTERY = "Vehicle.Powertrain.TractionBattery"
SPEED = "Vehicle.Speed"
CURRENT = f"{BATTERY}.CurrentCurrent"
CHARGING = f"{BATTERY}.Charging.IsCharging"
# Reports further apart than so many steps do not belong to one stretch.
BROKEN_STEPS = 3.0
# A car without a charge status charges when it stands and this much goes in for so long.
_CHARGE_A, _CHARGE_S = 1.0, 120.0
# Next to nothing goes in or out of a pack at rest; electronics that are awake take about this much.
CALM_A = 2.0
# Less is no cell's voltage, more neither: reports that broke off, and outliers.
_CELL_V = (1.0, 5.0)


@dataclass(frozen=True)
class Trace:
    """Reports of one car, or of one trip of it, in time order and each once.

    values  : by signal path, (n,) float64; NaN was not sent
    ts_s    : (n,) epoch seconds
    cells_v : (n, cells) V; NaN was not sent. (n, 0) without a pack
    step_s  : seconds between two reports under way
    """

    name: str
    ts_s: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]
    cells_v: NDArray[np.float32]
    step_s: float

    def signal(self, path: str) -> NDArray[np.float64]:
        """Return a signal; NaN throughout when the car does not have it."""
        return self.values.get(path, np.full(len(self.ts_s), np.nan))


def trace_of(name: str, frame: pd.DataFrame, cells_v: NDArray[np.float32], *, step_s: float | None = None) -> Trace:
    """Return the reports of ``frame`` (column ts_s and one for each signal), in time order and each once.

    cells_v : (n, cells), rows as those of ``frame``
    step_s  : by default the median time between two reports that are not a break
    """
    order = np.argsort(frame["ts_s"].to_numpy(), kind="stable")
    ts_s = frame["ts_s"].to_numpy(dtype=np.float64)[order]
    first = np.diff(ts_s, prepend=-np.inf) > 0
    order, ts_s = order[first], ts_s[first]
    values = {
        str(path): frame[path].to_numpy(dtype=np.float64)[order] for path in frame.columns if path not in ("ts_s",)
    }
    cells = np.where((cells_v > _CELL_V[0]) & (cells_v < _CELL_V[1]), cells_v, np.nan).astype(np.float32)[order]
    since = np.diff(ts_s)
    step = step_s or (float(np.median(since)) if len(since) else 1.0)
    return Trace(name, ts_s, values, cells, step)


def stretches(trace: Trace) -> NDArray[np.int64]:
    """Return the number of the uninterrupted stretch each report is in, rising from 0."""
    broken = np.diff(trace.ts_s, prepend=trace.ts_s[:1]) > BROKEN_STEPS * trace.step_s
    return np.cumsum(broken)


def regimes(trace: Trace) -> NDArray[np.int64]:
    """Return what the car does at each report, as an index into REGIMES.

    It charges when it says so. It drives from the first to the last report with speed of an uninterrupted stretch,
    stops between them included. Everything else is rest.
    """
    charging = _charges(trace)
    drives = np.zeros(len(trace.ts_s), dtype=bool)
    moving = np.nan_to_num(trace.signal(SPEED)) > 0
    # Charging in between ends a drive, as a break does.
    part = np.cumsum((np.diff(charging.astype(np.int64), prepend=0) != 0) | (np.diff(stretches(trace), prepend=0) != 0))
    rows = np.flatnonzero(moving & ~charging)
    for _, of_part in pd.Series(rows).groupby(part[rows]):
        drives[of_part.iloc[0] : of_part.iloc[-1] + 1] = True
    result = np.zeros(len(charging), dtype=np.int64)
    result[drives] = REGIMES.index("drive")
    result[charging] = REGIMES.index("charge")
    return result


def calm(trace: Trace) -> NDArray[np.bool_]:
    """Return where the pack rests: the car stands, and no more than CALM_A goes in or out."""
    stands = np.nan_to_num(trace.signal(SPEED)) == 0
    result: NDArray[np.bool_] = stands & (np.abs(trace.signal(CURRENT)) <= CALM_A)
    return result


def _charges(trace: Trace) -> NDArray[np.bool_]:
    said = trace.signal(CHARGING)
    fed = (np.nan_to_num(trace.signal(SPEED)) == 0) & (np.nan_to_num(trace.signal(CURRENT)) > _CHARGE_A)
    change = (np.diff(fed.astype(np.int64), prepend=0) != 0) | (np.diff(stretches(trace), prepend=0) != 0)
    group = pd.Series(np.cumsum(change))
    lasts = pd.Series(trace.ts_s).groupby(group).transform(lambda ts: ts.max() - ts.min()).to_numpy()
    # The status of one recording says "not charging" all through its charges: what flows in is believed too.
    result: NDArray[np.bool_] = (np.nan_to_num(said) > 0) | (fed & (lasts >= _CHARGE_S))
    return result
