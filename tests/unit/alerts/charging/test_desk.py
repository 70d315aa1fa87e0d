"""The desk without a database: what stops, how often, who is asked, and what a restart makes of it."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.charging.anomaly import Sighting
from alerts.charging.bindings import SaidByPiles
from alerts.charging.book import OpenCase, Rules
from alerts.charging.desk import Desk, JournalBehind
from alerts.charging.journal import Decided, Entry, Journal, Moved, Place, Seen, Wanted
from alerts.charging.stopping import PileStopper, Policy, StopAnswer, StopRequest
from tests.unit.alerts.charging.test_anomaly import sighting as made

VIN = "LFWA0010X0T100001"


class Stopper:
    """A car or a pile: answers as it is told, and remembers what it was asked."""

    def __init__(self, *answers: StopAnswer | Exception) -> None:
        self._answers = list(answers) or [StopAnswer("sent")]
        self.asked: list[StopRequest] = []
        self._changed = threading.Condition()

    def stop(self, request: StopRequest, *, timeout_s: float) -> StopAnswer:
        with self._changed:
            self.asked.append(request)
            answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
            self._changed.notify_all()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def wait(self, count: int) -> list[StopRequest]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= count, 5), f"asked {len(self.asked)} times"
            return list(self.asked)


class Contracts:
    def __init__(self, stopper: PileStopper | None, policy: Policy = "stop") -> None:
        self._stopper = stopper
        self._policy: Policy = policy

    def stopper(self, operator: str) -> PileStopper | None:
        return self._stopper

    def policy(self, operator: str) -> Policy:
        return self._policy


class Told:
    def __init__(self) -> None:
        self.about: list[tuple[uuid.UUID, str, int]] = []

    def tell(self, case: OpenCase, sighting: Sighting) -> None:
        self.about.append((case.case_id, sighting.kind, sighting.severity))


class Scene:
    """A desk with a clock that stands until it is moved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
        self.car, self.pile, self.told = Stopper(), Stopper(), Told()
        self.bindings = SaidByPiles()
        self._desks: list[Desk] = []
        self._journals: list[Journal] = []

    def desk(self, *, pile_policy: Policy = "stop", fleet: Policy = "stop", interface: bool = True) -> Desk:
        self.close()
        journal = Journal(self.folder)
        desk = Desk(
            journal=journal,
            car=self.car,
            bindings=self.bindings,
            partners=Contracts(self.pile if interface else None, pile_policy),
            rules=Rules(fleet_policy=fleet),
            teller=self.told,
            clock=lambda: self.now,
        )
        self._journals.append(journal)
        self._desks.append(desk)
        return desk

    def close(self) -> None:
        for desk in self._desks:
            desk.close()
        for journal in self._journals:
            journal.close()
        self._desks, self._journals = [], []

    def entries(self) -> list[Entry]:
        return [entry for entry, _ in self._journals[-1].read(Place(0, 0))]

    def later(self, desk: Desk, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        desk.tick(self.now)

    def sighting(self, **changes: object) -> Sighting:
        values: dict[str, object] = {"station": "sh0001", "connector": "1", "session_id": "s-1", "ts": self.now}
        return made(**(values | changes))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path / "journal")
    yield scene
    scene.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pile_and_car_are_asked_to_stop_and_the_decision_is_written_before(scene: Scene) -> None:
    desk = scene.desk()
    receipt = desk.receive(scene.sighting(vin=VIN))
    (pile,), (car,) = scene.pile.wait(1), scene.car.wait(1)
    assert {pile.action_id, car.action_id} == set(receipt.stops)
    assert (pile.operator, pile.station, pile.connector, pile.session_id) == ("linhe", "sh0001", "1", "s-1")
    assert car.vin == VIN
    kinds = [type(entry) for entry in scene.entries()]
    assert kinds[:3] == [Seen, Decided, Decided]


def test_a_repeat_is_the_same_stop(scene: Scene) -> None:
    desk = scene.desk()
    first = desk.receive(scene.sighting())
    again = desk.receive(scene.sighting())
    assert first.is_new
    assert not again.is_new
    assert again.case_id == first.case_id
    assert again.stops == ()
    assert len(scene.pile.wait(1)) == 1


def test_an_anomaly_that_gets_worse_is_not_stopped_twice_at_once(scene: Scene) -> None:
    desk = scene.desk()
    desk.receive(scene.sighting(severity=2))
    scene.now += timedelta(seconds=1)
    desk.receive(scene.sighting(severity=1))
    assert len(scene.pile.wait(1)) == 1
    assert [severity for _, _, severity in scene.told.about] == [2, 1]


