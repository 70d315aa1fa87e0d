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
from alerts.work.clocks import start_clocks
from alerts.work.entries import note
from alerts.work.silences import Silence, silences_of
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
    silenced: int = 0
    opened: int = 0
    reopened: int = 0
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

    def leads(vehicle: int) -> Iterator[cases.NewLead]:
        return leads_from(by_vehicle[vehicle], fault_modes=fault_modes, observe=observe)

    total = Counts(flagged=len(by_vehicle))
    return total + apply_leads(conn, by_vehicle, leads, fault_modes=fault_modes, dealers=dealers, now=now, code=code)


def apply_leads(
    conn: Connection,
    vehicles: Iterable[int],
    leads_of: Callable[[int], Iterable[cases.NewLead]],
    *,
    fault_modes: Mapping[str, FaultMode],
    dealers: Sequence[Dealer],
    now: datetime,
    code: Callable[[], str] = new_code,
) -> Counts:
    """Bring the leads of cars into their cases, of those whose owner may be called; what is silent is left out.

    leads_of : asked of one car at a time, of those alone that may be called
    """
    total = Counts()
    ordered = sorted(set(vehicles))
    for start in range(0, len(ordered), BATCH_VEHICLES):
        batch = ordered[start : start + BATCH_VEHICLES]
        with conn.transaction():
            cars = offers.callable_cars(conn, batch)
            silent = silences_of(conn, cars, now=now)
            leads: list[cases.NewLead] = []
            for vehicle in batch:
                if vehicle in cars:
                    leads += leads_of(vehicle)
            spoken = [lead for lead in leads if not _is_silent(lead, silent)]
            total += Counts(not_callable=len(batch) - len(cars), silenced=len(leads) - len(spoken))
            total += _apply(conn, spoken, cars, fault_modes=fault_modes, dealers=dealers, now=now, code=code)
    return total


def _is_silent(lead: cases.NewLead, silences: Sequence[Silence]) -> bool:
    # A lamp is no guess: whatever was agreed about a prediction, the owner sees it and will ask.
    return lead.source != "lamp" and any(
        silence.vehicle_id == lead.vehicle_id and silence.fault_mode in (None, lead.fault_mode) for silence in silences
    )


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
    leads = cases.news_of(conn, leads)
    opened = cases.open_and_lock(conn, leads, now=now)
    stored = cases.store_leads(conn, leads, opened.case_of)
    cases.mark_explained(conn, opened.case_of.values())
    for kind, some in (("opened", opened.new), ("reopened", opened.reopened)):
        for case_id in sorted(some):
            note(conn, case_id, kind, actor="Forewarn", now=now)
    start_clocks(conn, opened.new | opened.reopened, "answer", now=now)
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
            offers.campaign_for(lead.source for lead in leads_of[case_id]),
        )
        for vehicle, case_id in opened.case_of.items()
        if case_id in leads_of
    ]
    offered = offers.make_offers(conn, wanted, dealers=dealers, now=now, code=code)
    return Counts(
        opened=len(opened.new),
        reopened=len(opened.reopened),
        leads_added=stored.added,
        leads_refreshed=stored.refreshed,
        offers=offered.new,
        offers_moved=offered.moved,
        without_dealer=offered.without_dealer,
    )
