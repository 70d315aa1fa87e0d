"""What asks a pile or a car to stop, whatever way it takes: the type that every way fits."""

import uuid
from datetime import datetime
from typing import Literal, Protocol

import msgspec

Policy = Literal["stop", "ask"]
Answer = Literal["sent", "accepted", "confirmed", "refused", "failed"]


class StopRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Charging is asked to stop. ``action_id`` is the request's idempotency key: it is the same when asked again."""

    action_id: uuid.UUID
    danger_id: uuid.UUID
    operator: str | None
    station: str | None
    connector: str | None
    session_id: str | None
    vin: str | None
    kind: str
    severity: Literal[1, 2, 3]
    reason: str
    issued_at: datetime
    expires_at: datetime


class StopAnswer(msgspec.Struct, frozen=True):
    """What became of a stop request.

    result : "sent" left and nothing is known yet; "accepted" will be done, a confirmation follows by ``Desk.answered``;
             "confirmed" charging has ended; "refused" by the other side; "failed" did not get there
    detail : in a few words, for the safety desk
    """

    result: Answer
    detail: str = ""


class PileStopper(Protocol):
    """Asks one operator's piles to stop: by webhook, T/CEC, OCPI or whatever the operator speaks."""

    def stop(self, request: StopRequest, *, timeout_s: float) -> StopAnswer:
        """Send the request and return what is known within ``timeout_s``. Runs on a thread of its own.

        Never raises for what the other side does: that is "refused" or "failed" with its reason.
        """
        ...


class Partners(Protocol):
    """What the desk needs to know of charging operators. Answers come from memory: a danger does not wait."""

    def stopper(self, operator: str) -> PileStopper | None:
        """Return what stops this operator's piles, None where it has no such interface."""
        ...

    def policy(self, operator: str) -> Policy:
        """Return whether its piles are stopped at once or a person is asked first."""
        ...


class Bindings(Protocol):
    """Which car is on which pile, as sessions say. Answers come from memory: a danger does not wait."""

    def vin_at(self, operator: str, station: str | None, connector: str | None, session_id: str | None) -> str | None:
        """Return the car that charges there now, None when no session says so."""
        ...

    def place_of(self, vin: str) -> tuple[str, str | None, str | None, str | None] | None:
        """Return (operator, station, connector, session) where this car charges now, None when no session says so."""
        ...
