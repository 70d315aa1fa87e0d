"""Flags that need the readings before: the same whatever the order, the batches and the workers."""

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import history
from ingest.history import judge_changed_days
from ingest.quality import Quality
from ingest.store.connection import connect
from tests.integration.ingest.test_writer import NOW_MS, SOC, VIN, rows, sample, telemetry, write  # noqa: F401

CURRENT = "Vehicle.Powertrain.TractionBattery.CurrentCurrent"


def drive(begin_s, *values, seq=0, step_s=60):
    return [
        sample(ts=NOW_MS + (begin_s + n * step_s) * 1000, seq=seq and seq + n, speed=50 + n % 7, **signals)
        for n, signals in enumerate(values)
    ]


def got(*samples):
    return telemetry(*samples, received_ms=max(one["ts"] for one in samples))


def flags(database):
    with connect(database, role="ingest") as conn:
        judge_changed_days(conn)
    return [quality for (quality,) in rows(database, "SELECT quality FROM telemetry.vehicle_reading ORDER BY ts, seq")]


def test_a_jump_is_flagged_and_a_long_pause_excuses_it(database, write):  # noqa: F811
    write(got(*drive(0, {"soc": 80}, {"soc": 79}, {"soc": 60}), *drive(3600, {"soc": 20})))
    assert flags(database) == [0, 0, Quality.JUMP, 0]


def test_a_value_that_stands_still_while_the_car_moves_is_frozen(database, write):  # noqa: F811
    stuck = [{CURRENT: -31.5}] * 13
    write(got(*drive(0, *stuck), *drive(13 * 60, {CURRENT: -30})))
    assert flags(database) == [0] * 10 + [Quality.FROZEN] * 3 + [0]


def test_a_parked_car_is_not_frozen(database, write):  # noqa: F811
    parked = [sample(ts=NOW_MS + n * 60_000, speed=0, **{CURRENT: 0.0}) for n in range(20)]
    write(got(*parked))
    assert flags(database) == [0] * 20


def test_missing_sequence_numbers_are_flagged_and_cleared_when_they_come(database, write):  # noqa: F811
    readings = drive(0, *[{"soc": 50}] * 6, seq=7)
    write(got(*readings[:2], *readings[4:]))
    assert flags(database) == [0, 0, Quality.GAP, 0]
    write(got(*readings[2:4]))
    assert flags(database) == [0] * 6


def test_a_turn_ends_though_changes_keep_coming(database, write, monkeypatch):  # noqa: F811
    """Every change that is worked off brings another one, as ingest does while the judge is at work."""
    with psycopg.connect(database) as conn:
        conn.execute(
            "CREATE FUNCTION change_again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
            " IF (SELECT count(*) < 20 FROM telemetry.stale_day) THEN"
            " INSERT INTO telemetry.changed_day (vehicle_id, day) VALUES (NEW.vehicle_id, NEW.day); END IF;"
            " RETURN NULL; END $$"
        )
        conn.execute(
            "CREATE TRIGGER change_again AFTER INSERT ON telemetry.stale_day"
            " FOR EACH ROW EXECUTE FUNCTION change_again()"
        )
    monkeypatch.setattr(history, "_AT_ONCE", 1)
    write(got(*drive(0, {"soc": 80})))
    write(got(*drive(60, {"soc": 79})))
    waiting = rows(database, "SELECT count(*) FROM telemetry.changed_day")
    flags(database)
    assert rows(database, "SELECT count(*) FROM telemetry.stale_day") == waiting == [(2,)]
    assert rows(database, "SELECT count(*) FROM telemetry.changed_day") == [(2,)]


def test_the_day_is_counted_by_flag(database, write):  # noqa: F811
    write(got(*drive(0, {"soc": 80}, {"soc": 40}), sample(ts=NOW_MS + 600_000, soc=500)))
    flags(database)
    ((readings, flagged, by_flag),) = rows(
        database, "SELECT readings, flagged, by_flag FROM telemetry.vehicle_quality_day"
    )
    assert (readings, flagged, by_flag["jump"], by_flag["out_of_range"], by_flag["gap"]) == (3, 2, 1, 1, 0)


def test_midnight_hides_nothing(database, write):  # noqa: F811
    write(got(*drive(86_400 - 120, {"soc": 80}, {"soc": 79}, {"soc": 40}, {"soc": 39})))
    assert flags(database) == [0, 0, Quality.JUMP, 0]


def test_a_jump_is_seen_across_readings_that_lack_the_signal(database, write):  # noqa: F811
    write(got(*drive(0, {"soc": 80}, {CURRENT: 1}, {CURRENT: 2}, {"soc": 40}, *[{}] * 11, {"soc": 80})))
    assert flags(database) == [0] * 3 + [Quality.JUMP] + [0] * 12


def test_a_value_stands_still_whatever_readings_lack_it_or_the_speed(database, write):  # noqa: F811
    every = [{CURRENT: -31.5} if n % 2 else {} for n in range(25)]
    write(got(*drive(0, *every, step_s=60)))
    assert flags(database) == [0] * 11 + [Quality.FROZEN if n % 2 else 0 for n in range(11, 25)]


