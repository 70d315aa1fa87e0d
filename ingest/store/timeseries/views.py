"""What readers of rollups see: one view per level, whatever lies below it."""

from collections.abc import Iterable, Mapping, Sequence

from psycopg import sql

from ingest.store.timeseries.engine import Connection
from ingest.store.timeseries.rollups import KEYS, Level


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


def show(conn: Connection, level: Level, parts: Mapping[str, Sequence[str]]) -> None:
    """Make ``telemetry.rollup_<level>`` of its parts, for those who read it."""
    names = list(parts)
    columns = [sql.Identifier(names[0], column) for column in parts[names[0]]]
    joined = sql.SQL("telemetry.{}").format(sql.Identifier(names[0]))
    keys = sql.SQL(", ").join(map(sql.Identifier, KEYS))
    for name in names[1:]:
        columns += [sql.Identifier(name, column) for column in parts[name] if column not in KEYS]
        joined += sql.SQL(" LEFT JOIN telemetry.{} USING ({})").format(sql.Identifier(name), keys)
    conn.execute(
        sql.SQL("CREATE OR REPLACE VIEW telemetry.{} AS SELECT {} FROM {}").format(
            sql.Identifier(f"rollup_{level}"), sql.SQL(", ").join(columns), joined
        )
    )
    for relation in (f"rollup_{level}", *names):
        conn.execute(
            sql.SQL("GRANT SELECT ON telemetry.{} TO forewarn_models, forewarn_alerts").format(sql.Identifier(relation))
        )


def relation_with(conn: Connection, level: Level, columns: Iterable[str]) -> sql.Composed:
    """Return what to read these columns of a level from: a part that has them all, else the view, which joins parts.

    PostgreSQL would join the others even where nothing of them is asked for.
    """
    wanted = {*columns, *KEYS}
    parts = parts_of(conn, level)
    found = next((name for name, present in parts.items() if wanted <= set(present)), f"rollup_{level}")
    return sql.SQL("telemetry.{}").format(sql.Identifier(found))
