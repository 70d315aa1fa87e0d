"""Tells one occurrence of an anomaly from the next where the protocol has no id for it.

A pile that goes on complaining reports one anomaly; the same complaint tomorrow, or of the next car, is another one,
and must be able to stop charging again. What is open is in memory; after a restart it is taken from what is stored.
"""

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec

from alerts.charging.anomaly import Kind, Severity

# A complaint that is repeated within this time is the same one.
JOINED_WITHIN = timedelta(minutes=10)
# Of a broken network that calls everything abnormal the oldest are forgotten: their end then says nothing to us.
_MOST_PLACES = 50_000
_MOST_OF_A_CODE = 8
_MOST_CODES = 100


class Where(msgspec.Struct, frozen=True):
    """A connector, or a station where the connector is not said, as one channel names it."""

    channel: str
    operator: str
    station: str
    connector: str


class Ended(msgspec.Struct, frozen=True):
    """An occurrence that is over."""

    source_id: str
    code: str
    session_id: str | None
    kind: Kind
    severity: Severity


class _Open(msgspec.Struct):
    source_id: str
    session_id: str | None
    kind: Kind
    severity: Severity
    newest: datetime


class Occurrences:
    """Open anomalies by place and code."""

    def __init__(self, *, most: int = _MOST_PLACES) -> None:
        self._open: OrderedDict[Where, dict[str, list[_Open]]] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def begin(
        self, where: Where, code: str, *, at: datetime, session_id: str | None, kind: Kind, severity: Severity
    ) -> str:
        """Return the id of the occurrence that a report at ``at`` belongs to; one begins when none is open."""
        with self._lock:
            known = self._known(where, code)
            for one in known:
                if one.session_id == session_id and abs(at - one.newest) <= JOINED_WITHIN:
                    one.newest = max(one.newest, at)
                    return one.source_id
            source_id = "|".join((where.station, where.connector, code, session_id or "", at.isoformat()))
            known.append(_Open(source_id, session_id, kind, severity, at))
            del known[:-_MOST_OF_A_CODE]
            return source_id

    def end(self, where: Where, code: str | None = None) -> list[Ended]:
        """Return what was open there with this code, or with any, and ends now."""
        with self._lock:
            of_place = self._open.get(where, {})
            codes = list(of_place) if code is None else [code] if code in of_place else []
            ended = [
                Ended(one.source_id, each, one.session_id, one.kind, one.severity)
                for each in codes
                for one in of_place.pop(each)
            ]
            if not of_place:
                self._open.pop(where, None)
            return ended

    def restore(
        self,
        where: Where,
        code: str,
        *,
        source_id: str,
        session_id: str | None,
        kind: Kind,
        severity: Severity,
        at: datetime,
    ) -> None:
        """Know again, after a restart, what was open before."""
        with self._lock:
            known = self._known(where, code)
            if all(one.source_id != source_id for one in known):
                known.append(_Open(source_id, session_id, kind, severity, at))

    def _known(self, where: Where, code: str) -> list[_Open]:
        of_place = self._open.setdefault(where, {})
        self._open.move_to_end(where)
        while len(self._open) > self._most:
            self._open.popitem(last=False)
        known = of_place.setdefault(code, [])
        while len(of_place) > _MOST_CODES:
            del of_place[next(iter(of_place))]
        return known
