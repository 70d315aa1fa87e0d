"""The ways a message leaves: a gateway for text messages and the app, mail, a file. Each says whether it was taken."""

import http.client
import json
import os
import queue
import smtplib
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from config.settings import ChargingSettings

_TIMEOUT_S = 5.0


class NotTaken(Exception):
    """A message could not be handed over; the text says why."""


class Text(Protocol):
    """One message to one address.

    delivery_id : what is handed over again by the same is the same message
    channel     : "phone" is a text message, "app" a push, "email"
    """

    @property
    def delivery_id(self) -> uuid.UUID: ...
    @property
    def channel(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def receipt_url(self) -> str | None: ...


class Channel(Protocol):
    """One way a message leaves. For several threads."""

    @property
    def name(self) -> str: ...

    def takes(self, message: Text) -> bool:
        """Say whether it is for messages like this one."""
        ...

    def send(self, message: Text) -> None:
        """Hand the message over.

        Raises : NotTaken
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class Gateway:
    """Posts messages as JSON to whoever sends text messages and pushes; 2xx means that it was taken.

    ``Idempotency-Key`` is the delivery's id: what is posted again is the same message.
    """

    name = "gateway"

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._parts = urlsplit(url)
        self._token = token
        self._timeout_s = timeout_s
        # Connections that wait for the next message: the first one of a danger pays for no handshake.
        self._idle: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()

    def takes(self, message: Text) -> bool:
        return message.channel in ("phone", "app")

    def send(self, message: Text) -> None:
        body = msgspec.json.encode(message)
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(message.delivery_id)}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        target = self._parts.path or "/"
        if self._parts.query:
            target += f"?{self._parts.query}"
        failure = ""
        # One that was kept may have been closed by the other side meanwhile: then once more on a new one.
        for connection in self._kept_and_new():
            try:
                connection.request("POST", target, body, headers)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                failure = f"{type(error).__name__}: {error}"
                continue
            self._idle.put(connection)
            if not 200 <= response.status < 300:
                raise NotTaken(f"the gateway answers {response.status} {response.reason}")
            return
        raise NotTaken(f"the gateway cannot be reached ({failure})")

    def close(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _kept_and_new(self) -> Iterator[http.client.HTTPConnection]:
        with suppress(queue.Empty):
            yield self._idle.get_nowait()
        yield self._connection()

    def _connection(self) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, self._parts.port, timeout=self._timeout_s, context=context)
        return http.client.HTTPConnection(host, self._parts.port, timeout=self._timeout_s)


class Mail:
    """Sends mail; taken is what the mail server has accepted."""

    name = "mail"

    def __init__(self, settings: ChargingSettings, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._settings = settings
        self._timeout_s = timeout_s

    def takes(self, message: Text) -> bool:
        return message.channel == "email"

    def send(self, message: Text) -> None:
        settings = self._settings
        mail = EmailMessage()
        try:
            mail["Subject"], mail["To"] = message.title, message.address
            mail["From"] = settings.smtp_from or f"forewarn@{settings.smtp_host}"
            mail["Message-ID"] = f"<{message.delivery_id}@forewarn>"
            mail["X-Priority"] = "1"
            mail.set_content("\n\n".join(part for part in (message.text, message.receipt_url) if part))
            with smtplib.SMTP(settings.smtp_host or "", settings.smtp_port, timeout=self._timeout_s) as server:
                if settings.smtp_username is not None:
                    server.starttls(context=ssl.create_default_context())
                    server.login(settings.smtp_username, settings.smtp_password or "")
                server.send_message(mail)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotTaken(f"mail was not taken ({type(error).__name__}: {error})"[:300]) from error

    def close(self) -> None:
        pass


class File:
    """Appends messages to a file, a JSON object a line: for trying things out, and for a gateway that reads files."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def takes(self, message: Text) -> bool:
        return True

    def send(self, message: Text) -> None:
        line = json.dumps(msgspec.to_builtins(message), ensure_ascii=False) + "\n"
        try:
            with self._lock:
                # There are people in it.
                out = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    os.write(out, line.encode())
                finally:
                    os.close(out)
        except OSError as error:
            raise NotTaken(f"{self._path} cannot be written ({error})") from error

    def close(self) -> None:
        pass


def channels_of(settings: ChargingSettings) -> list[Channel]:
    """Return the ways that are set."""
    found: list[Channel] = []
    if settings.gateway_url is not None:
        found.append(Gateway(settings.gateway_url, token=settings.gateway_token))
    if settings.smtp_host is not None:
        found.append(Mail(settings))
    if settings.message_file is not None:
        found.append(File(settings.message_file))
    return found
