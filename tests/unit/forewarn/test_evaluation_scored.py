"""The days to the lamp that a warning is told with are those of the day it was made, with the peers of that day."""

import numpy as np
import pandas as pd

from config.faults import fault_modes
from forewarn.evaluation.results import MODEL
from forewarn.evaluation.scored import Contender, FleetRows, days_said
from models.calibration import Calibration
from models.dataset import Stored, known_fleet, training_rows
from models.features import Feature
from models.fleet_scores import ModeModel, base_rows
from models.lamp_time import fit_lamp_time
from models.lamp_time_figures import SAID_COLUMNS
from models.peers import own_features, with_peers
from models.protocol import WARNING_COLUMNS
from models.remaining import predict_remaining
from tests.unit.models.frames import battery_fleet, day

MODE = fault_modes()["lv_battery"]
FEATURES = (
    Feature("lv_battery_v", "rest", "level", 1),
    Feature("lv_battery_v", "rest", "trend", 7),
    Feature("lv_battery_v", "rest", "peer", 1),
)
DAYS = 60


def test_what_is_said_is_what_the_whole_fleet_says_of_that_day():
    aggregates, lit = battery_fleet(days=DAYS, vehicles=40, failing=36)
    # All of them live where it is as warm as their battery has volts.
    aggregates = aggregates.assign(
        **{f"air_temp_c__{part}": aggregates[f"lv_battery_v__{part}"] for part in ("n", "sum", "sumsq", "min", "max")}
    )
    vehicles = pd.DataFrame({"vehicle_id": aggregates["vehicle_id"].unique(), "powertrain": "ice", "model": "A"})
    stored = Stored(aggregates, lit, vehicles)
    dataset = training_rows(MODE, FEATURES, known_fleet(stored, FEATURES, until=day(DAYS)))
    lamp_time = fit_lamp_time(MODE, FEATURES, dataset, members=2, seed=0)
    rows = base_rows(stored, own_features(FEATURES), days=[day(at) for at in range(5, DAYS)])
    fleet = FleetRows(rows, stored, {}, pd.DataFrame(), 0)
    nearest, farther = lit["ts"].dt.normalize().iloc[:2] - pd.to_timedelta([1, 9], unit="D")
    warnings = pd.DataFrame(
        {
            "vehicle_id": [3, 1, 2, 4],
            "fault_mode": ["lv_battery", "lv_battery", "lv_battery", "tyre_leak"],
            "first_flagged_at": pd.to_datetime([day(10), nearest, farther, day(30)], utc=True),
        }
    )
    asked = Contender(MODEL, {"lv_battery": _Features()}, {}, {"lv_battery": lamp_time})
    said = days_said(asked, warnings, fleet)
    assert list(said.columns) == [*WARNING_COLUMNS, *SAID_COLUMNS]
    whole = predict_remaining(lamp_time, with_peers(rows, vehicles, FEATURES))
    for one in said.itertuples():
        expected = whole.loc[(one.first_flagged_at.tz_localize(None), one.vehicle_id)]
        np.testing.assert_allclose([one.days, one.low, one.high], expected.to_numpy())
    assert said["vehicle_id"].tolist() == [3, 1, 2]
    assert said["days"].nunique() > 1
    assert set(said["cap_d"]) == {float(MODE.horizon_d)}


def test_whoever_says_no_days_is_asked_for_none():
    fleet = FleetRows(pd.DataFrame(), Stored(pd.DataFrame(), pd.DataFrame(), pd.DataFrame()), {}, pd.DataFrame(), 0)
    said = days_said(Contender("a rule", {}, {}), pd.DataFrame(columns=WARNING_COLUMNS), fleet)
    assert said.empty
    assert list(said.columns) == [*WARNING_COLUMNS, *SAID_COLUMNS]


class _Features(ModeModel, frozen=True):
    estimator: None = None
    features: tuple[Feature, ...] = FEATURES
    calibration: Calibration = Calibration()
    threshold: float = 0.5
