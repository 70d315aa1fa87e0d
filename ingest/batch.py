"""Samples on their way into one transaction, gathered row by row and then treated column by column."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.signals import Signal
from ingest.cells import CELL_COLUMNS, cell_statistics
from ingest.coolant import LOW_LEVELS, coolant_low
from ingest.layout import Layout
from ingest.quality import LATE_MS, Quality
from ingest.rest import OFF_STATES, at_rest
from ingest.telemetry import Oddity

_CASTS: dict[str, Any] = {"integer": int, "boolean": bool}


class Source(msgspec.Struct, frozen=True):
    """The car a message came from and how: what a dead letter needs to know.

    frame : the message itself when it is a GB/T 32960 frame, which no sample can be turned back into
    """

    vehicle_id: int
    received_ms: int
    topic: str
    frame: bytes | None = None


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Readings in columns, one element or row each.

    ts_ms, received_ms, vehicle_id, seq, quality : (n,) int64
    numeric : (n, n_numeric) float64 in the order of Layout.numeric; NaN is not measured
    texts   : n_texts lists of length n
    extra, lists : by row, only where there is one
    positions    : by row, (latitude, longitude) as they were sent; None is not measured
    frames       : by row, the GB/T 32960 frame it came in
    """

    ts_ms: NDArray[np.int64]
    vehicle_id: NDArray[np.int64]
    seq: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    quality: NDArray[np.int64]
    numeric: NDArray[np.float64]
    texts: tuple[list[str | None], ...]
    lists: dict[int, tuple[list[float | None] | None, ...]]
    extra: dict[int, dict[str, Any]]
    topic: list[str]
    positions: dict[int, tuple[float | None, float | None]]
    frames: dict[int, bytes]

    def __len__(self) -> int:
        return len(self.ts_ms)

    def take(self, chosen: NDArray[np.intp]) -> "Rows":
        """Return the rows at these positions, in this order."""
        old = chosen.tolist()
        return Rows(
            ts_ms=self.ts_ms[chosen],
            vehicle_id=self.vehicle_id[chosen],
            seq=self.seq[chosen],
            received_ms=self.received_ms[chosen],
            quality=self.quality[chosen],
            numeric=self.numeric[chosen],
            texts=tuple([column[i] for i in old] for column in self.texts),
            lists={new: self.lists[i] for new, i in enumerate(old) if i in self.lists} if self.lists else {},
            extra={new: self.extra[i] for new, i in enumerate(old) if i in self.extra} if self.extra else {},
            topic=[self.topic[i] for i in old],
            positions={new: self.positions[i] for new, i in enumerate(old) if i in self.positions}
            if self.positions
            else {},
            frames={new: self.frames[i] for new, i in enumerate(old) if i in self.frames} if self.frames else {},
        )

    def measured(self, row: int, signals: Layout) -> list[tuple[Signal, Any]]:
        """Return what one row measured, without what was derived and what is in ``extra``."""
        values: list[tuple[Signal, Any]] = []
        for signal, value in zip(signals.numeric, self.numeric[row].tolist(), strict=True):
            if not signal.derived and value == value:  # NaN is the only number that differs from itself
                values.append((signal, _CASTS.get(signal.type, float)(value)))
        for signal, column in zip(signals.texts, self.texts, strict=True):
            if not signal.derived and column[row]:
                values.append((signal, column[row]))
        values += [(s, v) for s, v in zip(signals.lists, self.lists.get(row, ()), strict=False) if v is not None]
        place = self.positions.get(row, ())
        values += [(s, v) for s, v in zip(signals.positions, place, strict=False) if v is not None]
        return values

    def payload(self, row: int, signals: Layout) -> bytes:
        """Return one row as a message that can be sent again: the frame it came in, else telemetry payload v1."""
        frame = self.frames.get(row)
        return msgspec.json.encode({"samples": [self.sample(row, signals)]}) if frame is None else frame

    def sample(self, row: int, signals: Layout) -> dict[str, Any]:
        """Return one row as a sample of telemetry payload v1, without what was derived."""
        values = {signal.path: value for signal, value in self.measured(row, signals)}
        values |= self.extra.get(row, {})
        return {"ts": int(self.ts_ms[row]), "seq": int(self.seq[row]), "signals": values}

    def parked(self, signals: Layout) -> list[tuple[int, int, float, float]]:
        """Return (vehicle_id, ts_ms, latitude, longitude) of standing cars that said where they are."""
        speed = self.numeric[:, signals.index["speed_kmh"]]
        found = []
        for row, (latitude, longitude) in self.positions.items():
            if latitude is None or longitude is None or speed[row] != 0:
                continue
            if -90 <= latitude <= 90 and -180 <= longitude <= 180:
                found.append((int(self.vehicle_id[row]), int(self.ts_ms[row]), latitude, longitude))
        return found


