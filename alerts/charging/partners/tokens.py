"""Access tokens of T/CEC 102's ``query_token``: signed by us, stored nowhere, so that no database is asked for one.

A token names the key it was issued for and ends with it: with the key's revocation, or by its own time.
"""

import base64
import binascii
import hmac
import secrets
from datetime import datetime

from alerts.charging.partners.partner import Key, Partner
from alerts.charging.partners.sealing import Sealer

# Operators ask for a token when theirs has ended: often enough to be bored by it, seldom enough not to wait for it.
LASTS_S = 7200
_PARTS = 4


def issue(sealer: Sealer, partner: Partner, key: Key, *, now: datetime) -> str:
    """Return a token for one T/CEC key of a partner."""
    content = f"{partner.partner_id}.{key.key_id}.{int(now.timestamp()) + LASTS_S}.{secrets.token_hex(4)}"
    tag = base64.urlsafe_b64encode(sealer.token_tag(content.encode())).decode().rstrip("=")
    return f"{content}.{tag}"


def is_valid(sealer: Sealer, token: str, partner: Partner, *, now: datetime) -> bool:
    """Say whether the token is one of the partner's, of a key that is valid, and has not ended."""
    content, _, tag = token.rpartition(".")
    parts = content.split(".")
    try:
        given = base64.urlsafe_b64decode(tag + "=" * (-len(tag) % 4))
    except (binascii.Error, ValueError):
        return False
    if not hmac.compare_digest(given, sealer.token_tag(content.encode())) or len(parts) != _PARTS:
        return False
    partner_id, key_id, ends = parts[0], int(parts[1]), int(parts[2])
    return (
        partner_id == partner.partner_id
        and now.timestamp() < ends
        and any(key.key_id == key_id for key in partner.valid("tcec102", now))
    )


def bearer(authorization: str) -> str:
    """Return the token of an Authorization header, empty when it has none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.casefold() == "bearer" and len(token) <= 1000 else ""
