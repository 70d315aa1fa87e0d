"""Lamps that came on and went off, derived from what the alarm blocks of stored frames say in the order of time.

Frames come late, twice and through several workers. So what a frame says is kept beside its reading, and the changes
are worked out from the readings: they do not depend on the order of arrival. A frame that is not stored says nothing,
nor does one whose clock runs ahead.
"""

from datetime import timedelta

import psycopg
from psycopg.rows import TupleRow

from config import sql
from ingest.batch import Rows
from ingest.layout import Layout
from ingest.other_rows import instant
from ingest.quality import Quality

_COLUMN = "alarm_lamps"
_DAY_MS = 86_400_000
# So far back readings are searched for the one before; further back the events say what was on.
_LOOK_BACK = timedelta(days=2)


def derive_lamps(cursor: psycopg.Cursor[TupleRow], rows: Rows, signals: Layout) -> None:
    """Bring the lamp events of the cars in ``rows`` up to date.

    rows : readings just inserted in this transaction, which has locked the state of their cars
    """
    told = rows.texts[[signal.column for signal in signals.texts].index(_COLUMN)]
    if told.count(None) == len(told):
        return
    spans: dict[tuple[int, int], tuple[int, int]] = {}
    every = zip(rows.vehicle_id.tolist(), rows.ts_ms.tolist(), rows.quality.tolist(), told, strict=True)
    for vehicle_id, ts_ms, quality, lamps in every:
        if lamps is not None and not quality & Quality.CLOCK_AHEAD:
            # By day, since a re-issued frame may be months older than the one beside it.
            key = (vehicle_id, ts_ms // _DAY_MS)
            first, last = spans.get(key, (ts_ms, ts_ms))
            spans[key] = (min(first, ts_ms), max(last, ts_ms))
    if not spans:
        return
    firsts, lasts = ([instant(span[end]) for span in spans.values()] for end in (0, 1))
    values = {
        "vehicle_ids": [vehicle_id for vehicle_id, _ in spans],
        "firsts": firsts,
        "lasts": lasts,
        "since": min(firsts) - _LOOK_BACK,
        "newest": max(firsts),
        "ahead": int(Quality.CLOCK_AHEAD),
    }
    # Planned for these instants: a plan for any would open every partition.
    cursor.execute(sql.load("ingest.store", "derive_lamps"), values, prepare=False)
