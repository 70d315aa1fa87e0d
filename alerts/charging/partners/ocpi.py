"""OCPI 2.2.1: sessions in, STOP_SESSION out. Pure functions.

Source: OCPI 2.2.1-d2, 4 (transport), 9 (sessions), 13 (commands). A session object carries no VIN: a partner may add
``vin``, without it the car can be stopped but not read.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from alerts.charging.partners.partner import Partner
from alerts.charging.partners.refusals import NotUnderstood
from alerts.charging.partners.reports import Said, SessionReport, SessionState, StopResult
from alerts.charging.partners.spelling import by_name, instant, text

_CHANNEL = "ocpi"
SUCCESS: Final = 1000
CLIENT_ERROR: Final = 2000
INVALID: Final = 2001
UNKNOWN: Final = 2003
SERVER_ERROR: Final = 3000
UNUSABLE: Final = 3001
NO_VERSION: Final = 3002
NO_ENDPOINTS: Final = 3003
# OCPI 2.2.1, 9.4.2. A reservation is no charging session.
_STATES: Mapping[str, SessionState] = {
    "ACTIVE": "charging",
    "PENDING": "starting",
    "COMPLETED": "ended",
    "INVALID": "failed",
}


def envelope(data: Any, *, now: datetime, code: int = SUCCESS, message: str = "") -> dict[str, Any]:
    """Return an answer as OCPI wraps it."""
    answer: dict[str, Any] = {"status_code": code, "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if data is not None:
        answer["data"] = data
    if message:
        answer["status_message"] = message
    return answer


def token_in(authorization: str) -> tuple[str, ...]:
    """Return the tokens that an Authorization header may mean: 2.2.1 encodes it in Base64, many send it as it is."""
    scheme, _, given = authorization.partition(" ")
    given = given.strip()
    if scheme.casefold() != "token" or not given or len(given) > 500:
        return ()
    try:
        decoded = base64.b64decode(given, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return (given,)
    return (given, decoded)


def authorization(token: str) -> str:
    """Return the Authorization header for a token."""
    return "Token " + base64.b64encode(token.encode()).decode()


def operator_name(country_code: str, party_id: str) -> str:
    """Return how an OCPI party is called as an operator."""
    return f"{country_code}-{party_id}".upper()


def read_session(
    fields: Mapping[str, Any],
    partner: Partner,
    *,
    country_code: str,
    party_id: str,
    session_id: str,
    is_whole: bool,
    received_at: datetime,
) -> Said:
    """Return what a session says that was put, or in parts patched, at its address.

    Raises : NotUnderstood, NotYours
    """
    names = (
        *("id", "country_code", "party_id", "start_date_time", "end_date_time", "location_id", "evse_uid"),
        *("connector_id", "status", "last_updated", "vin"),
    )
    known = by_name(fields, names)
    operator = partner.operator_of(operator_name(country_code, party_id))
    for name, expected in (("country_code", country_code), ("party_id", party_id), ("id", session_id)):
        said = text(known.get(name))
        if said is not None and said.casefold() != expected.casefold():
            raise NotUnderstood(f"{name} is another one than in the address")
    station, evse = text(known.get("location_id")), text(known.get("evse_uid"))
    partner.check_station(station)
    status = text(known.get("status"))
    state = _STATES.get(status or "")
    if status is not None and state is None:
        if status == "RESERVATION":
            return Said(ignored=("a reservation is no charging session",))
        raise NotUnderstood(f"status {status!r} is none of {', '.join(_STATES)}")
    started_at, ended_at = instant(known.get("start_date_time")), instant(known.get("end_date_time"))
    if is_whole and (state is None or started_at is None or station is None):
        missing = {"status": state, "start_date_time": started_at, "location_id": station}
        raise NotUnderstood(f"{', '.join(name for name, value in missing.items() if value is None)} is missing")
    if state is None:
        # Energy and prices of a session that goes on.
        state = "charging"
    said_at = instant(known.get("last_updated")) or received_at
    over = state in ("ended", "failed")
    report = SessionReport(
        operator=operator,
        station=station,
        connector=evse or text(known.get("connector_id")),
        session_id=session_id,
        vin=text(known.get("vin")),
        state=state,
        started_at=started_at,
        ended_at=(ended_at or said_at) if over else None,
        said_at=said_at,
        received_at=received_at,
        channel=_CHANNEL,
    )
    results: tuple[StopResult, ...] = ()
    if state == "ended":
        results = (
            StopResult(
                operator=operator,
                session_id=session_id,
                result="confirmed",
                detail="the operator says that the session has ended",
            ),
        )
    return Said(sessions=(report,), results=results)
