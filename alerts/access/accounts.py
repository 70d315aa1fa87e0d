"""Local accounts, kept by commands. Whatever takes a right away ends the account's sessions at once."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import class_row

from alerts.access.audit import Actor, record
from alerts.access.passwords import check_password, passwords
from alerts.access.roles import Role
from alerts.access.sessions import revoke_sessions
from config import sql
from config.errors import UserMistake
from config.faults import fault_modes
from config.i18n import LANGUAGES

Connection = psycopg.Connection[Any]
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,62}")


class NoSuchAccount(UserMistake):
    """There is no account of this name."""


class AccountExists(UserMistake):
    """There is an account of this name already."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as lists show it. ``waits_until`` is the end of a wait after failures; times are UTC."""

    name: str
    role: Role
    dealer_id: str | None
    created_at: datetime
    locked_at: datetime | None
    waits_until: datetime | None
    last_seen_at: datetime | None
    sessions: int


def add_account(
    conn: Connection,
    name: str,
    role: Role,
    password: str,
    *,
    dealer_id: str | None = None,
    by: Actor,
    now: datetime,
) -> None:
    """Add an account, role "alerts".

    dealer_id : whose workshop it is, for the role dealer and no other
    Raises    : AccountExists, PasswordTooWeak; UserMistake, for a name or dealer that cannot be
    """
    if not _NAME.fullmatch(name):
        raise UserMistake(f"{name!r} is no name: use 2 to 63 small letters, digits and . _ @ -")
    check_password(password, name=name)
    _check_dealer(conn, role, dealer_id)
    values = {
        "name": name,
        "role": role.value,
        "dealer_id": dealer_id,
        "password_hash": passwords().hash(password),
        "now": now,
    }
    with conn.transaction():
        if conn.execute(sql.load(__package__, "insert_account"), values).rowcount != 1:
            raise AccountExists(f"there is an account {name} already: take another name, or set its role or password")
        record(conn, by, "account added", now=now, detail={"account": name, "role": role.value})


def set_calls(
    conn: Connection, name: str, *, languages: Sequence[str], skills: Sequence[str] | None, by: Actor, now: datetime
) -> None:
    """Say which calls a person takes.

    languages : of owners, "zh_CN" or "en"
    skills    : capabilities, as config/faults.toml names them; None is all
    Raises    : NoSuchAccount; UserMistake, for a language or skill that there is not
    """
    known = sorted({mode.capability for mode in fault_modes().values()})
    for language in languages:
        if language not in LANGUAGES:
            raise UserMistake(f"{language!r} is no language: use {' or '.join(LANGUAGES)}")
    for skill in skills or ():
        if skill not in known:
            raise UserMistake(f"{skill!r} is no skill: use {', '.join(known)}")
    values = {"name": name, "languages": list(languages), "skills": None if skills is None else list(skills)}
    with conn.transaction():
        if conn.execute(sql.load(__package__, "set_calls"), values).rowcount != 1:
            raise NoSuchAccount(f"there is no account {name}: see 'forewarn accounts list'")
        detail = {"account": name, "languages": values["languages"], "skills": values["skills"]}
        record(conn, by, "calls set", now=now, detail=detail)


def list_accounts(conn: Connection, *, now: datetime) -> Sequence[Account]:
    """Return every account by name, role "alerts"."""
    with conn.cursor(row_factory=class_row(Account)) as cursor:
        found = cursor.execute(sql.load(__package__, "accounts"), {"now": now}).fetchall()
    return [msgspec.structs.replace(account, role=Role(account.role)) for account in found]


def lock_account(conn: Connection, name: str, *, by: Actor, now: datetime) -> None:
    """Let nobody in by this account until it is unlocked. Raises : NoSuchAccount"""
    _change(conn, "lock_account", {"name": name, "now": now}, "account locked", by=by, revoke=True)


def unlock_account(conn: Connection, name: str, *, by: Actor, now: datetime) -> None:
    """Undo a lock, and a wait after failures. Raises : NoSuchAccount"""
    _change(conn, "unlock_account", {"name": name, "now": now}, "account unlocked", by=by, revoke=False)


def end_sessions(conn: Connection, name: str, *, by: Actor, now: datetime) -> int:
    """Sign an account out everywhere; return how many sessions that ended. Raises : NoSuchAccount"""
    return _change(conn, "find_account", {"name": name, "now": now}, "sessions ended", by=by, revoke=True)


def set_role(
    conn: Connection, name: str, role: Role, *, dealer_id: str | None = None, by: Actor, now: datetime
) -> None:
    """Give an account another role. Raises : NoSuchAccount; UserMistake, for a dealer that cannot be"""
    _check_dealer(conn, role, dealer_id)
    values = {"name": name, "role": role.value, "dealer_id": dealer_id, "now": now}
    _change(conn, "set_role", values, "role set", by=by, revoke=True, detail={"role": role.value})


def set_password(conn: Connection, name: str, password: str, *, by: Actor, now: datetime) -> None:
    """Give an account another password and end its wait. Raises : NoSuchAccount, PasswordTooWeak"""
    check_password(password, name=name)
    values = {"name": name, "password_hash": passwords().hash(password), "now": now}
    _change(conn, "set_password", values, "password set", by=by, revoke=True)


def _change(
    conn: Connection,
    statement: LiteralString,
    values: dict[str, Any],
    action: str,
    *,
    by: Actor,
    revoke: bool,
    detail: dict[str, Any] | None = None,
) -> int:
    with conn.transaction():
        row = conn.execute(sql.load(__package__, statement), values).fetchone()
        if row is None:
            raise NoSuchAccount(f"there is no account {values['name']}: see 'forewarn accounts list'")
        ended = revoke_sessions(conn, int(row[0]), now=values["now"]) if revoke else 0
        record(conn, by, action, now=values["now"], detail={"account": values["name"], **(detail or {})})
    return ended


def _check_dealer(conn: Connection, role: Role, dealer_id: str | None) -> None:
    if (role is Role.DEALER) != (dealer_id is not None):
        raise UserMistake("an account of role dealer needs --dealer, the id of its workshop, and no other has one")
    if dealer_id is None:
        return
    if conn.execute("SELECT FROM care.dealer WHERE dealer_id = %s", [dealer_id]).fetchone() is None:
        raise UserMistake(f"there is no dealer {dealer_id}: see 'forewarn dealers export'")
