"""The safety cases that are open, in memory: which case a sighting belongs to, and which stops follow from it.

Pure of clocks, files and connections, so that a danger is decided on in microseconds and whatever is away.
"""

import uuid
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from alerts.charging.anomaly import Severity, Sighting, action_id, case_id, danger_id, report_id
from alerts.charging.stopping import Bindings, Policy, StopRequest

Target = Literal["pile", "car"]
# "asked" waits for a person, "decided" is about to leave; the last four are ends.
ActionState = Literal[
    "asked", "decided", "sent", "accepted", "failed", "confirmed", "refused", "unconfirmed", "expired"
]
ENDS: frozenset[str] = frozenset({"confirmed", "refused", "unconfirmed", "expired"})

# Reports whose ids are remembered: a repeat later than that is recognised by the database.
_MOST_REPORTS = 50_000
# A charge that a confirmed stop has ended may have been started again after so long: a new danger stops it anew.
_STOPPED_FOR = timedelta(seconds=60)
# A case nobody closes leaves the memory after so long without a sighting; in the database it stays open.
_FORGET_AFTER = timedelta(hours=24)
_MOST_CASES = 20_000

Key = tuple[str, ...]


class Action(msgspec.Struct, kw_only=True):
    """One stop request and where it stands."""

    request: StopRequest
    case_id: uuid.UUID
    target: Target
    policy: Policy
    decided_by: str
    decided_at: datetime
    state: ActionState
    attempts: int = 0
    due_at: datetime | None = None
    settled_at: datetime | None = None

    @property
    def action_id(self) -> uuid.UUID:
        return self.request.action_id

    @property
    def is_open(self) -> bool:
        return self.state not in ENDS


class OpenCase(msgspec.Struct, kw_only=True):
    """One safety case as far as deciding needs it."""

    case_id: uuid.UUID
    opened_at: datetime
    seen_at: datetime
    severity: Severity
    kind: str
    operator: str | None = None
    station: str | None = None
    connector: str | None = None
    session_id: str | None = None
    vin: str | None = None
    on: set[uuid.UUID] = msgspec.field(default_factory=set)
    actions: dict[Target, Action] = msgspec.field(default_factory=dict)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a sighting.

    case     : None, when it is a repeat of one that is forgotten, or goes off and there is no such case
    is_new   : whether the report was not seen before
    opens    : whether it opened the case
    worsens  : whether it made the case worse than it was
    actions  : stops that are to leave now, or wait for a person
    """

    danger_id: uuid.UUID
    report_id: uuid.UUID
    sighting: Sighting
    case: OpenCase | None
    is_new: bool
    opens: bool = False
    worsens: bool = False
    actions: tuple[Action, ...] = ()


class Rules(msgspec.Struct, frozen=True):
    """How stops are decided on: the fleet's policy, how old a danger may be, how long a request is good for."""

    fleet_policy: Policy = "stop"
    stop_within: timedelta = timedelta(seconds=600)
    valid_for: timedelta = timedelta(seconds=120)


class Nowhere:
    """Bindings of nobody: what a sighting itself says is all that is known."""

    def vin_at(self, operator: str, station: str | None, connector: str | None, session_id: str | None) -> str | None:
        return None

    def place_of(self, vin: str) -> tuple[str, str | None, str | None, str | None] | None:
        return None


