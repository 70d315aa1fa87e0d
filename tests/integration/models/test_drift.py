"""Drift is measured against what the champion learnt and against what came true."""

from datetime import timedelta

import psycopg
import pytest

from config.faults import fault_modes
from models.drift import by_signal, measure, newest
from models.feedback import calibration_between, foretold_between, precision_between
from models.registry import NoModel, list_models
from models.scoring import score
from tests.integration.models.conftest import END, FAILING, WAITING, vin, write_readings

# The lamps of the cars that were still waiting have come on by then.
LATER = END + timedelta(days=fault_modes()["lv_battery"].horizon_d)


@pytest.fixture
def heard(database, fleet):
    """Every car is heard of until LATER, and the lamps that were to come have come on."""
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO telemetry.vehicle_state (vehicle_id, ts, received_at, readings)"
            " SELECT vehicle_id, %(at)s, %(at)s, 1 FROM telemetry.vehicle",
            {"at": LATER},
        )

    def light(*numbers, at=END + timedelta(days=3)):
        with psycopg.connect(database) as conn, conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO telemetry.vehicle_event (vehicle_id, ts, received_at, kind, code, state, level)"
                " VALUES (%s, %s, %s, 'lamp', 'lv_battery', 'on', 2)",
                [(fleet[vin(number)], at, at) for number in numbers],
            )

    return light


def figures(conn, kind, **_):
    found = [one for one in newest(conn) if one.kind == kind]
    conn.rollback()
    return found


def test_the_fleet_it_learnt_from_has_not_drifted(models_conn, trained):
    score(models_conn, as_of=END, data_dir=trained)
    result = measure(models_conn, as_of=END, data_dir=trained, chunk_vehicles=5)
    [model] = list_models(trained)
    inputs = figures(models_conn, "input")
    assert {one.subject for one in inputs} == {feature["column"] + _rest(feature) for feature in model.features}
    assert {one.n for one in inputs} == {24 - (FAILING - WAITING)}
    assert not [one for one in inputs if one.drifted and one.subject.startswith("air_temp_c")]
    [scores] = figures(models_conn, "score")
    assert (scores.fault_mode, scores.model_version, scores.n) == ("lv_battery", model.version, 18)
    assert result.figures == len(newest(models_conn))


def _rest(feature):
    return f".{feature['regime']}.{feature['kind']}.{feature['window_d']}d"


def test_a_sensor_that_reads_otherwise_is_drift_of_that_signal(models_conn, trained, fleet, database):
    shifted = [
        (END + timedelta(days=day, hours=hour), vehicle, 0, END + timedelta(days=day, hours=hour), rest, None, v, 45, 0)
        for vehicle in fleet.values()
        for day in range(8)
        for hour, rest, v in ((3, True, 12.6), (8, False, 14.1))
    ]
    write_readings(database, shifted)
    measure(models_conn, as_of=END + timedelta(days=8), data_dir=trained)
    drifted = {one.subject.partition(".")[0] for one in figures(models_conn, "input") if one.drifted}
    assert "air_temp_c" in drifted
    worst = [one for one in by_signal(newest(models_conn)) if one.subject.startswith("air_temp_c")]
    assert len(worst) == 1
    assert worst[0].drifted


def test_what_came_true_is_laid_beside_what_was_said(models_conn, trained, fleet, heard):
    waiting = range(FAILING - WAITING, FAILING)
    result = score(models_conn, as_of=END, data_dir=trained)
    heard(*waiting)
    measure(models_conn, as_of=LATER, data_dir=trained)
    [calibration] = figures(models_conn, "calibration")
    assert calibration.n == result.scored["lv_battery"]
    assert calibration.detail["observed"] == pytest.approx(WAITING / calibration.n)
    assert calibration.value == pytest.approx(abs(calibration.detail["predicted"] - calibration.detail["observed"]))
    [precision] = figures(models_conn, "precision")
    assert precision.n == result.flagged["lv_battery"]
    assert precision.value == pytest.approx(WAITING / precision.n)
    assert precision.detail["lead_time_d"] == pytest.approx([3, 3, 3])


def test_a_horizon_that_has_not_passed_says_nothing(models_conn, trained, heard):
    score(models_conn, as_of=END, data_dir=trained)
    window = {"since": END - timedelta(days=28), "until": LATER - timedelta(days=1)}
    assert precision_between(models_conn, **window) == []
    assert calibration_between(models_conn, **window) == []


def test_a_car_that_fell_silent_is_neither_right_nor_wrong(models_conn, trained, database):
    result = score(models_conn, as_of=END, data_dir=trained)
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO telemetry.vehicle_state (vehicle_id, ts, received_at, readings)"
            " SELECT vehicle_id, %(at)s, %(at)s, 1 FROM telemetry.vehicle",
            {"at": END + timedelta(days=2)},
        )
    window = {"since": END, "until": LATER}
    [precision] = precision_between(models_conn, **window)
    assert (precision.flagged, precision.known, precision.precision) == (result.flagged["lv_battery"], 0, None)
    assert calibration_between(models_conn, **window) == []


def test_a_car_that_stays_flagged_is_counted_once(models_conn, trained, heard):
    for day in (2, 1, 0):
        result = score(models_conn, as_of=END - timedelta(days=day), data_dir=trained)
    flagged_on = models_conn.execute(
        "SELECT count(DISTINCT vehicle_id) FROM prediction.prediction WHERE probability >= threshold"
    ).fetchone()
    [precision] = precision_between(models_conn, since=END - timedelta(days=28), until=LATER)
    assert (precision.flagged,) == flagged_on
    assert precision.flagged >= result.flagged["lv_battery"] > 0


def test_what_a_workshop_found_counts_like_a_lamp(models_conn, trained, fleet, heard, database):
    score(models_conn, as_of=END, data_dir=trained)
    found, refuted = (fleet[vin(FAILING - WAITING + number)] for number in (0, 1))
    with psycopg.connect(database) as conn:
        for vehicle, confirmed in ((found, True), (refuted, False)):
            conn.execute(
                "INSERT INTO prediction.label (vehicle_id, fault_mode, occurred_at, known_at, source, confirmed)"
                " VALUES (%s, 'lv_battery', %s, %s, 'finding', %s)",
                [vehicle, END + timedelta(days=4), END + timedelta(days=5), confirmed],
            )
    [precision] = precision_between(models_conn, since=END, until=LATER)
    assert (precision.true, precision.lead_time_d) == (1, None)


def test_lamps_that_nobody_foretold_are_counted(models_conn, trained, fleet, heard):
    score(models_conn, as_of=END, data_dir=trained)
    flagged = {
        vehicle
        for (vehicle,) in models_conn.execute(
            "SELECT vehicle_id FROM prediction.prediction WHERE probability >= threshold"
        )
    }
    models_conn.rollback()
    never = next(number for number in range(FAILING, 24) if fleet[vin(number)] not in flagged)
    heard(*range(FAILING - WAITING, FAILING), never)
    measure(models_conn, as_of=LATER, data_dir=trained)
    [foretold] = foretold_between(models_conn, since=END, until=LATER)
    assert (foretold.lamps, foretold.foretold) == (WAITING + 1, WAITING)


def test_without_a_model_it_says_what_to_do_and_leaves_a_row(models_conn, fleet, tmp_path):
    with pytest.raises(NoModel, match="forewarn train"):
        measure(models_conn, as_of=END, data_dir=tmp_path)
    assert models_conn.execute("SELECT job, outcome FROM prediction.run").fetchall() == [("drift", "failed")]
    assert newest(models_conn) == []
