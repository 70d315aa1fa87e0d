"""Partners and their keys in the database."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from alerts.charging.partners.partner import Key, KeyKind, Partner, new_cec_keys
from alerts.charging.partners.sealing import Sealer, digest, new_token
from alerts.charging.partners.webhooks import SECRET_BYTES, text_of
from config import sql
from config.errors import UserMistake

Connection = psycopg.Connection[Any]

# Of a token nobody needs more than whether it is the one.
_HASHED: frozenset[KeyKind] = frozenset({"ocpi", "read", "ocpi_register"})
_PREFIX: dict[KeyKind, str] = {"ocpi": "fwo_", "read": "fwr_", "ocpi_register": "fwa_"}
# A token that lets its bearer register lies in mails and tickets: not for ever.
_LASTS: dict[KeyKind, timedelta] = {"ocpi_register": timedelta(days=14)}


class PartnerTaken(UserMistake):
    """There is a partner of this name."""


class OperatorTaken(UserMistake):
    """Another partner speaks for this operator."""


class NoSuchPartner(UserMistake):
    """There is no partner of this name."""


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was just made. ``shown`` is what the partner gets, and is not to be had a second time."""

    key_id: int
    kind: KeyKind
    shown: dict[str, str]


def add(conn: Connection, partner: Partner, *, now: datetime) -> None:
    """Write a partner without keys, role "admin", inside the caller's transaction.

    Raises : PartnerTaken, OperatorTaken
    """
    values = {**msgspec.structs.asdict(partner), "stations": list(partner.stations), "now": now}
    if conn.execute(_sql("insert_partner"), values).fetchone() is None:
        raise PartnerTaken(f"there is a partner {partner.partner_id} already: choose another name or revoke it")
    for operator in partner.operators:
        row = conn.execute(_sql("insert_operator"), {"operator": operator, "partner_id": partner.partner_id}).fetchone()
        if row is None or row[0] != partner.partner_id:
            whose = row[0] if row else "another one"
            raise OperatorTaken(f"{whose} speaks for operator {operator}: revoke that partner first")


def add_key(
    conn: Connection, sealer: Sealer, partner_id: str, kind: KeyKind, *, now: datetime, given: bytes | None = None
) -> NewKey:
    """Make a key and write it, role "admin", inside the caller's transaction.

    given : the secret, where it is not drawn here
    """
    row = conn.execute(_sql("next_key_id")).fetchone()
    assert row is not None
    key_id = int(row[0])
    secret, shown = (given, {}) if given is not None else _made(kind)
    hashed = kind in _HASHED
    values = {
        "key_id": key_id,
        "partner_id": partner_id,
        "kind": kind,
        "sealed": None if hashed else sealer.seal(secret, about=_about(partner_id, kind, key_id)),
        "digest": digest(secret.decode()) if hashed else None,
        "now": now,
        "expires_at": now + _LASTS[kind] if kind in _LASTS else None,
    }
    conn.execute(_sql("insert_key"), values)
    return NewKey(key_id=key_id, kind=kind, shown=shown)


def rotate(
    conn: Connection,
    sealer: Sealer,
    partner_id: str,
    kind: KeyKind,
    *,
    now: datetime,
    overlap: timedelta,
    given: bytes | None = None,
) -> NewKey:
    """Make a new key of a kind, valid at once; older ones go on for ``overlap``, so that nobody is locked out."""
    made = add_key(conn, sealer, partner_id, kind, now=now, given=given)
    values = {"partner_id": partner_id, "kind": kind, "before": made.key_id, "expires_at": now + overlap}
    conn.execute(_sql("expire_keys"), values)
    return made


def revoke_keys(conn: Connection, partner_id: str, *, key_id: int | None, now: datetime) -> int:
    """End one key of a partner, or all of them, and return how many ended."""
    return conn.execute(_sql("revoke_keys"), {"partner_id": partner_id, "key_id": key_id, "now": now}).rowcount


def revoke(conn: Connection, partner_id: str, *, now: datetime) -> bool:
    """End a partner with its keys; its operators may be another's from now on. Return False when it had ended."""
    ended = conn.execute(_sql("revoke_partner"), {"partner_id": partner_id, "now": now}).rowcount == 1
    revoke_keys(conn, partner_id, key_id=None, now=now)
    conn.execute(_sql("release_operators"), {"partner_id": partner_id})
    return ended


def all_partners(
    conn: Connection, sealer: Sealer | None, *, now: datetime, ended_too: bool = False
) -> Sequence[Partner]:
    """Return every partner with its keys.

    sealer : opens the keys; None leaves their secrets empty
    Raises : MasterKeyUnfit
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        keys: dict[str, list[Key]] = {}
        for row in cursor.execute(_sql("partner_keys"), {"ended_too": ended_too, "now": now}):
            keys.setdefault(row["partner_id"], []).append(_key(row, sealer))
        rows = cursor.execute(_sql("partners")).fetchall()
    return [
        Partner(
            **{**row, "operators": tuple(row["operators"]), "stations": tuple(row["stations"])},
            keys=tuple(keys.get(row["partner_id"], ())),
        )
        for row in rows
        if ended_too or (row["revoked_at"] is None and row["operators"])
    ]


def find(partners: Iterable[Partner], partner_id: str) -> Partner:
    """Return the partner of a name. Raises : NoSuchPartner"""
    for partner in partners:
        if partner.partner_id == partner_id:
            return partner
    raise NoSuchPartner(f"there is no partner {partner_id}: see 'forewarn partner list'")


def _key(row: dict[str, Any], sealer: Sealer | None) -> Key:
    secret = b""
    if sealer is not None and row["sealed"] is not None:
        secret = sealer.open(bytes(row["sealed"]), about=_about(row["partner_id"], row["kind"], row["key_id"]))
    return Key(
        key_id=row["key_id"],
        kind=row["kind"],
        secret=secret,
        digest=bytes(row["digest"]) if row["digest"] is not None else b"",
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        spent_at=row["spent_at"],
    )


def _about(partner_id: str, kind: str, key_id: int) -> str:
    # Bound to its place: a row that was copied to another partner does not open.
    return f"{partner_id} {kind} {key_id}"


def _made(kind: KeyKind) -> tuple[bytes, dict[str, str]]:
    if kind == "webhook":
        secret = secrets.token_bytes(SECRET_BYTES)
        return secret, {"secret": text_of(secret)}
    if kind == "tcec102":
        keys = new_cec_keys()
        return msgspec.json.encode(keys), {
            "OperatorSecret": keys.operator_secret,
            "DataSecret": keys.data_secret,
            "DataSecretIV": keys.data_secret_iv,
            "SigSecret": keys.sig_secret,
        }
    if kind in _PREFIX:
        token = new_token(_PREFIX[kind])
        return token.encode(), {"token": token}
    raise UserMistake(f"a key of kind {kind} is the partner's to make: give it")


def _sql(name: str) -> Any:
    return sql.load(__package__, name)
