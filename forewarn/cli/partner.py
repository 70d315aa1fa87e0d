"""``forewarn partner``: charging operators, their keys, how they do, and whether their side fits ours."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.errors import UserMistake
from forewarn.cli.opening import dsn_of, opened, say

if TYPE_CHECKING:
    from alerts.charging.partners.partner import Partner

app = typer.Typer(help="Charging partners: keys, reports, and a check of their side.", no_args_is_help=True)

_AS_JSON = typer.Option("--json", help="Print one JSON object.")


class KeyKind(StrEnum):
    """What a key is for. The last two are the partner's own, for what we ask of it."""

    WEBHOOK = "webhook"
    TCEC102 = "tcec102"
    OCPI = "ocpi"
    READ = "read"
    OCPI_REGISTER = "ocpi_register"
    TCEC102_OUT = "tcec102_out"
    OCPI_OUT = "ocpi_out"


class StopBy(StrEnum):
    """How a partner's piles are asked to stop."""

    WEBHOOK = "webhook"
    TCEC102 = "tcec102"
    OCPI = "ocpi"


class Policy(StrEnum):
    """Whether a pile is stopped at once or a person is asked first."""

    STOP = "stop"
    ASK = "ask"


@app.command()
def add(
    partner: Annotated[str, typer.Argument(help="Its name in addresses: small letters, digits and hyphens.")],
    operator: Annotated[
        list[str], typer.Option(help="Operator it speaks for; repeat for several. OCPI: CN-ABC; T/CEC: OperatorID.")
    ],
    name: Annotated[str | None, typer.Option(help="Its name for people.")] = None,
    station: Annotated[list[str] | None, typer.Option(help="Pattern of stations it may speak for; all.")] = None,
    key: Annotated[list[KeyKind] | None, typer.Option(help="Kind of key to make; webhook and read.")] = None,
    stop_by: Annotated[StopBy | None, typer.Option(help="How its piles are asked to stop.")] = None,
    stop_url: Annotated[str | None, typer.Option(help="Where: https, or this machine.")] = None,
    policy: Annotated[Policy, typer.Option(help="Stop its piles at once, or ask a person first.")] = Policy.STOP,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Let a charging operator in and print its keys, once: they cannot be shown again.

    A key of kind ocpi_register is a token that is good once: with it an OCPI
    operator registers by itself, which gives it the others.

    Example: forewarn partner add star --operator STAR --stop-by webhook --stop-url https://star.example/stop
    """
    from alerts.charging.partners.partner import Partner
    from alerts.charging.partners.records import add as add_partner
    from alerts.charging.partners.records import add_key
    from alerts.charging.partners.sealing import load_or_make
    from alerts.charging.partners.serving import master_key_file
    from ingest.store.connection import connect

    kinds = list(key) if key else [KeyKind.WEBHOOK, KeyKind.READ]
    theirs = [kind for kind in kinds if kind.value.endswith("_out")]
    if theirs:
        raise UserMistake(f"a key of kind {theirs[0]} is the partner's: give it with 'forewarn partner rotate --file'")
    wanted = Partner(
        partner_id=_name_in_addresses(partner),
        name=name or partner,
        operators=tuple(dict.fromkeys(_operator(one) for one in operator)),
        stations=tuple(station or ("*",)),
        policy=policy.value,
        stop_by=stop_by.value if stop_by is not None else None,
        stop_url=_stop_url(stop_by, stop_url),
        created_at=datetime.now(UTC),
    )
    with opened() as settings:
        sealer = load_or_make(master_key_file(settings))
        with connect(dsn_of(settings), role="admin") as conn, conn.transaction():
            add_partner(conn, wanted, now=wanted.created_at)
            made = [add_key(conn, sealer, wanted.partner_id, kind.value, now=wanted.created_at) for kind in kinds]
        address = settings.partners.address()
    _show_keys(
        wanted.partner_id,
        list(wanted.operators),
        [(one.kind, one.key_id, one.shown) for one in made],
        address,
        as_json=as_json,
    )


@app.command("list")
def list_partners(
    ended: Annotated[bool, typer.Option("--ended", help="Those that were ended, and their keys, too.")] = False,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Print partners and their keys, never the secrets.

    Example: forewarn partner list --json
    """
    import json

    from alerts.charging.partners.records import all_partners
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="admin") as conn:
        found = all_partners(conn, None, now=datetime.now(UTC), ended_too=ended)
    if as_json:
        print(json.dumps({"partners": [_described(one) for one in found]}, ensure_ascii=False, indent=2))
        return
    if not found:
        print("there are no partners: see 'forewarn partner add --help'")
    for one in found:
        ended_at = f", ended {one.revoked_at:%Y-%m-%d %H:%M}" if one.revoked_at else ""
        stops = f"stops by {one.stop_by} at {one.stop_url}" if one.stop_by else "no interface to stop its piles"
        operators = ", ".join(one.operators) or "none"
        print(f"{one.partner_id}  {one.name}; operators {operators}; policy {one.policy}{ended_at}")
        print(f"  stations {', '.join(one.stations)}; {stops}")
        for key in one.keys:
            until = f"until {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "valid"
            state = "revoked" if key.revoked_at else until
            print(f"  key {key.key_id}  {key.kind:<11} since {key.created_at:%Y-%m-%d %H:%M}, {state}")


