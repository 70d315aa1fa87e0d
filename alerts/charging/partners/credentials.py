"""OCPI 2.2.1 credentials: what an operator says of itself, and what of its interface we need. Pure functions.

Source: OCPI 2.2.1-d2, 6 (versions), 7 (credentials).
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from alerts.charging.partners.ocpi import operator_name
from alerts.charging.partners.partner import Partner
from alerts.charging.partners.refusals import EndpointsMissing, NoCommonVersion, NotUnderstood, NotYours
from alerts.charging.partners.spelling import text

VERSION: Final = "2.2.1"
# 2.2.1 says 64; systems of other versions give longer ones to whoever asks.
_TOKEN = re.compile(r"[!-~]{1,255}")
_LONGEST_URL = 255
_NAME = "Forewarn"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator registers with: its token for us, and where it serves its versions."""

    token: str
    versions_url: str


def read_credentials(fields: Mapping[str, Any], partner: Partner, *, in_the_open: bool) -> Credentials:
    """Return what an operator says of itself.

    in_the_open : whether its interface may be without TLS, as on one machine
    Raises      : NotUnderstood; NotYours, when none of its roles is an operator that the partner speaks for
    """
    token, url, roles = fields.get("token"), fields.get("url"), fields.get("roles")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise NotUnderstood("token is none: 1 to 255 printable characters without spaces")
    if not isinstance(roles, list) or not roles:
        raise NotUnderstood("roles is missing: name the operator that you are")
    versions_url = checked_url(url, name="url", in_the_open=in_the_open)
    operators = [_operator(role) for role in roles]
    if not set(operators) & set(partner.operators):
        named = ", ".join(name for name in operators if name is not None) or "no CPO"
        raise NotYours(f"the roles name {named[:200]}: none that {partner.partner_id} speaks for")
    return Credentials(token=token, versions_url=versions_url)


def our_credentials(token: str, *, address: str, party: tuple[str, str]) -> dict[str, Any]:
    """Return what we say of ourselves.

    token   : by which the operator is known here from now on
    address : of our server
    party   : our country code and party id
    """
    role = {"role": "EMSP", "country_code": party[0], "party_id": party[1], "business_details": {"name": _NAME}}
    return {"token": token, "url": f"{address}/ocpi/versions", "roles": [role]}


def details_url(data: Any, *, in_the_open: bool) -> str:
    """Return where the operator's 2.2.1 is described, of the versions that it lists.

    Raises : NoCommonVersion, NotUnderstood
    """
    versions = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    for one in versions:
        if text(one.get("version")) == VERSION:
            return checked_url(one.get("url"), name=f"the url of version {VERSION}", in_the_open=in_the_open)
    listed = ", ".join(str(one.get("version"))[:10] for one in versions[:10]) or "nothing"
    raise NoCommonVersion(f"your versions list {listed}; we speak {VERSION}")


def commands_url(data: Any, *, in_the_open: bool) -> str:
    """Return where the operator takes commands, of the endpoints of its 2.2.1.

    Raises : EndpointsMissing, NotUnderstood
    """
    found = data.get("endpoints") if isinstance(data, dict) else None
    for one in found if isinstance(found, list) else []:
        # Commands have one receiver: who leaves the role away means it.
        if isinstance(one, dict) and one.get("identifier") == "commands" and one.get("role", "RECEIVER") == "RECEIVER":
            return checked_url(one.get("url"), name="the url of commands", in_the_open=in_the_open)
    raise EndpointsMissing("your endpoints have no commands receiver: without STOP_SESSION a pile cannot be stopped")


def checked_url(url: Any, *, name: str, in_the_open: bool) -> str:
    """Return an address that may be asked: a token goes there, so not in the open.

    Raises : NotUnderstood
    """
    wrong = NotUnderstood(f"{name} is no address that we ask: https://… of at most {_LONGEST_URL} characters")
    if not isinstance(url, str) or not 0 < len(url) <= _LONGEST_URL or not re.fullmatch(r"[!-~]+", url):
        raise wrong
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise wrong from error
    schemes = ("https", "http") if in_the_open else ("https",)
    if parts.scheme not in schemes or not has_host or parts.username is not None or parts.fragment:
        raise wrong
    if not in_the_open and _is_inside(str(parts.hostname)):
        raise NotUnderstood(f"{name} is an address of a network of ours: name the host as others reach it")
    return url


def _is_inside(host: str) -> bool:
    """Say whether a host is this machine or of a private network, as far as its name says it."""
    host = host.rstrip(".")
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _operator(role: Any) -> str | None:
    """Return the operator that a role is; None for a role that is no charge point operator's."""
    if not isinstance(role, dict) or role.get("role") != "CPO":
        return None
    country, party = text(role.get("country_code")), text(role.get("party_id"))
    return operator_name(country, party) if country and party else None
