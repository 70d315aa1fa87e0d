"""Lives of cars that several tests look at."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from forewarn.simulator import Fleet, Sampling, simulate_fleet
from forewarn.simulator.block import Block, run_block
from forewarn.simulator.car_models import MODELS
from forewarn.simulator.climate import Climate
from forewarn.simulator.draws import CarDraw
from forewarn.simulator.faults import BEYOND_D, FaultPlan
from forewarn.simulator.fleet import _enrolment
from forewarn.simulator.people import CITIES, Person

END = datetime(2026, 3, 10, 16, tzinfo=UTC)
START = datetime(2026, 1, 5, 3, tzinfo=UTC)
DAYS = 40
COARSE = Sampling(drive_s=60, charge_s=120, cells_s=120)


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return simulate_fleet(
        vehicles=40, days=50, seed=3, end=END, faulty_share=0.4, sampling=Sampling(300, 900, 300), processes=2
    )


@pytest.fixture(scope="session")
def climates() -> dict[str, Climate]:
    return {city.name: Climate(city, start=START, days=DAYS + BEYOND_D, seed=1) for city in CITIES}


@pytest.fixture(scope="session")
def live(climates) -> Callable[..., Block]:
    """A function that lets one car of a model live for DAYS from START."""

    def run(model_name: str, *, plan: FaultPlan | None = None, oddity: str | None = None, seed: int = 0) -> Block:
        model = next(model for model in MODELS if model.name == model_name)
        city = CITIES[seed % len(CITIES)]
        person = Person("王伟", "zh_CN", "+8610000000001", city, city.latitude, city.longitude, True)
        draw = CarDraw(_enrolment(seed, "a fleet", model, person), model, person, plan, oddity, (1, 1, seed))
        return run_block((draw,), climates, start=START, days=DAYS, sampling=COARSE)

    return run
