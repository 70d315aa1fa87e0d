"""What partners' messages say, whatever the protocol: sightings, sessions, measurements, results of stops."""

import uuid
from datetime import datetime
from typing import Literal

import msgspec

from alerts.charging.anomaly import Sighting

SessionState = Literal["starting", "charging", "ended", "failed"]


class SessionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator says of a session. ``said_at`` is when, by its clock: what is older changes nothing.

    vin        : as the operator says it, None when it does not
    started_at : None, where the message does not say it
    """

    operator: str
    station: str | None
    connector: str | None
    session_id: str
    vin: str | None = None
    state: SessionState
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    said_at: datetime
    received_at: datetime
    channel: str


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector measured at one instant, by OCPP measurand as ``ingest.charging.MEASURANDS`` names them."""

    operator: str
    station: str
    connector: str
    session_id: str | None = None
    ts: datetime
    signals: dict[str, float]


class StopResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a stop request; ``action_id`` where the protocol carries it, else the session it was for."""

    operator: str
    action_id: uuid.UUID | None = None
    session_id: str | None = None
    result: Literal["accepted", "confirmed", "refused", "failed"]
    detail: str = ""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """All that one message says.

    ignored  : what of it was left aside because it says nothing about a danger
    problems : what of it could not be used, and why; the rest is used
    """

    sightings: tuple[Sighting, ...] = ()
    sessions: tuple[SessionReport, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    results: tuple[StopResult, ...] = ()
    ignored: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
