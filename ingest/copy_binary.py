"""PostgreSQL's binary COPY format, made from columns rather than row by row.

Every field is laid out at its full width in one array of bytes; a mask then leaves out what a NULL or a shorter text
does not use. That costs the same whichever fields are missing.
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.signals import Signal

# Signature, no flags, no header extension.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# PostgreSQL counts microseconds and days from 2000-01-01.
_EPOCH_2000_MS = 946_684_800_000
_EPOCH_2000_D = 10_957
_FLOAT4_OID = 700

Type = Literal["timestamptz", "date", "bigint", "integer", "real", "double", "boolean", "text"]
_WIRE: dict[str, str] = {
    "timestamptz": ">i8",
    "date": ">i4",
    "bigint": ">i8",
    "integer": ">i4",
    "real": ">f4",
    "double": ">f8",
    "boolean": "u1",
}


class Column(msgspec.Struct, frozen=True):
    """One column to send.

    values : (n,) numbers, for timestamptz epoch milliseconds, for date days since 1970, for text a list of str | None;
             NaN is NULL
    """

    type: Type
    values: Any


def matrix_columns(signals: Sequence[Signal], matrix: NDArray[np.float64]) -> list[Column]:
    """Return one column per signal.

    matrix : (n, n_signals), in the order of ``signals``
    """
    # A signal that is a number has one of the types of a column.
    return [Column(cast(Type, signal.type), matrix[:, number]) for number, signal in enumerate(signals)]


def encode_rows(columns: Sequence[Column], *, n_tails: int = 0, tails: dict[int, bytes] | None = None) -> bytes:
    """Return the rows in binary COPY format, without header and trailer.

    columns : the same length each
    n_tails : how many more fields every row has after the columns; they are NULL unless given in ``tails``
    tails   : by row, those fields already encoded, lengths included
    """
    count = len(columns[0].values)
    tails = tails or {}
    n_fields = len(columns) + n_tails
    fields: list[tuple[str, str]] = [("n_fields", ">i2")]
    prepared = []
    for number, column in enumerate(columns):
        data, present, lengths = _prepare(column)
        prepared.append((data, present, lengths))
        fields.append((f"l{number}", ">i4"))
        if data is not None:
            fields.append((f"d{number}", data.dtype.str))
    fields += [(f"t{number}", ">i4") for number in range(n_tails)]
    packed = np.zeros(count, dtype=fields)
    packed["n_fields"] = n_fields
    keep = np.ones((count, packed.dtype.itemsize), dtype=bool)
    offset = 2
    for number, (data, present, lengths) in enumerate(prepared):
        offset += 4
        if data is None:
            packed[f"l{number}"] = -1
            continue
        width = data.dtype.itemsize
        packed[f"d{number}"] = data
        if present is None:
            packed[f"l{number}"] = width
        elif lengths is None:
            packed[f"l{number}"] = np.where(present, width, -1)
            keep[:, offset : offset + width] = present[:, None]
        else:
            packed[f"l{number}"] = np.where(present, lengths, -1)
            keep[:, offset : offset + width] = np.arange(width) < lengths[:, None]
        offset += width
    for number in range(n_tails):
        packed[f"t{number}"] = -1
    keep[list(tails), offset:] = False
    body = _flat(packed)[keep].tobytes()
    if not tails:
        return body
    ends = np.cumsum(keep.sum(axis=1)).tolist()
    pieces, begin = [], 0
    for row in sorted(tails):
        pieces += [body[begin : ends[row]], tails[row]]
        begin = ends[row]
    return b"".join([*pieces, body[begin:]])


def stored_reals(values: Sequence[float | None]) -> NDArray[np.float32]:
    """Return numbers as a ``real[]`` holds them; NaN is NULL, as is what is beyond single precision: not measured."""
    numbers = np.array(values, dtype=np.float64)
    numbers[~(np.abs(numbers) <= np.finfo(np.float32).max)] = np.nan
    return numbers.astype(np.float32)


def encode_real_array(values: Sequence[float | None] | None) -> bytes:
    """Return one field, length included, that holds a ``real[]``; None is NULL.

    values : volts or degrees; None and NaN become NULL elements
    """
    if values is None:
        return b"\xff\xff\xff\xff"
    numbers = stored_reals(values)
    missing = np.isnan(numbers)
    dimensions = b"".join(
        int(number).to_bytes(4, "big") for number in (1, int(missing.any()), _FLOAT4_OID, len(numbers), 1)
    )
    if len(numbers) == 0:
        dimensions = b"".join(number.to_bytes(4, "big") for number in (0, 0, _FLOAT4_OID))
    packed = np.zeros(len(numbers), dtype=[("length", ">i4"), ("value", ">f4")])
    packed["length"] = np.where(missing, -1, 4)
    packed["value"] = np.where(missing, 0, numbers)
    keep = np.ones((len(numbers), 8), dtype=bool)
    keep[missing, 4:] = False
    body = dimensions + _flat(packed)[keep].tobytes()
    return len(body).to_bytes(4, "big") + body


def encode_json(value: dict[str, Any] | None) -> bytes:
    """Return one field, length included, that holds JSON as a ``bytea``; None is NULL."""
    if value is None:
        return b"\xff\xff\xff\xff"
    body = msgspec.json.encode(value)
    return len(body).to_bytes(4, "big") + body


def encode_jsonb(value: dict[str, Any] | None) -> bytes:
    """Return one field, length included, that holds a ``jsonb``; None is NULL."""
    if value is None:
        return b"\xff\xff\xff\xff"
    body = b"\x01" + msgspec.json.encode(value)
    return len(body).to_bytes(4, "big") + body


def _prepare(column: Column) -> tuple[NDArray[Any] | None, NDArray[np.bool_] | None, NDArray[np.int64] | None]:
    """Return (data, which are present, lengths of texts); no data at all for a column that is NULL throughout."""
    if column.type == "text":
        if all(value is None for value in column.values):
            return None, None, None
        encoded = [(value or "").encode() for value in column.values]
        present = np.array([value is not None for value in column.values], dtype=bool)
        lengths = np.array([len(value) for value in encoded], dtype=np.int64)
        width = max(1, int(lengths.max(initial=0)))
        return np.array(encoded, dtype=f"S{width}"), present, lengths
    values = np.asarray(column.values)
    wire = _WIRE[column.type]
    if column.type == "timestamptz":
        values = (values - _EPOCH_2000_MS) * 1000
    elif column.type == "date":
        values = values - _EPOCH_2000_D
    if values.dtype.kind != "f":
        return values.astype(wire), None, None
    missing = np.isnan(values)
    if not missing.any():
        return values.astype(wire), None, None
    if missing.all():
        return None, None, None
    filled = np.where(missing, 0, values)
    return filled.astype(wire), ~missing, None


def _flat(packed: NDArray[Any]) -> NDArray[np.uint8]:
    return packed.view(np.uint8).reshape(len(packed), packed.dtype.itemsize)
