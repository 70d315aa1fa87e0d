"""What an owner opens without an account: the offer of a case, by a token that only the message holds."""

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from alerts.access.tokens import hash_of, new_token
from alerts.work.entries import note
from alerts.work.messages import write
from config import sql
from config.i18n import translator

Connection = psycopg.Connection[Any]
MOST_DRIVER = 60


class NoOffer(Exception):
    """There is no such offer."""


class OwnersOffer(NamedTuple):
    """What an owner sees: nothing that says who the owner is. Times are UTC; ``time_zone`` is the dealer's."""

    case_id: int
    offer_id: int
    campaign: str
    language: str
    model: str
    dealer_name_zh: str
    dealer_name_en: str
    dealer_phone: str
    latitude: float
    longitude: float
    distance_km: float
    time_zone: str
    code: str | None
    percent_off: int | None
    yuan_off: int | None
    most_yuan: int | None
    valid_until: datetime | None
    redeemed_at: datetime | None
    driver: str | None
    visit_at: datetime | None

    def dealer_name(self, language: str) -> str:
        return self.dealer_name_zh if language.startswith("zh") else self.dealer_name_en


def send_offer(conn: Connection, case_id: int, *, public_url: str | None, by: str, now: datetime) -> str:
    """Send the owner of a case the link to their offer; return its token. One that was sent before opens no more.

    conn   : role "alerts", outside a transaction
    Raises : NoOffer, when the case has none
    """
    token = new_token()
    with conn.transaction():
        values = {"case_id": case_id, "link_hash": hash_of(token)}
        row = conn.execute(sql.load(__package__, "link_offer"), values).fetchone()
        if row is None:
            raise NoOffer(NoOffer.__doc__)
        language, dealer_zh, dealer_en = row
        t = translator(language)
        body = t("%(dealer)s expects you. Your coupon is here:", dealer=dealer_zh if language == "zh_CN" else dealer_en)
        link = f"{(public_url or '').rstrip('/')}/o/{token}"
        write(conn, case_id, "offer", t("Your coupon"), body, link=link, at=now, now=now)
        note(conn, case_id, "offer sent", actor=by, now=now)
    return token


def offer_of(conn: Connection, token: str) -> OwnersOffer:
    """Return the offer that a link opens. Raises : NoOffer"""
    with conn.cursor(row_factory=class_row(OwnersOffer)) as cursor:
        found = cursor.execute(sql.load(__package__, "offer_by_link"), {"link_hash": hash_of(token)}).fetchone()
    if found is None:
        raise NoOffer(NoOffer.__doc__)
    return found


def name_driver(conn: Connection, token: str, driver: str, *, now: datetime) -> None:
    """Let a driver whom the owner names carry the coupon, or nobody with "". Raises : NoOffer"""
    offer = offer_of(conn, token)
    with conn.transaction():
        name = " ".join(driver.split())[:MOST_DRIVER]
        conn.execute(sql.load(__package__, "set_driver"), {"offer_id": offer.offer_id, "driver": name or None})
        note(conn, offer.case_id, "driver named" if name else "driver removed", actor="owner", now=now)


def confirm_offer(conn: Connection, token: str, *, now: datetime) -> None:
    """Take the receipt of the message that holds the link. Raises : NoOffer"""
    offer = offer_of(conn, token)
    with conn.transaction():
        row = conn.execute(sql.load(__package__, "confirm_offer"), {"case_id": offer.case_id, "now": now}).fetchone()
        if row is not None:
            note(conn, offer.case_id, "message received", actor="owner", now=now, detail={"kind": "offer"})