@app.command()
def rotate(
    partner: Annotated[str, typer.Argument(help="Its name in addresses.")],
    kind: Annotated[KeyKind, typer.Argument(help="Kind of key.")] = KeyKind.WEBHOOK,
    overlap_h: Annotated[float, typer.Option(min=0, max=24 * 90, help="Hours that older keys go on.")] = 24.0,
    file: Annotated[
        Path | None, typer.Option(help="File with the partner's own key: a token, or T/CEC's four as JSON.")
    ] = None,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Make a new key of a kind, valid at once; older ones go on for a while.

    Also adds the first key of a kind, and takes the partner's own keys.

    Example: forewarn partner rotate star webhook --overlap-h 48
    """
    from alerts.charging.partners.records import all_partners, find
    from alerts.charging.partners.records import rotate as rotate_key
    from alerts.charging.partners.sealing import load_or_make
    from alerts.charging.partners.serving import master_key_file
    from ingest.store.connection import connect

    is_theirs = kind.value.endswith("_out")
    if is_theirs != (file is not None):
        raise UserMistake(
            f"a key of kind {kind} is the partner's own: give it with --file"
            if is_theirs
            else f"a key of kind {kind} is made here: leave --file away"
        )
    given = _given(kind, file) if file is not None else None
    now = datetime.now(UTC)
    with opened() as settings:
        sealer = load_or_make(master_key_file(settings))
        with connect(dsn_of(settings), role="admin") as conn, conn.transaction():
            known = find(all_partners(conn, None, now=now), partner)
            made = rotate_key(
                conn,
                sealer,
                partner,
                kind.value,
                now=now,
                overlap=timedelta(hours=overlap_h),
                given=given,
            )
        address = settings.partners.address()
    _show_keys(partner, list(known.operators), [(made.kind, made.key_id, made.shown)], address, as_json=as_json)
    say(f"older {kind} keys go on for {overlap_h:g} h")


@app.command()
def revoke(
    partner: Annotated[str, typer.Argument(help="Its name in addresses.")],
    key: Annotated[int | None, typer.Option(help="Number of one key; without it the partner is ended.")] = None,
) -> None:
    """End a key, or a partner with all its keys, at once.

    Example: forewarn partner revoke star --key 7
    """
    from alerts.charging.partners.records import all_partners, find, revoke_keys
    from alerts.charging.partners.records import revoke as revoke_partner
    from ingest.store.connection import connect

    now = datetime.now(UTC)
    with opened() as settings, connect(dsn_of(settings), role="admin") as conn, conn.transaction():
        find(all_partners(conn, None, now=now), partner)
        if key is None:
            revoke_partner(conn, partner, now=now)
            print(f"{partner} is ended, within {settings.partners.refresh_s:g} s for servers that run")
        elif revoke_keys(conn, partner, key_id=key, now=now) == 0:
            raise UserMistake(f"{partner} has no valid key {key}: see 'forewarn partner list'")
        else:
            print(f"key {key} is ended, within {settings.partners.refresh_s:g} s for servers that run")


@app.command()
def report(
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days back from now.")] = 30,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Print by operator how many starts failed and how many anomalies there were.

    Example: forewarn partner report --days 90 --json
    """
    from alerts.charging.partners.report import rates, to_json, to_table
    from forewarn.cli.tables import console
    from ingest.store.connection import connect

    now = datetime.now(UTC)
    with opened() as settings:
        with connect(dsn_of(settings), role="alerts") as conn:
            found = rates(conn, since=now - timedelta(days=days), until=now)
        if as_json:
            print(to_json(found, days=days))
        elif not found:
            print(f"no operator said anything in the last {days} days")
        else:
            console().print(to_table(found, language=settings.language))


@app.command()
def check(
    url: Annotated[str, typer.Option(help="Server to check, as http://127.0.0.1:8090.")],
    partner: Annotated[str, typer.Option(help="The partner's name in addresses.")],
    keys: Annotated[
        Path,
        typer.Option(help="What 'partner add --json' printed: the keys to speak with.", exists=True, dir_okay=False),
    ],
    operator: Annotated[str | None, typer.Option(help="Operator to speak for; the first in the file.")] = None,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Play the partner's side against a server and say what fits.

    Every protocol that the file has keys for: good messages, and forged,
    stale, replayed, oversized, truncated and wrongly encrypted ones. It
    reports notices (severity 3) at a station called conformance-check, which
    stop nothing. The exit code is 1 when something does not fit.

    Example: forewarn partner check --url http://127.0.0.1:8090 --partner star --keys star.json
    """
    from forewarn.conformance import check_server, read_keys, to_json, to_lines

    found = check_server(url, partner, read_keys(keys), operator=operator)
    print(to_json(found) if as_json else to_lines(found))
    if not all(one.fits for one in found):
        raise typer.Exit(1)


def _described(one: "Partner") -> dict[str, Any]:
    def written(at: datetime | None) -> str | None:
        return at.isoformat() if at is not None else None

    return {
        "partner": one.partner_id,
        "name": one.name,
        "operators": list(one.operators),
        "stations": list(one.stations),
        "policy": one.policy,
        "stop_by": one.stop_by,
        "stop_url": one.stop_url,
        "ended_at": written(one.revoked_at),
        "keys": [
            {
                "key": key.key_id,
                "kind": key.kind,
                "created_at": written(key.created_at),
                "expires_at": written(key.expires_at),
                "revoked_at": written(key.revoked_at),
            }
            for key in one.keys
        ],
    }


def _show_keys(
    partner: str, operators: list[str], made: list[tuple[str, int, dict[str, str]]], address: str, *, as_json: bool
) -> None:
    import json

    if as_json:
        keys = {kind: values for kind, _, values in made if values}
        shown = {"partner": partner, "url": address, "operators": operators, "keys": keys}
        print(json.dumps(shown, indent=2))
    else:
        for kind, number, values in made:
            print(f"key {number} ({kind}) of {partner}")
            for name, value in values.items():
                print(f"  {name}: {value}")
    say("Secrets are shown once: hand them over on a safe way and keep no copy.")


def _name_in_addresses(name: str) -> str:
    import re

    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
        raise UserMistake(f"{name!r} is no name for addresses: take 1 to 40 small letters, digits and hyphens")
    return name


def _operator(name: str) -> str:
    if not 0 < len(name) <= 64 or set(name) & set("/+#\0") or name != name.strip():
        raise UserMistake(f"{name!r} is no operator: take 1 to 64 characters without / + #")
    return name


def _stop_url(stop_by: StopBy | None, url: str | None) -> str | None:
    from urllib.parse import urlsplit

    from alerts.charging.partners.serving import is_loopback

    if (stop_by is None) != (url is None):
        raise UserMistake("--stop-by and --stop-url belong together: give both or none")
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise UserMistake(f"--stop-url {url} is no address: write it as https://star.example/stop") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise UserMistake(f"--stop-url {url} is not https: a stop is not asked for in the open")
    if not host or parts.username or parts.fragment:
        raise UserMistake(f"--stop-url {url} is no address: write it as https://star.example/stop")
    return url


def _given(kind: KeyKind, file: Path) -> bytes:
    import msgspec

    from alerts.charging.partners.cec import Keys

    try:
        written = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserMistake(f"{file} cannot be read: {error}") from error
    if kind is KeyKind.OCPI_OUT:
        if not written or len(written) > 500 or not written.isascii() or " " in written:
            raise UserMistake(f"{file} does not hold a token")
        return written.encode()
    try:
        fields = msgspec.json.decode(written)
        keys = Keys(
            operator_secret=fields["OperatorSecret"],
            data_secret=fields["DataSecret"],
            data_secret_iv=fields["DataSecretIV"],
            sig_secret=fields["SigSecret"],
        )
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserMistake(
            f"{file} does not hold OperatorSecret, DataSecret, DataSecretIV and SigSecret as JSON ({error})"
        ) from error
    return msgspec.json.encode(keys)
