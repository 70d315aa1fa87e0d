"""Messages as they come: who is judged, what confirms a stop, what a danger of a known car becomes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from alerts.charging.bindings import SaidByPiles
from alerts.charging.cars import Car, Unknown
from alerts.charging.desk import Desk
from alerts.charging.journal import Journal, Moved, Place, Seen
from alerts.charging.watcher import Watcher
from ingest import topics
from ingest.gbt32960 import Command, Frame, Realtime, blocks, encode_frame
from ingest.gbt32960.alarms import alarm_bits
from ingest.inbox import Message
from ingest.topics import Connector
from tests.unit.alerts.charging.test_desk import Contracts, Stopper

VIN = "LFWA0010X0T100001"
AT = Connector("linhe", "sh0001", "1")
BATTERY = "Vehicle.Powertrain.TractionBattery."
NOW_MS = 1_790_000_000_000


class KnownCars:
    def __init__(self) -> None:
        self.is_away = False
        self.answer: Car | Unknown | None = Car(
            vehicle_id=1, model="Dawn", chemistry="LFP", purposes=frozenset({"safety"}), language="en", contacts=()
        )

    def get(self, vin: str, *, wait_s: float = 0.0) -> Car | Unknown | None:
        return self.answer


class Scene:
    def __init__(self, folder: Path) -> None:
        self.now_ms = NOW_MS
        self.journal = Journal(folder)
        self.car, self.pile, self.cars = Stopper(), Stopper(), KnownCars()
        self.bindings = SaidByPiles()
        self.desk = Desk(
            journal=self.journal,
            car=self.car,
            bindings=self.bindings,
            partners=Contracts(self.pile),
            clock=lambda: datetime.fromtimestamp(self.now_ms / 1000, UTC),
        )
        self.clock_s = 0.0
        self.watcher = Watcher(self.desk, self.cars, self.bindings, clock=lambda: self.clock_s)  # type: ignore[arg-type]

    def send(self, topic: str, payload: bytes | dict[str, Any]) -> None:
        self.now_ms += 1000
        self.clock_s += 1.0
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.watcher.handle(Message(topic, body, 1, self.now_ms, 1))

    def second(self, degrees: float, *, amps: float = 100.0) -> None:
        signals = {
            f"{BATTERY}Temperature.Max": degrees,
            f"{BATTERY}CurrentCurrent": amps,
            f"{BATTERY}Charging.IsCharging": amps > 0,
        }
        self.send(topics.charging(VIN), {"samples": [{"ts": self.now_ms, "seq": 0, "signals": signals}]})

    def seen(self) -> list[tuple[str, str, int]]:
        entries = [entry for entry, _ in self.journal.read(Place(0, 0)) if isinstance(entry, Seen)]
        return [(entry.sighting.kind, entry.sighting.state, entry.sighting.severity) for entry in entries]

    def moves(self) -> list[tuple[str, str]]:
        entries = [entry for entry, _ in self.journal.read(Place(0, 0)) if isinstance(entry, Moved)]
        return [(entry.state, entry.detail) for entry in entries]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path / "journal")
    yield scene
    scene.desk.close()
    scene.journal.close()


def test_a_known_car_is_judged_by_its_chemistry(scene: Scene) -> None:
    for _ in range(5):
        scene.second(62)
    assert scene.seen() == [], "62 C is below the ceiling of LFP"
    for _ in range(3):
        scene.second(66)
    assert scene.seen() == [("over_temperature", "on", 2)]
    assert scene.car.wait(1)[0].vin == VIN


@pytest.mark.parametrize(
    ("answer", "is_judged"),
    [
        pytest.param(Unknown(), False, id="nobody enrolled it"),
        pytest.param(None, True, id="nobody can say: the database is away"),
    ],
)
def test_who_is_judged(scene: Scene, answer: Any, is_judged: bool) -> None:
    scene.cars.answer, scene.cars.is_away = answer, answer is None
    for _ in range(3):
        scene.second(80)
    assert bool(scene.seen()) == is_judged
    assert bool(scene.car.asked) == is_judged


@pytest.mark.parametrize(
    ("answer", "is_judged"), [(Unknown(), False), (None, True)], ids=["nobody enrolled it", "no answer in time"]
)
def test_what_is_found_waits_for_the_answer_who_a_car_is(scene: Scene, answer: Any, is_judged: bool) -> None:
    scene.cars.answer = None
    for _ in range(3):
        scene.second(80)
    scene.watcher.settle()
    assert scene.seen() == []
    scene.cars.answer = answer
    scene.clock_s += 2.0
    scene.watcher.settle()
    assert bool(scene.seen()) == is_judged
    scene.watcher.settle()
    assert len(scene.car.asked) == is_judged


def test_an_owner_who_withdraws_is_not_judged_from_then_on(scene: Scene) -> None:
    scene.second(80)
    assert isinstance(scene.cars.answer, Car)
    scene.cars.answer = Car(
        vehicle_id=1, model="Dawn", chemistry="LFP", purposes=frozenset({"marketing"}), language="en", contacts=()
    )
    for _ in range(5):
        scene.second(80)
    assert scene.seen() == []
    assert scene.watcher.counts.refused == 5


def test_a_car_without_current_has_stopped_whoever_confirms_it(scene: Scene) -> None:
    for _ in range(3):
        scene.second(66)
    scene.car.wait(1)
    scene.second(66, amps=80)
    assert ("confirmed", "the car measures no current") not in scene.moves()
    scene.second(66, amps=0)
    assert scene.moves()[-1] == ("confirmed", "the car measures no current")
    assert not scene.desk.waits


def test_a_pile_without_current_has_stopped(scene: Scene) -> None:
    alarm = {"id": "A1", "ts": scene.now_ms, "code": "9", "severity": 1, "session_id": "s-1"}
    reading = {"Current.Import": 0.0, "Voltage": 380.0}
    telemetry = topics.charger(AT, "telemetry")
    scene.send(telemetry, {"samples": [{"ts": scene.now_ms, "seq": 0, "signals": reading}], "session_id": "s-1"})
    scene.send(topics.charger(AT, "alarm"), alarm)
    scene.pile.wait(1)
    other = topics.charger(Connector("linhe", "sh0001", "2"), "telemetry")
    scene.send(other, {"samples": [{"ts": scene.now_ms, "seq": 0, "signals": reading}]})
    assert scene.desk.waits, "another connector says nothing of this one"
    scene.send(telemetry, {"samples": [{"ts": scene.now_ms, "seq": 1, "signals": reading}], "session_id": "s-1"})
    assert scene.moves()[-1] == ("confirmed", "the pile measures no current")


def test_silence_in_a_danger_is_reported_while_the_broker_is_heard(scene: Scene) -> None:
    for _ in range(3):
        scene.second(66)
    scene.watcher.look(connected=False, now_ms=scene.now_ms)
    scene.clock_s += 30
    scene.watcher.look(connected=True, now_ms=scene.now_ms + 30_000)
    assert [kind for kind, _, _ in scene.seen()] == ["over_temperature"], "the silence was ours"
    scene.clock_s += 10
    scene.watcher.look(connected=True, now_ms=scene.now_ms + 40_000)
    assert scene.seen()[-1] == ("data_gap", "on", 1)
    scene.second(66)
    assert scene.seen()[-1] == ("data_gap", "off", 1)


def test_alarms_in_a_frame_are_taken_by_name(scene: Scene) -> None:
    def frame(names: frozenset[str], level: int) -> bytes:
        at = datetime.fromtimestamp(scene.now_ms // 1000, UTC)
        alarms = blocks.Alarms(level, alarm_bits(2016, names))
        return encode_frame(Frame(2016, Command.REALTIME, VIN, Realtime(at, (alarms,))))

    scene.send(topics.charging(VIN), frame(frozenset({"insulation", "brake_system"}), 3))
    assert scene.seen() == [("insulation", "on", 1)]
    scene.send(topics.charging(VIN), frame(frozenset(), 0))
    assert scene.seen() == [("insulation", "on", 1), ("insulation", "off", 1)]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"samples":[{"ts":"x"}]}', b"##\xff", b"$$" + b"\0" * 40])
def test_what_cannot_be_read_changes_nothing(scene: Scene, payload: bytes) -> None:
    for topic in (topics.charging(VIN), topics.charger(AT, "alarm"), topics.charger(AT, "telemetry"), "v1/nonsense"):
        scene.send(topic, payload)
    assert scene.seen() == []
