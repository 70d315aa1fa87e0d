"""A file of dealers: what is wrong with it, all at once and by line."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.dealer_file import COLUMNS, DEFAULTS, Problem, read_dealers, write_dealers
from alerts.dealers import Dealer, sample_dealers
from alerts.opening_hours import format_hours, parse_hours
from config.faults import fault_modes
from ingest.datum import gcj02_to_wgs84

HEADER = ",".join(COLUMNS)
GOOD = {
    "dealer_id": "sh-1",
    "name_zh": "上海",
    "name_en": "Shanghai",
    "city": "Shanghai",
    "brand": "Forewarn Motors",
    "latitude": "31.2304",
    "longitude": "121.4737",
    "datum": "WGS-84",
    "capabilities": "general hv_battery",
    "admitted": "true",
    "phone": "021-5550-0201",
    "time_zone": "Asia/Shanghai",
    "country": "CN",
    "hours": "Mo-Fr 08:30-18:00",
    "places": "2",
}


def line(**changes: str) -> str:
    return ",".join('"' + value.replace('"', '""') + '"' for value in (GOOD | changes).values())


def read(*lines: str, header: str = HEADER) -> tuple[list[Dealer], list[Problem]]:
    dealers, problems = read_dealers("\n".join([header, *lines]).encode(), from_gcj02=gcj02_to_wgs84)
    return list(dealers), list(problems)


def problem_of(**changes: str) -> str:
    _, problems = read(line(**changes))
    (problem,) = problems
    assert problem.line == 2
    return problem.text


def test_a_good_line() -> None:
    (dealer,), problems = read(line())
    assert problems == []
    assert dealer.capabilities == {"general", "hv_battery"}
    assert (dealer.latitude, dealer.longitude, dealer.places) == (31.2304, 121.4737, 2)
    assert dealer.admitted


def test_what_a_file_may_leave_out() -> None:
    kept = [name for name in COLUMNS if name not in DEFAULTS]
    text = ",".join(kept) + "\n" + ",".join(GOOD[name] for name in kept)
    (dealer,), problems = read_dealers(text.encode("utf-8-sig"), from_gcj02=gcj02_to_wgs84)
    assert list(problems) == []
    assert (dealer.time_zone, dealer.country, dealer.hours, dealer.places) == ("Asia/Shanghai", "CN", None, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latitude": "121.4737", "longitude": "31.2304"}, "look swapped"),
        # Both are latitudes; only the country tells.
        ({"latitude": "87.6", "longitude": "43.8"}, "look swapped"),
        ({"latitude": "-151.2", "longitude": "-33.8", "country": "AU", "phone": "+61 2 5550 0201"}, "look swapped"),
        ({"latitude": "91"}, "no place on earth"),
        ({"longitude": "-181"}, "no place on earth"),
        ({"latitude": "0", "longitude": "0"}, "Atlantic"),
        ({"latitude": "31,2304"}, "latitude '31,2304' is no number"),
        ({"latitude": "nan"}, "no number"),
        ({"longitude": "1e2"}, "no number"),
        ({"datum": "BD-09"}, "datum 'BD-09' is not known"),
        ({"dealer_id": "SH 1"}, "use small letters"),
        ({"name_zh": " "}, "name_zh is empty"),
        ({"capabilities": "general welding"}, "capability 'welding' is not known"),
        ({"capabilities": ""}, "capabilities is empty"),
        ({"admitted": "maybe"}, "write true or false"),
        ({"phone": "12"}, "no telephone number of CN"),
        ({"phone": "call us"}, "no telephone number of CN"),
        ({"time_zone": "Asia/Shanghei"}, "time_zone 'Asia/Shanghei' is not known"),
        ({"time_zone": "../etc/passwd"}, "is not known"),
        ({"time_zone": "Asia"}, "is not known"),
        ({"country": "China"}, "country 'China' is not known"),
        ({"hours": "8 to 6"}, "hours: "),
        ({"places": "2.5"}, "whole number from 1 to 200"),
        ({"places": "0"}, "whole number"),
        ({"places": "-1"}, "whole number"),
        ({"hours": ""}, "places without hours"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, str], said: str) -> None:
    assert said in problem_of(**changes)


def test_every_problem_at_once_with_its_line() -> None:
    dealers, problems = read(
        line(),
        line(dealer_id="sh-2", latitude="121.4", longitude="31.2", phone="1"),
        line(dealer_id="sh-3", name_en="two\nlines"),
        line(),
        line(dealer_id="sh-4", places="x", admitted="x"),
        "too,short",
        "",
        line(dealer_id="sh-1", places="x"),
    )
    assert [problem.line for problem in problems] == [3, 3, 6, 7, 7, 8, 10, 10]
    assert "dealer_id sh-1 is on line 2 already" in {problem.text for problem in problems}
    assert [dealer.dealer_id for dealer in dealers] == ["sh-1", "sh-3", "sh-1"]


def test_swapped_ones_are_found_among_their_neighbours() -> None:
    """In a country whose latitudes are longitudes too nothing but the other dealers of the city tells."""
    spain = {"country": "ES", "city": "Zaragoza", "phone": "+34 976 555 020", "time_zone": "Europe/Madrid"}
    lines = [
        line(dealer_id=f"es-{number}", **spain, latitude=f"41.6{number}", longitude=f"-0.8{number}")
        for number in range(3)
    ]
    assert read(*lines)[1] == []
    _, problems = read(*lines, line(dealer_id="es-9", **spain, latitude="-0.88", longitude="41.64"))
    (problem,) = problems
    assert problem.line == 5
    assert "look swapped: the other dealers in Zaragoza are elsewhere" in problem.text


@pytest.mark.parametrize(
    ("content", "number", "said"),
    [
        (b"", 1, "the file is empty"),
        (HEADER.encode(), 1, "holds no dealers"),
        (b"dealer_id,shoe_size,dealer_id\n", 1, "no column 'shoe_size'"),
        (f"{HEADER}\n{line()}\n".encode() + "上海".encode("gbk"), 3, "not UTF-8"),
        (f"{HEADER}\n\0".encode(), 2, "no text"),
        (f'{HEADER}\n"never closed'.encode(), 2, "no CSV"),
    ],
)
def test_files_that_are_none(content: bytes, number: int, said: str) -> None:
    _, problems = read_dealers(content, from_gcj02=gcj02_to_wgs84)
    assert any(problem.line == number and said in problem.text for problem in problems)


def test_degrees_of_chinese_maps_are_moved() -> None:
    (dealer,), _ = read(line(datum="GCJ-02"))
    moved = gcj02_to_wgs84(31.2304, 121.4737)
    assert (dealer.latitude, dealer.longitude) == pytest.approx(moved, abs=1e-7)
    assert abs(dealer.longitude - 121.4737) > 0.001


def test_the_sample_dealers_come_back_as_they_went() -> None:
    read_back, problems = read_dealers(write_dealers(sample_dealers()).encode(), from_gcj02=gcj02_to_wgs84)
    assert list(problems) == []
    assert [
        (d.dealer_id, d.place, d.capabilities, d.admitted, d.phone, parse_hours(d.hours or "")) for d in read_back
    ] == [
        (d.dealer_id, d.place, d.capabilities, d.admitted, d.phone, parse_hours(d.hours or ""))
        for d in sample_dealers()
    ]


_texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)
_trimmed = _texts.map(str.strip).filter(bool)
_dealers = st.builds(
    Dealer,
    dealer_id=st.text(string.ascii_lowercase + string.digits, min_size=2, max_size=10),
    name_zh=_trimmed,
    name_en=_trimmed,
    city=_trimmed,
    brand=_trimmed,
    # In China, where no two of them are taken for swapped.
    latitude=st.integers(180_000, 500_000).map(lambda degrees: degrees / 10_000),
    longitude=st.integers(760_000, 1_340_000).map(lambda degrees: degrees / 10_000),
    capabilities=st.sets(st.sampled_from(sorted({m.capability for m in fault_modes().values()})), min_size=1).map(
        frozenset
    ),
    admitted=st.booleans(),
    phone=st.sampled_from(["+86 21 5550 0201", "021-5550-0201", "13800138000"]),
    hours=st.just(format_hours(parse_hours("Mo-Fr 08:30-12:00,13:00-02:00; PH off"))),
    places=st.one_of(st.none(), st.integers(1, 200)),
)


@settings(deadline=None)
@given(st.lists(_dealers, min_size=1, max_size=5, unique_by=lambda dealer: dealer.dealer_id))
def test_what_is_written_is_read_back(dealers: list[Dealer]) -> None:
    text = write_dealers(dealers)
    read_back, problems = read_dealers(text.encode(), from_gcj02=gcj02_to_wgs84)
    assert list(problems) == []
    assert list(read_back) == dealers


def test_a_spreadsheet_takes_nothing_for_a_formula() -> None:
    (dealer,), _ = read(line(name_en="=HYPERLINK(1)", phone="+86 21 5550 0201"))
    row = write_dealers([dealer]).splitlines()[1].split(",")
    assert row[2].startswith("'=")
    assert row[COLUMNS.index("phone")].startswith("'+")
