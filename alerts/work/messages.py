"""Text to owners: it counts when its receipt arrives; without one in time the next channel is tried, then a person."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec
import psycopg
import structlog
from psycopg.rows import class_row

from alerts.charging.channels import Channel, NotTaken
from alerts.work.entries import note
from alerts.work.tasks import add_task
from config import sql
from config.i18n import translator
from config.service import service

Connection = psycopg.Connection[Any]
Kind = Literal["offer", "appointment", "reminder", "survey"]
# In this order: a text message is seen first.
_ORDER = ("phone", "app", "email")
_AT_ONCE = 100
_NO_RECEIPT_WITHIN = timedelta(hours=4)

_log = structlog.get_logger(__name__)


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one address. receipt_url : where the reader, or the gateway, confirms that it arrived"""

    delivery_id: uuid.UUID
    kind: str
    channel: str
    address: str
    language: str
    title: str
    text: str
    receipt_url: str | None


class Due(NamedTuple):
    """A message whose next try is due.

    addresses     : the owner's, channel and address
    may_be_called : the owner consents to care, and did not ask to be left alone
    """

    message_id: uuid.UUID
    case_id: int
    vehicle_id: int
    kind: str
    language: str
    title: str
    body: str
    link: str | None
    tried: int
    addresses: list[list[str]]
    may_be_called: bool


class Sent(NamedTuple):
    """How many messages were taken by a channel, not taken, and given up after the last one."""

    taken: int
    not_taken: int
    given_up: int


def write(
    conn: Connection, case_id: int, kind: Kind, title: str, body: str, *, link: str | None, at: datetime, now: datetime
) -> uuid.UUID:
    """Put a message to the owner of a case on its way, at a time; return its number."""
    message_id = uuid.uuid4()
    values = {"message_id": message_id, "case_id": case_id, "kind": kind, "title": title, "body": body, "link": link}
    conn.execute(sql.load(__package__, "insert_message"), {**values, "at": at, "now": now})
    return message_id


def send_due(conn: Connection, channels: Sequence[Channel], *, public_url: str | None, now: datetime) -> Sent:
    """Hand over what is due, each by the next channel that the owner has an address for.

    A message whose receipt did not come in time is due again by the next one; after the last one a person sees to it,
    if the owner may be called.
    conn : role "alerts", outside a transaction
    """
    taken = not_taken = given_up = 0
    while True:
        with conn.transaction(), conn.cursor(row_factory=class_row(Due)) as cursor:
            # Held until it is noted: two who send at once send each message once.
            due = cursor.execute(sql.load(__package__, "due_messages"), {"now": now, "limit": _AT_ONCE}).fetchall()
            for message in due:
                said = _try(message, channels, public_url=public_url)
                if said is None:
                    given_up += 1
                    _give_up(conn, message, now=now)
                    continue
                channel, reason = said
                taken += reason is None
                not_taken += reason is not None
                # What nobody took goes out by the next channel at once.
                wait = timedelta(minutes=service().receipt_min) if reason is None else timedelta(0)
                values = {"message_id": message.message_id, "nth": message.tried + 1, "channel": channel, "now": now}
                conn.execute(
                    sql.load(__package__, "note_try"),
                    {**values, "taken": reason is None, "reason": reason, "next_at": now + wait},
                )
        if not due:
            return Sent(taken, not_taken, given_up)


def confirm(conn: Connection, message_id: uuid.UUID, *, now: datetime) -> bool:
    """Take a receipt; return whether there is such a message. The first one counts."""
    with conn.transaction():
        row = conn.execute(sql.load(__package__, "confirm_message"), {"message_id": message_id, "now": now}).fetchone()
        if row is not None and row[1]:
            note(conn, row[0], "message received", actor="owner", now=now, detail={"kind": row[2]})
    return row is not None


def write_survey(conn: Connection, case_id: int, token: str, *, public_url: str | None, now: datetime) -> None:
    """Put the question how a visit was on its way, some time after it."""
    row = conn.execute(sql.load(__package__, "language_of_case"), {"case_id": case_id}).fetchone()
    t = translator(row[0] if row else "zh_CN")
    at = now + timedelta(hours=service().survey_after_h)
    link = f"{(public_url or '').rstrip('/')}/s/{token}"
    write(conn, case_id, "survey", t("How was your visit?"), t("Two clicks are enough:"), link=link, at=at, now=now)


def write_reminders(conn: Connection, *, now: datetime) -> int:
    """Write a reminder of every visit that is near and has none; return how many."""
    values = {"now": now, "until": now + timedelta(hours=service().remind_h)}
    with conn.transaction():
        rows = conn.execute(sql.load(__package__, "visits_to_remind_of"), values).fetchall()
        for case_id, language, dealer_zh, dealer_en, local in rows:
            t = translator(language)
            dealer = dealer_zh if language.startswith("zh") else dealer_en
            body = t("Your car is expected at %(dealer)s on %(when)s.", dealer=dealer, when=local)
            write(conn, case_id, "reminder", t("Your appointment"), body, link=None, at=now, now=now)
    return len(rows)


def _try(message: Due, channels: Sequence[Channel], *, public_url: str | None) -> tuple[str, str | None] | None:
    """Return by which channel it was tried and why it was not taken; None when there is no further one."""
    ordered = sorted((tuple(one) for one in message.addresses), key=lambda one: _ORDER.index(one[0]))
    if message.tried >= len(ordered):
        return None
    kind, address = ordered[message.tried]
    receipt = None if public_url is None else f"{public_url.rstrip('/')}/messages/{message.message_id}/receipt"
    text = Text(
        delivery_id=message.message_id,
        kind=message.kind,
        channel=kind,
        address=address,
        language=message.language,
        title=message.title,
        text="\n".join(part for part in (message.body, message.link) if part),
        receipt_url=receipt,
    )
    way = next((channel for channel in channels if channel.takes(text)), None)
    if way is None:
        return kind, "no way to send this is set"
    try:
        way.send(text)
    except NotTaken as error:
        _log.warning("message not taken", message=str(message.message_id), channel=kind, reason=str(error))
        return kind, str(error)[:300]
    return kind, None


def _give_up(conn: Connection, message: Due, *, now: datetime) -> None:
    conn.execute(sql.load(__package__, "give_up_message"), {"message_id": message.message_id, "now": now})
    if not message.may_be_called:
        # A task would have somebody call all the same.
        return
    add_task(
        conn,
        "no_receipt",
        case_id=message.case_id,
        vehicle_id=message.vehicle_id,
        due_at=now + _NO_RECEIPT_WITHIN,
        now=now,
        text=message.title,
        source=f"message {message.message_id}",
    )
