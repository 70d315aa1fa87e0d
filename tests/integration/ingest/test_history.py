"""Flags that need the readings before: the same whatever the order, the batches and the workers."""

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
