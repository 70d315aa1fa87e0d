"""A challenger scores in the shadow; flagged cars that are held out are not called."""

import hashlib
import pickle
from datetime import timedelta

import msgspec
import psycopg
import pytest

from alerts.dealers import load_sample_dealers
from alerts.jobs import triage
from config.faults import fault_modes
from ingest.store.connection import connect
from models import holdout
from models.holdout import is_held_out
from models.promotion import promote
from models.registry import list_models
from models.scoring import score
from models.shadow import compare_stored
from models.tables import flagged_predictions
from tests.integration.models.conftest import END
from tests.integration.models.versions import another


@pytest.fixture
def champion(trained) -> str:
    [model] = list_models(trained)
    return model.version


def count(conn, table):
    (rows,) = conn.execute(f"SELECT count(*) FROM prediction.{table}").fetchone()
    conn.rollback()
    return rows


def test_a_challenger_scores_every_car_where_triage_does_not_look(models_conn, trained, champion, database):
    another(trained, "20260418-b")
    result = score(models_conn, as_of=END, data_dir=trained, chunk_vehicles=5)
    assert result.shadow == {"lv_battery": "20260418-b"}
    assert count(models_conn, "shadow") == count(models_conn, "prediction") == result.scored["lv_battery"]
    assert {one.model_version for one in flagged_predictions(models_conn)} == {champion}
    with connect(database, role="alerts") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT FROM prediction.shadow")


def test_the_shadow_changes_nothing_about_what_the_champion_says(models_conn, trained, champion):
    query = "SELECT vehicle_id, probability, threshold, reasons FROM prediction.prediction ORDER BY 1"
    score(models_conn, as_of=END, data_dir=trained)
    alone = models_conn.execute(query).fetchall()
    models_conn.rollback()
    another(trained, "20260418-b")
    score(models_conn, as_of=END, data_dir=trained)
    assert models_conn.execute(query).fetchall() == alone


def test_a_day_scored_again_replaces_its_shadow(models_conn, trained, champion):
    another(trained, "20260418-b")
    score(models_conn, as_of=END, data_dir=trained)
    rows = count(models_conn, "shadow")
    score(models_conn, as_of=END, data_dir=trained)
    assert count(models_conn, "shadow") == rows


def test_two_models_are_compared_by_what_both_said_and_what_came_of_it(models_conn, trained, champion, database):
    """The challenger is the same estimator, so they differ in nothing; lamps that came on since judge both."""
    mode = fault_modes()["lv_battery"]
    early = END - timedelta(days=mode.horizon_d)
    another(trained, "20260418-b")
    for day in (early, END):
        result = score(models_conn, as_of=day, data_dir=trained)
    with psycopg.connect(database) as conn:
        # Readings of this fleet were put straight into their table.
        conn.execute(
            "INSERT INTO telemetry.vehicle_state (vehicle_id, ts, received_at, readings)"
            " SELECT vehicle_id, max(ts), max(received_at), count(*) FROM telemetry.vehicle_reading GROUP BY 1"
        )
    beside = compare_stored(models_conn, "lv_battery", champion, "20260418-b", now=END)
    assert beside.days == 2
    assert (beside.first, beside.last) == (early, END)
    assert beside.pairs > result.scored["lv_battery"]
    assert beside.mean_a == pytest.approx(beside.mean_b)
    assert (beside.difference, beside.flagged_a, beside.flagged_b) == (0, 0, 0)
    assert beside.flagged_both > 0
    # Of the day whose horizon has not passed nothing is known yet.
    assert 0 < beside.known < beside.pairs
    lamps = models_conn.execute(
        "SELECT count(*) FROM prediction.label WHERE occurred_at >= %s AND occurred_at < %s",
        [early, early + timedelta(days=mode.horizon_d)],
    ).fetchone()
    assert beside.observed == pytest.approx(lamps[0] / beside.known)
    assert beside.brier_a == pytest.approx(beside.brier_b)


def test_models_that_never_met_have_nothing_to_compare(models_conn, trained, champion):
    another(trained, "20260418-b")
    beside = compare_stored(models_conn, "lv_battery", champion, "20260418-b", now=END)
    assert (beside.pairs, beside.difference, beside.brier_a) == (0, None, None)


