"""The stations where a fleet's cars charge in public: joins the fleet with ``forewarn.simulator.charging``."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from forewarn.message import Message
from forewarn.simulator.block import Block
from forewarn.simulator.charging import Traffic, Visit, simulate_charging
from forewarn.simulator.charging.traffic import ordered
from forewarn.simulator.time import DAY_S
from forewarn.simulator.usage import Kind

if TYPE_CHECKING:
    from forewarn.simulator.fleet import FleetPlan


def visits_of(block: Block, car: int, start: datetime, days: int) -> list[Visit]:
    """Return when a car of the block charged in public and was away again within ``days``."""
    segments, draw, part = block.segments, block.draws[car], block.parts[car]
    model = draw.model
    if model.chemistry is None:
        return []
    start_ms = int(start.timestamp() * 1000)
    chosen = (segments.car == car) & (segments.kind == Kind.DC) & (segments.end_s <= days * DAY_S)
    return [
        Visit(
            vin=draw.enrolment.vin,
            city=draw.person.city.name,
            started_ms=start_ms + int(segments.start_s[row] * 1000),
            ended_ms=start_ms + int(segments.end_s[row] * 1000),
            kind="DC",
            soc_start=float(segments.soc_start[row]),
            soc_end=float(segments.soc_end[row]),
            capacity_kwh=model.pack_kwh * part.pack.soh,
            cells=model.cells,
            chemistry=model.chemistry,
            nominal_v=model.nominal_v,
        )
        for row in np.flatnonzero(chosen).tolist()
    ]


def traffic_of(plan: "FleetPlan", visits: Sequence[Visit], *, stations: int) -> Traffic:
    """Return what happens at the stations where a fleet charges: its cars and those of others, without dangers.

    Dangers are what ``forewarn simulate charging`` is for: the fleet would not know that one of its cars burned.
    """
    return simulate_charging(
        stations=stations,
        days=plan.days,
        seed=plan.seed,
        start=plan.start,
        visits=sorted(visits, key=lambda visit: (visit.started_ms, visit.vin)),
        dangers=0,
        near_misses=0,
    )


def pile_messages(traffic: Traffic) -> Iterator[Message]:
    """Yield what the stations sent, in the order of receipt; what cars say is in the fleet's telemetry."""
    for _, message in ordered(traffic.runs(), cars=False):
        yield message
