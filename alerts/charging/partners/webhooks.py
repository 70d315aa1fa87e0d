"""Standard Webhooks: signs and verifies ``webhook-id.webhook-timestamp.body``. Pure functions.

Source: Standard Webhooks specification 1.0.0, "Signature scheme" (symmetric, v1).
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Final

from alerts.charging.partners.refusals import NotAuthentic

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
PREFIX: Final = "whsec_"
# The specification asks for 24 to 64 bytes.
SECRET_BYTES: Final = 32
# A partner that rotates has two keys, hardly ever three: each signature more is work for whoever sends rubbish.
_MOST_SIGNATURES = 8
_MESSAGE_ID = re.compile(r"[\x21-\x7e]{1,200}")


def text_of(secret: bytes) -> str:
    """Return a secret as partners are told it."""
    return PREFIX + base64.b64encode(secret).decode()


def secret_of(text: str) -> bytes:
    """Return the bytes of a secret as partners are told it. Raises : ValueError, when it is none"""
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is whsec_ and Base64") from error
    if not secret:
        raise ValueError("a webhook secret is whsec_ and Base64, this one is empty")
    return secret


def sign(secret: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature with its version.

    timestamp : epoch seconds
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


def headers_for(secrets: Iterable[bytes], *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message, signed by every secret: either end may rotate first."""
    signatures = [sign(secret, message_id=message_id, timestamp=timestamp, body=body) for secret in secrets]
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(signatures)}


def read_headers(headers: Mapping[str, str]) -> tuple[str, int, str]:
    """Return id, timestamp (epoch seconds) and signatures of a message.

    headers : with names in small letters
    Raises  : NotAuthentic, when one is missing or none of these
    """
    message_id, timestamp, signature = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not _MESSAGE_ID.fullmatch(message_id):
        raise NotAuthentic(f"{ID} is missing or not 1 to 200 visible ASCII characters")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise NotAuthentic(f"{TIMESTAMP} is missing or no epoch seconds")
    if not signature:
        raise NotAuthentic(f"{SIGNATURE} is missing")
    return message_id, int(timestamp), signature


def is_signed(secrets: Iterable[bytes], *, message_id: str, timestamp: int, signature: str, body: bytes) -> bool:
    """Say whether one of the signatures was made by one of the secrets."""
    given = signature.split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
    found = False
    for secret in secrets:
        expected = sign(secret, message_id=message_id, timestamp=timestamp, body=body).encode()
        for one in given:
            # All are compared: how long it takes must not say which was close.
            found |= hmac.compare_digest(expected, one.encode())
    return found