class RowGatherer:
    """Collects decoded samples and hands them out as ``Rows``."""

    def __init__(self, signals: Layout) -> None:
        self._layout = signals
        self._values: list[tuple[Any, ...]] = []
        self._ts: list[int] = []
        self._seq: list[int] = []
        self._vehicle: list[int] = []
        self._received: list[int] = []
        self._topics: list[str] = []
        self._oddities: dict[int, Oddity] = {}
        self._frames: dict[int, bytes] = {}
        self._lamps: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._ts)

    def add(
        self, source: Source, samples: Sequence[Any], oddities: dict[int, Oddity], *, lamps: str | None = None
    ) -> None:
        """Add samples of one message; ``lamps`` are those of a frame, which has one sample."""
        if lamps is not None:
            self._lamps[len(self._ts)] = lamps
        if oddities:
            for index, oddity in oddities.items():
                self._oddities[len(self._ts) + index] = oddity
        if source.frame is not None:
            self._frames[len(self._ts)] = source.frame
        as_tuple = msgspec.structs.astuple
        for sample in samples:
            self._ts.append(sample.ts)
            self._seq.append(sample.seq)
            self._values.append(as_tuple(sample.signals))
            self._vehicle.append(source.vehicle_id)
            self._received.append(source.received_ms)
            self._topics.append(source.topic)

    def rows(self, *, clock_ahead_ms: int) -> Rows:
        """Return everything gathered, with derived columns and quality flags."""
        signals = self._layout
        count = len(self._ts)
        numeric = np.full((count, len(signals.numeric)), np.nan)
        if count:
            numeric[:, : signals.n_decoded] = [values[: signals.n_decoded] for values in self._values]
        extra = {row: dict(oddity.extra) for row, oddity in self._oddities.items()}
        quality = np.zeros(count, dtype=np.int64)
        for row, oddity in self._oddities.items():
            quality[row] = oddity.quality
        ts_ms = np.array(self._ts, dtype=np.int64)
        received_ms = np.array(self._received, dtype=np.int64)
        quality[ts_ms > received_ms + clock_ahead_ms] |= Quality.CLOCK_AHEAD
        quality[ts_ms < received_ms - LATE_MS] |= Quality.LATE
        texts = tuple([values[signals.n_decoded + i] for values in self._values] for i in range(signals.n_texts))
        _move_out_of_range(signals, numeric, texts, quality, extra)
        lists = self._lists()
        _flag_lists(signals, lists, quality)
        _derive_cells(signals, numeric, lists)
        _derive_rest(signals, numeric, texts)
        _derive_coolant(signals, numeric, texts)
        texts += (self._lamps_of_rows(),)
        return Rows(
            ts_ms=ts_ms,
            vehicle_id=np.array(self._vehicle, dtype=np.int64),
            seq=np.array(self._seq, dtype=np.int64),
            received_ms=received_ms,
            quality=quality,
            numeric=numeric,
            texts=texts,
            lists=lists,
            extra=extra,
            topic=list(self._topics),
            positions=self._positions(),
            frames=dict(self._frames),
        )

    def _positions(self) -> dict[int, tuple[float | None, float | None]]:
        at = self._layout.n_decoded + self._layout.n_texts + len(self._layout.lists)
        found = {}
        for row, values in enumerate(self._values):
            latitude, longitude = values[at], values[at + 1]
            # NaN, which differs from itself, was not sent: most rows are without.
            if latitude == latitude or longitude == longitude:
                found[row] = (
                    latitude if latitude == latitude else None,
                    longitude if longitude == longitude else None,
                )
        return found

    def _lamps_of_rows(self) -> list[str | None]:
        lamps: list[str | None] = [None] * len(self._ts)
        for row, codes in self._lamps.items():
            lamps[row] = codes
        return lamps

    def _lists(self) -> dict[int, tuple[list[float | None] | None, ...]]:
        begin = self._layout.n_decoded + self._layout.n_texts
        end = begin + len(self._layout.lists)
        found = {}
        for row, values in enumerate(self._values):
            lists = values[begin:end]
            if any(lists):
                found[row] = lists
        return found


