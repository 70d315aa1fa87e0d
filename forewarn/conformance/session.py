"""One run against a server: what was tried, what was expected, what came."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from config.errors import UserMistake

# What is reported is at a place that no station has, and of the severity that stops nothing.
STATION = "conformance-check"
NOTICE = 3
WITHIN_TOLERANCE, BEYOND_TOLERANCE = timedelta(minutes=4), timedelta(minutes=6)


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried. ``detail`` is what came, where it does not fit."""

    protocol: str
    what: str
    fits: bool
    detail: str = ""


class Run:
    """Sends messages of one protocol and keeps what came of it."""

    def __init__(self, protocol: str, url: str, client: httpx.Client) -> None:
        self.protocol, self.url, self.client = protocol, url.rstrip("/"), client
        self.checks: list[Check] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    def expect(self, what: str, ask: Callable[[], httpx.Response], fits: Callable[[httpx.Response], bool]) -> Any:
        """Ask, note whether the answer fits, and return it as JSON where it is JSON.

        Raises : UserMistake, when there is no server at the address
        """
        try:
            answer = ask()
        except httpx.ConnectError as error:
            raise UserMistake(f"nobody answers at {self.url} ({error}): start the server or correct --url") from error
        except httpx.HTTPError as error:
            self.checks.append(Check(protocol=self.protocol, what=what, fits=False, detail=type(error).__name__))
            return None
        try:
            said = answer.json()
        except ValueError:
            said = None
        try:
            is_fit = bool(fits(answer))
        except (KeyError, TypeError, ValueError, AttributeError):
            # An answer of another shape than the protocol's does not fit.
            is_fit = False
        detail = "" if is_fit else f"HTTP {answer.status_code} {' '.join(answer.text.split())[:160]}"
        self.checks.append(Check(protocol=self.protocol, what=what, fits=is_fit, detail=detail))
        return said

    def note(self, what: str, *, fits: bool, detail: str = "") -> None:
        self.checks.append(Check(protocol=self.protocol, what=what, fits=fits, detail="" if fits else detail))


def has_status(*statuses: int) -> Callable[[httpx.Response], bool]:
    return lambda answer: answer.status_code in statuses
