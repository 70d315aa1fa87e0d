"""Tables of cases: what each rule says just inside and just outside its limit."""

from array import array

import pytest

from alerts.charging.rules import (
    CarSample,
    Drop,
    Facts,
    Rise,
    cell_collapse,
    cell_spread,
    deepest_drop,
    facts_of,
    fastest_rise,
    insulation,
    over_charge,
    over_temperature,
    temperature_rise,
    thermal_runaway,
    warning_level,
)
from alerts.charging.watch import PileSample, contact_heat, disagreement
from config.charging import charging_limits

NMC, LFP = charging_limits("NMC"), charging_limits("LFP")
FAST = Rise(3, 2.0, 4.0)


def probes(*degrees: float, every_ms: int = 1000) -> list[tuple[int, "array[float]"]]:
    return [(n * every_ms, array("f", [20.0, value])) for n, value in enumerate(degrees)]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(probes(30, 31, 32, 33, 34), 1.0, id="1 C/s for 4 s"),
        pytest.param(probes(30, 32, 32, 35, 36), 1.5, id="one level step of a probe of whole degrees"),
        pytest.param(probes(30, 31, 32, 33), None, id="3 s are not more than 3 s"),
        pytest.param(probes(30, 31, 31, 32, 33), None, id="3 C in 4 s"),
        pytest.param(probes(30, 30, 30, 30, 70), None, id="a jump is no rise"),
        pytest.param(probes(30, 35, 34, 38, 40), None, id="a probe that falls in between"),
        pytest.param(probes(30, 31.5, 33, 34.5, 36, every_ms=500), None, id="2 s, however fast"),
        pytest.param(probes(30, 32, 34, 36, every_ms=2000), 1.0, id="one sample in two seconds"),
        pytest.param([], None, id="no probes"),
        pytest.param([(0, array("f", [30.0])), *probes(30, 31, 32, 33, 34)[1:]], None, id="another count of probes"),
        pytest.param(probes(30, float("nan"), 32, 33, 34), None, id="a value that was not measured"),
    ],
)
def test_a_rise_is_steady_and_lasts_for_more_than_three_seconds(seen: object, expected: float | None) -> None:
    rise = fastest_rise(seen, NMC)  # type: ignore[arg-type]
    assert (rise.rate_c_s if rise else None) == expected
    if rise:
        assert rise.probe == 1


def test_the_cell_that_lost_the_largest_share_is_found() -> None:
    before, now = array("f", [3.6, 3.6, 3.6]), array("f", [3.5, 2.4, float("nan")])
    drop = deepest_drop(now, before)
    assert drop is not None
    assert (drop.cell, round(drop.share, 2)) == (1, 0.33)
    assert deepest_drop(now, array("f", [3.6])) is None
    assert deepest_drop(None, before) is None


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        (Facts(hottest_c=70.0, rise=FAST), 1),
        (Facts(hottest_c=69.9, rise=FAST), None),
        (Facts(hottest_c=70.0), None),
        (Facts(hottest_c=45.0, rise=FAST, drop=Drop(4, 0.26)), 1),
        (Facts(hottest_c=45.0, rise=FAST, drop=Drop(4, 0.25)), None),
        (Facts(hottest_c=45.0, drop=Drop(4, 0.6)), None),
    ],
)
def test_thermal_runaway_needs_heat_or_a_dropped_cell_and_a_rise(facts: Facts, severity: int | None) -> None:
    judgement = thermal_runaway(facts, NMC)
    assert judgement is not None
    assert judgement.severity == severity


@pytest.mark.parametrize(
    ("limits", "hottest_c", "severity", "clear"),
    [
        (NMC, 54.9, None, True),
        (NMC, 59.0, None, False),
        (NMC, 60.0, 2, False),
        (NMC, 70.0, 1, False),
        (LFP, 60.0, None, False),
        (LFP, 64.9, None, False),
        (LFP, 65.0, 2, False),
        (LFP, 70.0, 1, False),
    ],
)
def test_the_ceiling_depends_on_chemistry(limits: object, hottest_c: float, severity: object, clear: bool) -> None:
    judgement = over_temperature(Facts(hottest_c=hottest_c), limits)  # type: ignore[arg-type]
    assert judgement is not None
    assert (judgement.severity, judgement.clear) == (severity, clear)


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        (Facts(hottest_c=30.0, coldest_c=20.0, rise=FAST), 1),
        (Facts(hottest_c=40.0, coldest_c=20.0), 2),
        (Facts(hottest_c=39.9, coldest_c=20.0), None),
    ],
)
def test_a_rise_alone_and_probes_far_apart_are_dangers(facts: Facts, severity: int | None) -> None:
    judgement = temperature_rise(facts, NMC)
    assert judgement is not None
    assert judgement.severity == severity


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        (Facts(lowest_v=1.9), 1),
        (Facts(lowest_v=1.91), None),
        (Facts(lowest_v=2.6, drop=Drop(0, 0.26)), 1),
        (Facts(lowest_v=2.8, drop=Drop(0, 0.25)), None),
    ],
)
def test_a_dead_cell_and_one_that_dropped_have_collapsed(facts: Facts, severity: int | None) -> None:
    judgement = cell_collapse(facts, NMC)
    assert judgement is not None
    assert judgement.severity == severity