def _move_out_of_range(
    signals: Layout,
    numeric: NDArray[np.float64],
    texts: tuple[list[str | None], ...],
    quality: NDArray[np.int64],
    extra: dict[int, dict[str, Any]],
) -> None:
    outside = (numeric < signals.lowest) | (numeric > signals.highest)
    for row, column in np.argwhere(outside).tolist():
        extra.setdefault(row, {})[signals.numeric[column].path] = float(numeric[row, column])
        quality[row] |= Quality.OUT_OF_RANGE
    numeric[outside] = np.nan
    for signal, values in zip(signals.texts, texts, strict=False):
        allowed = {None, *signal.allowed}
        for row, value in enumerate(values):
            if value not in allowed:
                extra.setdefault(row, {})[signal.path] = value
                quality[row] |= Quality.OUT_OF_RANGE
                values[row] = None


def _flag_lists(
    signals: Layout, lists: dict[int, tuple[list[float | None] | None, ...]], quality: NDArray[np.int64]
) -> None:
    """Flag rows with a list that holds a value out of its signal's range; the values stay where they are."""
    for number, signal in enumerate(signals.lists):
        lowest = -math.inf if signal.lowest is None else signal.lowest
        highest = math.inf if signal.highest is None else signal.highest
        by_length: dict[int, list[int]] = {}
        for row, values in lists.items():
            if values[number]:
                by_length.setdefault(len(values[number] or ()), []).append(row)
        for rows in by_length.values():
            measured = np.array([lists[row][number] for row in rows], dtype=np.float64)
            outside = ((measured < lowest) | (measured > highest)).any(axis=1)
            quality[np.array(rows)[outside]] |= Quality.OUT_OF_RANGE


def _derive_cells(
    signals: Layout, numeric: NDArray[np.float64], lists: dict[int, tuple[list[float | None] | None, ...]]
) -> None:
    by_length: dict[int, list[int]] = {}
    for row, (cells, *_) in lists.items():
        if cells:
            by_length.setdefault(len(cells), []).append(row)
    columns = [signals.index[name] for name in CELL_COLUMNS]
    for rows in by_length.values():
        derived = cell_statistics([lists[row][0] or () for row in rows])
        present = numeric[np.ix_(rows, columns)]
        # What the car says itself of its lowest and highest cell stands; the rest is ours.
        numeric[np.ix_(rows, columns)] = np.where(np.isnan(present), derived, present)


def _derive_rest(signals: Layout, numeric: NDArray[np.float64], texts: tuple[list[str | None], ...]) -> None:
    if not len(numeric):
        return

    def column(name: str) -> NDArray[np.float64]:
        return numeric[:, signals.index[name]]

    known_state, off = _said(signals, texts, "lv_system_state", OFF_STATES)
    numeric[:, signals.index["at_rest"]] = at_rest(
        known_state=known_state,
        off=off,
        speed_kmh=column("speed_kmh"),
        is_charging=column("is_charging"),
        pack_a=column("pack_a"),
        engine_rpm=column("engine_rpm"),
    )


def _derive_coolant(signals: Layout, numeric: NDArray[np.float64], texts: tuple[list[str | None], ...]) -> None:
    known_level, low = _said(signals, texts, "coolant_level", LOW_LEVELS)
    numeric[:, signals.index["coolant_low"]] = coolant_low(known_level=known_level, low=low)


def _said(
    signals: Layout, texts: tuple[list[str | None], ...], column: str, one_of: tuple[str, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return in which rows a text was sent, and in which it is one of some: (n,) each."""
    said = texts[[signal.column for signal in signals.texts].index(column)]
    if not any(said):
        # What few cars send costs the others nothing.
        nowhere = np.zeros(len(said), dtype=bool)
        return nowhere, nowhere
    known = np.array([text is not None for text in said], dtype=bool)
    return known, np.array([text in one_of for text in said], dtype=bool)