def test_a_promoted_challenger_is_compared_with_what_it_said_in_the_shadow(models_conn, trained, champion):
    another(trained, "20260418-b")
    score(models_conn, as_of=END, data_dir=trained)
    promote(models_conn, "lv_battery", "20260418-b", by="Li Na", reason="as good", data_dir=trained)
    score(models_conn, as_of=END, data_dir=trained)
    beside = compare_stored(models_conn, "lv_battery", champion, "20260418-b", now=END)
    assert (beside.days, beside.difference) == (1, 0)


@pytest.fixture
def share(models_conn, trained) -> float:
    """A share at which some of the flagged cars are held out, and not all of them."""
    score(models_conn, as_of=END, data_dir=trained)
    flagged = [one.vehicle_id for one in flagged_predictions(models_conn)]
    models_conn.rollback()

    def held(share):
        return sum(is_held_out(vehicle, END, share=share) for vehicle in flagged)

    return next(share for share in (n / 20 for n in range(1, 20)) if 0 < held(share) < len(flagged))


def test_a_share_of_flagged_cars_is_not_called(models_conn, trained, database, share):
    result = score(models_conn, as_of=END, data_dir=trained, holdout_share=share)
    flagged = flagged_predictions(models_conn)
    held = {one.vehicle_id for one in flagged if one.held_out}
    assert held == {one.vehicle_id for one in flagged if is_held_out(one.vehicle_id, END, share=share)}
    assert 0 < len(held) < len(flagged)
    assert result.held_out == {"lv_battery": len(held)}
    with connect(database, role="alerts", autocommit=True) as conn:
        load_sample_dealers(conn)
        counts = triage(conn, now=END).counts
        assert (counts.flagged, counts.held_out) == (len(flagged) - len(held), len(held))
        called = {vehicle for (vehicle,) in conn.execute("SELECT vehicle_id FROM care.case")}
    assert called == {one.vehicle_id for one in flagged} - held


def test_a_car_whose_case_is_open_already_is_not_hidden_from_its_agent(models_conn, trained, database, share):
    score(models_conn, as_of=END, data_dir=trained)
    with connect(database, role="alerts", autocommit=True) as conn:
        load_sample_dealers(conn)
        opened = triage(conn, now=END).counts
        assert opened.opened > 1
        score(models_conn, as_of=END, data_dir=trained, holdout_share=share)
        again = triage(conn, now=END + timedelta(hours=1)).counts
    assert (again.flagged, again.held_out, again.leads_refreshed) == (opened.flagged, 0, opened.flagged)


def test_off_means_off_also_for_a_day_that_was_held_out(models_conn, trained, share):
    score(models_conn, as_of=END, data_dir=trained, holdout_share=share)
    assert any(one.held_out for one in flagged_predictions(models_conn))
    models_conn.rollback()
    assert score(models_conn, as_of=END, data_dir=trained).held_out == {}
    assert not any(one.held_out for one in flagged_predictions(models_conn))


def test_nobody_is_held_out_of_what_endangers_people(models_conn, trained, monkeypatch):
    mode = fault_modes()["lv_battery"]
    dangerous = {"lv_battery": msgspec.structs.replace(mode, severity=1)}
    monkeypatch.setattr(holdout, "fault_modes", lambda: dangerous)
    assert score(models_conn, as_of=END, data_dir=trained, holdout_share=1.0).held_out == {}
    assert not any(one.held_out for one in flagged_predictions(models_conn))


def test_a_challenger_that_is_no_model_stands_in_nobodys_way(models_conn, trained, champion):
    another(trained, "20260418-b")
    folder = trained / "models" / "lv_battery" / "20260418-b"
    content = pickle.dumps({"a pickle": "in disguise"})
    (folder / "model.skops").write_bytes(content)
    about = msgspec.json.decode((folder / "meta.json").read_bytes())
    about["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "meta.json").write_bytes(msgspec.json.encode(about))
    result = score(models_conn, as_of=END, data_dir=trained)
    assert result.scored["lv_battery"] > 0
    assert result.shadow == {}
