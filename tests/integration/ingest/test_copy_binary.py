"""What the COPY encoder writes is what PostgreSQL reads."""

import math

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.copy_binary import HEADER, TRAILER, Column, encode_jsonb, encode_real_array, encode_rows

numbers = st.none() | st.floats(-1e6, 1e6, width=32)
rows = st.lists(
    st.tuples(
        st.integers(-(2**31), 2**31 - 1),
        numbers,
        numbers,
        st.none() | st.booleans(),
        st.none() | st.sampled_from(["", "ON", "关", "OFF"]),
        st.none() | st.lists(numbers, max_size=4),
        st.none() | st.dictionaries(st.sampled_from(["a", "值"]), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=20,
)


@pytest.fixture(scope="module")
def conn(server_dsn):
    with psycopg.connect(server_dsn) as connection:
        connection.execute("CREATE TEMP TABLE sent (n int, i int, r real, d float8, b bool, t text, l real[], j jsonb)")
        yield connection
        connection.rollback()


def nan(value):
    return math.nan if value is None else float(value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows)
def test_rows_arrive_as_they_were(conn, rows):
    integers, reals, doubles, booleans, texts, lists, extras = zip(*rows, strict=True)
    columns = [
        Column("integer", list(range(len(rows)))),
        Column("integer", list(integers)),
        Column("real", [nan(value) for value in reals]),
        Column("double", [nan(value) for value in doubles]),
        Column("boolean", [nan(value) for value in booleans]),
        Column("text", list(texts)),
    ]
    tails = {
        n: encode_real_array(values) + encode_jsonb(extra)
        for n, (values, extra) in enumerate(zip(lists, extras, strict=True))
        if values is not None or extra is not None
    }
    with conn.cursor() as cursor:
        cursor.execute("TRUNCATE sent")
        with cursor.copy("COPY sent FROM STDIN (FORMAT binary)") as copy:
            copy.write(HEADER + encode_rows(columns, n_tails=2, tails=tails) + TRAILER)
        found = cursor.execute("SELECT i, r::float8, d, b, t, l::float8[], j FROM sent ORDER BY n").fetchall()
    assert found == rows
