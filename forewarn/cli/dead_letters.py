"""``forewarn ingest dead-letters``: look at what could not be stored, and send it again after a fix."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.errors import UserMistake
from forewarn.cli.opening import dsn_of, opened, say, settings_of_process

if TYPE_CHECKING:
    from forewarn.delivery import Outcomes
    from ingest.store.dead_letters import Selection

app = typer.Typer(help="Messages that could not be stored, with the reason.", no_args_is_help=True)

# A screenful or two; --json has the rest.
_SHOWN_BYTES = 1024
_SHOWN_CHARACTERS = 20_000


@app.command("list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most that many, the newest.")] = 50,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason, as bad_seq.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List messages that could not be stored, newest first.

    Those that were replayed are left out.

    Example: forewarn ingest dead-letters list --limit 20 --json
    """
    import msgspec

    from ingest.store.connection import connect
    from ingest.store.dead_letters import newest

    with opened() as settings, connect(dsn_of(settings), role="ingest") as conn:
        found = newest(conn, limit=limit, reason=reason)
    if as_json:
        print(json.dumps([msgspec.structs.asdict(letter) for letter in found], default=str, indent=2))
        return
    if not found:
        print("no dead letters")
    for letter in found:
        print(
            f"{letter.id}  {letter.received_at:%Y-%m-%d %H:%M:%S}  {letter.reason}: {letter.detail}  "
            f"({letter.topic}, {letter.samples} samples, {letter.bytes} bytes)"
        )


@app.command()
def show(
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="Its number in the list.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, every byte in hex.")] = False,
) -> None:
    """Show one message that could not be stored: why, when, and its bytes.

    Example: forewarn ingest dead-letters show 17
    """
    import msgspec

    from ingest.store.connection import connect
    from ingest.store.dead_letters import get

    with opened() as settings, connect(dsn_of(settings), role="ingest") as conn:
        letter = get(conn, letter_id)
    if letter is None:
        raise UserMistake(f"there is no dead letter {letter_id}: see 'forewarn ingest dead-letters list'")
    facts = msgspec.structs.asdict(letter)
    payload = facts.pop("payload")
    if as_json:
        print(json.dumps({**facts, "payload_hex": payload.hex()}, default=str, indent=2))
        return
    for name, value in facts.items():
        print(f"{name:<12} {'never' if value is None else value}")
    print(f"{'bytes':<12} {len(payload):,}\n")
    if not payload:
        print("no payload: none came, or it was not kept since nobody agreed to that; it cannot be replayed")
        return
    print(hex_dump(payload[:_SHOWN_BYTES]))
    if len(payload) > _SHOWN_BYTES:
        print(f"… {len(payload) - _SHOWN_BYTES:,} more bytes: --json prints all")
    pretty = pretty_json(payload)
    if pretty is not None:
        print(f"\n{pretty[:_SHOWN_CHARACTERS]}")
        if len(pretty) > _SHOWN_CHARACTERS:
            print(f"… {len(pretty) - _SHOWN_CHARACTERS:,} more characters")


def hex_dump(payload: bytes) -> str:
    """Return bytes 16 a line: offset, hexadecimal, and as text with a dot for what is none."""
    lines = []
    for offset in range(0, len(payload), 16):
        piece = payload[offset : offset + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        lines.append(f"{offset:08x}  {piece.hex(' '):<47}  {text}")
    return "\n".join(lines)


def pretty_json(payload: bytes) -> str | None:
    """Return JSON indented, None when the bytes are none."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


@app.command()
def replay(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Their numbers in the list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that nobody has replayed yet.")] = False,
    reason: Annotated[str | None, typer.Option(help="All with this reason that nobody has replayed yet.")] = None,
    wait_s: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for what becomes of them.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Publish dead letters again, after what was wrong with them was fixed.

    They keep the time they were received. At a broker of your own this needs
    the rights of the principal forewarn-replay, and ingest running. One whose
    payload was not kept cannot be replayed. The exit code is 1 when one could
    not be published.

    Example: forewarn ingest dead-letters replay --reason refused_by_database
    """
    import time

    from forewarn.delivery import ingest_beside, outcomes
    from forewarn.progress import progress_bar
    from forewarn.republish import replay_dead_letters
    from ingest.store.connection import connect
    from ingest.store.dead_letters import dead_again, newest_id

    selection = _selection(ids, everything=everything, reason=reason)
    # A broker of our own loses what nobody reads; at another one a second worker of the same name would throw out the
    # first.
    own_broker = settings_of_process().mqtt.host is None
    with opened(broker=True) as settings, connect(dsn_of(settings), role="ingest", autocommit=True) as conn:
        _check_there(conn, selection)
        with ingest_beside(settings, wanted=own_broker):
            before, newest = outcomes(conn), newest_id(conn)
            with progress_bar("Publishing dead letters", total=None) as advance:
                done = replay_dead_letters(conn, selection, newest=newest, mqtt=settings.mqtt, on_progress=advance)
            until = time.monotonic() + wait_s
            while (since := outcomes(conn).since(before)).received < len(done.topics) and time.monotonic() < until:
                time.sleep(0.1)
            again = dead_again(conn, done.topics, newest=newest)
    _tell(len(done.topics), done.failed, since, again, as_json=as_json)
    if done.failed:
        raise typer.Exit(1)


def _selection(ids: list[int] | None, *, everything: bool, reason: str | None) -> "Selection":
    from ingest.store.dead_letters import Selection

    if sum((bool(ids), everything, reason is not None)) != 1:
        raise UserMistake("say which dead letters: their numbers, or --reason, or --all, and only one of these")
    return Selection(ids=tuple(ids) if ids else None, reason=reason)


def _check_there(conn: Any, selection: "Selection") -> None:
    from ingest.store.dead_letters import replayed_at

    if selection.ids is None:
        return
    found = replayed_at(conn, selection.ids)
    for number in selection.ids:
        if number not in found:
            raise UserMistake(f"there is no dead letter {number}: see 'forewarn ingest dead-letters list'")
        at = found[number]
        if at is not None:
            raise UserMistake(f"dead letter {number} was replayed at {at:%Y-%m-%d %H:%M:%S} already: leave it out")


def _tell(published: int, failed: dict[int, str], since: "Outcomes", again: dict[str, int], *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        facts = {"published": published, "failed": failed, "dead_again": again, "ingest_since": asdict(since)}
        print(json.dumps(facts))
        return
    from forewarn.cli.outcomes import in_words

    print(f"{published:,} published again")
    for number, why in failed.items():
        print(f"{number} not published: {why}")
    if not published:
        return
    for why, count in again.items():
        print(f"{count:,} dead again: {why}")
    print(f"ingest since then, other messages included: {in_words(since)}")
    if since.received < published:
        say("Ingest has not seen all of them yet: 'forewarn status' shows whether it runs")


@app.command()
def expire(
    older_than: Annotated[int | None, typer.Option(min=0, help="Days; default ingest.dead_letter_days.")] = None,
) -> None:
    """Delete old dead letters.

    The schedule does this once a day.

    Example: forewarn ingest dead-letters expire --older-than 90
    """
    from datetime import UTC, datetime, timedelta

    from ingest.store.connection import connect
    from ingest.store.dead_letters import expire as expire_dead_letters

    with opened() as settings, connect(dsn_of(settings), role="ingest", autocommit=True) as conn:
        days = settings.ingest.dead_letter_days if older_than is None else older_than
        count = expire_dead_letters(conn, now=datetime.now(UTC), older_than=timedelta(days=days))
    print(f"{count:,} dead letters deleted that were older than {days} days")
