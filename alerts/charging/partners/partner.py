"""Who a charging partner is, and what it may speak for. Pure values."""

import secrets
import string
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from alerts.charging.partners.cec import Keys
from alerts.charging.partners.refusals import NotYours

KeyKind = Literal["webhook", "tcec102", "ocpi", "read", "tcec102_out", "ocpi_out", "ocpi_register"]
StopBy = Literal["webhook", "tcec102", "ocpi"]
Policy = Literal["stop", "ask"]

# They go into forms and configuration files: nothing that needs quoting.
_LETTERS = string.ascii_letters + string.digits


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a partner, opened. ``secret`` is empty where only ``digest`` is known.

    expires_at : when a rotated key ends; None, when nobody has rotated it
    spent_at   : when a token that is good once was used
    """

    key_id: int
    kind: KeyKind
    secret: bytes = b""
    digest: bytes = b""
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    spent_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """A partner and its keys.

    operators : those it speaks for, the first where a message names none; T/CEC's OperatorID, OCPI's country and party
    stations  : shell patterns of the stations it may speak for
    stop_by   : how its piles are asked to stop; None, when it has no way for that
    ocpi_versions_url : where it serves its OCPI versions; None, when it has not registered by credentials
    """

    partner_id: str
    name: str
    operators: tuple[str, ...]
    stations: tuple[str, ...] = ("*",)
    policy: Policy = "stop"
    stop_by: StopBy | None = None
    stop_url: str | None = None
    ocpi_versions_url: str | None = None
    created_at: datetime
    revoked_at: datetime | None = None
    keys: tuple[Key, ...] = ()

    def valid(self, kind: KeyKind, now: datetime) -> Sequence[Key]:
        """Return the keys of a kind that are valid now, the newest first."""
        if self.revoked_at is not None:
            return ()
        return sorted((key for key in self.keys if key.kind == kind and key.is_valid(now)), key=lambda key: -key.key_id)

    def operator_of(self, said: str | None) -> str:
        """Return the operator that a message means.

        Raises : NotYours, when it is not this partner's
        """
        if said is None:
            return self.operators[0]
        if said not in self.operators:
            raise NotYours(f"operator {said!r} is none that {self.partner_id} speaks for")
        return said

    def check_station(self, station: str | None) -> None:
        """Refuse a station that is not this partner's.

        Raises : NotYours
        """
        if station is not None and not any(fnmatchcase(station, pattern) for pattern in self.stations):
            raise NotYours(f"station {station!r} is none of {self.partner_id}")


def cec_keys(key: Key) -> Keys:
    """Return the T/CEC keys in an opened key."""
    return msgspec.json.decode(key.secret, type=Keys)


def new_cec_keys() -> Keys:
    """Return fresh T/CEC keys: 16 letters and digits each, 95 random bits."""

    def drawn() -> str:
        return "".join(secrets.choice(_LETTERS) for _ in range(16))

    return Keys(operator_secret=drawn(), data_secret=drawn(), data_secret_iv=drawn(), sig_secret=drawn())
