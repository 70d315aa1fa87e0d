"""What readers of rollups see: one view per level, whatever lies below it."""

from collections.abc import Iterable, Mapping, Sequence

from psycopg import sql

from ingest.store.timeseries.engine import Connection
from ingest.store.timeseries.rollups import KEYS, Level

# Levels that can be given without readings: the models read days, a year of a car is shown in hours.
GIVEN_LEVELS: tuple[Level, ...] = ("hour", "day")


def columns_of(conn: Connection, relation: str) -> list[str]:
    """Return the columns of ``telemetry.<relation>`` in order; none when there is no such relation."""
    rows = conn.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('telemetry.' || quote_ident(%s))"
        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (relation,),
    )
    return [str(name) for (name,) in rows]


def parts_of(conn: Connection, level: Level) -> dict[str, list[str]]:
    """Return the relations that together hold a level, in the order they were made, and their columns."""
    result: dict[str, list[str]] = {}
    while columns := columns_of(conn, name := part_name(level, len(result) + 1)):
        result[name] = columns
    return result


def part_name(level: Level, number: int) -> str:
    """Return the name of a level's first, second, … part."""
    return f"rollup_{level}_{number}"


def given_name(level: Level) -> str:
    """Return the name of the table of a level's rows that were given."""
    return f"rollup_{level}_given"


def show(conn: Connection, level: Level, parts: Mapping[str, Sequence[str]]) -> None:
    """Make ``telemetry.rollup_<level>`` of its parts and of what was given, for those who read it."""
    names = list(parts)
    shown = list(parts[names[0]])
    columns = [sql.Identifier(names[0], column) for column in shown]
    joined = sql.SQL("telemetry.{}").format(sql.Identifier(names[0]))
    keys = sql.SQL(", ").join(map(sql.Identifier, KEYS))
    for name in names[1:]:
        more = [column for column in parts[name] if column not in KEYS]
        shown += more
        columns += [sql.Identifier(name, column) for column in more]
        joined += sql.SQL(" LEFT JOIN telemetry.{} USING ({})").format(sql.Identifier(name), keys)
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), joined)
    if level in GIVEN_LEVELS and columns_of(conn, given_name(level)):
        query += sql.SQL(" UNION ALL SELECT {} FROM telemetry.{}").format(
            sql.SQL(", ").join(map(sql.Identifier, shown)), sql.Identifier(given_name(level))
        )
    conn.execute(sql.SQL("CREATE OR REPLACE VIEW telemetry.{} AS {}").format(sql.Identifier(f"rollup_{level}"), query))
    for relation in (f"rollup_{level}", *names):
        conn.execute(
            sql.SQL("GRANT SELECT ON telemetry.{} TO forewarn_models, forewarn_alerts").format(sql.Identifier(relation))
        )


def relation_with(
    conn: Connection, level: Level, columns: Iterable[str], *, vehicle_id: int | None = None
) -> sql.Composed:
    """Return what to read these columns of a level from: a part that has them all, else the view, which joins parts.

    PostgreSQL would join the others even where nothing of them is asked for. What was given is beside the part, unless
    there is nothing of it.

    vehicle_id : the one car that is read; None is every car
    """
    wanted = list(dict.fromkeys((*KEYS, *columns)))
    parts = parts_of(conn, level)
    found = next((name for name, present in parts.items() if set(wanted) <= set(present)), None)
    if found is None:
        return sql.SQL("telemetry.{}").format(sql.Identifier(f"rollup_{level}"))
    part = sql.SQL("telemetry.{}").format(sql.Identifier(found))
    if not _is_any_given(conn, level, vehicle_id):
        return part
    return sql.SQL("(SELECT {names} FROM {part} UNION ALL SELECT {names} FROM telemetry.{given}) AS rollup").format(
        names=sql.SQL(", ").join(map(sql.Identifier, wanted)), part=part, given=sql.Identifier(given_name(level))
    )


def _is_any_given(conn: Connection, level: Level, vehicle_id: int | None) -> bool:
    if level not in GIVEN_LEVELS:
        return False
    query = sql.SQL(
        "SELECT EXISTS (SELECT FROM telemetry.{} WHERE %(car)s::bigint IS NULL OR vehicle_id = %(car)s)"
    ).format(sql.Identifier(given_name(level)))
    return conn.execute(query, {"car": vehicle_id}).fetchone() == (True,)
