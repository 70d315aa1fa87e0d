"""Which authentic messages are taken: fresh ones, once, and not more than agreed. No I/O; clocks are passed in."""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from alerts.charging.anomaly import Sighting
from alerts.charging.partners.refusals import IdReused, Replayed, Stale, TooMany

# What is remembered in memory; the database remembers for days, but a message waits for it only after the danger went
# out. Enough for 10 minutes, twice the tolerance, at more than 300 a second.
_MOST_SEEN = 200_000
# A danger reported again and again says nothing new for so long, unless it got worse or passed.
_SAME_FOR_S = 60.0
_MOST_KNOWN = 100_000
# No partner, however broken, gets more than so many times the agreed rate.
_HARD_TIMES = 10

Novelty = Literal["new", "retry"]
MessageKey = tuple[str, str, str]


def check_time(sent_at: datetime, now: datetime, *, tolerance_s: float, name: str) -> None:
    """Refuse a message whose time is too far from ours, either way.

    Raises : Stale
    """
    off_s = (sent_at - now).total_seconds()
    if abs(off_s) > tolerance_s:
        minutes, seconds = divmod(round(abs(off_s)), 60)
        where = "ahead of" if off_s > 0 else "behind"
        raise Stale(f"{name} is {minutes} min {seconds} s {where} our clock; {tolerance_s / 60:g} min are accepted")


class _Taken(msgspec.Struct):
    digest: bytes
    sent_at: datetime
    finished: bool


class Seen:
    """Message ids of the last minutes: ``reserve``, then ``finish`` or, when it has to be sent again, ``release``."""

    def __init__(self, *, most: int = _MOST_SEEN) -> None:
        self._most = most
        self._taken: OrderedDict[MessageKey, _Taken] = OrderedDict()
        self._before: dict[MessageKey, _Taken] = {}
        self._lock = threading.Lock()

    def reserve(self, key: MessageKey, *, digest: bytes, sent_at: datetime) -> Novelty:
        """Take a message, and say whether its content was taken before and is now sent anew.

        key    : partner, channel, message id
        Raises : Replayed, the same signed message again; IdReused, the id with other content
        """
        with self._lock:
            known = self._taken.get(key)
            if known is not None:
                judge(digest=digest, sent_at=sent_at, known_digest=known.digest, known_sent_at=known.sent_at)
                if known.finished:
                    self._before[key] = known
            self._taken[key] = _Taken(digest, sent_at, finished=False)
            self._taken.move_to_end(key)
            while len(self._taken) > self._most:
                self._taken.popitem(last=False)
            # One that is not finished may still fail: this one is taken for itself.
            return "retry" if known is not None and known.finished else "new"

    def finish(self, key: MessageKey) -> None:
        """Keep the message: it is done with."""
        with self._lock:
            self._before.pop(key, None)
            if key in self._taken:
                self._taken[key].finished = True

    def release(self, key: MessageKey) -> None:
        """Forget this delivery: the partner was told to send it again."""
        with self._lock:
            before = self._before.pop(key, None)
            if before is None:
                self._taken.pop(key, None)
            else:
                self._taken[key] = before


def judge(*, digest: bytes, sent_at: datetime, known_digest: bytes, known_sent_at: datetime) -> None:
    """Refuse a message whose id is known, unless it is the same content sent anew, later.

    Raises : Replayed, IdReused
    """
    if digest != known_digest:
        raise IdReused("this id was received with other content: give every message an id of its own")
    if sent_at <= known_sent_at:
        raise Replayed("this very message was received before and is done; a new attempt has a new time and signature")


class _Bucket(msgspec.Struct):
    tokens: float
    at: float


class Limits:
    """Token buckets. A danger that is not known yet passes, whoever sent how much before it."""

    def __init__(self, *, rate_per_s: float, burst: float) -> None:
        self._rate, self._burst = rate_per_s, burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._known: OrderedDict[tuple[object, ...], float] = OrderedDict()
        self._lock = threading.Lock()

    def check_hard(self, partner_id: str, *, now_s: float) -> None:
        """Count one message of a partner against ten times its rate: more would keep others from being heard.

        now_s  : of a clock that only goes forward, s
        Raises : TooMany
        """
        with self._lock:
            if not self._take(f"hard {partner_id}", now_s, times=_HARD_TIMES):
                raise TooMany(f"more than {self._rate * _HARD_TIMES:g} messages a second", retry_after_s=1)

    def admit(self, partner_id: str, sightings: Iterable[Sighting], *, now_s: float) -> None:
        """Count one message of a partner and what it reports.

        Raises : TooMany, when the partner's rate is used up and nothing in the message is new
        """
        with self._lock:
            reported = [self._key(partner_id, sighting) for sighting in sightings]
            is_news = any(now_s - self._known.get(key, -math.inf) > _SAME_FOR_S for key in reported)
            if not self._take(partner_id, now_s) and not is_news:
                raise TooMany(f"more than {self._rate:g} messages a second, and nothing new in them", retry_after_s=1)
            # Not before it is let in: what was refused has told us nothing.
            for key in reported:
                self._known[key] = now_s
                self._known.move_to_end(key)
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)

    def _key(self, partner_id: str, seen: Sighting) -> tuple[object, ...]:
        # Not the source's id or code: a broken pile makes those up.
        place = (partner_id, seen.operator, seen.station, seen.connector, seen.session_id)
        return (*place, seen.kind, seen.severity, seen.state)

    def _take(self, name: str, now_s: float, *, times: float = 1) -> bool:
        most = self._burst * times
        bucket = self._buckets.setdefault(name, _Bucket(most, now_s))
        bucket.tokens = min(most, bucket.tokens + max(0.0, now_s - bucket.at) * self._rate * times)
        bucket.at = now_s
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True
