"""Faults over a whole fleet: each lights its lamp in some cars and not in others, healthy cars light none."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from config.faults import fault_modes
from forewarn.simulator import FleetPlan, Sampling
from forewarn.simulator.faults import Growth
from forewarn.simulator.fleet import Blocks, each_task
from forewarn.simulator.lamps import NUISANCE_PER_YEAR

END = datetime(2026, 8, 10, 16, tzinfo=UTC)
SAMPLING = Sampling(60, 300, 300)


def lamps_of(plan: FleetPlan, blocks: Blocks) -> list[tuple[str | None, bool, list[tuple[str, bool]]]]:
    """Return of every car its fault mode, whether it broke suddenly, and the code of every lamp and whether it is a
    nuisance."""
    cars = []
    for block, _ in blocks:
        for draw, life in zip(block.draws, block.lives, strict=True):
            mode = None if draw.plan is None else draw.plan.mode
            sudden = draw.plan is not None and draw.plan.sudden
            cars.append((mode, sudden, [(lamp.code, lamp.nuisance) for lamp in life.lamps]))
    return cars


def lived(**plan):
    found = []
    for cars in each_task(FleetPlan(**{"end": END, "sampling": SAMPLING, **plan}), lamps_of, processes=2):
        found += cars
    return found


@pytest.fixture(scope="module")
def faulty():
    return lived(vehicles=260, days=40, seed=11, faulty_share=1.0)


@pytest.mark.parametrize("mode", sorted(fault_modes()))
def test_a_fault_lights_its_lamp_in_some_cars_and_not_in_others(faulty, mode):
    codes = set(fault_modes()[mode].lamps)
    lit = [
        bool({code for code, nuisance in lamps if not nuisance} & codes) for found, _, lamps in faulty if found == mode
    ]
    assert len(lit) >= 10
    assert 0.2 <= sum(lit) / len(lit) < 1.0


def test_the_lamp_that_comes_on_is_the_one_of_the_fault(faulty):
    wrong = Counter()
    for mode, _, lamps in faulty:
        wrong[mode] += any(not nuisance and code not in fault_modes()[mode].lamps for code, nuisance in lamps)
    # A cell that is far behind may look like a joint for a moment.
    assert sum(wrong.values()) <= 0.02 * len(faulty), wrong


def test_some_faults_give_no_warning(faulty):
    sudden = sum(sudden for _, sudden, _ in faulty)
    assert 0.03 * len(faulty) < sudden < 0.2 * len(faulty)


def test_healthy_cars_light_no_lamp_but_for_nuisance():
    # A winter, with its cold waves.
    days, cars = 100, 120
    healthy = lived(vehicles=cars, days=days, seed=5, faulty_share=0.0, end=END.replace(month=3))
    assert not [lamps for _, _, lamps in healthy if any(not nuisance for _, nuisance in lamps)]
    expected = NUISANCE_PER_YEAR * cars * days / 365.25
    seen = sum(len(lamps) for _, _, lamps in healthy)
    # Four standard deviations of a Poisson number.
    assert abs(seen - expected) < 4 * expected**0.5


def test_growths_are_ranges():
    from forewarn.simulator.faults import GROWTH

    for growth in GROWTH.values():
        assert isinstance(growth, Growth)
        assert 0 < growth.days[0] < growth.days[1]
        assert 0 <= growth.sudden_share < 0.5