def test_ten_thousand_alarms_of_one_broken_pile_are_one_case_one_stop_one_message(scene: Scene) -> None:
    desk = scene.desk()
    for number in range(10_000):
        desk.take(scene.sighting(source_id=f"A{number}", severity=1))
    desk.sync()
    assert len(scene.pile.wait(1)) == 1
    assert len(scene.told.about) == 1
    seen = [entry for entry in scene.entries() if isinstance(entry, Seen)]
    assert len(seen) == 10_000
    assert len({entry.case_id for entry in seen}) == 1


def test_a_notice_stops_nothing_and_tells_nobody(scene: Scene) -> None:
    receipt = scene.desk().receive(scene.sighting(severity=3))
    assert receipt.stops == ()
    assert receipt.case_id is not None
    assert scene.told.about == []


def test_a_danger_of_long_ago_stops_nobody_who_charges_there_now(scene: Scene) -> None:
    receipt = scene.desk().receive(scene.sighting(ts=scene.now - timedelta(minutes=11)))
    assert receipt.stops == ()
    assert scene.told.about, "its owner hears of it all the same"


def test_another_session_on_the_connector_is_another_case(scene: Scene) -> None:
    desk = scene.desk()
    first = desk.receive(scene.sighting())
    other = desk.receive(scene.sighting(source_id="B1", session_id="s-2"))
    assert other.case_id != first.case_id
    assert len(scene.pile.wait(2)) == 2


def test_what_the_car_and_the_pile_say_of_one_car_is_one_case(scene: Scene) -> None:
    desk = scene.desk()
    first = desk.receive(scene.sighting(vin=VIN))
    place = {"operator": None, "station": None, "connector": None, "session_id": None}
    other = desk.receive(scene.sighting(source="forewarn", channel="car_1hz", source_id="d/1", vin=VIN, **place))
    assert other.case_id == first.case_id
    assert other.stops == ()


def test_a_session_leads_from_the_car_to_the_pile_and_back(scene: Scene) -> None:
    desk = scene.desk()
    scene.bindings.note(VIN, "linhe", "sh0001", "1", "s-1")
    desk.receive(scene.sighting())
    assert scene.car.wait(1)[0].vin == VIN
    other = "LFWA0010X0T100002"
    scene.bindings.note(other, "linhe", "sh0001", "2", "s-2")
    place = {"operator": None, "station": None, "connector": None, "session_id": None}
    desk.receive(scene.sighting(source="forewarn", channel="car_1hz", source_id="d/1", vin=other, **place))
    assert {request.connector for request in scene.pile.wait(2)} == {"1", "2"}


def test_an_unconfirmed_stop_is_asked_again_after_ten_seconds_and_then_phoned(scene: Scene) -> None:
    desk = scene.desk()
    desk.receive(scene.sighting())
    scene.pile.wait(1)
    scene.later(desk, 9.9)
    assert len(scene.pile.asked) == 1
    scene.later(desk, 0.2)
    first, second = scene.pile.wait(2)
    assert first.action_id == second.action_id
    until(lambda: all(action.attempts == 2 and action.state == "sent" for action in desk.open_stops()))
    assert not [entry for entry in scene.entries() if isinstance(entry, Wanted)]
    scene.later(desk, 10.1)
    (task,) = [entry for entry in scene.entries() if isinstance(entry, Wanted)]
    assert task.kind == "stop_by_phone"
    assert "linhe/sh0001/1" in task.detail
    scene.later(desk, 60)
    assert len(scene.pile.asked) == 2


def test_a_confirmation_ends_it_and_one_that_comes_late_still_counts(scene: Scene) -> None:
    desk = scene.desk()
    (number,) = desk.receive(scene.sighting()).stops
    scene.pile.wait(1)
    for _ in range(2):
        scene.later(desk, 10.1)
        time.sleep(0.05)
    assert [entry.state for entry in scene.entries() if isinstance(entry, Moved)][-1] == "unconfirmed"
    desk.answered(number, StopAnswer("confirmed", "late"))
    assert [entry.state for entry in scene.entries() if isinstance(entry, Moved)][-1] == "confirmed"
    desk.answered(number, StopAnswer("failed"))
    assert [entry.state for entry in scene.entries() if isinstance(entry, Moved)][-1] == "confirmed"


def test_a_car_cannot_confirm_the_stop_of_another(scene: Scene) -> None:
    desk = scene.desk()
    desk.receive(scene.sighting(operator=None, station=None, connector=None, session_id=None, vin=VIN))
    (request,) = scene.car.wait(1)
    desk.answered(request.action_id, StopAnswer("confirmed"), "LFWA0010X0T100009")
    assert [action.state for action in desk.open_stops()] == ["sent"]
    desk.answered(request.action_id, StopAnswer("confirmed"), VIN)
    assert desk.open_stops() == []


