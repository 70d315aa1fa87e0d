"""The ingest benchmark with its real servers, at a size that says nothing about speed."""

import json
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from forewarn import cli
from forewarn.bench.store import copy_limit, server_facts
from tests.conftest import missing


@pytest.fixture
def _mosquitto():
    if shutil.which("mosquitto") is None and shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin") is None:
        missing("mosquitto is not installed (Debian: apt-get install mosquitto)")


@pytest.fixture
def temporary(open_folder, monkeypatch) -> Path:
    """A folder of this test alone where the benchmark makes its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    return open_folder


@pytest.mark.usefixtures("_mosquitto")
@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (10, 2)])
def test_nothing_is_lost_and_nothing_is_left_behind(batch, workers, temporary, capsys, monkeypatch):
    # Settings of the user's own servers must not reach the benchmark's.
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("FOREWARN_MQTT__USERNAME", "somebody")
    monkeypatch.setenv("FOREWARN_INGEST__BATCH_ROWS", "1000")
    arguments = ["bench", "ingest", "--messages", "1500", "--batch", str(batch), "--workers", str(workers), "--json"]
    assert cli.run(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["messages"], result["rows"]) == (1500, 1500 * batch)
    assert (result["lost"], result["duplicates"]) == (0, 0)
    assert (result["fsync"], result["synchronous_commit"], result["table_persistence"]) == ("on", "on", "permanent")
    assert 0 < result["messages_per_s"] < result["client_limit_per_s"]
    assert result["rows_per_s"] == pytest.approx(batch * result["messages_per_s"], rel=0.01)
    assert 0 < result["ratio_to_copy_limit"] < 1
    assert 20 < result["peak_rss_mib"] < 300
    assert list(temporary.iterdir()) == []


def test_without_mosquitto_it_says_what_to_do(capsys, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert cli.run(["bench", "ingest"]) == 2
    said = capsys.readouterr().err.strip()
    assert "apt-get install mosquitto" in said
    assert "\n" not in said


def test_copy_alone_leaves_the_readings_as_they_were(database):
    with psycopg.connect(database, autocommit=True) as conn:
        assert copy_limit(conn) is None
        conn.execute("SELECT telemetry.ensure_partition('vehicle_reading', day) FROM unnest(%s::date[]) AS day",
                     [["2026-03-01", "2026-03-02"]])  # fmt: skip
        conn.execute(
            "INSERT INTO telemetry.vehicle_reading (ts, vehicle_id, seq, received_at, speed_kmh, extra)"
            " SELECT timestamptz '2026-03-01 12:00Z' + n * interval '1 min', n %% 7, n, now(), n, '{\"a\": 1}'"
            " FROM generate_series(1, %s) AS n",
            [1000],
        )
        query = "SELECT md5(string_agg(r::text, ',' ORDER BY seq)) FROM telemetry.vehicle_reading AS r"
        before = conn.execute(query).fetchone()
        rate = copy_limit(conn)
        assert rate is not None
        assert rate > 0
        assert conn.execute(query).fetchone() == before


def test_persistence_is_read_from_every_partition(plain_database):
    with psycopg.connect(plain_database, autocommit=True) as conn:
        for day in ("2026-03-01", "2026-03-02"):
            conn.execute("SELECT telemetry.ensure_partition('vehicle_reading', %s)", [day])
        assert server_facts(conn).table_persistence == "permanent"
        conn.execute("ALTER TABLE telemetry.vehicle_reading_p20260302 SET UNLOGGED")
        conn.execute("SET synchronous_commit = off")
        facts = server_facts(conn)
    assert facts.table_persistence == "permanent+unlogged"
    assert (facts.fsync, facts.synchronous_commit) == ("on", "off")
