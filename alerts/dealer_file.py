"""Dealers as CSV, in and out: every problem of a file at once, each with its line; a file with one imports nothing."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
import psycopg

from alerts.business_days import countries
from alerts.dealers import Dealer, Place, great_circle_km, store_dealers
from alerts.opening_hours import HoursMisread, format_hours, parse_hours
from config.errors import UserMistake
from config.faults import fault_modes

COLUMNS = (
    "dealer_id",
    "name_zh",
    "name_en",
    "city",
    "brand",
    "latitude",
    "longitude",
    "datum",
    "capabilities",
    "admitted",
    "phone",
    "time_zone",
    "country",
    "hours",
    "places",
)
# What a file may leave out, and what it means then. Without hours nobody knows; without places no book is kept here.
DEFAULTS: Mapping[str, str] = {
    "datum": "WGS-84",
    "time_zone": "Asia/Shanghai",
    "country": "CN",
    "hours": "",
    "places": "",
}
ToWgs84 = Callable[[float, float], tuple[float, float]]

_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,59}")
_TRUE, _FALSE = frozenset({"true", "yes", "1", "是"}), frozenset({"false", "no", "0", "否"})
# A spreadsheet takes what begins so for a formula; the apostrophe before it is taken away again on the way in, and so
# one more is put before an apostrophe.
_FORMULA = ("=", "+", "-", "@", "'")
# The mainland with Hainan and the islands off it; latitudes of China are never longitudes of China.
_CHINA = (3.0, 54.0, 73.0, 136.0)
# No city is that wide. Chongqing, the widest that calls itself one, is 470 km.
_SAME_CITY_KM = 500.0
_MOST_PLACES = 200
# Of a degree: a centimetre.
_DECIMALS = 7
_MOST_SHOWN = 50


class DealerFileWrong(UserMistake):
    """A file of dealers has problems, and nothing of it was imported."""


class Problem(NamedTuple):
    """What is wrong on a line of the file; line 1 is its header."""

    line: int
    text: str


class _Read(NamedTuple):
    line: int
    dealer: Dealer


def read_dealers(content: bytes, *, from_gcj02: ToWgs84) -> tuple[Sequence[Dealer], Sequence[Problem]]:
    """Return the dealers of a CSV file and its problems, by line; what to import only when there are none.

    content    : UTF-8, with or without a byte-order mark, as ``write_dealers`` makes it
    from_gcj02 : turns the degrees of Chinese maps into WGS-84, for lines whose ``datum`` is GCJ-02
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return [], [Problem(line, "this is not UTF-8 text: save the file as CSV UTF-8")]
    if "\0" in text:
        return [], [Problem(text[: text.index("\0")].count("\n") + 1, "this is no text: save the file as CSV UTF-8")]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    read: list[_Read] = []
    ids: list[tuple[int, str]] = []
    problems: list[Problem] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        problems += _header_problems(header)
        if problems:
            return [], problems
        # A field may hold line breaks: the line told is the one its record begins on.
        line = reader.line_num + 1
        for fields in reader:
            if any(field.strip() for field in fields):
                if len(fields) == len(header):
                    named = {name: _plain(field) for name, field in zip(header, fields, strict=True)}
                    ids.append((line, named["dealer_id"]))
                    dealer, found = _read_line(named, from_gcj02)
                    problems += [Problem(line, text) for text in found]
                    if dealer is not None:
                        read.append(_Read(line, dealer))
                else:
                    problems.append(
                        Problem(line, f"{len(fields)} fields, the header has {len(header)}: quote texts with commas")
                    )
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(reader.line_num, f"this is no CSV ({error}): check the quotation marks"))
    problems += _duplicates(ids)
    problems += _swapped_among_neighbours(read)
    if not read and not problems:
        problems.append(Problem(1, "the file holds no dealers"))
    return [found.dealer for found in read], sorted(problems)


