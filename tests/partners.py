"""A server for partners on a free port, with a desk that only writes down what it is handed."""

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from standardwebhooks.webhooks import Webhook

from alerts.charging.anomaly import Receipt, Sighting, case_id, danger_id, report_id
from alerts.charging.partners.partner import Partner
from alerts.charging.partners.records import NewKey, add, add_key
from alerts.charging.partners.sealing import load_or_make
from alerts.charging.partners.serving import PartnerSide, master_key_file, partner_side
from alerts.charging.stopping import StopAnswer
from config.settings import Settings
from ingest.store.connection import connect

# One for all: to make one takes longer than a request.
CLIENT = httpx.Client(timeout=30)


class RecordingDesk:
    """Writes down what it is handed, and answers like the desk of a database that is there."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []
        self.answers: list[tuple[uuid.UUID, StopAnswer]] = []
        self.stops: list[Any] = []
        self.recorded = True
        self._known: set[uuid.UUID] = set()

    def take(self, sighting: Sighting) -> tuple[Receipt, None]:
        is_new = report_id(sighting) not in self._known
        self._known.add(report_id(sighting))
        if is_new:
            self.sightings.append(sighting)
        danger = danger_id(sighting)
        return (
            Receipt(danger_id=danger, case_id=case_id(danger), is_new=is_new, stops=(), recorded=self.recorded),
            None,
        )

    def receive(self, sighting: Sighting, *, wait_s: float = 2.0) -> Receipt:
        return self.take(sighting)[0]

    def answered(self, action_id: uuid.UUID, answer: StopAnswer) -> None:
        self.answers.append((action_id, answer))

    def open_stops(self) -> list[Any]:
        return list(self.stops)


class Cec:
    """An operator's T/CEC client, written from the text of the standard."""

    CHINA = timezone(timedelta(hours=8))

    def __init__(self, url: str, operator_id: str, shown: dict[str, str]) -> None:
        self.url, self.operator_id, self.keys = f"{url}/evcs/v1", operator_id, shown
        self.seq = secrets.randbelow(4000)
        self.token: str | None = None

    def sealed(
        self,
        content: object,
        *,
        at: datetime | None = None,
        seq: int | None = None,
        data_secret: str | None = None,
        sig_secret: str | None = None,
    ) -> dict[str, str]:
        padder = PKCS7(128).padder()
        plain = padder.update(json.dumps(content, ensure_ascii=False).encode()) + padder.finalize()
        secret = (data_secret or self.keys["DataSecret"]).encode()
        encryptor = Cipher(algorithms.AES(secret), modes.CBC(self.keys["DataSecretIV"].encode())).encryptor()
        data = base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()
        if seq is None:
            self.seq += 1
            seq = self.seq
        stamp = ((at or datetime.now(UTC)) + timedelta(hours=8)).strftime("%Y%m%d%H%M%S")
        signed = f"{self.operator_id}{data}{stamp}{seq:04d}".encode()
        sig = hmac.new((sig_secret or self.keys["SigSecret"]).encode(), signed, hashlib.md5).hexdigest().upper()
        return {"OperatorID": self.operator_id, "Data": data, "TimeStamp": stamp, "Seq": f"{seq:04d}", "Sig": sig}

    def mac(self, signed: bytes) -> str:
        return hmac.new(self.keys["SigSecret"].encode(), signed, hashlib.md5).hexdigest().upper()

    def opened_request(self, request: dict[str, str]) -> Any:
        signed = "".join(request[name] for name in ("OperatorID", "Data", "TimeStamp", "Seq")).encode()
        assert request["Sig"] == self.mac(signed)
        return self._plain(request["Data"])

    def opened(self, answer: dict[str, Any]) -> Any:
        assert answer["Sig"] == self.mac(f"{answer['Ret']}{answer['Msg']}{answer['Data']}".encode())
        return self._plain(answer["Data"])

    def _plain(self, data: str) -> Any:
        key, start = self.keys["DataSecret"].encode(), self.keys["DataSecretIV"].encode()
        decryptor, unpadder = Cipher(algorithms.AES(key), modes.CBC(start)).decryptor(), PKCS7(128).unpadder()
        padded = decryptor.update(base64.b64decode(data)) + decryptor.finalize()
        return json.loads(unpadder.update(padded) + unpadder.finalize())

    def post(self, name: str, body: object, *, token: str | None = "") -> httpx.Response:
        headers = {"content-type": "application/json"}
        token = self.token if token == "" else token
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return CLIENT.post(f"{self.url}/{name}", content=content, headers=headers)

    def log_in(self) -> dict[str, Any]:
        content = {"OperatorID": self.operator_id, "OperatorSecret": self.keys["OperatorSecret"]}
        answer = self.post("query_token", self.sealed(content), token=None).json()
        assert answer["Ret"] == 0, answer
        opened = self.opened(answer)
        self.token = opened["AccessToken"]
        return opened

    def say(self, name: str, content: object, **how: Any) -> dict[str, Any]:
        return self.post(name, self.sealed(content, **how)).json()


class World:
    """The server, its desk, and partners with keys."""

    def __init__(self, settings: Settings, side: PartnerSide, desk: RecordingDesk) -> None:
        self.settings, self.side, self.desk = settings, side, desk
        self.url = settings.partners.address()
        self.keys: dict[tuple[str, str], NewKey] = {}

    def add(self, partner_id: str, *operators: str, kinds: tuple[str, ...] = ("webhook",), **fields: Any) -> Partner:
        now = datetime.now(UTC)
        partner = Partner(partner_id=partner_id, name=partner_id, operators=operators, created_at=now, **fields)
        sealer = load_or_make(master_key_file(self.settings))
        with connect(self.settings.database.dsn or "", role="admin") as conn:
            add(conn, partner, now=now)
            for kind in kinds:
                self.keys[partner_id, kind] = add_key(conn, sealer, partner_id, kind, now=now)
        self.side.refresh()
        return partner

    def secret(self, partner_id: str) -> str:
        return self.keys[partner_id, "webhook"].shown["secret"]

    def push(
        self,
        partner_id: str,
        event: object,
        *,
        message_id: str | None = None,
        at: datetime | None = None,
        secret: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        at, message_id = at or datetime.now(UTC), message_id or f"msg_{uuid.uuid4().hex}"
        signature = Webhook(secret or self.secret(partner_id)).sign(message_id, at.replace(tzinfo=None), body.decode())
        sent = {
            "content-type": "application/cloudevents+json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return CLIENT.post(f"{self.url}/v1/partners/{partner_id}/events", content=body, headers=sent)

    def cec(self, partner_id: str, operator_id: str) -> Cec:
        return Cec(self.url, operator_id, self.keys[partner_id, "tcec102"].shown)


def anomaly(**fields: Any) -> dict[str, Any]:
    """Return an event about something abnormal."""
    data = {"id": "A1", "station": "S1", "connector": "1", "code": "18", "severity": 1, **fields}
    return event("forewarn.charging.anomaly.v1", data)


def event(kind: str, data: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """Return a CloudEvent."""
    return {
        "specversion": "1.0",
        "id": f"e{uuid.uuid4().hex}",
        "source": "//star.example/piles",
        "type": kind,
        "time": datetime.now(UTC).isoformat(),
        "data": data,
        **attributes,
    }


@contextmanager
def running(settings: Settings, desk: RecordingDesk) -> Iterator[World]:
    with partner_side(settings, dsn=settings.database.dsn or "") as side, side.serve(desk):
        yield World(settings, side, desk)
