"""From predictions to cases: who is called, about what, how urgently, and where they are sent."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
import psycopg

from alerts import cases, offers
from alerts.coupons import new_code
from alerts.dealers import Dealer
from alerts.evidence import Observed
from alerts.priority import rank
from alerts.reasons import parse, usual_level
from config.faults import FaultMode

Connection = psycopg.Connection[Any]
# Cars in one transaction: long enough to make commits cheap, short enough that nobody waits long for a locked case.
BATCH_VEHICLES = 200


class FlaggedPrediction(Protocol):
    """What triage needs of a prediction at or above its model's threshold."""

    @property
    def prediction_id(self) -> int: ...
    @property
    def vehicle_id(self) -> int: ...
    @property
    def fault_mode(self) -> str: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def scored_at(self) -> datetime: ...
    @property
    def probability(self) -> float: ...
    @property
    def model_version(self) -> str: ...
    @property
    def reasons(self) -> Sequence[Mapping[str, Any]]: ...


Observe = Callable[[FlaggedPrediction, FaultMode, float | None], Observed | None]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What one triage did; the fields add up over batches. What is ``held_out`` is not in ``flagged``."""

    flagged: int = 0
    held_out: int = 0
    not_callable: int = 0
    opened: int = 0
    leads_added: int = 0
    leads_refreshed: int = 0
    offers: int = 0
    offers_moved: int = 0
    without_dealer: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


def leads_from(
    predictions: Iterable[FlaggedPrediction], *, fault_modes: Mapping[str, FaultMode], observe: Observe
) -> Iterator[cases.NewLead]:
    """Turn predictions into leads, each with what can be seen in its signal.

    A fault mode that left the catalogue has no severity and no dealer any more: its predictions are passed over.
    """
    for prediction in predictions:
        mode = fault_modes.get(prediction.fault_mode)
        if mode is None:
            continue
        observed = observe(prediction, mode, usual_level(parse(prediction.reasons).reasons, mode.chart))
        yield cases.NewLead(
            vehicle_id=prediction.vehicle_id,
            source="prediction",
            fault_mode=mode.key,
            severity=mode.severity,
            seen_at=prediction.scored_at,
            probability=prediction.probability,
            prediction_id=prediction.prediction_id,
            model_version=prediction.model_version,
            reasons=[*([msgspec.to_builtins(observed)] if observed else []), *prediction.reasons],
        )


def apply_predictions(
    conn: Connection,
    predictions: Sequence[FlaggedPrediction],
    *,
    fault_modes: Mapping[str, FaultMode],
    dealers: Sequence[Dealer],
    observe: Observe,
    now: datetime,
    code: Callable[[], str] = new_code,
) -> Counts:
    """Open or refresh the case of every flagged car whose owner may be called. Safe to run twice, and twice at once.

    conn : role "alerts", outside a transaction; every batch of cars is a transaction of its own
    """
    by_vehicle: dict[int, list[FlaggedPrediction]] = {}
    for prediction in predictions:
        by_vehicle.setdefault(prediction.vehicle_id, []).append(prediction)
    total = Counts(flagged=len(by_vehicle))
    vehicles = sorted(by_vehicle)
    for start in range(0, len(vehicles), BATCH_VEHICLES):
        batch = vehicles[start : start + BATCH_VEHICLES]
        with conn.transaction():
            cars = offers.callable_cars(conn, batch)
            leads = list(
                leads_from(
                    (prediction for vehicle in batch if vehicle in cars for prediction in by_vehicle[vehicle]),
                    fault_modes=fault_modes,
                    observe=observe,
                )
            )
            total += Counts(not_callable=len(batch) - len(cars))
            total += _apply(conn, leads, cars, fault_modes=fault_modes, dealers=dealers, now=now, code=code)
    return total


def _apply(
    conn: Connection,
    leads: Sequence[cases.NewLead],
    cars: Mapping[int, offers.Car],
    *,
    fault_modes: Mapping[str, FaultMode],
    dealers: Sequence[Dealer],
    now: datetime,
    code: Callable[[], str],
) -> Counts:
    opened = cases.open_and_lock(conn, {lead.vehicle_id for lead in leads}, now=now)
    stored = cases.store_leads(conn, leads, opened.case_of)
    horizon_d = {mode.key: mode.horizon_d for mode in fault_modes.values()}
    leads_of = cases.leads_of(conn, opened.case_of.values(), horizon_d=horizon_d)
    cases.store_priorities(conn, {case_id: rank(found) for case_id, found in leads_of.items()}, now=now)
    wanted = [
        offers.Wanted(
            case_id,
            cars[vehicle],
            # One visit has to do: the dealer must be able to repair everything the case is about.
            frozenset(
                mode.capability for lead in leads_of[case_id] if (mode := fault_modes.get(lead.fault_mode or ""))
            ),
        )
        for vehicle, case_id in opened.case_of.items()
    ]
    offered = offers.make_offers(conn, wanted, dealers=dealers, now=now, code=code)
    return Counts(
        opened=len(opened.new),
        leads_added=stored.added,
        leads_refreshed=stored.refreshed,
        offers=offered.new,
        offers_moved=offered.moved,
        without_dealer=offered.without_dealer,
    )