@pytest.mark.parametrize(
    "answer", [StopAnswer("refused", "not my session"), StopAnswer("failed", "404"), RuntimeError("a bug of a client")]
)
def test_a_refusal_and_an_endpoint_that_is_down_end_with_a_phone_call(
    scene: Scene, answer: StopAnswer | Exception
) -> None:
    scene.pile = Stopper(answer)
    desk = scene.desk()
    desk.receive(scene.sighting())
    for _ in range(3):
        time.sleep(0.05)
        scene.later(desk, 10.1)
    until(lambda: any(isinstance(entry, Wanted) for entry in scene.entries()))
    assert len([entry for entry in scene.entries() if isinstance(entry, Wanted)]) == 1


def test_an_operator_without_an_interface_is_phoned_at_once(scene: Scene) -> None:
    scene.desk(interface=False).receive(scene.sighting())
    assert [entry.kind for entry in scene.entries() if isinstance(entry, Wanted)] == ["stop_by_phone"]


def test_by_the_policy_ask_nothing_leaves_before_a_person_says_so(scene: Scene) -> None:
    desk = scene.desk(pile_policy="ask", fleet="ask")
    receipt = desk.receive(scene.sighting(vin=VIN))
    assert receipt.stops == ()
    scene.later(desk, 60)
    assert scene.pile.asked == scene.car.asked == []
    assert [entry.kind for entry in scene.entries() if isinstance(entry, Wanted)] == ["decide_stop", "decide_stop"]
    asked = next(action for action in desk.open_stops() if action.target == "pile")
    desk.release(asked.request, case_id=asked.case_id, target="pile", by="wang")
    assert scene.pile.wait(1)[0].action_id == asked.action_id
    decided = [entry.action for entry in scene.entries() if isinstance(entry, Decided)][-1]
    assert (decided.policy, decided.decided_by) == ("ask", "wang")
    desk.release(asked.request, case_id=asked.case_id, target="pile", by="li")
    time.sleep(0.05)
    assert len(scene.pile.asked) == 1


def test_a_partners_policy_governs_the_pile_and_the_fleets_the_car(scene: Scene) -> None:
    scene.desk(pile_policy="ask").receive(scene.sighting(vin=VIN))
    assert scene.car.wait(1)
    assert scene.pile.asked == []


def test_a_stop_that_nobody_confirmed_leaves_again_after_a_restart(scene: Scene) -> None:
    said = scene.sighting()
    (number,) = scene.desk().receive(said).stops
    scene.pile.wait(1)
    scene.now += timedelta(seconds=3)
    again = scene.desk()
    again.restore()
    assert [request.action_id for request in scene.pile.wait(2)] == [number, number]
    again.answered(number, StopAnswer("confirmed"))
    third = scene.desk()
    third.restore()
    time.sleep(0.1)
    assert len(scene.pile.asked) == 2
    assert third.receive(said).is_new is False


def test_a_stop_that_is_too_late_after_a_restart_is_phoned(scene: Scene) -> None:
    scene.desk().receive(scene.sighting())
    scene.pile.wait(1)
    scene.now += timedelta(minutes=5)
    scene.desk().restore()
    assert len(scene.pile.asked) == 1
    assert [entry.detail for entry in scene.entries() if isinstance(entry, Wanted)] == [
        "pile linhe/sh0001/1: we were not running in time"
    ]


def test_a_case_goes_on_after_a_restart(scene: Scene) -> None:
    first = scene.desk().receive(scene.sighting())
    scene.now += timedelta(seconds=5)
    again = scene.desk()
    again.restore()
    joined = again.receive(scene.sighting(source_id="A8"))
    assert joined.case_id == first.case_id


def test_an_alarm_id_that_a_pile_uses_again_is_a_new_danger_once_the_first_was_over(scene: Scene) -> None:
    scene.pile = Stopper(StopAnswer("confirmed"))
    desk = scene.desk()
    first = desk.receive(scene.sighting())
    scene.pile.wait(1)
    scene.now += timedelta(seconds=30)
    desk.receive(scene.sighting(state="off"))
    scene.now += timedelta(minutes=30)
    second = desk.receive(scene.sighting())
    assert len(second.stops) == 1
    assert second.stops != first.stops


def test_while_the_disk_is_full_stops_leave_and_nothing_is_acknowledged(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = scene.desk()

    def full(self: Journal, entry: Entry) -> Place:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        with pytest.raises(JournalBehind):
            desk.receive(scene.sighting())
        assert len(scene.pile.wait(1)) == 1
    desk.sync()
    assert [type(entry) for entry in scene.entries()][:2] == [Seen, Decided]


def test_what_no_database_can_hold_is_taken_out(scene: Scene) -> None:
    said = scene.sighting(text="a\0b\ud800", measures={"T\0": float("nan"), "V": 1.0, "n": "x\0"})
    scene.desk().receive(said)
    (entry,) = [entry for entry in scene.entries() if isinstance(entry, Seen)]
    assert entry.sighting.text == "ab?"
    assert entry.sighting.measures == {"V": 1.0, "n": "x"}
