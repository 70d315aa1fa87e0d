"""Judges what charging cars and piles send, message by message as they arrive."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

import msgspec
import structlog

from alerts.charging.anomaly import Kind, Sighting
from alerts.charging.bindings import SaidByPiles
from alerts.charging.cars import Car, Cars, Unknown
from alerts.charging.desk import Desk
from alerts.charging.rules import CarSample
from alerts.charging.seen import car_sample, instant, of_alarm, of_finding, pile_columns
from alerts.charging.watch import CarWatch, Finding, PileWatch
from config.charging import ChargingLimits, charging_limits
from config.dangers import is_known, meaning
from ingest import topics
from ingest.charging import decode_alarm, decode_charger
from ingest.frames import alarm_level, decode_gbt32960
from ingest.gbt32960 import alarm_events, decode_frame
from ingest.inbox import Message
from ingest.layout import Layout, layout
from ingest.rejected import FrameRejected
from ingest.telemetry import TelemetryDecoder

_log = structlog.get_logger(__name__)
# Cars and connectors that send now and lately; the one that was silent longest goes first.
_MOST_CARS, _MOST_PILES = 50_000, 50_000
# A car whose owner's choice is not known yet waits this long for it, once there is something to decide.
_ASK_FOR_S = 2.0
# A car silent for so long with no danger on is no longer charging: what was remembered of it is let go.
_FORGOTTEN_S = 3600.0
# Sensors of hundreds of ampere are off by some tenths where nothing flows.
_NO_CURRENT_A = 1.0


class Counts(msgspec.Struct):
    """What messages came to, in samples; an unreadable message is one."""

    judged: int = 0
    refused: int = 0
    bad: int = 0
    alarms: int = 0


class _Watched(msgspec.Struct):
    watch: CarWatch
    limits: ChargingLimits
    # Alarms of the car's own frames that are on: since when (epoch ms), and how bad.
    alarms: dict[str, Finding] = {}


class _Pending(msgspec.Struct):
    until_s: float
    # With the code of a car's own alarm, and when it was received (epoch ms).
    findings: list[tuple[Finding, str | None, int]]


class Watcher:
    """Judges messages and hands what they show to the desk. For one thread.

    clock : seconds that only grow
    """

    def __init__(
        self,
        desk: Desk,
        cars: Cars,
        bindings: SaidByPiles,
        *,
        signals: Layout | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk = desk
        self._cars = cars
        self._bindings = bindings
        self._signals = signals or layout()
        self._decoder = TelemetryDecoder(self._signals)
        self._clock = clock
        self._watched: OrderedDict[str, _Watched] = OrderedDict()
        self._piles: OrderedDict[topics.Connector, PileWatch] = OrderedDict()
        self._pending: dict[str, _Pending] = {}
        self._listening_since_s: float | None = None
        self.counts = Counts()

    def handle(self, message: Message) -> None:
        """Judge one message; one that cannot be read is ingest's dead letter and changes nothing here."""
        try:
            topic = topics.parse(message.topic)
            if topic.kind == "charging":
                self._judge_car(topic.vin, message)
            elif topic.at is not None and topic.kind == "alarm":
                self._take_alarm(topic.at, message)
            elif topic.at is not None and topic.kind == "charger":
                self._judge_pile(topic.at, message)
        except (topics.TopicRejected, FrameRejected) as rejection:
            self.counts.bad += 1
            _log.debug("a message cannot be read", topic=message.topic[:60], reason=str(rejection))

    def look(self, *, connected: bool, now_ms: int) -> None:
        """Look for cars that fell silent in a danger; called about once a second.

        connected : whether we hear the broker; what is said while we do not, comes later
        """
        if not connected:
            self._listening_since_s = None
            return
        now_s = self._clock()
        if self._listening_since_s is None:
            self._listening_since_s = now_s
        for vin, watched in list(self._watched.items()):
            if watched.watch.dangers:
                gap = watched.watch.silent(now_s, now_ms=now_ms, listening_since_s=self._listening_since_s)
                if gap is not None:
                    self._report(vin, gap, received_ms=now_ms)
            elif now_s - watched.watch.heard_at_s > _FORGOTTEN_S:
                del self._watched[vin]

    def _take_alarm(self, at: topics.Connector, message: Message) -> None:
        alarm = decode_alarm(message.payload)
        self.counts.alarms += 1
        if alarm.vin is not None and topics.VIN.fullmatch(alarm.vin):
            self._bindings.note(alarm.vin, at.operator, at.station, at.connector, alarm.session_id)
        self._desk.take(of_alarm(at, alarm, received_ms=message.received_ms))

    def _judge_car(self, vin: str, message: Message) -> None:
        answer = self._cars.get(vin)
        if _is_refused(answer):
            self.counts.refused += 1
            self._watched.pop(vin, None)
            return
        watched = self._watched_car(vin, answer)
        if message.payload.startswith((b"##", b"$$")):
            findings = self._judge_frame(vin, watched, message)
        else:
            findings = []
            samples = self._decoder.decode(message.payload, vin=vin).samples
            self.counts.judged += len(samples)
            for sample in sorted(samples, key=lambda one: (one.ts, one.seq)):
                found = watched.watch.judge(car_sample(sample.ts, sample.signals), heard_at_s=self._clock())
                findings += [(finding, None) for finding in found]
        if self._desk.waits and _has_ended(watched.watch.last):
            self._desk.seen_ended(at=instant(message.received_ms), why="the car measures no current", vin=vin)
        if not findings:
            return
        if answer is None and not self._cars.is_away:
            # It has only just been asked who this is: the answer comes in a moment.
            waiting = self._pending.setdefault(vin, _Pending(self._clock() + _ASK_FOR_S, []))
            waiting.findings += [(finding, code, message.received_ms) for finding, code in findings]
            return
        # While the database is away nobody can say: then a stop too many is better than one too few.
        for finding, code in findings:
            self._report(vin, finding, received_ms=message.received_ms, code=code)

    def settle(self) -> None:
        """Report what waited for it to be known who a car is; called at every turn."""
        for vin, waiting in list(self._pending.items()):
            answer = self._cars.get(vin)
            if answer is None and not self._cars.is_away and self._clock() < waiting.until_s:
                continue
            del self._pending[vin]
            if _is_refused(answer):
                self.counts.refused += 1
                self._watched.pop(vin, None)
                continue
            for finding, code, received_ms in waiting.findings:
                self._report(vin, finding, received_ms=received_ms, code=code)

    def _judge_frame(self, vin: str, watched: _Watched, message: Message) -> list[tuple[Finding, str | None]]:
        frame = decode_gbt32960(message.payload, vin=vin, signals=self._signals)
        if frame is None:
            return []
        self.counts.judged += 1
        sample = frame.sample
        # The frame's level is of its alarms, which are taken by name below.
        values = car_sample(sample.ts, sample.signals)
        found = watched.watch.judge(
            msgspec.structs.replace(values, warning_level=None if frame.lamps is not None else values.warning_level),
            heard_at_s=self._clock(),
        )
        findings: list[tuple[Finding, str | None]] = [(finding, None) for finding in found]
        if frame.lamps is not None and (frame.lamps or watched.alarms):
            changes = alarm_changes(
                watched.alarms,
                {name for name, on in alarm_events(decode_frame(message.payload)) if on},
                level=alarm_level(sample),
                ts_ms=sample.ts,
            )
            findings += [(finding, code) for code, finding in changes]
        return findings

    def _judge_pile(self, at: topics.Connector, message: Message) -> None:
        decoded = decode_charger(message.payload)
        self.counts.judged += len(decoded.samples)
        self.counts.bad += len(decoded.bad)
        pile = self._piles.get(at)
        if pile is None:
            pile = self._piles[at] = PileWatch(charging_limits())
            if len(self._piles) > _MOST_PILES:
                self._piles.popitem(last=False)
        self._piles.move_to_end(at)
        vin = self._bindings.vin_at(at.operator, at.station, at.connector, decoded.session_id)
        watched = self._watched.get(vin) if vin is not None else None
        car = watched.watch.last if watched is not None else None
        for sample in sorted(decoded.samples, key=lambda one: (one.ts, one.seq)):
            measured = pile_columns(sample)
            if self._desk.waits and measured.current_a is not None and measured.current_a < _NO_CURRENT_A:
                place = (at.operator, at.station, at.connector)
                received_at = instant(message.received_ms)
                self._desk.seen_ended(at=received_at, why="the pile measures no current", place=place)
            for finding in pile.judge(measured, car):
                self._desk.take(
                    of_finding(finding, vin=vin, at=at, session_id=decoded.session_id, received_ms=message.received_ms)
                )

    def _report(self, vin: str, finding: Finding, *, received_ms: int, code: str | None = None) -> None:
        said: Sighting = of_finding(
            finding, vin=vin, received_ms=received_ms, code=code, source="forewarn" if code is None else "car"
        )
        self._desk.take(said)

    def _watched_car(self, vin: str, answer: Car | Unknown | None) -> _Watched:
        limits = charging_limits(answer.chemistry, answer.model) if isinstance(answer, Car) else charging_limits()
        watched = self._watched.get(vin)
        if watched is None:
            watched = self._watched[vin] = _Watched(CarWatch(limits), limits)
            if len(self._watched) > _MOST_CARS:
                self._watched.popitem(last=False)
        elif isinstance(answer, Car) and watched.limits != limits:
            watched.limits = limits
            watched.watch.limit_by(limits)
        self._watched.move_to_end(vin)
        return watched


