"""What the rollups hold: columns and the expressions that make them. Knows the catalogue, no database."""

import math
from collections.abc import Iterable
from typing import Literal, LiteralString

import msgspec
from psycopg import sql

from config import sql as sql_files
from config.signals import Catalogue, Signal

Level = Literal["minute", "hour", "day"]
LEVELS: tuple[Level, ...] = ("minute", "hour", "day")
# What tells one row of a rollup from the next. What was received on another day is kept apart, so that any later
# midnight can be asked what was known by then; what was measured at rest, in a drive or while charging, likewise.
KEYS = ("vehicle_id", "bucket", "received_on", "regime")
KEY_TYPES = ("bigint", "timestamptz", "date", "text")

# Insulation falls with damp and cold: only within a band of outside temperature is one day comparable with another.
# Half-open, in °C.
INSULATION_BANDS: dict[str, tuple[float, float]] = {
    "frost": (-math.inf, 0),
    "cool": (0, 15),
    "mild": (15, 28),
    "hot": (28, math.inf),
}
_CRANKING = sql.SQL("lv_system_state = 'START'")


class RollupColumn(msgspec.Struct, frozen=True):
    """One column of every rollup; ``readings`` makes it from readings, ``hours`` from hourly rows."""

    name: str
    type: LiteralString
    readings: sql.Composable
    hours: sql.Composable


def rollup_columns(signals: Catalogue) -> list[RollupColumn]:
    """Return the columns of the rollups, the keys left out.

    ``n`` counts readings. A signal ``c`` has c__n, c__sum and c__sumsq; if it is no boolean also c__min, c__max,
    c__last, the value at the latest instant, and c__last_at, that instant. ``insulation_kohm`` has n, sum and min once
    more for each band of outside temperature (c__frost_n …), ``lv_battery_v`` n and min of the instants of cranking
    (c__crank_n, c__crank_min).
    """
    columns = [RollupColumn("n", "integer", _sql("count(*)::integer"), _sql("sum(n)::integer"))]
    for signal in signals.rolled_up:
        columns += _of(signal)
    for band, bounds in INSULATION_BANDS.items():
        columns += _where("insulation_kohm", band, _within("air_temp_c", *bounds), ("n", "sum", "min"))
    return columns + _where("lv_battery_v", "crank", _CRANKING, ("n", "min"))


def readings_query(columns: Iterable[RollupColumn], *, bucket: sql.Composable, among: sql.Composable) -> sql.Composed:
    """Return the query that makes rollups from readings; ``among`` follows the table's name."""
    return sql.SQL(sql_files.load("ingest.store", "rollup_readings")).format(
        bucket=bucket, among=among, columns=_listed((column.name, column.readings) for column in columns)
    )


def hours_query(
    columns: Iterable[RollupColumn], *, bucket: sql.Composable, hours: sql.Composable, among: sql.Composable
) -> sql.Composed:
    """Return the query that makes daily rollups from the hourly ones in the relation ``hours``."""
    return sql.SQL(sql_files.load("ingest.store", "rollup_hours")).format(
        bucket=bucket, hours=hours, among=among, columns=_listed((column.name, column.hours) for column in columns)
    )


def _of(signal: Signal) -> list[RollupColumn]:
    value = _sql("{c}::integer", c=signal.column) if signal.type == "boolean" else sql.Identifier(signal.column)
    wide = _sql("{value}::float8", value=value)
    name = signal.column
    columns = [
        _counted(f"{name}__n", _sql("count({value})::integer", value=value)),
        _summed(f"{name}__sum", _sql("sum({wide})", wide=wide)),
        _summed(f"{name}__sumsq", _sql("sum({wide} * {wide})", wide=wide)),
    ]
    if signal.type == "boolean":
        return columns
    type_: LiteralString = "float8" if signal.type == "double" else "real"
    return [
        *columns,
        _extreme(f"{name}__min", "min", type_, _sql("min({value})", value=value)),
        _extreme(f"{name}__max", "max", type_, _sql("max({value})", value=value)),
        # The greatest of (instant, seq, value): one answer whatever the order, also when two share an instant.
        RollupColumn(
            f"{name}__last",
            type_,
            _sql(
                "((max(ARRAY[date_part('epoch', ts AT TIME ZONE 'UTC'), seq::float8, {wide}])"
                " FILTER (WHERE {value} IS NOT NULL))[3])::{type}",
                wide=wide,
                value=value,
                type=sql.SQL(type_),
            ),
            _sql(
                "((max(ARRAY[date_part('epoch', {at} AT TIME ZONE 'UTC'), {last}::float8])"
                " FILTER (WHERE {last} IS NOT NULL))[2])::{type}",
                at=f"{name}__last_at",
                last=f"{name}__last",
                type=sql.SQL(type_),
            ),
        ),
        RollupColumn(
            f"{name}__last_at",
            "timestamptz",
            _sql("max(ts) FILTER (WHERE {value} IS NOT NULL)", value=value),
            _sql("max({at})", at=f"{name}__last_at"),
        ),
    ]


def _within(name: str, lowest: float, highest: float) -> sql.Composable:
    bounds = [_sql("{c} >= {bound}", c=name, bound=sql.Literal(lowest))] if math.isfinite(lowest) else []
    bounds += [_sql("{c} < {bound}", c=name, bound=sql.Literal(highest))] if math.isfinite(highest) else []
    return sql.SQL(" AND ").join(bounds)


def _where(name: str, when: str, only: sql.Composable, kinds: tuple[str, ...]) -> list[RollupColumn]:
    value = sql.Identifier(name)
    made = {
        "n": _counted(f"{name}__{when}_n", _sql("(count({v}) FILTER (WHERE {only}))::integer", v=value, only=only)),
        "sum": _summed(f"{name}__{when}_sum", _sql("sum({v}::float8) FILTER (WHERE {only})", v=value, only=only)),
        "min": _extreme(
            f"{name}__{when}_min", "min", "real", _sql("min({v}) FILTER (WHERE {only})", v=value, only=only)
        ),
    }
    return [made[kind] for kind in kinds]


def _counted(name: str, readings: sql.Composable) -> RollupColumn:
    return RollupColumn(name, "integer", readings, _sql("sum({c})::integer", c=name))


def _summed(name: str, readings: sql.Composable) -> RollupColumn:
    return RollupColumn(name, "float8", readings, _sql("sum({c})", c=name))


def _extreme(name: str, which: LiteralString, type_: LiteralString, readings: sql.Composable) -> RollupColumn:
    cast = _sql("CAST({value} AS {type})", value=readings, type=sql.SQL(type_))
    return RollupColumn(name, type_, cast, _sql("{which}({c})", which=sql.SQL(which), c=name))


def _listed(parts: Iterable[tuple[str, sql.Composable]]) -> sql.Composed:
    return sql.SQL("").join(_sql(",\n    {expression} AS {c}", expression=part, c=name) for name, part in parts)


def _sql(template: LiteralString, **parts: sql.Composable | str) -> sql.Composed:
    """Format a template; a plain name is quoted as an identifier."""
    return sql.SQL(template).format(
        **{key: sql.Identifier(part) if isinstance(part, str) else part for key, part in parts.items()}
    )
