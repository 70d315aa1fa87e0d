"""The newest value of every signal per car, worked out for a whole batch at once."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest.batch import Rows
from ingest.layout import Layout
from ingest.quality import Quality


class CarStates(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch says of its cars, one element or row per car in the order of vehicle_id.

    vehicle_id, ts_ms, received_ms, readings : (n_cars,) int64
    values, at_ms   : (n_cars, n_numeric) float64, a value and its time, columns as Layout.numeric; NaN where unknown
    seq             : (n_cars, n_numeric) int64, of the reading that has the value; 0 where unknown
    texts, texts_at, texts_seq : per text signal, lists of length n_cars
    """

    vehicle_id: NDArray[np.int64]
    ts_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    readings: NDArray[np.int64]
    values: NDArray[np.float64]
    at_ms: NDArray[np.float64]
    seq: NDArray[np.int64]
    texts: list[list[str | None]]
    texts_at: list[list[float]]
    texts_seq: list[list[int]]


def newest_values(rows: Rows, signals: Layout) -> CarStates | None:
    """Return the state of every car in ``rows``, which are sorted by car, time and seq; None when there is none.

    A reading whose clock runs ahead is left out: it would be the newest until its time comes.
    """
    trusted = np.flatnonzero((rows.quality & Quality.CLOCK_AHEAD) == 0)
    if not len(trusted):
        return None
    vehicle, ts, numeric = rows.vehicle_id[trusted], rows.ts_ms[trusted], rows.numeric[trusted]
    seq = rows.seq[trusted]
    starts = np.flatnonzero(np.r_[True, np.diff(vehicle) != 0])
    ends = np.r_[starts[1:], len(trusted)]
    # The last row of the car in which a signal was measured, -1 where it was in none.
    measured = np.where(np.isnan(numeric), -1, np.arange(len(trusted))[:, None])
    last = np.maximum.reduceat(measured, starts, axis=0)
    known = np.maximum(last, 0)
    car_of = np.repeat(np.arange(len(starts)), ends - starts)
    texts: list[list[str | None]] = []
    texts_at: list[list[float]] = []
    texts_seq: list[list[int]] = []
    for column in rows.texts:
        newest: list[str | None] = [None] * len(starts)
        newest_at = [float("nan")] * len(starts)
        newest_seq = [0] * len(starts)
        for place, row in enumerate(trusted.tolist() if column.count(None) < len(column) else ()):
            if column[row] is not None:
                car = car_of[place]
                newest[car], newest_at[car], newest_seq[car] = column[row], float(ts[place]), int(seq[place])
        texts.append(newest)
        texts_at.append(newest_at)
        texts_seq.append(newest_seq)
    return CarStates(
        vehicle_id=vehicle[starts],
        ts_ms=ts[ends - 1],
        received_ms=np.maximum.reduceat(rows.received_ms[trusted], starts),
        readings=ends - starts,
        values=np.where(last >= 0, np.take_along_axis(numeric, known, axis=0), np.nan),
        at_ms=np.where(last >= 0, ts[known], np.nan),
        seq=np.where(last >= 0, seq[known], 0),
        texts=texts,
        texts_at=texts_at,
        texts_seq=texts_seq,
    )