def import_dealers(conn: psycopg.Connection[Any], content: bytes, *, from_gcj02: ToWgs84, check_only: bool) -> int:
    """Write the dealers of a CSV file, new ones and known ones, admission included; return their number.

    conn   : role "alerts"
    Raises : DealerFileWrong, with every problem of the file; nothing is written then
    """
    dealers, problems = read_dealers(content, from_gcj02=from_gcj02)
    if problems:
        shown = [f"line {problem.line}: {problem.text}" for problem in problems[:_MOST_SHOWN]]
        if len(problems) > _MOST_SHOWN:
            shown.append(f"and {len(problems) - _MOST_SHOWN} more")
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise DealerFileWrong(f"{count}, nothing was imported; {'; '.join(shown)}")
    if not check_only:
        store_dealers(conn, dealers, set_admission=True)
    return len(dealers)


def write_dealers(dealers: Iterable[Dealer]) -> str:
    """Return dealers as CSV (RFC 4180) with ``COLUMNS``; ``read_dealers`` reads the same ones back."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for dealer in dealers:
        row = {
            "dealer_id": dealer.dealer_id,
            "name_zh": dealer.name_zh,
            "name_en": dealer.name_en,
            "city": dealer.city,
            "brand": dealer.brand,
            "latitude": f"{dealer.latitude:.{_DECIMALS}f}",
            "longitude": f"{dealer.longitude:.{_DECIMALS}f}",
            "datum": "WGS-84",
            "capabilities": " ".join(sorted(dealer.capabilities)),
            "admitted": "true" if dealer.admitted else "false",
            "phone": dealer.phone,
            "time_zone": dealer.time_zone,
            "country": dealer.country,
            "hours": dealer.hours or "",
            "places": "" if dealer.places is None else str(dealer.places),
        }
        # Numbers are numbers to a spreadsheet, also negative ones.
        numbers = ("latitude", "longitude", "places")
        writer.writerow([row[name] if name in numbers else _harmless(row[name]) for name in COLUMNS])
    return text.getvalue()


def _header_problems(header: Sequence[str]) -> list[Problem]:
    if not header:
        return [Problem(1, f"the file is empty: begin it with {','.join(COLUMNS)}")]
    problems = [Problem(1, f"there is no column {name!r}") for name in header if name not in COLUMNS]
    problems += [Problem(1, f"column {name} is there twice") for name in COLUMNS if header.count(name) > 1]
    missing = [name for name in COLUMNS if name not in header and name not in DEFAULTS]
    problems += [Problem(1, f"column {name} is missing") for name in missing]
    return problems


def _read_line(given: Mapping[str, str], from_gcj02: ToWgs84) -> tuple[Dealer | None, list[str]]:
    """Return the dealer of a line, or None, and everything that is wrong with it."""
    value = {name: given.get(name) or DEFAULTS.get(name, "") for name in COLUMNS}
    problems = [f"{name} is empty" for name in COLUMNS if not value[name] and name not in DEFAULTS]
    if value["dealer_id"] and not _ID.fullmatch(value["dealer_id"]):
        problems.append(f"dealer_id {value['dealer_id']!r} is none: use small letters, digits and hyphens")
    place, found = _read_place(value, from_gcj02)
    problems += found
    capabilities = frozenset(value["capabilities"].replace("|", " ").replace(",", " ").split())
    known = {mode.capability for mode in fault_modes().values()}
    for unknown in sorted(capabilities - known):
        problems.append(f"capability {unknown!r} is not known: use {', '.join(sorted(known))}")
    admitted = value["admitted"].lower()
    if admitted and admitted not in _TRUE | _FALSE:
        problems.append(f"admitted is {value['admitted']!r}: write true or false")
    country = value["country"]
    if country not in countries():
        problems.append(f"country {country!r} is not known: use an ISO 3166 code, as CN")
    elif value["phone"] and not _is_phone(value["phone"], country):
        problems.append(f"phone {value['phone']!r} is no telephone number of {country}")
    if not _is_zone(value["time_zone"]):
        problems.append(f"time_zone {value['time_zone']!r} is not known: use an IANA name, as Asia/Shanghai")
    hours: str | None = None
    if value["hours"]:
        try:
            hours = format_hours(parse_hours(value["hours"]))
        except HoursMisread as error:
            problems.append(f"hours: {error}")
    places: int | None = None
    if value["places"]:
        digits = value["places"]
        places = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 0
        if not 1 <= places <= _MOST_PLACES:
            problems.append(f"places is {digits!r}: write a whole number from 1 to {_MOST_PLACES}, or nothing")
        elif not value["hours"]:
            problems.append("places without hours: nobody knows when they are free")
    if problems or place is None:
        return None, problems
    texts = ("dealer_id", "name_zh", "name_en", "city", "brand", "phone", "time_zone", "country")
    dealer = Dealer(
        latitude=place.latitude,
        longitude=place.longitude,
        capabilities=capabilities,
        admitted=admitted in _TRUE,
        hours=hours,
        places=places,
        **{name: value[name] for name in texts},
    )
    return dealer, []


def _read_place(value: Mapping[str, str], from_gcj02: ToWgs84) -> tuple[Place | None, list[str]]:
    if not value["latitude"] or not value["longitude"]:
        return None, []
    problems = []
    degrees = {}
    for name in ("latitude", "longitude"):
        degrees[name] = _number(value[name])
        if math.isnan(degrees[name]):
            problems.append(f"{name} {value[name]!r} is no number: write degrees, as 31.2304")
    if value["datum"] not in ("WGS-84", "GCJ-02"):
        problems.append(f"datum {value['datum']!r} is not known: use WGS-84, or GCJ-02 for what Chinese maps show")
    if problems:
        return None, problems
    latitude, longitude = degrees["latitude"], degrees["longitude"]
    if _looks_swapped(latitude, longitude, value["country"]):
        return None, [f"latitude {latitude} and longitude {longitude} look swapped"]
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None, [f"latitude {latitude}, longitude {longitude} is no place on earth"]
    if latitude == longitude == 0:
        return None, ["latitude 0, longitude 0 lies in the Atlantic: fill them in"]
    if value["datum"] == "GCJ-02":
        latitude, longitude = from_gcj02(latitude, longitude)
    return Place(round(latitude, _DECIMALS), round(longitude, _DECIMALS)), []


def _looks_swapped(latitude: float, longitude: float, country: str) -> bool:
    if abs(latitude) > 90:
        return abs(latitude) <= 180 and abs(longitude) <= 90
    south, north, west, east = _CHINA
    inside = south <= latitude <= north and west <= longitude <= east
    return country == "CN" and not inside and south <= longitude <= north and west <= latitude <= east


def _swapped_among_neighbours(read: Sequence[_Read]) -> list[Problem]:
    """Find places that lie far from the other dealers of their city, and near them the other way round."""
    by_city: dict[tuple[str, str], list[_Read]] = {}
    for found in read:
        by_city.setdefault((found.dealer.country, found.dealer.city), []).append(found)
    problems = []
    for neighbours in by_city.values():
        # Of two nobody can say which is wrong.
        if len(neighbours) < 3:
            continue
        middle = Place(
            median(found.dealer.latitude for found in neighbours),
            median(found.dealer.longitude for found in neighbours),
        )
        for line, dealer in neighbours:
            if great_circle_km(dealer.place, middle) <= _SAME_CITY_KM or abs(dealer.longitude) > 90:
                continue
            if great_circle_km(Place(dealer.longitude, dealer.latitude), middle) <= _SAME_CITY_KM:
                text = f"latitude {dealer.latitude} and longitude {dealer.longitude} look swapped: the other dealers"
                problems.append(Problem(line, f"{text} in {dealer.city} are elsewhere"))
    return problems


def _duplicates(ids: Iterable[tuple[int, str]]) -> list[Problem]:
    first: dict[str, int] = {}
    problems = []
    for line, dealer_id in ids:
        before = first.setdefault(dealer_id, line)
        if dealer_id and before != line:
            problems.append(Problem(line, f"dealer_id {dealer_id} is on line {before} already"))
    return problems


def _number(text: str) -> float:
    # float() would also take "nan", "1_0" and digits of other scripts.
    return float(text) if re.fullmatch(r"[+-]?\d{1,3}(\.\d{1,15})?", text, re.ASCII) else math.nan


def _is_phone(text: str, country: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, country))
    except phonenumbers.NumberParseException:
        return False


def _is_zone(name: str) -> bool:
    try:
        # A key that names a folder of the zones, or something outside of them, is refused in several ways.
        datetime.now(UTC).astimezone(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(text: str) -> str:
    text = text.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
