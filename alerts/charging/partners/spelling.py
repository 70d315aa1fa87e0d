"""Field names as partners write them, and values as they send them. Pure functions.

A danger must not be lost to a letter: names are compared without case, hyphens and underscores, and misspellings that
published systems have are known by name.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

# T/CEC times carry no zone: they are China's.
CHINA = timezone(timedelta(hours=8))
_NAME = re.compile(r"[-_\s.]")
# What is written, in the form of _plain, and what is meant. Sources: notification_bmsInfo of a public city platform
# ("TatalVoltage", "TemptureH"), order messages of T/CEC 102 systems ("SeviceMoney"), and slips of the same kind.
_MISSPELT = {
    "tatalvoltage": "totalvoltage",
    "totolvoltage": "totalvoltage",
    "totalvoltege": "totalvoltage",
    "tatalcurrent": "totalcurrent",
    "totalcurrrent": "totalcurrent",
    "temptureh": "temperatureh",
    "tempertureh": "temperatureh",
    "tempratureh": "temperatureh",
    "tempturel": "temperaturel",
    "temperturel": "temperaturel",
    "tempraturel": "temperaturel",
    "maxtempture": "maxtemp",
    "maxtemperature": "maxtemp",
    "maxchargecellvoltge": "maxchargecellvoltage",
    "connecterid": "connectorid",
    "conectorid": "connectorid",
    "connetorid": "connectorid",
    "equipmentld": "equipmentid",
    "equpimentid": "equipmentid",
    "equipid": "equipmentid",
    "stationld": "stationid",
    "alarmstaus": "alarmstatus",
    "alramstatus": "alarmstatus",
    "alramcode": "alarmcode",
    "alramlevel": "alarmlevel",
    "alramtime": "alarmtime",
    "alarminfo": "alarminfos",
    "bmsinfos": "bmsinfo",
    "startchargseq": "startchargeseq",
    "startchargeseqstatus": "startchargeseqstat",
    "succstatus": "succstat",
    "severty": "severity",
    "serverity": "severity",
    "mesures": "measures",
}


def by_name(fields: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the fields called by ``names`` however they were spelt, under those names; others are left out.

    A name spelt as it should be wins over another spelling of it.
    """
    wanted = {_plain(name): name for name in names}
    found: dict[str, Any] = {}
    for key, value in fields.items():
        name = wanted.get(_plain(key))
        if name is not None and (key == name or name not in found):
            found[name] = value
    return found


def _plain(name: str) -> str:
    plain = _NAME.sub("", name).casefold()
    return _MISSPELT.get(plain, plain)


def text(value: object, *, longest: int = 200) -> str | None:
    """Return an identifier or text, None for what is none or empty; numbers are taken as they are written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    written = str(value).strip().replace("\x00", "")
    return written[:longest] or None


def number(value: object) -> float | None:
    """Return a finite number, also one that was sent as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object) -> int | None:
    """Return a whole number, also one that was sent as text; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def instant(value: object, *, zone: timezone = UTC) -> datetime | None:
    """Return an aware time (UTC) of ISO 8601 or ``yyyy-MM-dd HH:mm:ss`` text, or of epoch seconds or milliseconds.

    zone : of a text that names none
    """
    if isinstance(value, str) and not value.strip().isdigit():
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        try:
            return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        except OverflowError:
            return None
    if isinstance(value, str) and len(value.strip()) == 14:
        try:
            return datetime.strptime(value.strip(), "%Y%m%d%H%M%S").replace(tzinfo=zone).astimezone(UTC)
        except ValueError:
            return None
    seconds = number(value)
    if seconds is None:
        return None
    # Seconds of today have ten digits, milliseconds thirteen.
    seconds = seconds / 1000 if abs(seconds) >= 1e11 else seconds
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
