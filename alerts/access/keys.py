"""Keys of machines: shown once, kept as their hash, good for what their scopes name and nothing else."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from alerts.access.audit import Actor, record
from alerts.access.roles import Caller, Scope
from alerts.access.tokens import hash_of, new_token
from config import sql
from config.errors import UserMistake

Connection = psycopg.Connection[Any]
# So that whoever finds one in a log or a commit knows what it is, and scanners do.
PREFIX = "forewarn_"
_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_TOUCH_EVERY = timedelta(minutes=1)


class NoSuchKey(UserMistake):
    """There is no key of this number, or it is revoked."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as lists show it, without its secret. Times are UTC."""

    key_id: int
    name: str
    scopes: tuple[str, ...]
    dealer_id: str | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


def make_key(
    conn: Connection,
    name: str,
    scopes: Collection[Scope],
    *,
    dealer_id: str | None = None,
    lasts: timedelta | None = None,
    by: Actor,
    now: datetime,
) -> tuple[int, str]:
    """Make a key, role "alerts"; return its number and the key itself, which is nowhere else.

    name      : what it is for, in words
    dealer_id : the dealer that it speaks for, if it does for one
    lasts     : None is until it is revoked
    Raises    : UserMistake, for no name, no scope or an unknown dealer
    """
    if not name.strip() or not scopes:
        raise UserMistake("a key needs a name that says what it is for, and at least one scope")
    if dealer_id and conn.execute("SELECT FROM care.dealer WHERE dealer_id = %s", [dealer_id]).fetchone() is None:
        raise UserMistake(f"there is no dealer {dealer_id}: see 'forewarn dealers export'")
    if Scope.COUPONS_REDEEM in scopes and dealer_id is None:
        raise UserMistake("a key that redeems coupons speaks for one dealer: give --dealer, its id")
    secret = PREFIX + new_token()
    values = {
        "name": name.strip(),
        "secret_hash": hash_of(secret),
        "scopes": sorted(scope.value for scope in scopes),
        "dealer_id": dealer_id,
        "now": now,
        "expires_at": None if lasts is None else now + lasts,
    }
    with conn.transaction():
        row = conn.execute(sql.load(__package__, "insert_key"), values).fetchone()
        assert row is not None
        record(conn, by, "key made", now=now, detail={"key": row[0], "name": name, "scopes": values["scopes"]})
    return int(row[0]), secret


def list_keys(conn: Connection) -> Sequence[Key]:
    """Return every key there ever was, newest first, role "alerts"."""
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(sql.load(__package__, "keys")).fetchall()


def revoke_key(conn: Connection, key_id: int, *, by: Actor, now: datetime) -> None:
    """Make a key worthless at once. Raises : NoSuchKey"""
    with conn.transaction():
        values = {"key_id": key_id, "now": now}
        if conn.execute(sql.load(__package__, "revoke_key"), values).rowcount != 1:
            raise NoSuchKey(f"there is no key {key_id} that is not revoked: see 'forewarn keys list'")
        record(conn, by, "key revoked", now=now, detail={"key": key_id})


def find_key(conn: Connection, secret: str, *, now: datetime) -> Caller | None:
    """Return the machine whose key this is, or None when it is none, revoked or expired."""
    if not _KEY.fullmatch(secret):
        return None
    values = {"secret_hash": hash_of(secret), "now": now}
    row = conn.execute(sql.load(__package__, "find_key"), values).fetchone()
    if row is None:
        return None
    key_id, scopes, dealer_id, used_at = row
    if used_at is None or now - used_at >= _TOUCH_EVERY:
        conn.execute(sql.load(__package__, "touch_key"), values)
    # A scope that a newer version gave opens nothing here.
    known = frozenset(scope for scope in Scope if scope.value in scopes)
    return Caller(kind="key", name=str(key_id), scopes=known, dealer_id=dealer_id)
