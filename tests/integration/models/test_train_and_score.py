from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest

from ingest.store.connection import connect
from models.baselines import held_score
from models.dataset import NotEnoughData
from models.decision import log_odds, usual_rule
from models.promotion import champions
from models.registry import ModelFileUntrusted, NoModel, load_model, save_model
from models.remaining import fit_remaining
from models.scoring import explain_vehicle, load_champions, score
from models.tables import NewPrediction, flagged_predictions, store_predictions
from models.training import train
from models.workers import Here
from tests.integration.models.conftest import CARS, END, FAILING, WAITING, vin, write_readings


def everything(conn, run_id):
    rows = conn.execute(
        "SELECT vehicle_id, fault_mode, probability, threshold, reasons FROM prediction.prediction"
        " WHERE run_id = %s ORDER BY 1, 2",
        [run_id],
    ).fetchall()
    conn.rollback()
    return rows


def test_cars_whose_lamp_is_still_to_come_are_flagged_and_say_why(models_conn, trained, fleet):
    [model] = champions(models_conn, trained)
    models_conn.rollback()
    assert (model.mode, model.vehicles) == ("lv_battery", CARS)
    result = score(models_conn, as_of=END + timedelta(hours=9), data_dir=trained, chunk_vehicles=5)
    assert result.as_of == END
    assert result.vehicles == CARS
    flagged = flagged_predictions(models_conn)
    waiting = {fleet[vin(number)] for number in range(FAILING - WAITING, FAILING)}
    assert waiting <= {prediction.vehicle_id for prediction in flagged}
    assert result.flagged == {"lv_battery": len(flagged)}
    # A car whose lamp is on has nothing to foretell.
    assert result.scored == {"lv_battery": CARS - (FAILING - WAITING)}
    for prediction in flagged:
        assert prediction.as_of == END
        assert prediction.probability >= prediction.threshold
        assert len({reason["signal"] for reason in prediction.reasons}) == 3
    assert {prediction.reasons[0]["signal"] for prediction in flagged if prediction.vehicle_id in waiting} == {
        "lv_battery_v"
    }


def test_scoring_a_day_again_changes_no_number_and_adds_no_row(models_conn, trained):
    first = everything(models_conn, score(models_conn, as_of=END, data_dir=trained).run_id)
    second = everything(models_conn, score(models_conn, as_of=END, data_dir=trained).run_id)
    assert first == second
    assert models_conn.execute("SELECT count(*) FROM prediction.prediction").fetchone() == (len(first),)


def test_what_arrives_later_does_not_change_the_past(models_conn, trained, fleet, database):
    """Promise 6 through the store: late readings about old days count from the day they were received."""
    before = everything(models_conn, score(models_conn, as_of=END, data_dir=trained).run_id)
    late = [
        (END - timedelta(days=day, hours=5), vehicle, 9, END + timedelta(hours=1), True, None, 4.5, 40.0, 0.0)
        for vehicle in fleet.values()
        for day in range(10)
    ]
    write_readings(database, late)
    after = everything(models_conn, score(models_conn, as_of=END, data_dir=trained).run_id)
    assert after == before
    next_day = everything(models_conn, score(models_conn, as_of=END + timedelta(days=1), data_dir=trained).run_id)
    assert [row[2] for row in next_day] != [row[2] for row in before]


def test_training_again_on_the_same_data_names_the_same_version(models_conn, trained):
    [model] = champions(models_conn, trained)
    models_conn.rollback()
    [again] = train(models_conn, as_of=END, data_dir=trained)
    assert (again.version, again.metrics, again.threshold) == (model.version, model.metrics, model.threshold)


def test_lamps_become_labels_once(models_conn, trained, fleet):
    train(models_conn, as_of=END, data_dir=trained)
    rows = models_conn.execute("SELECT vehicle_id, fault_mode, source FROM prediction.label ORDER BY 1").fetchall()
    assert rows == [(fleet[vin(number)], "lv_battery", "lamp") for number in range(FAILING - WAITING)]


def test_every_run_is_recorded_also_when_it_fails(models_conn, trained, tmp_path):
    score(models_conn, as_of=END, data_dir=trained)
    with pytest.raises(ModelFileUntrusted, match=r"are gone: put it back from a backup.*forewarn train"):
        score(models_conn, as_of=END, data_dir=tmp_path / "nothing")
    with pytest.raises(NotEnoughData, match="no car has a reading"):
        score(models_conn, as_of=END - timedelta(days=400), data_dir=trained)
    rows = models_conn.execute(
        "SELECT job, outcome, finished_at IS NOT NULL FROM prediction.run ORDER BY run_id"
    ).fetchall()
    assert rows == [
        ("train", "done", True),
        ("score", "done", True),
        ("score", "failed", True),
        ("score", "failed", True),
    ]


