import numpy as np
import pandas as pd
import pytest

from models.features import Feature, feature_rows
from models.peers import CLIMATE, LEAST_PEERS, own_features, peers_of, with_peers
from tests.unit.models.frames import aggregates, day

PEER = Feature("insulation_kohm", "drive", "peer", 7, -1)
LEVEL = Feature("insulation_kohm", "drive", "level", 7)
AIR = CLIMATE[0]
FEATURES = (PEER, LEVEL)


def fleet(values, *, air_c=20.0, model="E5", powertrain="bev", first=1, as_of=("2026-03-01",)):
    """Rows of cars with the own features, and the vehicles."""
    ids = np.arange(first, first + len(values))
    index = pd.MultiIndex.from_product([pd.to_datetime(list(as_of)), ids], names=["as_of", "vehicle_id"])
    rows = pd.DataFrame(
        {
            LEVEL.name: np.tile(np.asarray(values, dtype=np.float32), len(as_of)),
            AIR.name: np.float32(air_c),
            CLIMATE[1].name: np.float32(np.nan),
        },
        index=index,
    )
    return rows, pd.DataFrame({"vehicle_id": ids, "powertrain": powertrain, "model": model})


def joined(*fleets):
    return pd.concat([rows for rows, _ in fleets]), pd.concat([vehicles for _, vehicles in fleets])


def difference(rows, vehicles, **options):
    return with_peers(rows, vehicles, FEATURES, **options)[PEER.name].to_numpy()


def test_a_car_is_compared_with_the_median_of_its_model_and_climate():
    rows, vehicles = joined(fleet(np.arange(13.0)), fleet([100.0] * 12, model="E7", first=50))
    np.testing.assert_allclose(difference(rows, vehicles), [*(np.arange(13) - 6), *[0] * 12])


def test_a_shift_of_the_whole_fleet_changes_nothing():
    random = np.random.default_rng(0)
    rows, vehicles = fleet(random.normal(500, 50, 40))
    moved = rows.assign(**{LEVEL.name: rows[LEVEL.name] + 300})
    np.testing.assert_allclose(difference(moved, vehicles), difference(rows, vehicles), atol=1e-3)


def test_another_climate_is_no_peer_while_there_are_enough_of_the_own():
    warm, cold = fleet(np.arange(12.0), air_c=25), fleet(np.arange(12.0) + 500, air_c=-5, first=50)
    both = difference(*joined(warm, cold))
    np.testing.assert_allclose(both[:12], both[12:])


def test_too_few_in_the_own_climate_are_compared_with_all_of_the_model():
    many, few = fleet([10.0] * 20, air_c=25), fleet([13.0] * 3, air_c=-5, first=50)
    np.testing.assert_allclose(difference(*joined(many, few))[20:], 3)


def test_a_rare_model_is_compared_with_its_powertrain_and_the_only_car_with_nothing():
    many, rare = fleet([10.0] * 20), fleet([13.0], model="E9", first=50)
    alone = fleet([13.0], model="C4", powertrain="ice", first=60)
    found = difference(*joined(many, rare, alone))
    assert found[20] == pytest.approx(3)
    assert np.isnan(found[21])


def test_each_day_has_its_own_peers():
    rows, vehicles = fleet([10.0] * 12, as_of=("2026-03-01", "2026-03-02"))
    rows.loc[pd.Timestamp("2026-03-02"), LEVEL.name] = 90.0
    np.testing.assert_allclose(difference(rows, vehicles), 0)


def test_cars_without_a_value_do_not_count_as_peers():
    rows, vehicles = fleet([10.0] * (LEAST_PEERS - 1) + [np.nan] * 30)
    assert np.isnan(difference(rows, vehicles)).all()


def test_peers_of_some_cars_serve_for_others():
    rows, vehicles = fleet([10.0] * 20)
    others, their = fleet([14.0] * 2, first=90)
    peers = peers_of(rows, vehicles, FEATURES)
    np.testing.assert_allclose(difference(others, their, peers=peers), 4)


def test_features_come_in_the_order_they_were_asked_for():
    rows, vehicles = fleet([10.0] * 12)
    assert list(with_peers(rows, vehicles, (LEVEL, PEER)).columns) == [LEVEL.name, PEER.name]
    assert list(with_peers(rows, vehicles, (LEVEL,)).columns) == [LEVEL.name]


def test_what_is_worked_out_car_by_car_is_what_is_compared_and_the_climate():
    assert {feature.name for feature in own_features(FEATURES)} == {LEVEL.name, *(f.name for f in CLIMATE)}
    assert own_features([LEVEL]) == (LEVEL,)


def test_alone_a_car_cannot_be_compared():
    rows = aggregates([(7, 39, 39, "drive", [500.0])], column="insulation_kohm")
    with pytest.raises(ValueError, match=r"models\.peers works out insulation_kohm\.drive\.peer\.7d"):
        feature_rows(rows, [PEER], as_of=day(40))
