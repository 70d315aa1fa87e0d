"""A fleet as frames is the fleet of the store: every feature of every model is the same by either way.

Models that are evaluated, and those that a fresh installation starts with, learn from frames; the schedule scores from
the store. Were the two to differ, what was measured would not be what runs.
"""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from config.faults import fault_modes
from config.settings import DatabaseSettings, Settings
from forewarn.evaluation.fleets import simulated_rows
from forewarn.simulator import FleetPlan, Sampling
from forewarn.simulator.into_store import store_fleet
from ingest.store import events
from ingest.store.connection import connect
from models.dataset import read_vehicles
from models.fleet_scores import with_peers
from models.peers import own_features
from models.scoring import rows_of_day
from models.watched import features_of
from models.workers import Here

END = datetime(2026, 3, 31, tzinfo=UTC)
# Enough cars that they have peers, enough days that windows and the weeks before them are full.
PLAN = FleetPlan(40, 75, 33, END, 0.5, Sampling(300, 1800, 900))
FEATURES = tuple({one.name: one for mode in fault_modes().values() for one in features_of(mode)}.values())


@pytest.fixture(scope="module")
def of_frames():
    fleet = simulated_rows(PLAN, own_features(FEATURES), processes=1, on_progress=lambda _: None)
    last = fleet.rows[fleet.rows.index.get_level_values("as_of") == END.replace(tzinfo=None)]
    return fleet, by_vin(with_peers(last, fleet.stored.vehicles, FEATURES), fleet.vins)


@pytest.fixture
def of_store(database, tmp_path):
    settings = Settings(database=DatabaseSettings(dsn=database))
    # The readings of some cars are stored one by one, and rolled up by the store itself.
    store_fleet(PLAN, settings, raw=6, truth=tmp_path / "truth", processes=1, say=lambda _: None)
    with connect(database, role="admin") as conn:
        vins = dict(conn.execute("SELECT vehicle_id, vin FROM pii.vehicle_identity").fetchall())
    with connect(database, role="models") as conn:
        lamps, vehicles = events.lamps(conn, received_before=END), read_vehicles(conn)
        conn.rollback()
        parts = list(rows_of_day(Here(conn), FEATURES, vehicles, as_of=END, chunk_vehicles=9))
    rows = pd.concat([with_peers(rows, vehicles, FEATURES, peers) for rows, peers in parts])
    return lamps, by_vin(rows, vins), vins


def by_vin(rows, vins):
    return rows.droplevel("as_of").rename(index=vins).rename_axis("vin").sort_index()


def test_every_feature_is_the_same(of_frames, of_store):
    fleet, frames = of_frames
    lamps, store, vins = of_store
    assert len(frames) == PLAN.vehicles
    # That a comparison finds nothing must not come from there being nothing.
    seen = frames.notna().any()
    assert seen.mean() > 0.9
    assert (frames[[name for name in frames if ".peer" in name]].notna().mean() > 0.5).any()
    for name in frames:
        # Sums are added up in another order, and what a car has driven is the difference of two large numbers.
        rtol, atol = (0.0, 0.02) if name.startswith("driven_km") else (1e-3, 1e-5)
        pd.testing.assert_series_equal(store[name], frames[name], check_exact=False, rtol=rtol, atol=atol)
    told = [
        frame.assign(vin=frame["vehicle_id"].map(names))[["vin", "ts", "received_at", "code", "state"]]
        for frame, names in ((lamps, vins), (fleet.stored.lamps, fleet.vins))
    ]
    known = told[1][told[1]["received_at"] < pd.Timestamp(END)]
    one, other = (frame.sort_values(["vin", "ts", "code"], ignore_index=True) for frame in (told[0], known))
    assert len(one) > 0
    assert one.astype(str).to_numpy().tolist() == other.astype(str).to_numpy().tolist()
    assert np.isfinite(store.to_numpy(dtype=np.float64)[store.notna().to_numpy()]).all()
