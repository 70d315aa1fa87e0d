"""Columns of Parquet files as arrays, whoever wrote them: pandas, polars, Spark or this product."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from config.signals import Signal
from forewarn.simulator.readings import text_number

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Cell voltages are told apart to 10 microvolts: finer is the noise of single precision.
PER_VOLT = 100_000
# Instants between 1973 and 2128 in each unit; the ranges do not meet, so a number says which one it is in.
_MS_RANGE = (1e11, 5e12)
# The year 10000: what lies as far off is no instant but a sign that a clock said none.
_NEVER_MS = 253_402_300_800_000
_PER_MS: Mapping[str, float] = {"s": 1e-3, "ms": 1.0, "us": 1e3, "ns": 1e6}


class Unreadable(ValueError):
    """A column does not hold what its name says."""


def vehicle_ids(column: pa.ChunkedArray, vins: pd.Index) -> tuple[Ints, set[str]]:
    """Return the vehicle_id of each row, 0 where the car is not known, and the vins that are not.

    vins : of the vehicles, whose ids are their places and one
    """
    encoded = column if pa.types.is_dictionary(column.type) else _as_text(column, "vin").dictionary_encode()
    ids, strangers = np.zeros(len(column), dtype=np.int64), set()
    begin = 0
    for chunk in encoded.chunks:
        names = [None if name is None else str(name) for name in chunk.dictionary.to_pylist()]
        places = vins.get_indexer(pd.Index(names, dtype=object)) + 1 if names else np.zeros(0, dtype=np.int64)
        codes = chunk.indices.to_numpy(zero_copy_only=False)
        told = ~np.isnan(codes) if codes.dtype.kind == "f" else np.ones(len(codes), dtype=bool)
        used = codes[told].astype(np.int64)
        ids[begin : begin + len(chunk)][told] = np.asarray(places, dtype=np.int64)[used]
        strangers |= {str(names[code]) for code in np.unique(used) if not places[code] and names[code] is not None}
        begin += len(chunk)
    return ids, strangers


def texts(column: pa.ChunkedArray, name: str) -> list[str | None]:
    """Return texts, None where there is none. Raises : Unreadable"""
    found: list[str | None] = _as_text(column, name).to_pylist()
    return found


def _as_text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    plain = _plain(column)
    if pa.types.is_null(plain.type):
        return plain.cast(pa.string())
    if not (pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type) or _is_view(plain.type)):
        raise Unreadable(f"the column {name} holds {plain.type} where text is expected")
    return plain.cast(pa.large_string())


def _is_view(kind: pa.DataType) -> bool:
    return str(kind) == "string_view"


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of a dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def epoch_ms(column: pa.ChunkedArray, name: str) -> tuple[Ints, NDArray[np.bool_]]:
    """Return instants in epoch ms and which rows have one.

    Timestamps are taken as what they are, in UTC when they name no zone. Numbers are epoch ms; where those of the whole
    column are seconds, micro- or nanoseconds by their size they are taken as that. What no calendar holds is none.
    Raises : Unreadable, when the column holds something else
    """
    plain = _plain(column)
    if pa.types.is_timestamp(plain.type):
        per_ms = _PER_MS[plain.type.unit]
        plain = plain.cast(pa.int64())
    else:
        per_ms = 0.0
    found = numbers(plain, name)
    known = ~np.isnan(found)
    if not known.any():
        return np.zeros(len(found), dtype=np.int64), known
    if not per_ms:
        per_ms = _unit_of(float(np.median(found[known])), name)
    known &= np.abs(found / per_ms) < _NEVER_MS
    if pa.types.is_integer(plain.type):
        # Doubles would round nanoseconds, and what is exact stays exact.
        whole = plain.fill_null(0).combine_chunks().to_numpy(zero_copy_only=False).astype(np.int64)
        whole = np.where(known, whole, 0)
        return (whole * 1000 if per_ms < 1 else whole // int(per_ms)), known
    return np.rint(np.where(known, found, 0.0) / per_ms).astype(np.int64), known


def _unit_of(typical: float, name: str) -> float:
    for per_ms in _PER_MS.values():
        if _MS_RANGE[0] <= typical / per_ms <= _MS_RANGE[1]:
            return per_ms
    # A car whose clock begins at 1970 all day long still tells milliseconds.
    if 0 <= typical < _MS_RANGE[0] / 1000:
        return 1.0
    raise Unreadable(f"the column {name} holds {typical:g} where epoch milliseconds are expected")


def numbers(column: pa.ChunkedArray, name: str) -> Floats:
    """Return numbers of any type as float64, NaN where there is none. Raises : Unreadable"""
    plain = _plain(column)
    kind = plain.type
    if pa.types.is_null(kind):
        return np.full(len(plain), np.nan)
    try:
        if pa.types.is_boolean(kind):
            plain = plain.cast(pa.int8())
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_view(kind):
            plain = _parsed(plain)
        if plain.type != pa.float64():
            plain = plain.cast(pa.float64(), safe=False)
    except (pa.ArrowException, ValueError) as error:
        raise Unreadable(f"the column {name} holds {kind} where numbers are expected") from error
    return np.asarray(plain.to_numpy(), dtype=np.float64)


def _parsed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read numbers and booleans that were written as text."""
    lowered = pc.utf8_lower(column)
    said = pc.case_when(
        pc.make_struct(pc.equal(lowered, "true"), pc.equal(lowered, "false"), pc.equal(lowered, "")),
        *(pa.scalar(text, lowered.type) for text in ("1", "0", None)),
        lowered,
    )
    return said.cast(pa.float64())


def words(column: pa.ChunkedArray, signal: Signal) -> Floats:
    """Return what was said in words as indices into TEXTS, NaN where nothing was, or nothing that is known.

    Raises : Unreadable
    """
    encoded = _as_text(column, signal.path).dictionary_encode()
    found = np.full(len(column), np.nan)
    begin = 0
    for chunk in encoded.chunks:
        numbers_of = np.array([text_number(signal, name) for name in chunk.dictionary.to_pylist()], dtype=np.float64)
        codes = chunk.indices.to_numpy(zero_copy_only=False)
        told = ~np.isnan(codes) if codes.dtype.kind == "f" else np.ones(len(codes), dtype=bool)
        if len(numbers_of):
            found[begin : begin + len(chunk)][told] = numbers_of[codes[told].astype(np.int64)]
        begin += len(chunk)
    return found


def packs(column: pa.ChunkedArray, name: str) -> list[tuple[NDArray[np.intp], NDArray[np.int32]]]:
    """Return for each number of cells the rows whose packs have as many, and their voltages in 1 / PER_VOLT of a volt.

    A voltage that is missing is 0, which is none that a cell can have.
    Raises : Unreadable, when the column holds something else than lists of numbers
    """
    kind = column.type
    if pa.types.is_null(kind):
        return []
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list:
        raise Unreadable(f"the column {name} holds {kind} where lists of numbers are expected")
    lists = column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks)
    length = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    present = np.flatnonzero(length)
    # Leaves out what lies behind a null.
    flat = numbers(pa.chunked_array([lists.flatten()]), name)
    cells = np.rint(np.nan_to_num(np.clip(flat, 0, 1e4)) * PER_VOLT).astype(np.int32)
    starts = np.cumsum(length[present]) - length[present]
    found = []
    for size in np.unique(length[present]):
        own = np.flatnonzero(length[present] == size)
        where = starts[own][:, None] + np.arange(size)[None, :] if len(own) < len(present) else slice(None)
        found.append((present[own], cells[where].reshape(-1, size)))
    return found
