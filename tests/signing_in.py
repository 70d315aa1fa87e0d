"""Accounts and sessions for tests, at a cost of hashing that no test waits for."""

from datetime import datetime, timedelta

from alerts.access.passwords import Passwords
from alerts.access.roles import Role
from alerts.access.sessions import Attempt, Limits, open_session
from config.settings import WebSettings
from ingest.store.connection import connect

CHEAP = Passwords(memory_kib=8, rounds=1)
PASSWORD = "nine brown foxes"
COOKIE = "forewarn-session"


def add_account(dsn: str, role: Role, *, now: datetime, name: str | None = None, dealer_id: str | None = None) -> int:
    """Add an account named after its role, with ``PASSWORD``; return its number."""
    with connect(dsn, role="alerts") as conn:
        row = conn.execute(
            "INSERT INTO access.account (name, role, dealer_id, password_hash, created_at)"
            " VALUES (%s, %s, %s, %s, %s) RETURNING account_id",
            (name or role.value, role.value, dealer_id, CHEAP.hash(PASSWORD), now),
        ).fetchone()
    assert row is not None
    return int(row[0])


def sign_in(dsn: str, role: Role, *, now: datetime, name: str | None = None, dealer_id: str | None = None) -> str:
    """Add an account and open a session for it; return the token, which is the value of ``COOKIE``."""
    account_id = add_account(dsn, role, now=now, name=name, dealer_id=dealer_id)
    return session_of(dsn, account_id, now=now)


def session_of(dsn: str, account_id: int, *, now: datetime) -> str:
    """Open a session for an account; return its token."""
    web = WebSettings()
    limits = Limits(timedelta(minutes=web.session_idle_min), timedelta(hours=web.session_max_h))
    with connect(dsn, role="alerts") as conn:
        row = conn.execute("SELECT password_hash FROM access.account WHERE account_id = %s", [account_id]).fetchone()
        assert row is not None
        attempt = Attempt(account_id, str(row[0]))
        token = open_session(conn, attempt, PASSWORD, hasher=CHEAP, limits=limits, now=now)
    assert token is not None
    return token