def test_a_champion_that_cannot_be_loaded_stops_no_other(models_conn, trained):
    models_conn.execute(
        "INSERT INTO prediction.model_promotion (fault_mode, version, kind, decided_by, reason, decided_at)"
        " VALUES ('brake_wear', '20260301-lost', 'first', 'forewarn', 'first model', now())"
    )
    models_conn.commit()
    result = score(models_conn, as_of=END, data_dir=trained)
    assert result.scored["lv_battery"] > 0
    assert list(result.unusable) == ["brake_wear"]
    assert "are gone: put it back from a backup" in result.unusable["brake_wear"]
    detail = models_conn.execute("SELECT detail FROM prediction.run ORDER BY run_id DESC LIMIT 1").fetchone()[0]
    assert detail["unusable"] == result.unusable
    # A figure about all champions is one of all of them.
    with pytest.raises(ModelFileUntrusted, match="are gone"):
        load_champions(models_conn, trained)
    # Whoever asks for one fault mode gets it.
    assert load_champions(models_conn, trained, modes=["lv_battery"])
    with pytest.raises(NoModel, match="no model of dcdc has been trained yet"):
        load_champions(models_conn, trained, modes=["dcdc"])


def test_only_runs_after_the_given_one_are_read(models_conn, trained):
    first = score(models_conn, as_of=END - timedelta(days=1), data_dir=trained)
    second = score(models_conn, as_of=END, data_dir=trained)
    newer = flagged_predictions(models_conn, since_run=first.run_id)
    assert {prediction.run_id for prediction in newer} == {second.run_id}
    assert flagged_predictions(models_conn, since_run=second.run_id) == []
    both = flagged_predictions(models_conn, since_run=0)
    assert len({prediction.vehicle_id for prediction in both}) == len(both)


def test_an_empty_store_says_what_to_do(models_conn, tmp_path):
    with pytest.raises(NotEnoughData, match=r"no model could be trained.*lv_battery.*ingest older readings"):
        train(models_conn, as_of=END, data_dir=tmp_path)
    assert champions(models_conn, tmp_path) == []


def test_models_may_not_read_who_owns_a_car(database):
    with connect(database, role="models") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT 1 FROM pii.owner")


def test_a_workshop_that_found_nothing_quiets_that_car_and_fault_at_once(models_conn, trained, database):
    score(models_conn, as_of=END, data_dir=trained)
    first, *others = flagged_predictions(models_conn)
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO prediction.label (vehicle_id, fault_mode, occurred_at, known_at, source, confirmed)"
            " VALUES (%s, 'lv_battery', %s, %s, 'finding', false)",
            [first.vehicle_id, END, END + timedelta(hours=10)],
        )
    left = {prediction.vehicle_id for prediction in flagged_predictions(models_conn)}
    assert left == {prediction.vehicle_id for prediction in others}


def test_one_high_scoring_among_low_ones_is_no_warning(models_conn, trained, database):
    for before in (2, 1, 0):
        score(models_conn, as_of=END - timedelta(days=before), data_dir=trained)
    first = flagged_predictions(models_conn)[0]
    with psycopg.connect(database) as conn:
        conn.execute(
            "UPDATE prediction.prediction SET probability = 0 WHERE vehicle_id = %s AND as_of < %s",
            [first.vehicle_id, END],
        )
    assert first.vehicle_id not in {prediction.vehicle_id for prediction in flagged_predictions(models_conn)}


def test_the_database_warns_of_the_cars_that_the_decision_names(models_conn, database):
    random = np.random.default_rng(5)
    # Every scoring of a car by one model; the last day is always scored, others now and then not.
    chances = [random.beta(0.4, 0.6, size=random.integers(1, 15)).astype(np.float32) for _ in range(60)]
    chances += [np.array([0.0, 1.0], dtype=np.float32), np.array([1.0, 0.0], dtype=np.float32)]
    threshold = np.float32(0.4)
    with psycopg.connect(database) as conn:
        row = conn.execute(
            "INSERT INTO prediction.run (job, started_at, outcome) VALUES ('score', %s, 'done') RETURNING run_id", [END]
        ).fetchone()
        assert row is not None
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO prediction.prediction"
                " (run_id, vehicle_id, fault_mode, scored_at, as_of, probability, threshold, model_version)"
                " VALUES (%s, %s, 'dcdc', %s, %s, %s, %s, 'one')",
                [
                    (row[0], 1000 + car, day, day, chance, threshold)
                    for car, own in enumerate(chances)
                    for age, chance in enumerate(own[::-1].tolist())
                    for day in [END - timedelta(days=age if age == 0 else age + car % 3)]
                ],
            )
    held = [held_score(log_odds(own.astype(np.float64)), np.array([0]), usual_rule())[-1] for own in chances]
    wanted = {1000 + car for car, cut in enumerate(held) if cut >= log_odds(float(threshold))}
    assert 5 < len(wanted) < 55
    assert {prediction.vehicle_id for prediction in flagged_predictions(models_conn)} == wanted


