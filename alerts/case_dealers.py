"""Where the owner of a case may be sent: measured from where the car was last parked, else from home."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from alerts.calls import Call, LeadDetail
from alerts.dealers import Place, great_circle_km
from alerts.nearest_dealers import Choice, find_nearest_dealers
from alerts.offers import callable_cars
from config import sql
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


def dealers_for_call(
    conn: psycopg.Connection[Any], call: Call, further: Iterable[LeadDetail], *, now: datetime
) -> DealersNear:
    """Return the dealers to offer for an open case. further : as of ``alerts.calls.other_leads``"""
    # What another lead explains, or a repair settled, needs no capability of its own.
    leads = (call.lead, *further)
    modes = [lead.mode for lead in leads if lead.explained_by is None and lead.settled_at is None]
    return dealers_for(conn, call.vehicle_id, modes, now=now)


def distance_to(conn: psycopg.Connection[Any], case_id: int, dealer_id: str) -> float | None:
    """Return how far the car of an open case is from a dealer, in km as the crow flies; None when nobody knows."""
    row = conn.execute(sql.load(__package__, "car_and_dealer"), {"case_id": case_id, "dealer_id": dealer_id}).fetchone()
    car = callable_cars(conn, [row[0]]).get(row[0]) if row else None
    if row is None or car is None or car.place is None:
        return None
    return great_circle_km(car.place, Place(row[1], row[2]))
