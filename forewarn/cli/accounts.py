"""``forewarn accounts``: who may sign in."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.cli.opening import dsn_of, opened
from forewarn.cli.roles import RoleName

if TYPE_CHECKING:
    from alerts.access.accounts import Account

app = typer.Typer(help="Who may sign in to the pages, and as what.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]
_Dealer = Annotated[str | None, typer.Option(help="Id of the workshop, for the role dealer.")]


@app.command()
def add(
    name: _Name,
    role: Annotated[RoleName, typer.Option(help="What the person does.")],
    dealer: _Dealer = None,
) -> None:
    """Add an account. Its password is asked for, or read as one line from a pipe.

    Example: forewarn accounts add li.na --role agent
    """
    from alerts.access.accounts import add_account
    from alerts.access.audit import system_user
    from alerts.access.passwords import check_password
    from alerts.access.roles import Role
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        password = _ask_password(name)
        # Before the dealer is looked up: what the person just typed is what they can mend.
        check_password(password, name=name)
        add_account(conn, name, Role(role.value), password, dealer_id=dealer, by=system_user(), now=utc_now())
    print(f"{name} may sign in as {role.value}")


@app.command("list")
def list_all(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the accounts, with who is signed in and who is locked.

    Example: forewarn accounts list --json
    """
    import msgspec

    from alerts.access.accounts import list_accounts
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        found = list_accounts(conn, now=utc_now())
    if as_json:
        print(json.dumps([msgspec.to_builtins(account) for account in found], indent=2))
    elif not found:
        print("nobody can sign in: forewarn accounts add NAME --role supervisor")
    else:
        for account in found:
            print(f"{account.name:<24} {account.role.value:<11} {account.dealer_id or '':<16} {_state(account)}")


@app.command("set-calls")
def set_calls(
    name: _Name,
    language: Annotated[
        list[str] | None, typer.Option(help="Language the person calls in: zh_CN or en; several times for both.")
    ] = None,
    skill: Annotated[
        list[str] | None,
        typer.Option(help="What the person talks about: general, hv_battery, hv_drive; none is everything."),
    ] = None,
) -> None:
    """Say which calls an agent takes.

    Example: forewarn accounts set-calls li.na --language zh_CN --skill hv_battery --skill general
    """
    from alerts.access.accounts import set_calls as write
    from alerts.access.audit import system_user
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        write(conn, name, languages=language or ["zh_CN", "en"], skills=skill or None, by=system_user(), now=utc_now())
    print(f"{name} takes calls in {', '.join(language or ['zh_CN', 'en'])} about {', '.join(skill or ['everything'])}")


@app.command()
def lock(name: _Name) -> None:
    """Let nobody in by an account, and end its sessions, until it is unlocked.

    Example: forewarn accounts lock li.na
    """
    from alerts.access.accounts import lock_account
    from alerts.access.audit import system_user
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        lock_account(conn, name, by=system_user(), now=utc_now())
    print(f"{name} is locked and signed out")


@app.command()
def unlock(name: _Name) -> None:
    """Undo a lock, and a wait after wrong passwords.

    Example: forewarn accounts unlock li.na
    """
    from alerts.access.accounts import unlock_account
    from alerts.access.audit import system_user
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        unlock_account(conn, name, by=system_user(), now=utc_now())
    print(f"{name} may sign in again")


@app.command("revoke-sessions")
def revoke_sessions(name: _Name) -> None:
    """Sign an account out everywhere, at once.

    Example: forewarn accounts revoke-sessions li.na
    """
    from alerts.access.accounts import end_sessions
    from alerts.access.audit import system_user
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        ended = end_sessions(conn, name, by=system_user(), now=utc_now())
    print(f"{name}: {ended} sessions ended")


@app.command("set-role")
def set_role(
    name: _Name,
    role: Annotated[RoleName, typer.Argument(metavar="ROLE", help="agent, supervisor, safety or dealer.")],
    dealer: _Dealer = None,
) -> None:
    """Give an account another role; whoever is signed in by it signs in anew.

    Example: forewarn accounts set-role li.na supervisor
    """
    from alerts.access.accounts import set_role as set_role_of
    from alerts.access.audit import system_user
    from alerts.access.roles import Role
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        set_role_of(conn, name, Role(role.value), dealer_id=dealer, by=system_user(), now=utc_now())
    print(f"{name} is {role.value} now")


@app.command("set-password")
def set_password(name: _Name) -> None:
    """Give an account another password, asked for or read as one line from a pipe.

    Example: forewarn accounts set-password li.na
    """
    from alerts.access.accounts import set_password as set_password_of
    from alerts.access.audit import system_user
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        set_password_of(conn, name, _ask_password(name), by=system_user(), now=utc_now())
    print(f"{name} has a new password and is signed out")


def _ask_password(name: str) -> str:
    """Return a password that was typed unseen, twice, or came by a pipe; never by an argument, which others can see."""
    from getpass import getpass

    from config.errors import UserMistake

    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise UserMistake("no password came on standard input: pipe one line, or run it in a terminal")
        return password
    password = getpass(f"Password for {name}: ")
    if getpass("The same again: ") != password:
        raise UserMistake("the two passwords are not the same: try again")
    return password


def _state(account: "Account") -> str:
    if account.locked_at is not None:
        return f"locked since {account.locked_at:%Y-%m-%d %H:%M} UTC"
    parts = []
    if account.waits_until is not None:
        parts.append(f"waits until {account.waits_until:%H:%M:%S} UTC after wrong passwords")
    if account.sessions:
        parts.append(f"{account.sessions} sessions")
    if account.last_seen_at is not None:
        parts.append(f"last seen {account.last_seen_at:%Y-%m-%d %H:%M} UTC")
    return ", ".join(parts) or "never signed in"
