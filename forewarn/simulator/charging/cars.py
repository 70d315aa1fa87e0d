"""Cars that only charge: for trying out charging without a fleet."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from forewarn.simulator.car_models import MODELS, vin
from forewarn.simulator.charging.sessions import Visit
from forewarn.simulator.charging.stations import Station
from forewarn.simulator.people import CITIES, draw_person
from ingest.store.enrolment import Enrolment

# Numbers that no car of a fleet of the same seed has.
_FIRST_NUMBER = 900_000
_SLOW_SHARE = 0.25
_NOMINAL_V = {"NMC": 3.69, "LFP": 3.3}


def draw_cars(
    count: int, stations: Sequence[Station], *, start: datetime, days: int, seed: int
) -> tuple[list[Enrolment], list[Visit]]:
    """Return ``count`` electric cars and one visit of each to a station of its city within ``days`` from ``start``."""
    rng = np.random.default_rng((seed, 3))
    models = [model for model in MODELS if model.powertrain == "bev"]
    kinds = {(station.city, connector.kind) for station in stations for connector in station.connectors}
    names = sorted({city for city, kind in kinds if kind == "DC"})
    cities = [city for city in CITIES if city.name in names]
    start_ms = round(start.timestamp() * 1000)
    enrolments, visits = [], []
    for number in range(count):
        model = models[number % len(models)]
        chemistry = model.chemistry or "NMC"
        person = replace(draw_person(rng, number=_FIRST_NUMBER + number), city=cities[number % len(cities)])
        slow, soc_start = rng.random() < _SLOW_SHARE, rng.uniform(0.08, 0.45)
        is_slow = bool(slow) and (person.city.name, "AC") in kinds
        minutes = rng.uniform(180, 420) if is_slow else rng.uniform(28, 65)
        begins = rng.uniform(0.0, days * 86_400 - minutes * 60 - 60)
        nominal_v = model.cells * _NOMINAL_V[chemistry]
        car = vin(model, number=_FIRST_NUMBER + number, fleet=f"charging {seed} {days} {start.isoformat()}")
        started_ms = start_ms + int(begins) * 1000
        visits.append(
            Visit(
                vin=car,
                city=person.city.name,
                started_ms=started_ms,
                ended_ms=started_ms + int(minutes * 60) * 1000,
                kind="AC" if is_slow else "DC",
                soc_start=float(soc_start),
                # Half of them fill up.
                soc_end=float(rng.uniform(0.88, 0.98) if number % 2 else rng.uniform(0.7, 0.85)),
                capacity_kwh=model.capacity_ah * nominal_v / 1000 * float(rng.uniform(0.86, 1.0)),
                cells=model.cells,
                chemistry=chemistry,
                nominal_v=nominal_v,
            )
        )
        enrolments.append(
            Enrolment(
                vin=car,
                model=model.name,
                powertrain=model.powertrain,
                chemistry=chemistry,
                cells=model.cells,
                city=person.city.name,
                owner_name=person.name,
                language="en" if person.language == "en" else "zh_CN",
                phone=person.phone,
                home_latitude=person.city.latitude,
                home_longitude=person.city.longitude,
                purposes=frozenset({"care", "safety"}),
            )
        )
    return enrolments, visits