def test_when_the_lamp_is_expected_is_kept_with_the_prediction(models_conn, trained):
    score(models_conn, as_of=END, data_dir=trained)
    first = flagged_predictions(models_conn)[0]
    # Six lamps are too few to say when the next comes on.
    assert first.days_to_lamp is None
    told = NewPrediction(
        vehicle_id=first.vehicle_id,
        fault_mode=first.fault_mode,
        probability=0.99,
        threshold=first.threshold,
        model_version=first.model_version,
        reasons=[],
        to_lamp=(9.0, 4.5, 16.0),
    )
    with models_conn.transaction():
        store_predictions(models_conn, [told], run_id=first.run_id, scored_at=first.scored_at, as_of=first.as_of)
    again = next(one for one in flagged_predictions(models_conn) if one.prediction_id == first.prediction_id)
    assert (again.days_to_lamp, again.days_to_lamp_low, again.days_to_lamp_high) == (9.0, 4.5, 16.0)


def test_only_flagged_cars_are_told_when(models_conn, trained, tmp_path, monkeypatch):
    # As a model says that learnt from more lamps than this fleet has.
    table, unit = pd.DataFrame({"lv_battery_v.rest.level.7d": np.linspace(11, 13, 200)}), np.repeat(np.arange(40), 5)
    days = fit_remaining(table, np.tile(np.arange(5.0), 40), unit, cap_d=30, parameters={"max_iter": 5}, seed=0)
    loaded = load_champions(models_conn, trained)[0]
    saved = save_model(loaded.estimator, loaded.meta, data_dir=tmp_path, lamp_time=days)
    champion = load_model(tmp_path, saved.mode, saved.version)
    monkeypatch.setattr("models.scoring.load_champions", lambda *_, **__: [champion])
    score(models_conn, as_of=END, data_dir=trained)
    rows = models_conn.execute(
        "SELECT probability >= threshold, days_to_lamp_low <= days_to_lamp AND days_to_lamp <= days_to_lamp_high"
        " FROM prediction.prediction WHERE as_of = %s",
        [END],
    ).fetchall()
    assert {flagged for flagged, _ in rows} == {True, False}
    assert all(told is (True if flagged else None) for flagged, told in rows)


def test_a_reason_says_what_is_normal_and_since_when_the_car_is_not(models_conn, trained):
    score(models_conn, as_of=END, data_dir=trained)
    reasons = [reason for one in flagged_predictions(models_conn) for reason in one.reasons]
    voltage = [one for one in reasons if one["signal"] == "lv_battery_v" and one["kind"] != "deviation"]
    assert voltage
    for reason in voltage:
        assert reason["value"] is not None
        assert reason["value"] < reason["usual_low"] < reason["usual_high"]
        # Their voltage began to sag within the last eighteen days.
        assert END - timedelta(days=18) <= datetime.fromisoformat(reason["since"]).replace(tzinfo=UTC) < END


def test_any_car_can_be_explained_and_nothing_is_stored(models_conn, trained, fleet):
    healthy = fleet[vin(CARS - 1)]
    [said] = explain_vehicle(models_conn, healthy, as_of=END, data_dir=trained)
    assert said.probability < said.threshold
    assert len(said.reasons) == 3
    assert all("usual_low" in reason for reason in said.reasons if reason["value"] is not None)
    assert models_conn.execute("SELECT count(*) FROM prediction.prediction").fetchone() == (0,)
    models_conn.rollback()
    score(models_conn, as_of=END, data_dir=trained)
    [stored] = models_conn.execute(
        "SELECT probability FROM prediction.prediction WHERE vehicle_id = %s", [healthy]
    ).fetchall()
    assert stored == (pytest.approx(said.probability, abs=1e-6),)


def test_a_car_that_is_not_scored_says_why(models_conn, trained):
    with pytest.raises(NotEnoughData, match="car 999999 is not scored"):
        explain_vehicle(models_conn, 999_999, as_of=END, data_dir=trained)


@dataclass(frozen=True)
class AfterAnother(Here):
    """Workers that begin only when another scoring of the same day has come and gone."""

    dsn: str
    folder: Path

    def prepare(self, work):
        with connect(self.dsn, role="models") as conn:
            score(conn, as_of=END, data_dir=self.folder)
        super().prepare(work)


def test_a_scoring_that_was_overtaken_takes_nothing_from_the_one_begun_after_it(models_conn, trained, database):
    score(models_conn, as_of=END, data_dir=trained)
    flagged = {one.vehicle_id for one in flagged_predictions(models_conn)}
    models_conn.rollback()
    score(models_conn, as_of=END, data_dir=trained, workers=AfterAnother(models_conn, database, trained))
    assert flagged
    assert {one.vehicle_id for one in flagged_predictions(models_conn)} == flagged