def alarm_changes(known: dict[str, Finding], on: set[str], *, level: int, ts_ms: int) -> list[tuple[str, Finding]]:
    """Return which alarms of a car's frames begin, get worse or are over, by their names; ``known`` is brought up.

    on    : the alarms that the frame says are on
    level : the frame's alarm level, which is the worst of its alarms
    """
    changes = []
    for code in sorted(on | known.keys()):
        before = known.get(code)
        if code not in on:
            assert before is not None
            changes.append((code, msgspec.structs.replace(known.pop(code), change="off", ts_ms=ts_ms)))
            continue
        if not is_known("gbt32960", code):
            # Worn brakes and a hot motor are no danger to a charging car.
            continue
        kind, severity = meaning("gbt32960", code, level=level)
        if before is None or severity < before.severity:
            finding = Finding(
                kind=cast(Kind, kind),
                change="on" if before is None else "worse",
                severity=severity,
                began_ms=ts_ms if before is None else before.began_ms,
                ts_ms=ts_ms,
                why=f"the car raises its alarm {code}, level {level}",
                measures={"level": float(level)},
            )
            known[code] = finding
            changes.append((code, finding))
    return changes


def _has_ended(sample: CarSample | None) -> bool:
    return (
        sample is not None
        and sample.is_charging is False
        and sample.pack_a is not None
        and (abs(sample.pack_a) < _NO_CURRENT_A)
    )


def _is_refused(answer: Car | Unknown | None) -> bool:
    return isinstance(answer, Unknown) or (isinstance(answer, Car) and not answer.may_be_watched)
