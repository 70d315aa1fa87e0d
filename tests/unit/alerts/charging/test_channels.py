import http.server
import json
import socketserver
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts.charging.cars import Car, Cars, Contact, Unknown
from alerts.charging.channels import File, Gateway, Mail, NotTaken, channels_of
from alerts.charging.messages import Message
from config.settings import ChargingSettings
from forewarn.embedded.ports import free_port


def message(channel: str = "phone", **changes: Any) -> Message:
    values = {
        "delivery_id": uuid.uuid4(),
        "case_id": uuid.uuid4(),
        "recipient": "owner",
        "channel": channel,
        "address": "+8613800138000",
        "language": "zh_CN",
        "title": "充电危险",
        "text": "请离开车辆",
        "receipt_url": "https://fw.example/r",
    }
    return Message(**(values | changes))


class _Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken.append((body, dict(self.headers)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        # Keeps no connection, without saying so: what a proxy that restarts does.
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway_server() -> Iterator[Any]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Http) as server:
        server.taken, server.status = [], 202  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_gateway_gets_the_message_once_also_over_a_connection_that_was_closed_meanwhile(
    gateway_server: Any,
) -> None:
    gateway = Gateway(f"http://127.0.0.1:{gateway_server.server_address[1]}/send?x=1", token="t")
    sent = [message() for _ in range(3)]
    for one in sent:
        gateway.send(one)
        time.sleep(0.05)
    gateway.close()
    assert [body["delivery_id"] for body, _ in gateway_server.taken] == [str(one.delivery_id) for one in sent]
    body, headers = gateway_server.taken[0]
    assert (body["address"], body["text"]) == ("+8613800138000", "请离开车辆")
    assert headers["Authorization"] == "Bearer t"
    assert headers["Idempotency-Key"] == str(sent[0].delivery_id)


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_what_the_gateway_does_not_take_is_said(gateway_server: Any, status: int) -> None:
    gateway_server.status = status
    gateway = Gateway(f"http://127.0.0.1:{gateway_server.server_address[1]}/")
    with pytest.raises(NotTaken, match=str(status)):
        gateway.send(message())
    gateway.close()


def test_a_gateway_that_is_down_is_said() -> None:
    gateway = Gateway(f"http://127.0.0.1:{free_port()}/", timeout_s=1)
    with pytest.raises(NotTaken, match="cannot be reached"):
        gateway.send(message())
    gateway.close()


class _Smtp(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"DATA":
                self.wfile.write(b"354 go\r\n")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part)
                self.server.mails.append(b"".join(lines))
            if verb == b"RCPT" and self.server.refuses:
                self.wfile.write(b"550 no such person\r\n")
                continue
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


@pytest.fixture
def smtp_server() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        server.mails, server.refuses = [], False  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def mail_settings(server: Any) -> ChargingSettings:
    return ChargingSettings(smtp_host="127.0.0.1", smtp_port=server.server_address[1], smtp_from="desk@fw.example")


def test_mail_is_sent_in_any_language(smtp_server: Any) -> None:
    Mail(mail_settings(smtp_server)).send(message("email", address="a@b.example"))
    (mail,) = smtp_server.mails
    assert b"To: a@b.example" in mail
    assert b"From: desk@fw.example" in mail


def test_mail_that_is_refused_is_said(smtp_server: Any) -> None:
    smtp_server.refuses = True
    with pytest.raises(NotTaken, match="no such person"):
        Mail(mail_settings(smtp_server)).send(message("email", address="a@b.example"))


def test_an_address_that_would_break_a_mail_is_said_and_sent_to_nobody(smtp_server: Any) -> None:
    with pytest.raises(NotTaken):
        Mail(mail_settings(smtp_server)).send(message("email", address="a@b.example\r\nBcc: c@d.example"))
    assert smtp_server.mails == []


def test_a_file_gets_a_line_a_message_that_others_cannot_read(tmp_path: Path) -> None:
    file = File(tmp_path / "messages.jsonl")
    file.send(message())
    file.send(message(text="zwei\nZeilen"))
    lines = (tmp_path / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["请离开车辆", "zwei\nZeilen"]
    assert (tmp_path / "messages.jsonl").stat().st_mode & 0o077 == 0
    with pytest.raises(NotTaken):
        File(tmp_path / "none" / "x").send(message())


def test_each_way_takes_what_it_is_for(tmp_path: Path) -> None:
    assert channels_of(ChargingSettings()) == []
    settings = ChargingSettings(gateway_url="http://x/", smtp_host="x", message_file=tmp_path / "x")
    names = {
        channel: [one.name for one in channels_of(settings) if one.takes(message(channel))]
        for channel in ("phone", "app", "email")
    }
    assert names == {"phone": ["gateway", "file"], "app": ["gateway", "file"], "email": ["mail", "file"]}


def car(*purposes: str) -> Car:
    return Car(
        vehicle_id=1,
        model="Dawn",
        chemistry="NMC",
        purposes=frozenset(purposes),
        language="en",
        contacts=(Contact(1, "phone", "+1"),),
    )


@pytest.mark.parametrize(
    ("purposes", "may"), [((), False), (("marketing",), False), (("safety",), True), (("care",), True)]
)
def test_a_car_is_watched_by_consent_to_safety_or_care(purposes: tuple[str, ...], may: bool) -> None:
    assert car(*purposes).may_be_watched == may


def test_what_is_known_of_a_car_holds_while_the_database_is_away() -> None:
    now = [0.0]

    def away() -> Any:
        raise OSError("away")

    cars = Cars(away, remember_s=5, clock=lambda: now[0])
    cars.start()
    cars.put({"V": car("safety")}, ["V", "W"])
    now[0] = 3600.0
    known = cars.get("V")
    assert isinstance(known, Car)
    assert isinstance(cars.get("W"), Unknown)
    assert cars.get("X", wait_s=0.05) is None
    cars.close()
