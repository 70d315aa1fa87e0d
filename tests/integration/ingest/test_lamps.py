"""Lamps of alarm frames: the list of changes is what the frames say in the order of time, however they arrive."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.settings import IngestSettings
from ingest import topics
from ingest.gate import Gate
from ingest.gbt32960 import Command, Frame, Realtime, blocks, encode_frame
from ingest.gbt32960.alarms import LAMPS, alarm_bits
from ingest.inbox import Message
from ingest.store.connection import connect
from ingest.writer import Epoch, Outcome, Writer
from tests.integration.ingest.test_writer import NOW_MS, VIN, rows, write  # noqa: F401

BEGIN = datetime(2025, 12, 31, 23, 50, tzinfo=UTC)  # midnight UTC is in the middle
ALARMS = ("insulation", "dcdc_status", "dcdc_temperature", "soc_low")


def frame(second, *alarms, level=0, received_ms=NOW_MS + 3_600_000, reissue=False, cells=(3.7, 3.7), silent=False):
    said = [] if silent else [blocks.Alarms(level, alarm_bits(2016, frozenset(alarms)))]
    pack = blocks.PackCells(1, 350.0, 0.0, len(cells), 1, tuple(cells))
    body = Realtime(BEGIN + timedelta(seconds=second), (*said, blocks.CellVoltages((pack,))))
    payload = encode_frame(Frame(2016, Command.REISSUE if reissue else Command.REALTIME, VIN, body))
    return Message(topics.gbt32960(VIN), payload, 1, received_ms, 1)


def events(database):
    found = rows(database, "SELECT ts, code, state FROM telemetry.vehicle_event WHERE source = 'gbt32960'")
    return sorted(((at - BEGIN).total_seconds(), code, state) for at, code, state in found)


def changes(told):
    """Return what (second, alarms) say in the order of time."""
    found, before = [], set()
    for second, alarms in sorted(told, key=lambda one: one[0]):
        now = {LAMPS[alarm].code for alarm in alarms}
        found += [(second, code, "on") for code in now - before] + [(second, code, "off") for code in before - now]
        before = now
    return sorted(found)


def clear(database):
    with psycopg.connect(database) as conn:
        conn.execute("DELETE FROM telemetry.vehicle_event")
        conn.execute("DELETE FROM telemetry.cell_reading")
        conn.execute("DELETE FROM telemetry.vehicle_reading")
        conn.execute("DELETE FROM telemetry.vehicle_state")


sequences = st.lists(
    st.tuples(st.integers(0, 1200), st.frozensets(st.sampled_from(ALARMS), max_size=2)),
    min_size=1,
    max_size=14,
    unique_by=lambda one: one[0],
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequences.flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))), st.data())
def test_the_order_of_arrival_and_the_batches_do_not_matter(database, write, both, data):  # noqa: F811
    told, waiting = both[0], list(both[1])
    clear(database)
    while waiting:
        size = data.draw(st.integers(1, 5))
        # Some come again, as re-issued ones do.
        again = data.draw(st.lists(st.sampled_from(told), max_size=2))
        some = [*waiting[:size], *(one for one in again if one not in waiting)]
        write(*(frame(second, *alarms, reissue=number % 2 == 1) for number, (second, alarms) in enumerate(some)))
        waiting = waiting[size:]
    assert events(database) == changes(told)


def test_two_writers_at_once_agree(database, write):  # noqa: F811
    for seed in range(4):
        clear(database)
        told = [(second, ("insulation",) if (second * (seed + 3)) % 7 > 3 else ()) for second in range(0, 1200, 20)]
        writers = [_writer(database, number) for number in range(2)]
        began = threading.Barrier(2)
        failures: list[BaseException] = []

        def write_half(number):
            try:
                began.wait(10)  # noqa: B023
                half = told[number::2]  # noqa: B023
                for batch in range(6):
                    some = half[batch * 5 : batch * 5 + 5]
                    writers[number][1].write([frame(*one[:1], *one[1]) for one in some], batch=batch)  # noqa: B023
            except BaseException as error:  # noqa: BLE001  # told below
                failures.append(error)  # noqa: B023

        threads = [threading.Thread(target=write_half, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for conn, _ in writers:
            conn.close()
        assert not failures
        assert events(database) == changes(told)


def _writer(database, number):
    conn = connect(database, role="ingest")
    epoch = Epoch(f"lamps-{number}", "bulk", uuid.uuid4(), datetime(2026, 1, 1, tzinfo=UTC))
    return conn, Writer(conn, epoch=epoch, gate=Gate(remember_s=0), settings=IngestSettings())


def test_frames_that_are_not_stored_say_nothing(database, write):  # noqa: F811
    write(frame(10), frame(20, cells=(3.8, 3.8)))
    # The same second with other cells is a conflict, whichever batch it comes in.
    assert write(frame(10, "insulation", cells=(3.6, 3.6))) == Outcome(received=1, dead=1)
    assert write(frame(30), frame(30, "insulation")) == Outcome(received=2, stored=1, dead=1)
    assert events(database) == []


def test_a_frame_that_differs_in_its_lamps_alone_is_no_duplicate(database, write):  # noqa: F811
    assert write(frame(10)).stored == 1
    assert write(frame(10, "insulation")) == Outcome(received=1, dead=1)


def test_a_clock_that_runs_ahead_leaves_no_lamp_in_the_future(database, write):  # noqa: F811
    assert write(frame(300 * 86_400, "insulation"), frame(10)).stored == 2
    assert events(database) == []
    write(frame(20, "soc_low"), frame(301 * 86_400))
    assert events(database) == [(20, "soc_low", "on")]


def test_a_car_that_was_silent_for_weeks_is_remembered(database, write):  # noqa: F811
    ago = -30 * 86_400
    write(frame(ago, "insulation", "soc_low"))
    write(frame(0, "insulation"))
    assert events(database) == [(ago, "insulation", "on"), (ago, "soc_low", "on"), (0, "soc_low", "off")]
    # What comes late from between is put between.
    write(frame(ago + 86_400 * 10, "dcdc_status"))
    assert events(database) == changes(
        [(ago, ["insulation", "soc_low"]), (ago + 86_400 * 10, ["dcdc_status"]), (0, ["insulation"])]
    )


def test_a_frame_without_alarm_block_and_a_telemetry_sample_say_nothing_of_lamps(database, write):  # noqa: F811
    write(frame(0, "insulation"))
    write(frame(10, silent=True))
    assert events(database) == [(0, "insulation", "on")]
    assert rows(database, "SELECT alarm_lamps FROM telemetry.vehicle_state") == [("insulation",)]
    assert rows(database, "SELECT alarm_lamps FROM telemetry.vehicle_reading ORDER BY ts") == [("insulation",), (None,)]


def test_the_level_is_that_of_the_frame(database, write):  # noqa: F811
    write(frame(0, "insulation", level=3), frame(10))
    found = rows(database, "SELECT state, level FROM telemetry.vehicle_event ORDER BY ts")
    assert found == [("on", 3), ("off", 0)]
