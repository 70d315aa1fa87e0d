"""Rows of rollups as the bytes of a binary COPY."""

from datetime import UTC, date, datetime

import numpy as np

from config.signals import Catalogue, catalogue
from ingest.store.given import Rollups, encode_rollups
from ingest.store.timeseries.rollups import KEYS, rollup_columns
from tests.given import rows_of

FIVE = datetime(2026, 3, 1, 5, tzinfo=UTC)
FIVE_MS = int(FIVE.timestamp() * 1000)


def some(**columns: list[float]) -> Rollups:
    return Rollups(
        bucket_ms=np.array([FIVE_MS, FIVE_MS + 3_600_000]),
        received_on=np.array([0, 20_513]),
        regime=np.array([0, 2]),
        columns={name: np.array(values) for name, values in columns.items()},
    )


def named(encoded: bytes, signals: Catalogue | None = None) -> list[dict[str, object]]:
    names = [*KEYS, *(column.name for column in rollup_columns(signals or catalogue()))]
    return [dict(zip(names, row, strict=True)) for row in rows_of(encoded, signals)]


def test_keys_and_values_come_back():
    at = FIVE_MS + 1001.0
    rollups = some(n=[3, 4], soc_pct__n=[0, 2], soc_pct__max=[np.nan, 50.5], soc_pct__last_at=[np.nan, at])
    one, other = named(encode_rollups(rollups, vehicle_id=17))
    assert [one[key] for key in KEYS] == [17, FIVE, date(1970, 1, 1), "rest"]
    assert [other[key] for key in KEYS] == [17, FIVE.replace(hour=6), date(2026, 3, 1), "charge"]
    assert [one[name] for name in ("n", "soc_pct__n", "soc_pct__max", "soc_pct__last_at")] == [3, 0, None, None]
    assert [other[name] for name in ("n", "soc_pct__n", "soc_pct__max")] == [4, 2, 50.5]
    assert other["soc_pct__last_at"] == FIVE.replace(second=1, microsecond=1000)


def test_what_was_not_measured_counts_nothing_and_is_null():
    one, _ = named(encode_rollups(some(n=[1, 1]), vehicle_id=17))
    assert {value for name, value in one.items() if name.endswith("_n")} == {0}
    assert {value for name, value in one.items() if name not in (*KEYS, "n") and not name.endswith("_n")} == {None}


def test_rows_of_several_cars_follow_each_other():
    both = b"".join(encode_rollups(some(n=[1, 2]), vehicle_id=car) for car in (1, 2))
    assert [(row["vehicle_id"], row["n"]) for row in named(both)] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_no_rows_are_no_bytes():
    nothing = np.zeros(0, dtype=np.int64)
    assert encode_rollups(Rollups(nothing, nothing, nothing, {}), vehicle_id=1) == b""
