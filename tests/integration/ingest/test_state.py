"""The newest values of a car: the same whatever the order, the batches and the instants that readings share."""

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.ingest.test_writer import NOW_MS, rows, sample, telemetry, write  # noqa: F401

TEXT = "Vehicle.LowVoltageSystemState"
_SIGNALS = {
    "soc": st.integers(0, 100),
    "speed": st.integers(0, 200),
    TEXT: st.sampled_from(["OFF", "ACC", "ON", "START"]),
}


@st.composite
def readings(draw):
    """Some readings of few instants, each with some of the signals."""
    keys = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 9)), min_size=2, max_size=8, unique=True))
    return [
        (at, seq, {name: draw(value) for name, value in _SIGNALS.items() if draw(st.booleans())}) for at, seq in keys
    ]


def test_of_one_instant_the_higher_seq_is_the_newer_one(database, write):  # noqa: F811
    for seq, soc in ((2, 20), (1, 80)):
        write(telemetry(sample(ts=NOW_MS, seq=seq, soc=soc)))
    write(telemetry(sample(ts=NOW_MS, seq=9, speed=50)))
    write(telemetry(sample(ts=NOW_MS, seq=5, soc=50)))
    write(telemetry(sample(ts=NOW_MS + 1000, seq=10, speed=50)))
    write(telemetry(sample(ts=NOW_MS, seq=4, soc=40)))
    assert rows(database, "SELECT soc_pct, soc_pct_seq FROM telemetry.vehicle_state") == [(50, 5)]


def test_a_row_of_an_older_version_takes_what_comes(database, write):  # noqa: F811
    write(telemetry(sample(ts=NOW_MS, seq=2, soc=20)))
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE telemetry.vehicle_state SET soc_pct_seq = NULL")
    write(telemetry(sample(ts=NOW_MS, seq=1, soc=80)))
    assert rows(database, "SELECT soc_pct, soc_pct_seq FROM telemetry.vehicle_state") == [(80, 1)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(readings(), st.randoms(use_true_random=False), st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_the_order_of_arrival_and_the_batches_do_not_matter(database, write, given, random, sizes):  # noqa: F811
    with psycopg.connect(database) as conn:
        conn.execute("TRUNCATE telemetry.vehicle_state, telemetry.vehicle_reading")
    arriving = random.sample(given, len(given))
    for size in sizes:
        some, arriving = arriving[:size], arriving[size:]
        if some:
            write(*(telemetry(sample(ts=NOW_MS + at * 1000, seq=seq, **said)) for at, seq, said in some))
    found = rows(
        database,
        "SELECT soc_pct, speed_kmh, lv_system_state, readings,"
        " (date_part('epoch', ts) * 1000)::bigint FROM telemetry.vehicle_state",
    )
    newest = dict.fromkeys(_SIGNALS)
    for _, _, said in sorted(given, key=lambda reading: reading[:2]):
        newest |= said
    assert found == [(*newest.values(), len(given), NOW_MS + 1000 * max(at for at, _, _ in given))]
