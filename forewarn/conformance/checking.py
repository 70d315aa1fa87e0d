"""Runs the checks of every protocol that there are keys for."""

import json
from collections.abc import Sequence
from pathlib import Path

import httpx
import msgspec

from alerts.charging.partners.cec import Keys
from alerts.charging.partners.webhooks import secret_of
from config.errors import UserMistake
from forewarn.conformance.cec import check_cec
from forewarn.conformance.ocpi import check_ocpi, check_read
from forewarn.conformance.session import Check, Run
from forewarn.conformance.webhook import check_webhook

_WITHIN_S = 15.0


class PartnerKeys(msgspec.Struct, frozen=True):
    """What ``forewarn partner add --json`` prints."""

    keys: dict[str, dict[str, str]]
    operators: tuple[str, ...] = ()


def read_keys(file: Path) -> PartnerKeys:
    """Return the keys in a file.

    Raises : UserMistake
    """
    try:
        found = msgspec.json.decode(file.read_bytes(), type=PartnerKeys)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise UserMistake(f"{file} is not what 'forewarn partner add --json' printed ({error})") from error
    if not set(found.keys) & {"webhook", "tcec102", "ocpi", "read"}:
        raise UserMistake(f"{file} holds no key that a partner speaks with")
    return found


def check_server(url: str, partner: str, given: PartnerKeys, *, operator: str | None = None) -> Sequence[Check]:
    """Play the partner's side and return what was tried.

    operator : None takes the first in the file
    Raises   : UserMistake, when nobody answers or the keys are none
    """
    if not url.startswith(("http://", "https://")):
        raise UserMistake(f"--url {url} is no address: write it as https://forewarn.example")
    speaks_for = operator or next(iter(given.operators), None)
    if speaks_for is None:
        raise UserMistake("the file does not say for which operator: give --operator")
    checks: list[Check] = []
    with httpx.Client(timeout=_WITHIN_S, follow_redirects=False) as client:
        for protocol in ("webhook", "tcec102", "ocpi", "read"):
            key = given.keys.get(protocol)
            if key is None:
                continue
            run = Run(protocol, url, client)
            try:
                _check(run, protocol, partner, key, speaks_for)
            except (KeyError, ValueError) as error:
                raise UserMistake(f"the key of kind {protocol} is none ({error})") from error
            checks += run.checks
    return checks


def _check(run: Run, protocol: str, partner: str, key: dict[str, str], operator: str) -> None:
    if protocol == "webhook":
        check_webhook(run, partner, secret_of(key["secret"]), operator=operator)
    elif protocol == "tcec102":
        keys = Keys(
            operator_secret=key["OperatorSecret"],
            data_secret=key["DataSecret"],
            data_secret_iv=key["DataSecretIV"],
            sig_secret=key["SigSecret"],
        )
        check_cec(run, operator, keys)
    elif protocol == "ocpi":
        check_ocpi(run, key["token"], operator=operator)
    else:
        check_read(run, partner, key["token"])


def to_json(checks: Sequence[Check]) -> str:
    """Return what was tried as one JSON object."""
    fits = sum(check.fits for check in checks)
    found = {"checks": len(checks), "fit": fits, "results": [msgspec.to_builtins(check) for check in checks]}
    return json.dumps(found, ensure_ascii=False, indent=2)


def to_lines(checks: Sequence[Check]) -> str:
    """Return what was tried, one line each, and the sum."""
    lines = []
    for check in checks:
        came = f": {check.detail}" if check.detail else ""
        lines.append(f"{'fits' if check.fits else 'FAILS'}  {check.protocol:<8} {check.what}{came}")
    return "\n".join([*lines, f"{sum(check.fits for check in checks)} of {len(checks)} fit"])