@pytest.mark.parametrize(("lowest", "severity"), [(3.60, None), (3.40, 2), (3.41, None)])
def test_cells_are_apart(lowest: float, severity: int | None) -> None:
    judgement = cell_spread(Facts(lowest_v=lowest, highest_v=3.7), NMC)
    assert judgement is not None
    assert judgement.severity == severity


@pytest.mark.parametrize(
    ("limits", "highest_v", "severity", "clear"),
    [
        (NMC, 4.24, None, True),
        (NMC, 4.3, None, False),
        (NMC, 4.35, 2, False),
        (NMC, 4.5, 1, False),
        (LFP, 3.7, None, True),
        (LFP, 3.8, 2, False),
        (LFP, 4.02, 1, False),
    ],
)
def test_cells_are_over_charged(limits: object, highest_v: float, severity: object, clear: bool) -> None:
    judgement = over_charge(Facts(highest_v=highest_v), limits)  # type: ignore[arg-type]
    assert judgement is not None
    assert (judgement.severity, judgement.clear) == (severity, clear)


@pytest.mark.parametrize(
    ("kohm", "pack_v", "severity"),
    [(39.9, 400.0, 1), (40.0, 400.0, 3), (250.0, 400.0, 3), (251.0, 400.0, None), (30.0, None, 3), (0.0, 400.0, 1)],
)
def test_insulation_by_law_and_by_lamp(kohm: float, pack_v: float | None, severity: int | None) -> None:
    judgement = insulation(Facts(insulation_kohm=kohm, pack_v=pack_v), NMC)
    assert judgement is not None
    assert judgement.severity == severity


@pytest.mark.parametrize(("level", "severity"), [(0, None), (1, None), (2, 3), (3, 1), (4, 1)])
def test_the_cars_own_level(level: int, severity: int | None) -> None:
    judgement = warning_level(Facts(warning_level=level), NMC)
    assert judgement is not None
    assert judgement.severity == severity


@pytest.mark.parametrize(
    "rule", [thermal_runaway, over_temperature, temperature_rise, cell_collapse, cell_spread, over_charge, insulation]
)
def test_what_was_not_measured_is_not_judged(rule: object) -> None:
    assert rule(Facts(), NMC) is None  # type: ignore[operator]


def test_the_worse_of_what_a_car_says_and_what_its_sensors_say_counts() -> None:
    sample = CarSample(
        ts_ms=0, probe_c=array("f", [20.0, 61.0]), probe_max_c=55.0, cell_v=array("f", [3.5]), cell_min_v=2.0
    )
    facts = facts_of(sample, NMC)
    assert (facts.hottest_c, facts.lowest_v) == (61.0, 2.0)


@pytest.mark.parametrize(("degrees", "severity"), [(84.0, None), (89.9, None), (90.0, 1)])
def test_contacts_are_hot(degrees: float, severity: int | None) -> None:
    judgement = contact_heat(PileSample(ts_ms=0, gun_temp_c=degrees), NMC)
    assert judgement is not None
    assert judgement.severity == severity


@pytest.mark.parametrize(
    ("pile_kw", "pile_v", "severity"),
    [
        pytest.param(41.4, 400.0, None, id="what the car uses itself"),
        pytest.param(44.0, 400.0, None, id="6 % too much"),
        pytest.param(46.3, 400.0, 2, id="the pile says more"),
        pytest.param(35.0, 400.0, 2, id="the pile says less"),
    ],
)
def test_car_and_pile_disagree(pile_kw: float, pile_v: float, severity: int | None) -> None:
    car = CarSample(ts_ms=900, pack_v=400.0, pack_a=100.0)
    judgement = disagreement(PileSample(ts_ms=0, power_kw=pile_kw, voltage_v=pile_v), car, NMC)
    assert judgement is not None
    assert judgement.severity == severity


@pytest.mark.parametrize(
    ("sample", "car"),
    [
        pytest.param(PileSample(ts_ms=0, power_kw=9.0, voltage_v=229.0), CarSample(ts_ms=0, pack_v=400.0, pack_a=20.0)),
        pytest.param(
            PileSample(ts_ms=9000, power_kw=9.0, voltage_v=400.0), CarSample(ts_ms=0, pack_v=400.0, pack_a=1.0)
        ),
        pytest.param(PileSample(ts_ms=0, power_kw=9.0, voltage_v=400.0), None),
    ],
    ids=["AC", "of another moment", "nobody knows the car"],
)
def test_car_and_pile_cannot_be_compared(sample: PileSample, car: CarSample | None) -> None:
    assert disagreement(sample, car, NMC) is None


def test_every_judgement_says_what_was_compared_with_what() -> None:
    judged = [
        thermal_runaway(Facts(hottest_c=80.0, rise=FAST), NMC),
        over_temperature(Facts(hottest_c=61.0), NMC),
        temperature_rise(Facts(hottest_c=45.0, coldest_c=20.0), NMC),
        cell_collapse(Facts(lowest_v=1.0), NMC),
        cell_spread(Facts(lowest_v=3.0, highest_v=3.6), NMC),
        over_charge(Facts(highest_v=4.4), NMC),
        insulation(Facts(insulation_kohm=10.0, pack_v=400.0), NMC),
    ]
    for judgement in judged:
        assert judgement is not None
        assert judgement.why
        assert judgement.measures
