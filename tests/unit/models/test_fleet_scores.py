from dataclasses import replace

import numpy as np
import pandas as pd

from config.faults import fault_modes
from models.calibration import Calibration
from models.dataset import Stored, base_rows, known_fleet, no_findings, training_rows
from models.features import Feature
from models.fleet_scores import ModeModel, probabilities, scored_rows
from models.labels import QUIET_D, lamps_of, quiet_vehicles, without_unfounded
from models.training import fit_mode
from tests.unit.models.frames import aggregates, battery_fleet, day, lamps

MODE = fault_modes()["lv_battery"]
FEATURES = tuple(
    Feature("lv_battery_v", "rest", kind, window, worse)
    for kind, window, worse in (("level", 3, -1), ("trend", 7, -1), ("change", 7, -1), ("peer", 7, -1))
)
DAYS = 60


def with_air(frame):
    """The same days with a thermometer, without which there are no peers."""
    return frame.assign(**{f"air_temp_c__{name}": value for name, value in zip(
        ("n", "sum", "sumsq", "min", "max"), (1, 15.0, 225.0, 15.0, 15.0), strict=True
    )})  # fmt: skip


def stored(**fleet):
    frame, lit = battery_fleet(days=DAYS, **fleet)
    ids = frame["vehicle_id"].unique()
    vehicles = pd.DataFrame({"vehicle_id": ids, "powertrain": "ice", "model": "C4"})
    return Stored(with_air(frame), lit, vehicles)


def test_a_mode_is_not_scored_while_its_lamp_shines_nor_in_the_weeks_after():
    events = lamps(
        [(1, day(20), "lv_battery", "on"), (1, day(22), "lv_battery", "off"), (2, day(30), "lv_battery", "on")]
    )
    events = pd.concat([events, lamps([(3, day(5), "dcdc", "on")])])
    days = [day(at) for at in range(70)]
    index = pd.MultiIndex.from_product(
        [pd.to_datetime([at.replace(tzinfo=None) for at in days]), [1, 2, 3, 4]], names=["as_of", "vehicle_id"]
    )
    rows = pd.DataFrame({"x": 1.0}, index=index)
    vehicles = pd.DataFrame({"vehicle_id": [1, 2, 3, 4], "powertrain": "ice"})
    scored = pd.Series(scored_rows(MODE, rows, events, vehicles), index=index)
    episodes = lamps_of(MODE, events)
    for at in days:
        known = episodes[episodes["on_at"] < at]
        expected = quiet_vehicles(known, pd.Index([1, 2, 3, 4]), as_of=at)
        assert scored.xs(pd.Timestamp(at.replace(tzinfo=None)), level="as_of").tolist() == expected.tolist()
    assert scored.xs(1, level="vehicle_id").sum() == 70 - (22 + QUIET_D - 20)


def test_a_lamp_that_was_told_of_late_is_not_known_before():
    events = lamps(
        [(1, day(20), "lv_battery", "on"), (1, day(22), "lv_battery", "off"), (2, day(30), "lv_battery", "on")]
    )
    # The car was out of reach for a week when its lamp came on, and again when it went out.
    events["received_at"] += pd.to_timedelta([7, 40, 0], unit="D")
    days = [day(at) for at in range(70)]
    index = pd.MultiIndex.from_product(
        [pd.to_datetime([at.replace(tzinfo=None) for at in days]), [1, 2]], names=["as_of", "vehicle_id"]
    )
    vehicles = pd.DataFrame({"vehicle_id": [1, 2], "powertrain": "ice"})
    scored = pd.Series(scored_rows(MODE, pd.DataFrame({"x": 1.0}, index=index), events, vehicles), index=index)
    for at in days:
        rows = scored.xs(pd.Timestamp(at.replace(tzinfo=None)), level="as_of", drop_level=False)
        then = events[events["received_at"] < at]
        known = scored_rows(MODE, pd.DataFrame({"x": 1.0}, index=rows.index), then, vehicles)
        assert rows.tolist() == known.tolist()
    assert scored.xs(1, level="vehicle_id").to_numpy().nonzero()[0].tolist() == [*range(28), *range(63, 70)]


