"""Finds rows that say the same thing twice within one batch, before the database has to."""

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Rows
from ingest.copy_binary import stored_reals
from ingest.layout import Layout


def split_repeats(rows: Rows, signals: Layout) -> tuple[NDArray[np.intp], int, list[int]]:
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
        elif _same_content(rows, first, row, signals):
            duplicates += 1
        else:
            conflicts.append(row)
    return order[~same], duplicates, conflicts


def _same_content(rows: Rows, one: int, other: int, signals: Layout) -> bool:
    # As the database compares rows of different batches: what differs beyond the precision in which it is stored is the
    # same reading, what was derived follows from the rest.
    numbers = rows.numeric[[one, other]][:, : signals.n_decoded]
    stored = np.where(signals.is_single, numbers.astype(np.float32), numbers)
    return (
        np.array_equal(stored[0], stored[1], equal_nan=True)
        and all(values[one] == values[other] for values in rows.texts)
        and _same_lists(rows.lists.get(one, ()), rows.lists.get(other, ()))
        and _same_json(rows.extra.get(one), rows.extra.get(other))
    )


def _same_lists(one: tuple[list[float | None] | None, ...], other: tuple[list[float | None] | None, ...]) -> bool:
    return len(one) == len(other) and all(
        left is right or (left is not None and right is not None and _same_reals(left, right))
        for left, right in zip(one, other, strict=True)
    )


def _same_reals(one: list[float | None], other: list[float | None]) -> bool:
    return np.array_equal(stored_reals(one), stored_reals(other), equal_nan=True)


def _same_json(one: object, other: object) -> bool:
    """Say whether two values are the same jsonb: 1 and 1.0 are, 1 and true are not."""
    # No recursion: how deep a value may be is its sender's choice.
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
            waiting += [(value, right[key]) for key, value in left.items()]
        elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
            waiting += zip(left, right, strict=True)
        elif isinstance(left, dict | list) or not _same_scalar(left, right):
            return False
    return True


def _same_scalar(one: object, other: object) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        # The digits that are sent, which are what PostgreSQL compares.
        return Decimal(repr(one)) == Decimal(repr(other))
    return one == other