class Book:
    """Open cases by whom and where they are about. Not for several threads at once: the desk has a lock."""

    def __init__(self) -> None:
        self._cases: OrderedDict[uuid.UUID, OpenCase] = OrderedDict()
        self._by_key: dict[Key, uuid.UUID] = {}
        self._actions: dict[uuid.UUID, Action] = {}
        self._reports: OrderedDict[uuid.UUID, uuid.UUID | None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._cases)

    def case(self, number: uuid.UUID) -> OpenCase | None:
        return self._cases.get(number)

    def action(self, number: uuid.UUID) -> Action | None:
        return self._actions.get(number)

    @property
    def has_open_actions(self) -> bool:
        # Called beside those who change it: a copy, so that it may change meanwhile.
        return any(action.is_open for action in list(self._actions.values()))

    def open_actions(self) -> list[Action]:
        return [action for action in self._actions.values() if action.is_open]

    def see(
        self, sighting: Sighting, *, now: datetime, rules: Rules, pile_policy: Policy, bindings: Bindings
    ) -> Decision:
        """Take a sighting in and return what follows from it."""
        danger, report = danger_id(sighting), report_id(sighting)
        if report in self._reports:
            number = self._reports[report]
            case = self._cases.get(number) if number is not None else None
            return Decision(danger_id=danger, report_id=report, sighting=sighting, case=case, is_new=False)
        sighting = placed(sighting, bindings)
        case = self._find(sighting, danger)
        if sighting.state == "off":
            self._remember(report, case.case_id if case else None)
            if case is not None:
                case.on.discard(danger)
                self._touch(case, now)
            return Decision(danger_id=danger, report_id=report, sighting=sighting, case=case, is_new=True)
        opens = case is None
        if case is None:
            case = OpenCase(
                case_id=case_id(danger), opened_at=now, seen_at=now, severity=sighting.severity, kind=sighting.kind
            )
        worsens = not opens and sighting.severity < case.severity
        if worsens:
            case.severity, case.kind = sighting.severity, sighting.kind
        _complete(case, sighting)
        # A pile that numbers its alarms anew each day says the same id of another danger.
        returns = not opens and danger not in case.on
        case.on.add(danger)
        self._file(case, danger)
        self._touch(case, now)
        self._remember(report, case.case_id)
        cause = report if returns and self._answered(danger) else danger
        actions = self._stops(case, sighting, danger, cause, now=now, rules=rules, pile_policy=pile_policy)
        return Decision(
            danger_id=danger,
            report_id=report,
            sighting=sighting,
            case=case,
            is_new=True,
            opens=opens,
            worsens=worsens,
            actions=tuple(actions),
        )

    def restore(self, case: OpenCase, *, dangers: Iterable[uuid.UUID] = (), reports: Iterable[uuid.UUID] = ()) -> None:
        """Take in a case as it was before a restart, with the dangers and reports that it is made of."""
        for danger in dangers:
            self._file(case, danger)
        self._file(case, None)
        self._touch(case, case.seen_at)
        for report in reports:
            self._remember(report, case.case_id)
        for action in case.actions.values():
            self._actions[action.action_id] = action

    def act(self, action: Action) -> None:
        """Take in an action that a journal or the database knows of."""
        self._actions[action.action_id] = action
        if (case := self._cases.get(action.case_id)) is not None:
            case.actions[action.target] = action

    def close(self, number: uuid.UUID) -> None:
        """Forget a case: what comes next about the same car opens another."""
        case = self._cases.pop(number, None)
        if case is None:
            return
        self._by_key = {key: filed for key, filed in self._by_key.items() if filed != number}
        for action in case.actions.values():
            self._actions.pop(action.action_id, None)

    def forget_old(self, now: datetime) -> None:
        """Forget what nobody has said anything about for a day, and the oldest where there is too much of it."""
        while self._cases:
            number, oldest = next(iter(self._cases.items()))
            if now - oldest.seen_at < _FORGET_AFTER and len(self._cases) <= _MOST_CASES:
                return
            self.close(number)

    def _stops(
        self,
        case: OpenCase,
        sighting: Sighting,
        danger: uuid.UUID,
        cause: uuid.UUID,
        *,
        now: datetime,
        rules: Rules,
        pile_policy: Policy,
    ) -> list[Action]:
        # A notice stops nothing, nor does a danger so long ago that another car may charge there now.
        if sighting.severity == 3 or now - sighting.ts > rules.stop_within:
            return []
        found = []
        targets: list[tuple[Target, Policy]] = []
        if case.operator is not None:
            targets.append(("pile", pile_policy))
        if case.vin is not None:
            targets.append(("car", rules.fleet_policy))
        for target, policy in targets:
            earlier = case.actions.get(target)
            if earlier is not None and _still_good(earlier, now):
                continue
            number = action_id(cause, target)
            if number in self._actions:
                # This very danger has been answered.
                continue
            request = StopRequest(
                action_id=number,
                danger_id=danger,
                operator=case.operator,
                station=case.station,
                connector=case.connector,
                session_id=case.session_id,
                vin=case.vin,
                kind=sighting.kind,
                severity=sighting.severity,
                reason=sighting.text or sighting.kind,
                issued_at=now,
                expires_at=now + rules.valid_for,
            )
            action = Action(
                request=request,
                case_id=case.case_id,
                target=target,
                policy=policy,
                decided_by="policy" if policy == "stop" else "",
                decided_at=now,
                state="decided" if policy == "stop" else "asked",
            )
            case.actions[target] = action
            self._actions[number] = action
            found.append(action)
        return found

    def _answered(self, danger: uuid.UUID) -> bool:
        return action_id(danger, "pile") in self._actions or action_id(danger, "car") in self._actions

    def _find(self, sighting: Sighting, danger: uuid.UUID) -> OpenCase | None:
        for key in (("danger", str(danger)), *_keys_of(sighting)):
            number = self._by_key.get(key)
            case = self._cases.get(number) if number is not None else None
            if case is not None and (key[0] == "danger" or not _is_other(case, sighting)):
                return case
        return None

    def _file(self, case: OpenCase, danger: uuid.UUID | None) -> None:
        self._cases[case.case_id] = case
        keys = list(_keys_of(case))
        if danger is not None:
            keys.append(("danger", str(danger)))
        for key in keys:
            self._by_key[key] = case.case_id

    def _touch(self, case: OpenCase, now: datetime) -> None:
        case.seen_at = max(case.seen_at, now)
        self._cases.move_to_end(case.case_id)

    def _remember(self, report: uuid.UUID, number: uuid.UUID | None) -> None:
        self._reports[report] = number
        if len(self._reports) > _MOST_REPORTS:
            self._reports.popitem(last=False)


