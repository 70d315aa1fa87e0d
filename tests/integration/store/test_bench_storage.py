"""``forewarn bench storage``: one JSON object, whatever the engine, and a database that is gone afterwards."""

import json

import psycopg
import pytest

from forewarn import cli
from tests.conftest import has_timescaledb

_KEYS = {
    "rows",
    "rowstore_bytes_per_row",
    "columnstore_bytes_per_row",
    "ratio",
    "year_of_one_car_ms",
    "late_rows_per_s",
    "refresh_day_s",
}


@pytest.fixture
def databases(server_dsn):
    def named() -> set[str]:
        with psycopg.connect(server_dsn) as conn:
            return {name for (name,) in conn.execute("SELECT datname FROM pg_database WHERE datname LIKE '%bench%'")}

    return named


def test_it_measures_the_server_that_is_named_and_leaves_nothing(server_dsn, databases, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", server_dsn)
    assert cli.run(["bench", "storage", "--cars", "3", "--days", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() >= _KEYS
    assert told["rows"] > 1000
    assert 100 < told["rowstore_bytes_per_row"] < 2000
    assert told["late_rows"] > 0
    assert told["refresh_day_rows"] > 0
    assert min(told["year_of_one_car_ms"], told["late_rows_per_s"], told["refresh_day_s"]) > 0
    if has_timescaledb(server_dsn):
        assert told["engine"].startswith("TimescaleDB")
        assert 0 < told["ratio"] < 1
        assert told["columnstore_bytes_per_row"] < told["rowstore_bytes_per_row"]
    else:
        assert told["columnstore_bytes_per_row"] is None
        assert told["ratio"] is None
    assert databases() == set()
