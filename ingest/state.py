"""The newest value of every signal per car, worked out for a whole batch at once."""

from typing import Any

import msgspec
import numpy as np

from ingest.batch import Rows
from ingest.layout import Layout
from ingest.quality import Quality

_CASTS: dict[str, Any] = {"integer": int, "boolean": bool}


class CarState(msgspec.Struct, frozen=True):
    """What one batch says of one car. ``latest`` is {column: [value, epoch_ms]}; ``oldest_ms`` is its oldest value."""

    vehicle_id: int
    ts_ms: int
    oldest_ms: int
    received_ms: int
    readings: int
    latest: dict[str, tuple[Any, int]]


def newest_values(rows: Rows, signals: Layout) -> list[CarState]:
    """Return the state of every car in ``rows``, which are sorted by car and time; in the order of vehicle_id.

    A reading whose clock runs ahead is left out: it would be the newest until its time comes.
    """
    trusted = np.flatnonzero((rows.quality & Quality.CLOCK_AHEAD) == 0)
    if not len(trusted):
        return []
    vehicle = rows.vehicle_id[trusted]
    starts = np.flatnonzero(np.r_[True, np.diff(vehicle) != 0])
    numeric = rows.numeric[trusted]
    measured = np.where(np.isnan(numeric), -1, np.arange(len(trusted))[:, None])
    last = np.maximum.reduceat(measured, starts, axis=0)
    ends = np.r_[starts[1:], len(trusted)]
    columns = [signal.column for signal in signals.numeric]
    casts = [_CASTS.get(signal.type, float) for signal in signals.numeric]
    ts = rows.ts_ms[trusted]
    values = np.take_along_axis(numeric, np.maximum(last, 0), axis=0).tolist()
    times = ts[np.maximum(last, 0)].tolist()
    present = (last >= 0).tolist()
    received = np.maximum.reduceat(rows.received_ms[trusted], starts).tolist()
    states = []
    for car, (begin, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        latest: dict[str, tuple[Any, int]] = {
            column: (cast(value), at)
            for column, cast, value, at, known in zip(
                columns, casts, values[car], times[car], present[car], strict=True
            )
            if known
        }
        for signal, texts in zip(signals.texts, rows.texts, strict=True):
            for row in range(end - 1, begin - 1, -1):
                text = texts[trusted[row]]
                if text is not None:
                    latest[signal.column] = (text, int(ts[row]))
                    break
        oldest = min((at for _, at in latest.values()), default=int(ts[begin]))
        states.append(CarState(int(vehicle[begin]), int(ts[end - 1]), oldest, received[car], end - begin, latest))
    return states
