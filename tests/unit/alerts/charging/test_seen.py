from datetime import UTC, datetime

import pytest

from alerts.charging.anomaly import danger_id
from alerts.charging.seen import of_alarm, of_finding, pile_meaning
from alerts.charging.watch import Finding
from alerts.charging.watcher import alarm_changes
from ingest.charging import Alarm
from ingest.topics import Connector

AT = Connector("linhe", "sh0001", "1")


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        ("18", 2, ("contact_heat", 2)),
        ("9", 3, ("smoke", 1)),
        ("120", 1, ("over_temperature", 1)),
        ("960", 3, ("other", 3)),
        ("HighTemperature", 2, ("contact_heat", 1)),
        ("OtherError", 3, ("other", 3)),
        ("OtherError", 1, ("other", 1)),
        ("WeakSignal", 3, ("other", 3)),
        ("PowerMeterFailure", 2, ("disagreement", 2)),
        ("BMS-T07", 1, ("other", 1)),
        ("E-SMK", 2, ("other", 2)),
    ],
)
def test_a_pile_grades_its_own_codes_unless_the_table_knows_them_to_be_worse(
    code: str, said: int, expected: object
) -> None:
    assert pile_meaning(code, said) == expected  # type: ignore[arg-type]


def test_an_alarm_becomes_a_sighting_with_everything_that_it_says() -> None:
    alarm = Alarm(
        id="A7",
        ts=1_780_000_000_000,
        code="18",
        severity=2,
        state="off",
        session_id="s-1",
        vin="V",
        text="hot",
        measures={"Temperature": 95, "phase": "L1", "x": None, "closed": True},
    )
    said = of_alarm(AT, alarm, received_ms=1_780_000_000_400)
    assert (said.operator, said.station, said.connector, said.session_id) == ("linhe", "sh0001", "1", "s-1")
    assert (said.vin, said.code, said.state, said.text) == ("V", "18", "off", "hot")
    assert said.measures == {"Temperature": 95.0, "phase": "L1", "closed": 1.0}
    assert said.ts == datetime.fromtimestamp(1_780_000_000, UTC)


def finding(**changes: object) -> Finding:
    values: dict[str, object] = {
        "kind": "insulation",
        "change": "on",
        "severity": 1,
        "began_ms": 1000,
        "ts_ms": 3000,
        "why": "low",
    }
    return Finding(**(values | changes))  # type: ignore[arg-type]


def test_one_danger_of_a_car_keeps_its_id_and_another_car_or_time_has_its_own() -> None:
    def number(vin: str, **changes: object) -> object:
        return danger_id(of_finding(finding(**changes), vin=vin, received_ms=0))

    assert number("A") == number("A", change="worse", ts_ms=9000) == number("A", change="off", severity=2)
    assert len({number("A"), number("B"), number("A", began_ms=2000), number("A", kind="cell_spread")}) == 4


def test_no_vin_is_in_an_id() -> None:
    vin = "LFWA0010X0T100001"
    assert vin not in of_finding(finding(), vin=vin, received_ms=0).source_id


def test_alarms_of_a_cars_frames_begin_get_worse_and_end_by_name() -> None:
    known: dict[str, Finding] = {}

    def changes(on: set[str], level: int, ts_ms: int) -> list[tuple[str, str, int]]:
        found = alarm_changes(known, on, level=level, ts_ms=ts_ms)
        return [(code, one.change, one.severity) for code, one in found]

    assert changes({"insulation", "brake_system"}, 2, 1000) == [("insulation", "on", 2)], "brakes are another matter"
    assert changes({"insulation", "brake_system"}, 2, 2000) == []
    assert changes({"insulation", "thermal_event"}, 3, 3000) == [("insulation", "worse", 1), ("thermal_event", "on", 1)]
    assert changes(set(), 0, 4000) == [("insulation", "off", 1), ("thermal_event", "off", 1)]
    assert known == {}