def test_cars_that_cannot_have_the_fault_or_were_not_seen_are_not_scored():
    index = pd.MultiIndex.from_product([pd.to_datetime(["2026-03-05"]), [1, 2, 3]], names=["as_of", "vehicle_id"])
    rows = pd.DataFrame({"x": [1.0, np.nan, 1.0]}, index=index)
    vehicles = pd.DataFrame({"vehicle_id": [1, 2, 3], "powertrain": ["ice", "ice", "bev"]})
    nothing = lamps([]).astype({"code": "str", "state": "str"})
    assert scored_rows(fault_modes()["coolant"], rows, nothing, vehicles).tolist() == [True, False, False]


def test_cars_about_to_fail_are_told_from_the_others_of_an_unseen_fleet():
    fleet = known_fleet(stored(vehicles=40, failing=14), FEATURES, until=day(DAYS))
    fitted = fit_mode(MODE, FEATURES, training_rows(MODE, FEATURES, fleet), seed=0)
    unseen = stored(vehicles=30, failing=8, seed=5)
    days = [day(at) for at in range(20, DAYS)]
    likely = probabilities(
        {MODE.key: fitted.model},
        base_rows(unseen, FEATURES, days=days),
        lamps=unseen.lamps,
        vehicles=unseen.vehicles,
    )[MODE.key]
    by_car = likely.groupby(level="vehicle_id").max()
    assert by_car.loc[1:8].median() > 3 * by_car.loc[9:].median()
    # A lamp that shines is not foretold any more.
    first = unseen.lamps.iloc[0]
    after = likely.xs(first["vehicle_id"], level="vehicle_id")
    assert after[after.index > first["ts"].tz_localize(None)].isna().all()


def test_what_is_received_later_moves_no_peer():
    known = stored(vehicles=15, failing=3)
    late = with_air(aggregates([(car, at, 50, "rest", [4.0]) for car in range(1, 16) for at in (38, 39)]))
    more = Stored(pd.concat([known.aggregates, late], ignore_index=True), known.lamps, known.vehicles)
    before, after = (
        probabilities(
            {MODE.key: _Echo().model},
            base_rows(one, FEATURES, days=[day(40)]),
            lamps=known.lamps,
            vehicles=known.vehicles,
        )
        for one in (known, more)
    )
    pd.testing.assert_frame_equal(before, after, check_exact=True)


class _Echo:
    """Says of a row how far it is below its peers."""

    model = property(lambda self: ModeModel(self, FEATURES, Calibration(), 0.5))

    def predict_proba(self, rows):
        below = 1 / (1 + np.exp(rows[FEATURES[-1].name].to_numpy()))
        return np.stack([1 - below, below], axis=1)


def test_lamps_a_workshop_found_nothing_behind_are_no_examples():
    episodes = lamps_of(MODE, lamps([(1, day(9), "lv_battery", "on"), (1, day(11), "lv_battery", "off"),
                                     (1, day(30), "lv_battery", "on"), (2, day(9), "lv_battery", "on")]))  # fmt: skip
    findings = pd.DataFrame(
        {
            "vehicle_id": [1, 2, 2],
            "fault_mode": ["lv_battery", "dcdc", "lv_battery"],
            "found_at": [day(12), day(12), day(12)],
            "confirmed": [False, False, True],
        }
    )
    left = without_unfounded(MODE, episodes, findings)
    assert left[["vehicle_id", "on_at"]].to_numpy().tolist() == [[1, pd.Timestamp(day(30))], [2, pd.Timestamp(day(9))]]


def test_a_car_whose_fault_was_found_without_a_lamp_is_no_example_of_a_healthy_one():

    fleet = known_fleet(stored(vehicles=12, failing=3), FEATURES, until=day(DAYS))
    found = pd.DataFrame(
        {
            "vehicle_id": [9, 10],
            "fault_mode": "lv_battery",
            "found_at": pd.to_datetime([day(25), day(25)], utc=True),
            "confirmed": True,
            "since": pd.to_datetime([day(12), None], utc=True),
        }
    )
    every = training_rows(MODE, FEATURES, fleet)
    some = training_rows(MODE, FEATURES, replace(fleet, findings=found))
    assert no_findings().empty

    def days(dataset, car):
        return {int((at - np.datetime64(day(0).date())).astype(int)) for at in dataset.as_of[dataset.vehicle_id == car]}

    assert days(every, 9) - days(some, 9) == set(range(12, 26))
    # Since when was not said: then for as long as a lamp would have been foretold.
    assert days(every, 10) - days(some, 10) == {at for at in days(every, 10) if 25 - MODE.horizon_d <= at <= 25}
    assert days(every, 11) == days(some, 11)
    assert some.spared == {9, 10}
