import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from alerts.charging.bindings import SaidByPiles
from alerts.charging.commands import answer_of, command_of
from alerts.charging.messages import receipt_url, words_for_owner
from alerts.charging.stopping import StopRequest
from config.dangers import dangers
from forewarn.simulator.charging.stops import Stops

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
REQUEST = StopRequest(
    action_id=uuid.uuid4(),
    danger_id=uuid.uuid4(),
    operator=None,
    station=None,
    connector=None,
    session_id=None,
    vin="V",
    kind="insulation",
    severity=1,
    reason="low",
    issued_at=NOW,
    expires_at=NOW + timedelta(seconds=120),
)


def test_a_command_is_understood_by_a_car_and_its_answer_by_us() -> None:
    command = command_of(REQUEST)
    assert set(json.loads(command)) == {"id", "issued_at", "expires_at", "command", "reason"}
    answer = Stops().answer(command, now_ms=1)
    assert answer is not None
    heard = answer_of(answer)
    assert heard is not None
    assert heard[0] == REQUEST.action_id
    assert heard[1].result == "confirmed"


@pytest.mark.parametrize(
    ("result", "reason", "expected"),
    [("done", None, ("confirmed", "by the car")), ("refused", "driving", ("refused", "driving")), ("failed", "", None)],
)
def test_what_a_car_answers(result: str, reason: str | None, expected: object) -> None:
    said = {"id": str(REQUEST.action_id), "ts": 1, "result": result} | ({} if reason is None else {"reason": reason})
    heard = answer_of(json.dumps(said).encode())
    assert heard is not None
    assert (heard[1].result, heard[1].detail) == (expected or ("failed", "by the car"))


@pytest.mark.parametrize(
    "payload", [b"", b"{", b'{"id":"x","result":"done"}', b'{"id":1}', b"\xff", b'{"result":"done"}']
)
def test_what_is_no_answer_of_ours_is_none(payload: bytes) -> None:
    assert answer_of(payload) is None


@pytest.mark.parametrize("kind", [*dangers(), "a kind nobody knows"])
@pytest.mark.parametrize("language", ["zh_CN", "en"])
def test_every_kind_has_words_in_the_owners_language(kind: str, language: str) -> None:
    title, text = words_for_owner(kind, operator="linhe", station="sh0001", language=language)
    assert "sh0001" in text
    assert title
    is_chinese = any("\u4e00" <= letter <= "\u9fff" for letter in title + text.replace("linhe", ""))
    assert is_chinese == (language == "zh_CN")


def test_a_receipt_has_an_address_only_where_owners_can_reach_us() -> None:
    number = uuid.uuid4()
    assert receipt_url(None, number) is None
    assert receipt_url("https://fw.example/", number) == f"https://fw.example/safety/receipts/{number}"


def test_a_pile_says_which_car_is_on_it_until_another_session_or_for_six_hours() -> None:
    now = [0.0]
    said = SaidByPiles(clock=lambda: now[0])
    said.note("V", "linhe", "sh0001", "1", "s-1")
    assert said.vin_at("linhe", "sh0001", "1", "s-1") == said.vin_at("linhe", "sh0001", "1", None) == "V"
    assert said.vin_at("linhe", "sh0001", "1", "s-2") is None
    assert said.vin_at("linhe", "sh0001", "2", "s-1") is None
    assert said.place_of("V") == ("linhe", "sh0001", "1", "s-1")
    now[0] = 6 * 3600.0
    assert said.vin_at("linhe", "sh0001", "1", "s-1") is None
    assert said.place_of("V") is None
