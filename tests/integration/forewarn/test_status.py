"""``forewarn status`` shows what became of every sample, by lane, and says so when that does not add up."""

import json
import uuid

import psycopg
import pytest

from config.settings import DatabaseSettings, Settings
from forewarn import cli
from forewarn.status import look


@pytest.fixture
def outcome(database):
    def add(lane, received, stored, duplicate=0, dead=0, refused=0, in_flight=0, worker="w"):
        with psycopg.connect(database, autocommit=True) as conn:
            conn.execute(
                "INSERT INTO telemetry.outcome"
                " (epoch, lane, received, stored, duplicate, dead, refused, in_flight, worker, started_at, updated_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp())",
                [uuid.uuid4(), lane, received, stored, duplicate, dead, refused, in_flight, worker],
            )

    return add


def test_lanes_are_added_up_over_all_workers(database, outcome, tmp_path, monkeypatch, capsys):
    outcome("bulk", 10, 5, 2, 2, 1)
    outcome("bulk", 5, 5)
    outcome("charging", 3, 0, refused=3)
    found = look(Settings(data_dir=tmp_path, database=DatabaseSettings(dsn=database)))
    assert [(lane.lane, lane.received, lane.stored, lane.balanced) for lane in found.lanes] == [
        ("bulk", 15, 10, True),
        ("charging", 3, 0, True),
    ]
    assert found.samples["received"] == 18
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    cli.run(["status"])
    assert "bulk      15 received = 10 stored + 2 duplicate + 2 dead + 1 refused" in capsys.readouterr().out


def test_what_is_in_flight_is_that_of_each_workers_newest_life(database, outcome, tmp_path, monkeypatch, capsys):
    outcome("bulk", 10, 10, in_flight=500, worker="ingest-0")
    outcome("bulk", 5, 5, in_flight=7, worker="ingest-0")
    outcome("bulk", 5, 5, in_flight=30, worker="ingest-1")
    outcome("charging", 5, 5, in_flight=2, worker="ingest-charging")
    found = look(Settings(data_dir=tmp_path, database=DatabaseSettings(dsn=database)))
    assert [(lane.lane, lane.in_flight) for lane in found.lanes] == [("bulk", 37), ("charging", 2)]
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    cli.run(["status"])
    assert "+ 0 refused; + 37 messages in flight" in capsys.readouterr().out


def test_counts_that_do_not_balance_are_a_failure(database, outcome, tmp_path, monkeypatch, capsys):
    outcome("bulk", 10, 9)
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    assert cli.run(["status", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    assert [(lane["lane"], lane["balanced"]) for lane in told["lanes"]] == [("bulk", False)]
    cli.run(["status"])
    assert "10 received DOES NOT EQUAL 9 stored" in capsys.readouterr().out
