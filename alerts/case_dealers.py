"""Where the owner of a case may be sent: measured from where the car was last parked, else from home."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from alerts.nearest_dealers import Choice, find_nearest_dealers
from alerts.offers import callable_cars
from config.faults import FaultMode


class DealersNear(msgspec.Struct, frozen=True, kw_only=True):
    """The nearest eligible dealers of a car. ``from_parked`` is None when nobody knows where the car is."""

    choices: Sequence[Choice] = ()
    from_parked: bool | None = None


def dealers_for(
    conn: psycopg.Connection[Any], vehicle_id: int, modes: Iterable[FaultMode | None], *, now: datetime
) -> DealersNear:
    """Return the dealers to offer for a car, role "alerts"; none without the owner's consent to care.

    modes : all that is to be repaired; one visit has to do
    """
    car = callable_cars(conn, [vehicle_id]).get(vehicle_id)
    if car is None or car.place is None:
        return DealersNear()
    capabilities = frozenset(mode.capability for mode in modes if mode is not None)
    choices = find_nearest_dealers(conn, car.place, brand=car.brand, capabilities=capabilities, now=now)
    return DealersNear(choices=choices, from_parked=car.is_parked)
