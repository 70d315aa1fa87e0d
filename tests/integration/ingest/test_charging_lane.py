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


@pytest.mark.parametrize("value", ["1e400", "1" * 400, "1" * 5000, "[" * 500 + "]" * 500, '"\\u0000"', '{"a":1}'])
def test_a_value_beyond_all_numbers_costs_only_its_sample(database, write, value):  # noqa: F811
    good = f'{{"ts":{NOW_MS},"seq":1,"signals":{{"Voltage":400}}}}'
    bad = f'{{"ts":{NOW_MS},"seq":2,"signals":{{"Voltage":{value}}}}}'
    payload = f'{{"samples":[{good},{bad}],"session_id":"S1"}}'.encode()
    assert write(Message(topics.charger(GUN, "telemetry"), payload, 1, NOW_MS, 1)) == Outcome(2, 1, 0, 1, 0)
    found = rows(database, "SELECT reason, payload FROM pii.dead_letter")
    assert found == [("bad_charger_sample", f'{{"samples":[{bad}],"session_id":"S1"}}'.encode())]


@pytest.mark.parametrize("bad", [b"x", b'{"samples":[]}', b'{"samples":[{"ts":"x","signals":{}}]}'])
def test_a_bad_charger_message_is_a_dead_letter(database, write, bad):  # noqa: F811
    assert write(Message(topics.charger(GUN, "telemetry"), bad, 1, NOW_MS, 1)) == Outcome(received=1, dead=1)


def test_one_bad_sample_of_a_connector_costs_only_itself(database, write):  # noqa: F811
    """Each is a dead letter of its own, which says what the sample said."""
    good = [{"ts": NOW_MS, "seq": n, "signals": {"Voltage": 400 + n}} for n in range(3)]
    bad = [
        {"ts": NOW_MS, "seq": 3, "signals": {"Voltage": 400, "Nested": {"a": 1}}},
        {"ts": "x", "seq": 4, "signals": {"Voltage": 400}},
        {"ts": 5, "seq": 5, "signals": {"Voltage": 400, "Fan": "on"}},
        {"ts": NOW_MS, "seq": 6, "signals": {"Voltage": [400]}},
        7,
    ]
    assert write(charger(good[0], *bad, *good[1:])) == Outcome(received=8, stored=3, dead=5)
    letters = rows(database, "SELECT reason, samples, payload FROM pii.dead_letter")
    assert sorted(reason for reason, _, _ in letters) == ["bad_charger_sample"] * 4 + ["impossible_time"]
    assert all(samples == 1 for _, samples, _ in letters)
    told = [msgspec.json.decode(payload) for _, _, payload in letters]
    assert all(message["session_id"] == "S1" for message in told)
    assert all(message["samples"][0] in bad for message in told)
    assert len({str(message) for message in told}) == 5


def test_what_no_station_can_measure_is_kept_beside_the_columns_and_flagged(database, write):  # noqa: F811
    values = [
        {"Voltage": 1e300, "SoC": 50},
        {"Voltage": 400, "SoC": 500},
        {"Voltage": "high"},
        {"Voltage": 400, "Current.Import": -200.5},
        {"Fan": 3},
    ]
    samples = [{"ts": NOW_MS, "seq": n, "signals": signals} for n, signals in enumerate(values)]
    odd_clocks = [{"ts": ts, "signals": {"SoC": 1}} for ts in (NOW_MS + 300_001, NOW_MS - 86_400_001)]
    assert write(charger(*samples, *odd_clocks)).stored == 7
    query = "SELECT voltage_v, soc_pct, quality, extra FROM telemetry.charging_reading ORDER BY ts, seq"
    assert rows(database, query) == [
        (None, 1, 16, None),
        (None, 50, 1, {"Voltage": pytest.approx(1e300)}),
        (400, None, 1, {"SoC": 500}),
        (None, None, 4, {"Voltage": "high"}),
        (400, None, 0, None),
        (None, None, 2, {"Fan": 3}),
        (None, 1, 8, None),
    ]
    assert write(charger(*samples, *odd_clocks)) == Outcome(received=7, duplicate=7)


def test_a_row_of_a_connector_that_the_database_refuses_is_found_alone(database, write):  # noqa: F811
    with psycopg.connect(database) as conn:
        conn.execute("ALTER TABLE telemetry.charging_reading ADD CHECK (voltage_v <> 13)")
    samples = [{"ts": NOW_MS, "seq": n, "signals": {"Voltage": n}} for n in range(20)]
    assert write(charger(*samples)) == Outcome(received=20, stored=19, dead=1)
    ((reason, payload),) = rows(database, "SELECT reason, payload FROM pii.dead_letter")
    letter = {"samples": [samples[13]], "session_id": "S1"}
    assert (reason, msgspec.json.decode(payload)) == ("refused_by_database", letter)


def test_readings_of_a_connector_that_differ_beyond_its_precision_are_the_same_in_a_message_and_across(
    database,
    write,  # noqa: F811
):
    one, other = ({"ts": NOW_MS, "signals": {"Voltage": v}} for v in (400.1, 400.10000001))
    assert write(charger(one, other)) == Outcome(received=2, stored=1, duplicate=1)
    assert write(charger(other)) == Outcome(received=1, duplicate=1)


def test_an_alarm_that_gets_worse_is_a_further_report(database, write):  # noqa: F811
    reports = [alarm(), alarm(severity=1), alarm(ts=NOW_MS + 1), alarm(code="9")]
    assert write(*reports) == Outcome(received=4, stored=4)
    assert write(*reports) == Outcome(received=4, duplicate=4)
    found = rows(database, "SELECT severity, code FROM safety.anomaly WHERE alarm_id = 'A1' ORDER BY anomaly_id")
    assert found == [(2, "18"), (1, "18"), (2, "18"), (2, "9")]


@pytest.mark.parametrize(
    "rest", [{"measures": {"Temperature": 96}}, {"text": "smoke"}, {"session_id": "S2"}, {"vin": VIN}]
)
def test_an_alarm_with_the_same_key_and_another_rest_is_a_conflict(database, write, rest):  # noqa: F811
    write(alarm(measures={"Temperature": 95}))
    other = alarm(**{"measures": {"Temperature": 95}, **rest})
    assert write(other) == Outcome(received=1, dead=1)
    found = rows(database, "SELECT reason, topic, payload FROM pii.dead_letter")
    assert found == [("key_conflict", other.topic, other.payload)]


def test_an_alarm_is_stored_whoever_charges_and_whatever_he_agreed_to(database, write):  # noqa: F811
    write(choose(care=False, safety=False, marketing=False))
    assert write(alarm(vin=VIN), alarm(id="A2"), alarm(id="A3", vin="LFWA0000000000009")).stored == 3
    found = rows(database, "SELECT alarm_id, vehicle_id IS NOT NULL, severity FROM safety.anomaly ORDER BY alarm_id")
    assert found == [("A1", True, 2), ("A2", False, 2), ("A3", False, 2)]
    assert write(alarm(vin=VIN)).duplicate == 1
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
