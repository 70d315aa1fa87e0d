"""Coupons at the dealer's: redeemed once under any concurrency, taken back by the dealer that redeemed it."""

from datetime import datetime
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg.rows import class_row

from alerts.coupons import read_code
from alerts.work.entries import note
from config import sql

Connection = psycopg.Connection[Any]
Action = Literal["redeem", "roll_back"]
MOST_REQUEST_ID = 100


class CouponRefused(Exception):
    """This coupon is not redeemed; ``why`` is a word for programs, the text one for people."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


class Coupon(NamedTuple):
    """A coupon as the dealer's counter sees it. Times are UTC; driver : who may carry it besides the owner."""

    coupon_id: int
    case_id: int
    code: str
    campaign: str
    issuer: str
    percent_off: int | None
    yuan_off: int | None
    most_yuan: int | None
    driver: str | None
    valid_from: datetime
    valid_until: datetime
    redeemed_at: datetime | None
    redeemed_by: str | None
    brand: str


class Redeemed(NamedTuple):
    """What a request came to. again : it had been asked for before, and nothing was done now"""

    coupon: Coupon
    at: datetime
    again: bool


_TEXTS = {
    "unknown": "there is no such coupon: read the code again, character by character",
    "redeemed": "this coupon was redeemed already",
    "expired": "this coupon is no longer valid",
    "early": "this coupon is not valid yet",
    "dealer": "this dealer does not take this coupon",
    "other": "this coupon was redeemed by another dealer: only that one takes it back",
    "open": "this coupon is not redeemed",
    "repeated": "this request was made before, for something else: use a new request id",
}


def look_up(conn: Connection, text: str) -> Coupon:
    """Return the coupon of a code as somebody typed or said it. Raises : CouponMisread, CouponRefused"""
    with conn.cursor(row_factory=class_row(Coupon)) as cursor:
        found = cursor.execute(sql.load(__package__, "coupon_by_code"), {"code": read_code(text)}).fetchone()
    if found is None:
        raise _refused("unknown")
    return found


class Request(NamedTuple):
    """Who asks for what.

    dealer_id  : at whose counter
    request_id : the dealer's own, unique among its requests: asked again, it answers the same
    by         : account or key
    bearer     : who carried the coupon, when it was not the owner
    reason     : why a redemption is taken back
    """

    dealer_id: str
    request_id: str
    by: str
    bearer: str | None = None
    reason: str | None = None


def redeem(conn: Connection, text: str, request: Request, *, now: datetime) -> Redeemed:
    """Redeem a coupon once; the same request again answers the same.

    text   : the code as a person typed or said it
    conn   : role "alerts", outside a transaction
    Raises : CouponMisread; CouponRefused
    """
    return _once(conn, text, "redeem", request, now=now)


def roll_back(conn: Connection, text: str, request: Request, *, now: datetime) -> Redeemed:
    """Take a redemption back: the coupon is good again, as long as it was. The same request again answers the same.

    Raises : CouponMisread; CouponRefused, when this dealer has not redeemed it
    """
    return _once(conn, text, "roll_back", request, now=now)


def _once(conn: Connection, text: str, action: Action, request: Request, *, now: datetime) -> Redeemed:
    coupon = look_up(conn, text)
    values = {"coupon_id": coupon.coupon_id, "dealer_id": request.dealer_id, "now": now}
    try:
        with conn.transaction():
            if again := _asked_before(conn, coupon, action, request):
                return again
            if conn.execute(sql.load(__package__, f"{action}_coupon"), values).fetchone() is None:
                # Of two that ask at once one waits for the other: why it is refused is looked up afterwards.
                if again := _asked_before(conn, coupon, action, request):
                    return again
                raise _refused(_why_not(conn, coupon, action, now=now))
            conn.execute(sql.load(__package__, "insert_redemption"), {**values, **request._asdict(), "action": action})
            kind = "coupon redeemed" if action == "redeem" else "coupon taken back"
            detail = {"dealer": request.dealer_id}
            note(conn, coupon.case_id, kind, actor=request.by, now=now, text=request.reason or "", detail=detail)
    except psycopg.errors.UniqueViolation as error:
        raise _refused("repeated") from error
    return Redeemed(coupon, now, again=False)


def _asked_before(conn: Connection, coupon: Coupon, action: Action, request: Request) -> Redeemed | None:
    values = {"dealer_id": request.dealer_id, "request_id": request.request_id}
    row = conn.execute(sql.load(__package__, "redemption_by_request"), values).fetchone()
    if row is None:
        return None
    if (row[0], row[1]) != (coupon.coupon_id, action):
        raise _refused("repeated")
    return Redeemed(coupon, row[2], again=True)


def _why_not(conn: Connection, coupon: Coupon, action: Action, *, now: datetime) -> str:
    known = look_up(conn, coupon.code)
    if action == "roll_back":
        return "open" if known.redeemed_at is None else "other"
    if known.redeemed_at is not None:
        return "redeemed"
    if now >= known.valid_until:
        return "expired"
    return "early" if now < known.valid_from else "dealer"


def _refused(why: str) -> CouponRefused:
    return CouponRefused(why, _TEXTS[why])
