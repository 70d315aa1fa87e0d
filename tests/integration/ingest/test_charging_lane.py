"""What charging stations and charging cars send, against a real database."""

import msgspec
import psycopg
import pytest

from ingest import topics
from ingest.inbox import Message
from ingest.topics import Connector
from ingest.writer import Outcome
from tests.integration.ingest.test_writer import NOW_MS, SOC, VIN, rows, sample, telemetry, write  # noqa: F401

GUN = Connector("TELD", "Pudong 7", "2")


def charger(*samples, at=GUN, session="S1"):
    payload = msgspec.json.encode({"samples": samples, "session_id": session})
    return Message(topics.charger(at, "telemetry"), payload, 1, NOW_MS, 1)


def alarm(**fields):
    payload = {"id": "A1", "ts": NOW_MS, "code": "18", "severity": 2, "state": "on", **fields}
    return Message(topics.charger(GUN, "alarm"), msgspec.json.encode(payload), 1, NOW_MS, 1)


def charging(message):
    return Message(message.topic.replace("telemetry", "charging"), message.payload, 1, message.received_ms, 1)


def choose(**purposes):
    payload = msgspec.json.encode({"ts": NOW_MS, "purposes": purposes, "policy_version": "2"})
    return Message(topics.consent(VIN), payload, 4, NOW_MS, 1)


def test_a_connector_is_stored_under_its_operator(database, write):  # noqa: F811
    one = {"ts": NOW_MS, "seq": 1, "signals": {"Voltage": 402.5, "Temperature": 61, "Fan": "on"}}
    assert write(charger(one)) == Outcome(received=1, stored=1)
    query = (
        "SELECT operator, station, connector, session_id, voltage_v, gun_temp_c, extra"
        " FROM telemetry.charging_reading JOIN telemetry.connector USING (connector_id)"
    )
    assert rows(database, query) == [("TELD", "Pudong 7", "2", "S1", 402.5, 61, {"Fan": "on"})]


def test_repeats_and_conflicts_of_a_connector_are_told_apart(database, write):  # noqa: F811
    one, same, other = ({"ts": NOW_MS, "signals": {"Voltage": v}} for v in (400, 400, 401))
    assert write(charger(one, same, other)) == Outcome(received=3, stored=1, duplicate=1, dead=1)
    assert write(charger(one), charger(other)) == Outcome(received=2, duplicate=1, dead=1)
    assert rows(database, "SELECT DISTINCT reason FROM pii.dead_letter") == [("key_conflict",)]


@pytest.mark.parametrize("bad", [b"x", b'{"samples":[]}', b'{"samples":[{"ts":"x","signals":{}}]}'])
def test_a_bad_charger_message_is_a_dead_letter(database, write, bad):  # noqa: F811
    assert write(Message(topics.charger(GUN, "telemetry"), bad, 1, NOW_MS, 1)) == Outcome(received=1, dead=1)


def test_an_alarm_is_stored_whoever_charges_and_whatever_he_agreed_to(database, write):  # noqa: F811
    write(choose(care=False, safety=False, marketing=False))
    assert write(alarm(vin=VIN), alarm(id="A2"), alarm(id="A3", vin="LFWA0000000000009")).stored == 3
    found = rows(database, "SELECT alarm_id, vehicle_id IS NOT NULL, severity FROM safety.anomaly ORDER BY alarm_id")
    assert found == [("A1", True, 2), ("A2", False, 2), ("A3", False, 2)]
    assert write(alarm()).duplicate == 1
    assert write(alarm(state="off")).stored == 1
    assert write(alarm(severity=9)).dead == 1


def test_a_charging_car_is_stored_with_care_apart_with_safety_and_refused_without(database, write):  # noqa: F811
    assert write(charging(telemetry(sample(soc=50)))) == Outcome(received=1, stored=1)
    write(choose(care=False))
    assert write(charging(telemetry(sample(ts=NOW_MS + 1, soc=51)))) == Outcome(received=1, stored=1)
    assert write(charging(telemetry(sample(ts=NOW_MS + 1, soc=51)))) == Outcome(received=1, duplicate=1)
    assert rows(database, "SELECT count(*) FROM telemetry.vehicle_reading") == [(1,)]
    assert rows(database, "SELECT signals FROM telemetry.safety_reading") == [({"soc_pct": 51.0},)]
    write(choose(safety=False))
    assert write(charging(telemetry(sample(ts=NOW_MS + 2, soc=52)))) == Outcome(received=1, refused=1)
    assert rows(database, "SELECT count(*) FROM telemetry.safety_reading") == [(1,)]


def test_what_the_database_refuses_costs_only_its_own_message(database, write):  # noqa: F811
    """A value no decoder catches must not stop the worker."""
    with psycopg.connect(database) as conn:
        conn.execute("ALTER TABLE telemetry.charging_reading ADD CHECK (session_id <> 'cursed')")
    one = {"ts": NOW_MS, "signals": {"Voltage": 400}}
    got = write(charger(one, session="cursed"), telemetry(sample(soc=1)), charger({**one, "ts": NOW_MS + 1}))
    assert got == Outcome(received=3, stored=2, dead=1)
    assert rows(database, "SELECT reason FROM pii.dead_letter") == [("refused_by_database",)]