def placed(sighting: Sighting, bindings: Bindings) -> Sighting:
    """Return the sighting with the car or the place that a session knows beside what the source said.

    An operator that names a car and no pile, while the car charges at another one's, is not believed about the car: it
    would be stopped, and its owner frightened, by whoever has a key.
    """
    if sighting.vin is None:
        if sighting.operator is None:
            return sighting
        vin = bindings.vin_at(sighting.operator, sighting.station, sighting.connector, sighting.session_id)
        return sighting if vin is None else msgspec.structs.replace(sighting, vin=vin)
    place = bindings.place_of(sighting.vin)
    says_where = sighting.station is not None or sighting.session_id is not None
    if place is None or (sighting.operator is not None and says_where):
        return sighting
    operator, station, connector, session_id = place
    if sighting.operator is not None and sighting.operator != operator:
        return msgspec.structs.replace(sighting, vin=None)
    return msgspec.structs.replace(
        sighting, operator=operator, station=station, connector=connector, session_id=session_id
    )


def _keys_of(about: Sighting | OpenCase) -> list[Key]:
    keys: list[Key] = []
    if about.vin is not None:
        keys.append(("car", about.vin))
    if about.operator is not None:
        if about.session_id is not None:
            keys.append(("session", about.operator, about.session_id))
        if about.station is not None:
            keys.append(("place", about.operator, about.station, about.connector or ""))
    return keys


def _is_other(case: OpenCase, sighting: Sighting) -> bool:
    """Say whether a case about the same place or car is about another car, operator or session than the sighting.

    Each operator's pile is asked to stop by a case of its own: whoever speaks of a car first does not spare the pile
    that it charges at.
    """
    if case.vin is not None and sighting.vin is not None and case.vin != sighting.vin:
        return True
    if case.operator is not None and sighting.operator is not None and case.operator != sighting.operator:
        return True
    return (
        case.operator == sighting.operator
        and case.session_id is not None
        and sighting.session_id is not None
        and case.session_id != sighting.session_id
    )


def _complete(case: OpenCase, sighting: Sighting) -> None:
    # What is known of the place comes from one sighting: parts of two would be a place that there is not.
    if case.operator is None and sighting.operator is not None:
        case.operator, case.station = sighting.operator, sighting.station
        case.connector, case.session_id = sighting.connector, sighting.session_id
    elif case.operator == sighting.operator and case.station == sighting.station:
        case.connector = case.connector or sighting.connector
        case.session_id = case.session_id or sighting.session_id
    if case.vin is None:
        case.vin = sighting.vin


def _still_good(action: Action, now: datetime) -> bool:
    """Say whether an earlier stop of the same target makes another one needless."""
    if action.is_open:
        return True
    settled = action.settled_at or action.decided_at
    return now - settled < _STOPPED_FOR
