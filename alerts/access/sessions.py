"""Sessions: opened by a password, known by a token, over when idle, old or revoked. The database decides each time."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from alerts.access.audit import Actor, record
from alerts.access.passwords import Passwords, waits_s
from alerts.access.roles import Caller, Role
from alerts.access.tokens import csrf_of, hash_of, new_token
from config import sql

Connection = psycopg.Connection[Any]
# Failures a day apart are not one guesser's.
_FORGOTTEN_AFTER = timedelta(days=1)
# A look at a page need not write every time: idle times are known to that much.
_TOUCH_EVERY = timedelta(minutes=1)


class Limits(msgspec.Struct, frozen=True):
    """How long a session lasts: without a request, and at most."""

    idle: timedelta
    longest: timedelta


class Attempt(msgspec.Struct, frozen=True):
    """A try to sign in that was counted. No account when there is none of the name, or it may not be tried now."""

    account_id: int | None = None
    password_hash: str | None = None


def begin_attempt(conn: Connection, name: str, *, now: datetime) -> Attempt:
    """Count a try as failed before its password is looked at, and return what to compare it with.

    conn : role "alerts"; committed before the comparison, which takes long, so that guesses at the same moment count
    """
    name = name.strip().lower()
    values = {
        "name": name,
        "now": now,
        "forgotten_before": now - _FORGOTTEN_AFTER,
        "waits_s": list(waits_s()),
    }
    with conn.transaction():
        row = conn.execute(sql.load(__package__, "begin_attempt"), values).fetchone()
        if row is None:
            return Attempt()
        account_id, password_hash, failures = row
        if failures > 1:
            # The first may be the right one; more are worth to be known of afterwards.
            record(conn, Actor("account", name), "sign-in tried again", now=now, detail={"try": failures})
    return Attempt(account_id, password_hash)


def open_session(
    conn: Connection,
    attempt: Attempt,
    password: str,
    *,
    hasher: Passwords,
    limits: Limits,
    now: datetime,
    replaces: str | None = None,
) -> str | None:
    """Return the token of a new session if the password is right, else None.

    replaces : the token of a session this browser had, which ends: a token from before a sign-in is never used after
    """
    assert attempt.account_id is not None
    assert attempt.password_hash is not None
    rehashed = hasher.hash(password) if hasher.is_outdated(attempt.password_hash) else None
    values = {
        "account_id": attempt.account_id,
        "kept": attempt.password_hash,
        "password_hash": rehashed or attempt.password_hash,
        "now": now,
    }
    with conn.transaction():
        # Between the comparison and now the account may have been locked, or the password been changed.
        row = conn.execute(sql.load(__package__, "finish_attempt"), values).fetchone()
        if row is None:
            return None
        if replaces is not None:
            revoke_token(conn, replaces, now=now)
        token = _store_session(conn, attempt.account_id, limits=limits, now=now)
        record(conn, Actor("account", row[0]), "signed in", now=now)
    return token


def find_session(conn: Connection, token: str, *, limits: Limits, now: datetime) -> Caller | None:
    """Return whose session a token is, or None when it is over."""
    token_hash = hash_of(token)
    values = {"token_hash": token_hash, "now": now, "idle_since": now - limits.idle}
    row = conn.execute(sql.load(__package__, "find_session"), values).fetchone()
    if row is None:
        return None
    account_id, name, role, dealer_id, seen_at = row
    if now - seen_at >= _TOUCH_EVERY:
        conn.execute(sql.load(__package__, "touch_session"), values)
    return Caller(
        kind="account", name=name, role=Role(role), dealer_id=dealer_id, account_id=account_id, csrf=csrf_of(token)
    )


def revoke_token(conn: Connection, token: str, *, now: datetime) -> None:
    """End the session of a token; nothing happens when it is over already."""
    conn.execute(sql.load(__package__, "revoke_session"), {"token_hash": hash_of(token), "now": now})


def revoke_sessions(conn: Connection, account_id: int, *, now: datetime) -> int:
    """End every session of an account; return how many."""
    values = {"account_id": account_id, "now": now}
    return conn.execute(sql.load(__package__, "revoke_sessions"), values).rowcount


def _store_session(conn: Connection, account_id: int, *, limits: Limits, now: datetime) -> str:
    token = new_token()
    values = {
        "token_hash": hash_of(token),
        "account_id": account_id,
        "now": now,
        "expires_at": now + limits.longest,
    }
    conn.execute(sql.load(__package__, "delete_old_sessions"), values)
    conn.execute(sql.load(__package__, "insert_session"), values)
    return token
