"""The demo's danger: a car charges at a simulated station, overheats, and is stopped in the way a real one would be."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from alerts.charging.board import BoardCase, board
from config.errors import UserMistake
from config.settings import ChargingSettings, PartnerSettings, Settings
from forewarn.charging_watch import run_watch
from forewarn.delivery import ingest_beside
from forewarn.embedded.ports import free_port
from forewarn.message import Message
from forewarn.publish import PublishStalled, publish, when_due
from ingest.store.connection import connect
from ingest.store.enrolment import enrol

if TYPE_CHECKING:
    from forewarn.simulator.charging.live import LiveDanger

_KIND: Final = "thermal_runaway"
_STATIONS = 8
_PARTNER = "simulated"
_READY_WITHIN_S = 30.0
_END_WITHIN_S = 20.0
# The danger begins 15 s after the first message and takes some seconds to become one by the standard.
_STOPPED_WITHIN_S = 90
_SHOWN_WITHIN_S = 30.0
# The car says for so long that it does not charge any more.
_AFTER_STOP_MS = 3_000
# What is drawn and encoded before the first message takes a second or two on a busy machine.
_PREPARE_MS = 4_000
_LOOK_EVERY_S = 0.1


class NotStopped(UserMistake):
    """The danger of the demo was not stopped, or nobody was told."""


@dataclass(frozen=True, slots=True)
class ChargingShown:
    """What came of the danger: the case as the safety desk shows it, and what its owner was sent."""

    case: BoardCase
    owner_title: str
    owner_text: str
    message_file: Path


def show_danger(settings: Settings, *, message_file: Path, seed: int, say: Callable[[str], None]) -> ChargingShown:
    """Have a car charge at a station of a simulated operator and overheat, and return what Forewarn did about it.

    The operator registers the session over its interface, car and pile publish over MQTT, the watch judges, asks both
    to stop and tells the owner; nothing is written by hand.
    settings     : of a demo's own servers
    message_file : gets what the owner is sent
    Raises       : NotStopped, when that did not happen in time
    """
    # The simulator is slow to import.
    from forewarn.simulator.charging.live import draw_live_danger
    from forewarn.simulator.charging.operator import simulated_operator
    from forewarn.simulator.charging.stops import listening
    from forewarn.simulator.charging.traffic import stations_of

    own = _own_settings(settings, message_file)
    with simulated_operator(lambda station: "obey") as operator, ingest_beside(own):
        starts_ms = time.time_ns() // 1_000_000 + _PREPARE_MS
        danger = draw_live_danger(_KIND, stations_of(_STATIONS, seed=seed), seed=seed, now_ms=starts_ms)
        assert own.database.dsn is not None
        with connect(own.database.dsn, role="admin") as conn:
            enrol(conn, [danger.enrolment], chosen_at=datetime.now(UTC))
        secret = _add_operator(own, danger.session.connector.at.operator, stop_url=operator.url)
        with _watching(own), listening(danger.enrolment.vin, own.mqtt) as stops:
            at = danger.session.connector.at
            say(f"A car charges at {at.operator} {at.station}, connector {at.connector}; its battery will overheat")
            _push_session(own, danger, secret, state="charging")
            _publish(_until_stopped(danger, stops), own)
            shown = _wait_for_desk(own, danger.enrolment.vin)
            _push_session(own, danger, secret, state="ended")
    return shown


def _own_settings(settings: Settings, message_file: Path) -> Settings:
    # Whatever ways to people are configured, a demo sends nobody anything.
    own = {
        "charging": ChargingSettings(message_file=message_file, public_url=settings.web.address),
        "partners": PartnerSettings(port=free_port()),
    }
    return settings.model_copy(update=own)


def _add_operator(settings: Settings, operator: str, *, stop_url: str) -> str:
    """Let the simulated operator in, as ``forewarn partner add`` does; return the secret that it signs with."""
    from alerts.charging.partners.partner import Partner
    from alerts.charging.partners.records import add, add_key
    from alerts.charging.partners.sealing import load_or_make
    from alerts.charging.partners.serving import master_key_file

    now = datetime.now(UTC)
    partner = Partner(
        partner_id=_PARTNER,
        name="Simulated operator",
        operators=(operator,),
        stop_by="webhook",
        stop_url=stop_url,
        created_at=now,
    )
    assert settings.database.dsn is not None
    sealer = load_or_make(master_key_file(settings))
    with connect(settings.database.dsn, role="admin") as conn, conn.transaction():
        add(conn, partner, now=now)
        return add_key(conn, sealer, _PARTNER, "webhook", now=now).shown["secret"]


@contextmanager
def _watching(settings: Settings) -> Iterator[None]:
    """Run the watch over charging beside the caller. Raises : what it raised; NotStopped, when it does not start"""
    stop = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            run_watch(settings, stop=stop)
        except BaseException as error:  # noqa: BLE001  # raised below, where somebody waits
            failed.append(error)

    thread = threading.Thread(target=run, name="charging")
    thread.start()
    ready = settings.data_dir / "charging" / "watcher" / "ready"
    try:
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not ready.exists():
            if failed:
                raise failed[0]
            if time.monotonic() > deadline_s:
                raise NotStopped(f"the watch over charging did not start within {_READY_WITHIN_S:.0f} s: try again")
            time.sleep(_LOOK_EVERY_S)
        yield
    finally:
        stop.set()
        thread.join(_END_WITHIN_S)
    if failed:
        raise failed[0]


def _push_session(settings: Settings, danger: "LiveDanger", secret: str, *, state: str) -> None:
    """Tell Forewarn over its interface for partners which car is on which connector, as its operator."""
    from alerts.charging.partners.webhooks import headers_for, secret_of

    session, now = danger.session, datetime.now(UTC)
    data: dict[str, Any] = {
        "session_id": session.session_id,
        "station": session.connector.at.station,
        "connector": session.connector.at.connector,
        "vin": danger.enrolment.vin,
        "state": state,
        "started_at": datetime.fromtimestamp(session.started_ms / 1000, tz=UTC).isoformat(),
    }
    if state == "ended":
        data["ended_at"] = now.isoformat()
    number = f"{session.session_id}-{state}"
    event = {
        "specversion": "1.0",
        "id": number,
        "source": f"//{_PARTNER}.example",
        "type": "forewarn.charging.session.v1",
        "data": data,
    }
    body = json.dumps(event).encode()
    signed = headers_for([secret_of(secret)], message_id=number, timestamp=int(now.timestamp()), body=body)
    answer = httpx.post(
        f"{settings.partners.address()}/v1/partners/{_PARTNER}/events",
        content=body,
        headers={"content-type": "application/cloudevents+json", **signed},
        timeout=10,
        trust_env=False,
    )
    answer.raise_for_status()


def _publish(messages: Iterator[Message], settings: Settings) -> None:
    """Send each message when it is due. That ingest has stored them all is not waited for: the stop does not either."""
    assert settings.mqtt.host is not None
    try:
        publish(when_due(messages), host=settings.mqtt.host, port=settings.mqtt.port)
    except PublishStalled as error:
        raise NotStopped(f"the broker of the demo took no more messages of the car ({error}): try again") from error


def _until_stopped(danger: "LiveDanger", stopped_at_ms: Callable[[], int | None]) -> Iterator[Message]:
    """Yield what car and pile send until charging has stopped, at the latest until nobody waits for that any more."""
    for message in danger.messages(stopped_at_ms):
        stop_ms = stopped_at_ms()
        ends_ms = danger.starts_ms + 1000 * _STOPPED_WITHIN_S if stop_ms is None else stop_ms + _AFTER_STOP_MS
        if message.received_ms > ends_ms:
            return
        yield message


def _wait_for_desk(settings: Settings, vin: str) -> ChargingShown:
    """Return the car's case once the desk shows that everything has stopped and that its owner was told."""
    assert settings.database.dsn is not None
    assert settings.charging.message_file is not None
    deadline_s = time.monotonic() + _SHOWN_WITHIN_S
    with connect(settings.database.dsn, role="alerts", autocommit=True) as conn:
        while True:
            case = next((one for one in board(conn) if one.vin == vin), None)
            stopped = {one.target for one in case.actions if one.state == "confirmed"} if case is not None else set()
            if case is not None and stopped == {"car", "pile"} and any(one.accepted for one in case.deliveries):
                message = _message_of(settings.charging.message_file, case)
                return ChargingShown(case, message["title"], message["text"], settings.charging.message_file)
            if time.monotonic() > deadline_s:
                named = " and ".join(sorted(stopped)) or "nothing"
                raise NotStopped(f"the danger at the simulated station was not seen to: {named} stopped; try again")
            time.sleep(_LOOK_EVERY_S)


def _message_of(file: Path, case: BoardCase) -> dict[str, str]:
    messages = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return next(one for one in messages if one["case_id"] == str(case.case_id) and one["recipient"] == "owner")
