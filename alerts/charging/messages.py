"""What people are told about a danger: pure functions from a case to words, in the language of who reads them."""

import uuid
from typing import Literal

import msgspec

from alerts.charging.book import OpenCase
from config.dangers import dangers
from config.i18n import translator

Recipient = Literal["owner", "supervisor"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one address.

    delivery_id : unguessable; whoever shows it confirms that this message was received
    channel     : "phone" is a text message, "app" a push, "email"
    receipt_url : where the reader confirms; None where no public address is set
    """

    delivery_id: uuid.UUID
    case_id: uuid.UUID
    recipient: Recipient
    channel: str
    address: str
    language: str
    title: str
    text: str
    receipt_url: str | None = None


def words_for_owner(kind: str, *, operator: str | None, station: str | None, language: str) -> tuple[str, str]:
    """Return title and text of what an owner is told: what it is, where, and what to do."""
    t = translator(language)
    danger = dangers().get(kind) or dangers()["other"]
    title = t("Danger while charging: %(danger)s", danger=danger.name(language))
    where = ""
    if station is not None:
        where = t("Station %(station)s of %(operator)s.", station=station, operator=operator or "")
    # Chinese has no space between sentences.
    gap = "" if language.startswith("zh") else " "
    return title, gap.join(part for part in (where, danger.advice(language)) if part)


def words_for_supervisor(case_kind: str, severity: int, *, place: str, language: str) -> tuple[str, str]:
    """Return title and text of what a supervisor is told when nobody at the desk takes a case."""
    t = translator(language)
    danger = dangers().get(case_kind) or dangers()["other"]
    title = t("Nobody at the safety desk has taken a case")
    text = t(
        "%(danger)s, severity %(severity)s, at %(place)s. Please see to it.",
        danger=danger.name(language),
        severity=severity,
        place=place or t("a place that nobody knows"),
    )
    return title, text


def receipt_url(public_url: str | None, delivery_id: uuid.UUID) -> str | None:
    """Return where an owner confirms a message."""
    return None if public_url is None else f"{public_url.rstrip('/')}/safety/receipts/{delivery_id}"


def place_of(case: OpenCase) -> str:
    return "/".join(part for part in (case.operator, case.station, case.connector) if part)
