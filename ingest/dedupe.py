"""Finds rows that say the same thing twice within one batch, before the database has to."""

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Rows


def split_repeats(rows: Rows) -> tuple[NDArray[np.intp], int, list[int]]:
    """Return (positions of the first row of every key, sorted by key; number of duplicates; positions that conflict).

    A later row with the key of an earlier one is a duplicate when it measured the same, otherwise a conflict.
    """
    order = np.lexsort((rows.seq, rows.ts_ms, rows.vehicle_id))
    same = np.zeros(len(order), dtype=bool)
    if len(order):
        same[1:] = (
            (np.diff(rows.vehicle_id[order]) == 0) & (np.diff(rows.ts_ms[order]) == 0) & (np.diff(rows.seq[order]) == 0)
        )
    if not same.any():
        return order, 0, []
    duplicates, conflicts, first = 0, [], 0
    for place, row in enumerate(order.tolist()):
        if not same[place]:
            first = row
        elif _same_content(rows, first, row):
            duplicates += 1
        else:
            conflicts.append(row)
    return order[~same], duplicates, conflicts


def _same_content(rows: Rows, one: int, other: int) -> bool:
    # In the precision in which they are stored: what differs beyond it is the same reading.
    numbers = rows.numeric[[one, other]].astype(np.float32)
    return (
        np.array_equal(numbers[0], numbers[1], equal_nan=True)
        and all(values[one] == values[other] for values in rows.texts)
        and rows.lists.get(one) == rows.lists.get(other)
        and rows.extra.get(one) == rows.extra.get(other)
    )
