"""``forewarn keys``: what machines may do."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.cli.opening import dsn_of, opened, say
from forewarn.cli.roles import ScopeName

if TYPE_CHECKING:
    from alerts.access.keys import Key

app = typer.Typer(help="Keys by which programs use the interfaces.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, in words.")],
    scope: Annotated[list[ScopeName], typer.Option(help="What it opens; give it once for each.")],
    dealer: Annotated[str | None, typer.Option(help="Id of the dealer that it speaks for.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days it is good; without, until revoked.")] = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept.

    Example: forewarn keys add "dialler in Wuxi" --scope alerts:read --scope alerts:phones --days 365
    """
    from datetime import timedelta

    from alerts.access.audit import system_user
    from alerts.access.keys import make_key
    from alerts.access.roles import Scope
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        key_id, secret = make_key(
            conn,
            name,
            {Scope(wanted.value) for wanted in scope},
            dealer_id=dealer,
            lasts=None if days is None else timedelta(days=days),
            by=system_user(),
            now=utc_now(),
        )
    say(f"key {key_id}; it is not shown again. Send it as: Authorization: Bearer …")
    print(secret)


@app.command("list")
def list_all(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List every key there ever was, without its secret.

    Example: forewarn keys list --json
    """
    import msgspec

    from alerts.access.keys import list_keys
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        found = list_keys(conn)
    if as_json:
        print(json.dumps([msgspec.to_builtins(key) for key in found], indent=2))
    elif not found:
        print("there are no keys")
    else:
        now = utc_now()
        for key in found:
            expired = key.expires_at is not None and key.expires_at <= now
            print(f"{key.key_id:<5} {key.name:<28} {' '.join(key.scopes)}  {_state(key, expired=expired)}")


@app.command()
def revoke(
    key_id: Annotated[int, typer.Argument(metavar="NUMBER", help="Its number in the list.")],
) -> None:
    """Make a key worthless, at once.

    Example: forewarn keys revoke 3
    """
    from alerts.access.audit import system_user
    from alerts.access.keys import revoke_key
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="alerts") as conn:
        revoke_key(conn, key_id, by=system_user(), now=utc_now())
    print(f"key {key_id} is revoked")


def _state(key: "Key", *, expired: bool) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if expired:
        return f"expired {key.expires_at:%Y-%m-%d}"
    until = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "until revoked"
    used = f"last used {key.used_at:%Y-%m-%d %H:%M} UTC" if key.used_at else "never used"
    return f"{until}, {used}"
