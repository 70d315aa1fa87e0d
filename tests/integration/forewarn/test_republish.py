"""Dead letters go out again over a real broker and are marked when it has taken them."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest

from config.errors import UserMistake
from config.settings import MqttSettings
from forewarn import cli
from forewarn.embedded.ports import free_ports
from forewarn.republish import replay_dead_letters
from ingest import topics
from ingest.store.connection import connect
from ingest.store.dead_letters import Selection, get, newest_id
from tests.mosquitto import mosquitto

VIN = "LFWA0000000000001"
SPEED = "Vehicle.Speed"
RECEIVED_AT = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def _sample(seq):
    ts = int(RECEIVED_AT.timestamp() * 1000) - 5000
    return msgspec.json.encode({"samples": [{"ts": ts, "seq": seq, "signals": {SPEED: 42.5}}]})


def _put(database, *letters):
    with psycopg.connect(database, autocommit=True) as conn:
        return [
            conn.execute(
                "INSERT INTO pii.dead_letter (received_at, topic, reason, detail, payload, epoch)"
                " VALUES (%s, %s, %s, 'why', %s, %s) RETURNING dead_letter_id",
                [RECEIVED_AT, topic, reason, payload, uuid.uuid4()],
            ).fetchone()[0]
            for topic, reason, payload in letters
        ]


@pytest.fixture
def conn(database):
    with connect(database, role="ingest", autocommit=True) as conn:
        yield conn


def test_the_command_publishes_again_and_says_what_became_of_them(
    database, broker_port, enrolled, monkeypatch, tmp_path, capsys
):
    """A letter whose cause is mended is stored as received then; one that is still bad is a new dead letter."""
    enrolled(VIN)
    good, bad, odd, empty = _put(
        database,
        (topics.telemetry(VIN), "unknown_car", _sample(1)),
        (topics.telemetry(VIN), "unknown_car", b"\xff"),
        ("(not UTF-8) b'\\xff'", "bad_topic", b"1"),
        ("v1/vehicles/…/telemetry", "bad_topic", b""),
    )
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    monkeypatch.setenv("FOREWARN_MQTT__HOST", "127.0.0.1")
    monkeypatch.setenv("FOREWARN_MQTT__PORT", str(broker_port))
    from config.settings import load_settings
    from forewarn.delivery import ingest_beside

    with ingest_beside(load_settings()):
        assert cli.run(["ingest", "dead-letters", "replay", "--reason", "unknown_car", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert cli.run(["ingest", "dead-letters", "replay", str(odd)]) == 1
        assert "cannot be published" in capsys.readouterr().out
        assert cli.run(["ingest", "dead-letters", "replay", str(empty)]) == 1
        assert f"{empty} not published: it has no payload" in capsys.readouterr().out
    assert (told["published"], told["failed"], told["dead_again"]) == (2, {}, {"not_json": 1})
    assert (told["ingest_since"]["stored"], told["ingest_since"]["dead"]) == (1, 1)
    with psycopg.connect(database) as conn:
        stored = conn.execute("SELECT received_at, seq, speed_kmh FROM telemetry.vehicle_reading").fetchall()
        again = conn.execute("SELECT received_at, replayed_at FROM pii.dead_letter WHERE dead_letter_id > %s", [empty])
        assert stored == [(RECEIVED_AT, 1, 42.5)]
        assert again.fetchall() == [(RECEIVED_AT, None)]
        assert get(conn, good).replayed_at is not None
        assert get(conn, bad).replayed_at is not None
        assert get(conn, odd).replayed_at is None
    assert cli.run(["ingest", "dead-letters", "replay", str(good)]) == 2
    assert "already" in capsys.readouterr().err
    assert cli.run(["ingest", "dead-letters", "replay", "999"]) == 2
    assert "no dead letter 999" in capsys.readouterr().err


def test_show_and_expire(database, monkeypatch, tmp_path, capsys):
    (number,) = _put(database, (topics.telemetry(VIN), "bad_seq", _sample(1)))
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    assert cli.run(["ingest", "dead-letters", "show", str(number)]) == 0
    shown = capsys.readouterr().out
    for part in ("bad_seq", topics.telemetry(VIN), "2026-03-01 12:00:00.123", "7b 22 73 61", f'"{SPEED}": 42.5'):
        assert part in shown
    assert cli.run(["ingest", "dead-letters", "show", str(number), "--json"]) == 0
    assert bytes.fromhex(json.loads(capsys.readouterr().out)["payload_hex"]) == _sample(1)
    (empty,) = _put(database, ("v1/vehicles/…/telemetry", "bad_topic", b""))
    capsys.readouterr()
    assert cli.run(["ingest", "dead-letters", "show", str(empty)]) == 0
    assert "no payload" in capsys.readouterr().out
    assert cli.run(["ingest", "dead-letters", "show", str(empty), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["payload_hex"] == ""
    assert cli.run(["ingest", "dead-letters", "show", "999"]) == 2
    capsys.readouterr()
    assert cli.run(["ingest", "dead-letters", "expire"]) == 0
    assert capsys.readouterr().out.startswith("0 ")
    assert cli.run(["ingest", "dead-letters", "expire", "--older-than", "0"]) == 0
    assert capsys.readouterr().out.startswith("2 ")


def test_more_than_a_chunk_is_marked_as_the_broker_takes_it(database, conn, tmp_path):
    _put(database, *[(topics.telemetry(VIN), "bad_seq", _sample(n)) for n in range(250)])
    with mosquitto(tmp_path / "mosquitto") as broker:
        from tests.integration.forewarn.subscriber import subscribed

        settings = MqttSettings(host="127.0.0.1", port=broker.port)
        with subscribed(broker.port, "v1/replay/#") as arrived:
            done = replay_dead_letters(conn, Selection(), newest=newest_id(conn), mqtt=settings, clock=lambda: NOW)
            arrived.wait_for(250)
    assert len(done.topics) == 250
    assert done.failed == {}
    assert {topics.parse(topic).received_ms for topic, _ in arrived.messages} == {int(RECEIVED_AT.timestamp() * 1000)}
    assert {payload for _, payload in arrived.messages} == {_sample(n) for n in range(250)}
    assert conn.execute("SELECT DISTINCT replayed_at FROM pii.dead_letter").fetchall() == [(NOW,)]


def test_what_nobody_reads_is_not_marked(database, conn, tmp_path):
    """A broker drops what nobody has subscribed to, and acknowledges it."""
    (number,) = _put(database, (topics.telemetry(VIN), "bad_seq", _sample(1)))
    with mosquitto(tmp_path / "mosquitto") as broker:
        settings = MqttSettings(host="127.0.0.1", port=broker.port)
        done = replay_dead_letters(conn, Selection(), newest=number, mqtt=settings)
    assert done.topics == []
    assert "start ingest" in done.failed[number]
    assert get(conn, number).replayed_at is None


def test_what_the_broker_refuses_is_not_marked(database, conn, tmp_path):
    (number,) = _put(database, (topics.telemetry(VIN), "bad_seq", _sample(1)))
    (port,) = free_ports(1)
    rules = tmp_path / "acl"
    rules.write_text("topic read #\n")
    rules.chmod(0o644)
    lines = f"listener {port} 127.0.0.1\nallow_anonymous true\nacl_file {rules}"
    with mosquitto(tmp_path / "mosquitto", lines, ports=[port]):
        settings = MqttSettings(host="127.0.0.1", port=port)
        done = replay_dead_letters(conn, Selection(), newest=number, mqtt=settings)
    assert "forewarn-replay" in done.failed[number]
    assert get(conn, number).replayed_at is None


def test_without_a_broker_nothing_is_marked(database, conn):
    (number,) = _put(database, (topics.telemetry(VIN), "bad_seq", _sample(1)))
    (port,) = free_ports(1)
    with pytest.raises(UserMistake, match="cannot be used"):
        replay_dead_letters(conn, Selection(), newest=number, mqtt=MqttSettings(host="127.0.0.1", port=port))
    assert get(conn, number).replayed_at is None


def test_the_schedule_expires_them(database, tmp_path):
    from config.settings import DatabaseSettings, Settings
    from forewarn.schedule import JobContext, running_schedule

    _put(database, (topics.telemetry(VIN), "bad_seq", b"1"))
    settings = Settings(data_dir=tmp_path, database=DatabaseSettings(dsn=database))
    for age, count in ((timedelta(days=29), 0), (timedelta(days=31), 1)):
        at = datetime.now(UTC) + age
        with running_schedule(JobContext(settings, clock=lambda at=at: at)) as scheduler:
            assert scheduler.run_now("expire")["dead_letter"] == count