def test_a_speed_said_in_other_readings_counts(database, write):  # noqa: F811
    every = [
        sample(ts=NOW_MS + n * 60_000, **({CURRENT: -31.5} if n % 2 else {"speed": 40 + n % 3})) for n in range(25)
    ]
    write(got(*every))
    assert flags(database) == [0] * 11 + [Quality.FROZEN if n % 2 else 0 for n in range(11, 25)]


def test_a_signal_that_was_away_for_a_pause_is_not_frozen(database, write):  # noqa: F811
    every = [{CURRENT: -31.5}, *[{}] * 11] * 3
    write(got(*drive(0, *every)))
    assert flags(database) == [0] * 36


def test_a_reading_with_a_clock_ahead_is_not_missing(database, write):  # noqa: F811
    def numbered(ts_ms, seq):
        return telemetry(sample(ts=ts_ms, seq=seq, soc=50), received_ms=NOW_MS + 60_000)

    write(numbered(NOW_MS, 10), numbered(NOW_MS + 2000, 12), numbered(NOW_MS + 4000, 14))
    assert flags(database) == [0, Quality.GAP, Quality.GAP]
    write(numbered(NOW_MS + 86_400_000 * 90, 11))
    assert flags(database) == [0, 0, Quality.GAP, Quality.CLOCK_AHEAD]


def test_a_gap_over_silent_days_is_flagged_until_it_is_filled(database, write):  # noqa: F811
    def on_day(day, seq):
        return got(sample(ts=NOW_MS + day * 86_400_000, seq=seq, soc=50))

    write(on_day(0, 10), on_day(3, 500), on_day(40, 900))
    assert flags(database) == [0, Quality.GAP, 0]
    # What came before is known only now: the day after the silence is judged again.
    write(on_day(1, 499))
    assert flags(database) == [0, Quality.GAP, 0, 0]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(30)), st.lists(st.integers(1, 6), min_size=30, max_size=30), st.data())
def test_the_order_does_not_matter_with_gaps_silence_and_lacking_signals(database, write, order, sizes, data):  # noqa: F811
    lacking = drive(
        0, *[({CURRENT: -5.0} if n % 3 else {"soc": 80 - (n % 9) * 6}) for n in range(24)], seq=1, step_s=90
    )
    far = [sample(ts=NOW_MS + day * 86_400_000, seq=seq, soc=50) for day, seq in ((2, 40), (5, 41), (6, 60), (33, 70))]
    ahead = [sample(ts=NOW_MS + 200 * 86_400_000 + n, seq=seq, soc=50) for n, seq in enumerate((25, 26))]
    readings = [*lacking[:10], *lacking[11:], *far, *ahead]
    received_ms = NOW_MS + 86_400_000 * 2

    def put(reading):
        at_ms = received_ms if reading in ahead else max(received_ms, reading["ts"])
        write(telemetry(reading, received_ms=at_ms))

    def clear():
        with psycopg.connect(database) as conn:
            conn.execute("DELETE FROM telemetry.vehicle_reading")

    clear()
    for reading in readings:
        put(reading)
    wanted = flags(database)
    clear()
    waiting = [readings[n] for n in order if n < len(readings)]
    for size in sizes:
        for reading in waiting[:size]:
            put(reading)
        waiting = waiting[size:]
        if data.draw(st.booleans()):
            flags(database)
    assert flags(database) == wanted


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(12)), st.lists(st.integers(1, 5), min_size=12, max_size=12), st.data())
def test_the_order_of_arrival_does_not_matter(database, write, order, sizes, data):  # noqa: F811
    """The same readings in any order and any batches, judged in between at any time, end with the same flags."""
    soc = [80, 79, 40, 41, 41, 90, 90, 89, 60, 61, 20, 21]
    readings = drive(0, *[{"soc": value, CURRENT: -5.0} for value in soc], seq=1)
    del readings[6]
    with psycopg.connect(database) as conn:
        conn.execute("DELETE FROM telemetry.vehicle_reading")
    write(got(*readings))
    wanted = flags(database)
    with psycopg.connect(database) as conn:
        conn.execute("DELETE FROM telemetry.vehicle_reading")
    waiting = [readings[n] for n in order if n < len(readings)]
    for size in sizes:
        if waiting:
            write(got(*waiting[:size]))
            waiting = waiting[size:]
            if data.draw(st.booleans()):
                flags(database)
    assert not waiting
    assert flags(database) == wanted


def test_a_deadlock_costs_the_judge_a_turn_and_no_day(database, write, monkeypatch):  # noqa: F811
    """TimescaleDB's columnstore policy and the judge may meet on a chunk."""
    write(got(*drive(0, {"soc": 80}, {"soc": 79}, {"soc": 40})))
    judge, deadlocks = history._judge_some, [psycopg.errors.DeadlockDetected()] * 2

    def meet_it_twice(*arguments, **options):
        if deadlocks:
            raise deadlocks.pop()
        return judge(*arguments, **options)

    monkeypatch.setattr(history, "_judge_some", meet_it_twice)
    monkeypatch.setattr(history, "backoff_s", lambda attempt: 0.0)
    assert flags(database) == [0, 0, Quality.JUMP]
    deadlocks += [psycopg.errors.DeadlockDetected()] * 8
    with pytest.raises(psycopg.errors.DeadlockDetected):
        flags(database)
