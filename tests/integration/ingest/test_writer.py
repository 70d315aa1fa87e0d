"""The writer against a real database: every sample comes to exactly one outcome."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.settings import IngestSettings
from ingest import topics
from ingest.gate import Gate
from ingest.inbox import Message
from ingest.store.connection import connect
from ingest.writer import Epoch, Outcome, Writer, Written

VIN = "LFWA0000000000001"
NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"


def telemetry(*samples: dict[str, object], vin: str = VIN, received_ms: int = NOW_MS) -> Message:
    return Message(topics.telemetry(vin), msgspec.json.encode({"samples": samples}), 1, received_ms, 1)


def sample(ts: int = NOW_MS, seq: int = 0, **signals: object) -> dict[str, object]:
    named = {"soc": SOC, "cells": CELLS, "speed": "Vehicle.Speed"}
    return {"ts": ts, "seq": seq, "signals": {named.get(name, name): value for name, value in signals.items()}}


@pytest.fixture
def write(database: str, enrolled: Callable[..., dict[str, int]]) -> Iterator[Callable[..., Outcome]]:
    enrolled(VIN)
    conn = connect(database, role="ingest")
    epoch = Epoch("test-0", "bulk", uuid.uuid4(), datetime(2026, 1, 1, tzinfo=UTC))
    writer = Writer(
        conn,
        epoch=epoch,
        gate=Gate(remember_s=0),
        settings=IngestSettings(),
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    batch = 0

    def write_batch(*messages: Message) -> Outcome:
        nonlocal batch
        outcome, waiting = Outcome(), list(messages)
        while waiting:
            batch += 1
            written = writer.write(waiting, batch=batch, in_flight=len(waiting))
            assert written.outcome is not None
            outcome += written.outcome
            waiting = waiting[written.messages :]
        assert outcome.received == outcome.stored + outcome.duplicate + outcome.dead + outcome.refused
        return outcome

    write_batch.writer = writer  # type: ignore[attr-defined]
    yield write_batch
    conn.close()


def rows(database: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database) as conn:
        return conn.execute(query).fetchall()  # type: ignore[call-overload]


def test_a_sample_is_stored_with_its_values(database, write):
    outcome = write(telemetry(sample(soc=55.5, speed=0, cells=[3.7, 3.71, 3.65, 3.7])))
    assert outcome == Outcome(received=1, stored=1)
    columns = "soc_pct, speed_kmh, cell_low_dev_mv, cell_low_number, at_rest, quality, extra"
    query = f"SELECT {columns} FROM telemetry.vehicle_reading"
    ((soc, speed, low, number, at_rest, quality, extra),) = rows(database, query)
    assert (soc, speed, number, at_rest, quality, extra) == (55.5, 0, 3, True, 0, None)
    assert low == pytest.approx(-50, abs=0.01)
    assert rows(database, "SELECT cell_v FROM telemetry.cell_reading") == [([3.7, 3.71, 3.65, 3.7],)]


def test_the_same_sample_again_is_a_duplicate_in_one_batch_and_across(database, write):
    message = telemetry(sample(soc=55.5, cells=[3.7, 3.8]))
    assert write(message, message) == Outcome(received=2, stored=1, duplicate=1)
    assert write(message) == Outcome(received=1, duplicate=1)


@pytest.mark.parametrize("other", [{"soc": 54}, {"soc": 55.5, "speed": 1}, {"soc": 55.5, "cells": [3.7, 3.9]}])
def test_the_same_key_with_other_content_is_a_conflict(database, write, other):
    assert write(telemetry(sample(soc=55.5, cells=[3.7, 3.8]))).stored == 1
    assert write(telemetry(sample(**other))) == Outcome(received=1, dead=1)
    assert write(telemetry(sample(ts=NOW_MS + 1, soc=1)), telemetry(sample(ts=NOW_MS + 1, soc=2))).dead == 1
    reasons = rows(database, "SELECT reason, topic FROM pii.dead_letter")
    assert reasons == [("key_conflict", topics.telemetry(VIN))] * 2


NEARLY = {
    "soc": [55.5, 55.5 + 1e-9, 55.6],
    "Vehicle.TraveledDistance": [1000.1, 1000.1 + 1e-9, 1000.2],
    "cells": [[3.7, 3.8], [3.7 + 1e-10, 3.8], [3.7, None], [3.7, 1e300], [0.0, 3.8], [-0.0, 3.8], [], None],
    "Vehicle.LowVoltageSystemState": ["ON", "OFF", "NEW"],
    "Vehicle.CurrentLocation.Latitude": [31.0, 31.5],
    "Vehicle.New": [
        1,
        1.0,
        True,
        "1",
        None,
        0,
        -0.0,
        False,
        10**23,
        1e23,
        [1, {"a": 1, "b": 2.0}],
        [1, {"b": 2, "a": 1}],
    ],
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_repeat_is_judged_alike_in_one_batch_and_across(database, write, data):
    one = {name: data.draw(st.sampled_from(values)) for name, values in NEARLY.items() if data.draw(st.booleans())}
    other = one | {
        name: data.draw(st.sampled_from(values)) for name, values in NEARLY.items() if data.draw(st.integers(0, 3)) == 0
    }
    with psycopg.connect(database) as conn:
        conn.execute("DELETE FROM telemetry.cell_reading")
        conn.execute("DELETE FROM telemetry.vehicle_reading")
    together = write(telemetry(sample(**one), sample(**other)))
    assert write(telemetry(sample(ts=NOW_MS + 1, **one))).stored == 1
    apart = write(telemetry(sample(ts=NOW_MS + 1, **other)))
    assert (together.duplicate, together.dead) == (apart.duplicate, apart.dead), (one, other)


def test_what_differs_beyond_what_is_stored_is_a_duplicate_and_so_is_another_position(database, write):
    distance, latitude = "Vehicle.TraveledDistance", "Vehicle.CurrentLocation.Latitude"
    first = {"soc": 55.5, "cells": [3.7], distance: 1000.1, latitude: 31.0, "Vehicle.New": 1}
    same = {"soc": 55.5 + 1e-9, "cells": [3.7 + 1e-10], latitude: 32.0, "Vehicle.New": 1.0}
    assert write(telemetry(sample(**first), sample(**first | same))) == Outcome(received=2, stored=1, duplicate=1)
    assert write(telemetry(sample(**first | same))) == Outcome(received=1, duplicate=1)
    # A column of double precision holds this difference.
    finer = first | {distance: 1000.1 + 1e-9}
    assert write(telemetry(sample(**finer))) == Outcome(received=1, dead=1)


def test_a_value_may_be_as_deep_as_it_likes(database, write):
    for depth in (300, 900, 985):
        nested = b"[" * depth + b"1" + b"]" * depth
        payload = b'{"samples":[{"ts":%d,"seq":%d,"signals":{"a":%s}}]}' % (NOW_MS, depth, nested)
        message = Message(topics.telemetry(VIN), payload, 1, NOW_MS, 1)
        outcome = write(message, message)
        assert outcome.received == 2


def test_unknown_signals_wrong_types_and_impossible_values_are_kept_in_extra_and_flagged(database, write):
    assert (
        write(
            telemetry(
                sample(soc=55, **{"Vehicle.New": 7}), sample(ts=NOW_MS + 1, soc="full"), sample(ts=NOW_MS + 2, soc=130)
            )
        ).stored
        == 3
    )
    found = rows(database, "SELECT soc_pct, quality, extra FROM telemetry.vehicle_reading ORDER BY ts")
    assert found == [(55, 2, {"Vehicle.New": 7}), (None, 4, {SOC: "full"}), (None, 1, {SOC: 130})]


def test_a_list_with_impossible_values_is_flagged_and_kept(database, write):
    probes = "Vehicle.Powertrain.TractionBattery.Temperature.Probes"
    good = sample(soc=55, cells=[3.7, None, 3.8], **{probes: [20, None]})
    cells = sample(ts=NOW_MS + 1, cells=[3.7, 1e300, 9.0, 3.8])
    warm = sample(ts=NOW_MS + 2, cells=[3.7, 3.8], **{probes: [20, 900]})
    assert write(telemetry(good, cells, warm)).stored == 3
    columns = "quality, cell_v, probe_c, cell_spread_mv::int, cell_high_number"
    query = f"SELECT {columns} FROM telemetry.vehicle_reading JOIN telemetry.cell_reading USING (ts) ORDER BY ts"
    approximately = pytest.approx
    assert rows(database, query) == [
        (0, approximately([3.7, None, 3.8]), [20, None], 100, 3),
        (1, approximately([3.7, None, 9.0, 3.8]), None, 100, 4),
        (1, approximately([3.7, 3.8]), [20, 900], 100, 2),
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\x00", "not_json"),
        (b"{", "not_json"),
        (b"[]", "no_samples"),
        (b'{"samples":[]}', "empty"),
        (b'{"samples":[{"ts":"now","signals":{}}]}', "bad_time"),
        (b'{"samples":[{"ts":1.5,"signals":{}}]}', "bad_time"),
        (b'{"samples":[{"ts":1767225600000,"signals":{}}],"vin":"LFWA0000000000002"}', "foreign_vin"),
        (b'{"samples":[{"ts":0,"signals":{"Vehicle.Speed":1}}]}', "impossible_time"),
        (msgspec.json.encode({"samples": [{"ts": NOW_MS, "signals": {}}] * 1001}), "too_many_samples"),
        (b"[" * 100_000, "not_json"),
    ],
)
def test_a_bad_message_is_a_dead_letter_and_good_ones_go_on(database, write, payload, reason):
    bad = Message(topics.telemetry(VIN), payload, 2, NOW_MS, 1)
    assert write(bad, telemetry(sample(soc=1))) == Outcome(received=2, stored=1, dead=1)
    assert rows(database, "SELECT reason, payload FROM pii.dead_letter")[0][0] == reason


@pytest.mark.parametrize(
    "topic",
    ["v1/vehicles/SHORT/telemetry", "v1/vehicles/LFWAOOOOOOOOOOOO1/telemetry", "nonsense", "v1/vehicles/x\0y/z"],
)
def test_a_bad_topic_is_a_dead_letter(database, write, topic):
    assert write(Message(topic, b"{}", 3, NOW_MS, 1)) == Outcome(received=1, dead=1)
    assert rows(database, "SELECT reason FROM pii.dead_letter") == [("bad_topic",)]


def test_what_no_column_holds_costs_only_its_sample(database, write):
    # JSON may hold what PostgreSQL's jsonb does not: a NUL in a text.
    good = [sample(ts=NOW_MS + n, soc=n % 100) for n in range(20)]
    bad = sample(ts=NOW_MS + 7, seq=1, **{"Vehicle.New": "\0"})
    assert write(telemetry(*good, bad)) == Outcome(received=21, stored=20, dead=1)
    assert rows(database, "SELECT reason FROM pii.dead_letter") == [("bad_text",)]


def refuse_odd_values_of_soc(database: str) -> None:
    with psycopg.connect(database) as conn:
        conn.execute("ALTER TABLE telemetry.vehicle_reading ADD CHECK (soc_pct::int % 2 = 0)")


def test_a_row_the_database_refuses_costs_only_itself(database, write):
    refuse_odd_values_of_soc(database)
    there = sample(ts=NOW_MS + 90, soc=2, cells=[3.7, 3.8])
    assert write(telemetry(there)).stored == 1
    batch = [sample(ts=NOW_MS + n, soc=n, cells=[3.7] * (n % 3)) for n in range(20)]
    other = sample(ts=NOW_MS + 91, soc=2, **{"Vehicle.New": {"a": [1]}})
    outcome = write(telemetry(*batch, there, other))
    assert outcome == Outcome(received=22, stored=11, duplicate=1, dead=10)
    assert rows(database, "SELECT DISTINCT reason FROM pii.dead_letter") == [("refused_by_database",)]
    assert rows(database, "SELECT count(*) FROM telemetry.cell_reading") == [(7,)]
    assert rows(database, "SELECT extra FROM telemetry.vehicle_reading WHERE extra IS NOT NULL") == [
        ({"Vehicle.New": {"a": [1]}},)
    ]
    assert write(telemetry(sample(ts=NOW_MS + 90, soc=4), other)) == Outcome(received=2, duplicate=1, dead=1)


def test_a_jsonb_the_database_refuses_costs_only_itself(database, write, monkeypatch):
    # Something that is not recognised at the door.
    monkeypatch.setattr("ingest.telemetry._is_unstorable", lambda raw: False)
    good = [sample(ts=NOW_MS + n, soc=n % 100, **{"Vehicle.New": n}) for n in range(20)]
    bad = sample(ts=NOW_MS + 7, seq=1, **{"Vehicle.New": "\0"})
    assert write(telemetry(*good, bad)) == Outcome(received=21, stored=20, dead=1)
    assert rows(database, "SELECT reason FROM pii.dead_letter") == [("refused_by_database",)]


def test_ten_thousand_refused_rows_among_as_many_good_ones_hold_nobody_up(database, write):
    refuse_odd_values_of_soc(database)
    messages = [telemetry(*(sample(ts=NOW_MS + n, seq=seq, soc=n % 100) for n in range(1000))) for seq in range(20)]
    began = time.monotonic()
    assert write(*messages) == Outcome(received=20_000, stored=10_000, dead=10_000)
    assert time.monotonic() - began < 10


def test_a_clock_that_runs_ahead_is_flagged_and_stored(database, write):
    assert write(telemetry(sample(ts=NOW_MS + 300_000, soc=1), sample(ts=NOW_MS + 300_001, soc=1))).stored == 2
    assert rows(database, "SELECT quality FROM telemetry.vehicle_reading ORDER BY ts") == [(0,), (8,)]


def test_a_car_nobody_enrolled_is_refused_and_not_kept(database, write):
    assert write(telemetry(sample(soc=1), sample(soc=2), vin="LFWA0000000000009")) == Outcome(received=2, refused=2)
    assert rows(database, "SELECT count(*) FROM pii.dead_letter") == [(0,)]


def test_the_owner_withdraws_and_agrees_again(database, write):
    def choose(ts: int, care: bool) -> Message:
        payload = msgspec.json.encode({"ts": ts, "purposes": {"care": care}, "policy_version": "2"})
        return Message(topics.consent(VIN), payload, 4, ts, 1)

    assert write(choose(NOW_MS, False)) == Outcome(received=1, stored=1)
    assert write(telemetry(sample(soc=1))) == Outcome(received=1, refused=1)
    assert write(choose(NOW_MS, False)).duplicate == 1
    assert write(choose(NOW_MS + 1, True)).stored == 1
    assert write(telemetry(sample(soc=1))).stored == 1


def test_events_are_stored_once(database, write):
    lamp = {"ts": NOW_MS, "kind": "lamp", "code": "lv_battery", "state": "on", "level": 2}
    message = Message(topics.events(VIN), msgspec.json.encode(lamp), 5, NOW_MS, 1)
    poison = Message(topics.events(VIN), b'{"ts":1,"kind":"horn"}', 6, NOW_MS, 1)
    assert write(message, message, poison) == Outcome(received=3, stored=1, duplicate=1, dead=1)
    assert rows(database, "SELECT kind, code, state, level FROM telemetry.vehicle_event") == [
        ("lamp", "lv_battery", "on", 2)
    ]


def test_an_event_with_another_level_is_a_conflict(database, write):
    def lamp(level: int) -> Message:
        payload = {"ts": NOW_MS, "kind": "lamp", "code": "lv_battery", "level": level}
        return Message(topics.events(VIN), msgspec.json.encode(payload), 5, NOW_MS, 1)

    assert write(lamp(1), lamp(3)) == Outcome(received=2, stored=1, dead=1)
    assert write(lamp(1)) == Outcome(received=1, duplicate=1)
    assert rows(database, "SELECT reason, payload FROM pii.dead_letter") == [("key_conflict", lamp(3).payload)]
    assert rows(database, "SELECT level FROM telemetry.vehicle_event") == [(1,)]


def test_a_replayed_message_was_received_when_it_was_recorded(database, write):
    recorded_ms = NOW_MS - 90 * 86_400_000
    message = telemetry(sample(ts=recorded_ms - 5, soc=1))
    message = Message(topics.replay(recorded_ms, message.topic), message.payload, 7, NOW_MS, 1)
    assert write(message).stored == 1
    ((received_at,),) = rows(database, "SELECT received_at FROM telemetry.vehicle_reading")
    assert received_at.timestamp() * 1000 == recorded_ms


def test_only_the_last_parked_place_is_kept(database, write):
    def at(ts: int, latitude: float, speed: float) -> dict[str, object]:
        place = {"Vehicle.CurrentLocation.Latitude": latitude, "Vehicle.CurrentLocation.Longitude": 121.5}
        return sample(ts=ts, speed=speed, **place)

    write(telemetry(at(NOW_MS - 3, 31.0, 0), at(NOW_MS - 2, 31.1, 50), at(NOW_MS - 1, 31.2, 0)))
    write(telemetry(at(NOW_MS - 4, 30.0, 0)))
    assert rows(database, "SELECT latitude, longitude FROM pii.position") == [(31.2, 121.5)]


def test_a_reading_that_was_not_stored_does_not_move_the_car(database, write):
    place = {"Vehicle.CurrentLocation.Latitude": 10.0, "Vehicle.CurrentLocation.Longitude": 20.0}
    write(telemetry(sample(soc=50, speed=0)))
    assert write(telemetry(sample(soc=60, speed=0, **place))).dead == 1
    assert write(telemetry(sample(ts=NOW_MS + 1, speed=0, **place, **{"Vehicle.New": "\0"}))).dead == 1
    assert rows(database, "SELECT * FROM pii.position") == []
    assert write(telemetry(sample(ts=NOW_MS + 2, speed=0, **place), sample(ts=NOW_MS + 2, speed=0, soc=1))).dead == 1
    assert rows(database, "SELECT latitude, longitude FROM pii.position") == [(10.0, 20.0)]


@pytest.mark.parametrize("reason", ["key_conflict", "impossible_time", "refused_by_database"])
def test_a_dead_letter_of_a_sample_holds_all_it_said_and_can_be_sent_again(database, write, reason):
    said = {
        SOC: 60.0,
        "Vehicle.CurrentLocation.Latitude": 31.25,
        "Vehicle.CurrentLocation.Longitude": 121.5,
        "Vehicle.LowVoltageSystemState": "ON",
        "Vehicle.New": {"a": 1},
    }
    ts = NOW_MS - 500 * 86_400_000 if reason == "impossible_time" else NOW_MS
    write(telemetry(sample(soc=50)))
    if reason == "refused_by_database":
        with psycopg.connect(database) as conn:
            conn.execute("ALTER TABLE telemetry.vehicle_reading ADD CHECK (soc_pct <> 60)")
        ts += 1
    assert write(telemetry({"ts": ts, "seq": 0, "signals": said})) == Outcome(received=1, dead=1)
    ((found, topic, payload),) = rows(database, "SELECT reason, topic, payload FROM pii.dead_letter")
    assert found == reason
    assert msgspec.json.decode(payload) == {"samples": [{"ts": ts, "seq": 0, "signals": said}]}
    with psycopg.connect(database) as conn:
        conn.execute("DELETE FROM telemetry.vehicle_reading")
        conn.execute("ALTER TABLE telemetry.vehicle_reading DROP CONSTRAINT IF EXISTS vehicle_reading_soc_pct_check")
    assert write(Message(topics.replay(ts, topic), payload, 1, NOW_MS, 1)) == Outcome(received=1, stored=1)


def test_a_batch_that_was_committed_is_not_written_again(database, write):
    writer = write.writer
    assert writer.write([telemetry(sample(soc=1))], batch=1) == Written(1, Outcome(received=1, stored=1))
    assert writer.write([telemetry(sample(soc=1))], batch=1) == Written(1, None)
    assert rows(database, "SELECT received, stored FROM telemetry.outcome") == [(1, 1)]


def test_a_batch_ends_with_the_message_that_reaches_its_number_of_samples(database, write):
    writer = write.writer
    writer._batch_rows = 10
    waiting = [telemetry(*(sample(ts=NOW_MS + n, seq=seq, soc=1) for n in range(4))) for seq in range(5)]
    assert writer.write(waiting, batch=1, in_flight=7) == Written(3, Outcome(received=12, stored=12))
    assert rows(database, "SELECT batch, batch_messages, in_flight FROM telemetry.outcome") == [(1, 3, 4)]
    # Its answer was lost: the same three are done, and the rest is another batch.
    assert writer.write(waiting, batch=1, in_flight=7) == Written(3, None)
    assert writer.write(waiting[3:], batch=2, in_flight=4) == Written(2, Outcome(received=8, stored=8))
    assert rows(database, "SELECT batch, batch_messages, in_flight FROM telemetry.outcome") == [(2, 2, 2)]


def test_messages_that_are_written_singly_end_a_batch_all_the_same(database, write):
    writer = write.writer
    writer._batch_rows = 10
    refused = Message(topics.events(VIN), b'{"ts":1767225600000,"kind":"dtc","code":"P\\u00001"}', 1, NOW_MS, 1)
    waiting = [refused, *(telemetry(*(sample(ts=NOW_MS + n, seq=seq, soc=1) for n in range(4))) for seq in range(5))]
    assert writer.write(waiting, batch=1) == Written(4, Outcome(received=13, stored=12, dead=1))


def test_a_partition_that_was_dropped_is_made_again(database, write):
    assert write(telemetry(sample(soc=1))).stored == 1
    with psycopg.connect(database) as conn:
        (is_partitioned,) = conn.execute(
            "SELECT relkind = 'p' FROM pg_class WHERE oid = 'telemetry.vehicle_reading'::regclass"
        ).fetchone()
        if is_partitioned:
            conn.execute("DROP TABLE telemetry.vehicle_reading_p20260101")
        else:
            conn.execute("SELECT drop_chunks('telemetry.vehicle_reading', older_than => timestamptz '2026-03-01')")
    assert write(telemetry(sample(soc=1))).stored == 1


def test_a_message_that_spans_years_makes_no_more_partitions_than_it_may(database, write):
    days = [sample(ts=NOW_MS - n * 86_400_000, soc=1) for n in range(1000)]
    outcome = write(telemetry(*days))
    assert (outcome.stored, outcome.dead) == (401, 599)
    assert write(telemetry(sample(ts=NOW_MS + 1, soc=2))).stored == 1


def test_a_message_nobody_thought_of_is_a_dead_letter_and_good_ones_go_on(database, write, monkeypatch):
    decode = write.writer._decoder.decode

    def fail_on_one(payload, *, vin):
        if b"1234.5" in payload:
            raise OverflowError("too large for what nobody thought of")
        return decode(payload, vin=vin)

    monkeypatch.setattr(write.writer._decoder, "decode", fail_on_one)
    bad = telemetry(sample(ts=NOW_MS - 1, speed=1234.5))
    assert write(telemetry(sample(soc=1)), bad, telemetry(sample(ts=NOW_MS - 2, soc=2))) == Outcome(3, 2, 0, 1, 0)
    assert rows(database, "SELECT reason FROM pii.dead_letter") == [("not_understood",)]


def test_nothing_is_kept_of_a_message_nobody_thought_of_when_its_owner_did_not_agree(database, write, monkeypatch):
    def fail(payload, *, vin):
        raise OverflowError("too large for what nobody thought of")

    monkeypatch.setattr(write.writer._decoder, "decode", fail)
    assert write(telemetry(sample(soc=1), vin="LFWA0000000000009")) == Outcome(received=1, refused=1)
    assert rows(database, "SELECT count(*) FROM pii.dead_letter") == [(0,)]
