import pytest

from models.gate import BRIER_TOLERANCE, LEAST_TOLERANCE, compare, failed

CHAMPION = {
    "average_precision": 0.6,
    "brier": 0.02,
    "vehicles_failing": 100.0,
    "vehicles_caught": 80.0,
    "vehicles_healthy": 900.0,
    "vehicles_flagged_needlessly": 90.0,
}


def worse(**changes):
    return failed(compare(CHAMPION, CHAMPION | changes))


def test_an_equal_model_passes_every_check():
    checks = compare(CHAMPION, CHAMPION)
    assert [check.figure for check in checks] == ["average_precision", "brier", "share_caught", "share_needless"]
    assert all(check.passed and check.worse_by == 0 for check in checks)


def test_a_better_model_passes():
    better = {"average_precision": 0.9, "brier": 0.01, "vehicles_caught": 99.0, "vehicles_flagged_needlessly": 1.0}
    assert worse(**better) == []


@pytest.mark.parametrize(
    ("figure", "metric", "tolerated", "too_much"),
    [
        ("average_precision", "average_precision", 0.6 - LEAST_TOLERANCE, 0.6 - LEAST_TOLERANCE - 0.001),
        ("brier", "brier", 0.02 * (1 + BRIER_TOLERANCE), 0.02 * (1 + BRIER_TOLERANCE) + 0.0001),
        ("share_caught", "vehicles_caught", 75.0, 74.0),
        ("share_needless", "vehicles_flagged_needlessly", 135.0, 136.0),
    ],
)
def test_each_figure_has_its_tolerance(figure, metric, tolerated, too_much):
    assert worse(**{metric: tolerated}) == []
    assert [check.figure for check in worse(**{metric: too_much})] == [figure]


def test_one_car_of_a_few_is_no_evidence():
    few = CHAMPION | {"vehicles_failing": 5.0, "vehicles_caught": 4.0}
    assert failed(compare(few, few | {"vehicles_caught": 3.0})) == []
    assert [check.figure for check in failed(compare(few, few | {"vehicles_caught": 2.0}))] == ["share_caught"]


def test_what_was_not_measured_does_not_pass_unseen():
    without = {name: value for name, value in CHAMPION.items() if name != "brier"}
    [check] = failed(compare(CHAMPION, without))
    assert str(check) == "brier was not measured of both"
    assert failed(compare(without, CHAMPION))


def test_a_refusal_says_by_how_much():
    [check] = worse(average_precision=0.4)
    assert str(check) == "average_precision 0.400 is 0.200 worse than the champion's 0.600 (0.050 is tolerated)"
