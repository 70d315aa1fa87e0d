from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from alerts.charging.anomaly import Sighting, action_id, danger_id, report_id

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)


def sighting(**changes: object) -> Sighting:
    values: dict[str, object] = {
        "source": "pile",
        "channel": "mqtt_alarm",
        "source_id": "sh0001/1/A7",
        "operator": "linhe",
        "ts": NOW,
        "received_at": NOW,
        "code": "18",
        "kind": "contact_heat",
        "severity": 2,
    }
    return Sighting(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{"state": "off"}, {"severity": 1}, {"ts": NOW + timedelta(seconds=9)}, {"text": "hot", "vin": "x"}]
)
def test_an_anomaly_keeps_its_id_as_it_gets_worse_or_ends(change: dict[str, object]) -> None:
    assert danger_id(sighting(**change)) == danger_id(sighting())


@pytest.mark.parametrize("change", [{"operator": "kestrel"}, {"channel": "webhook"}, {"source_id": "sh0001/1/A8"}])
def test_what_another_source_calls_alike_is_another_anomaly(change: dict[str, object]) -> None:
    assert danger_id(sighting(**change)) != danger_id(sighting())


def test_parts_of_an_id_do_not_run_into_each_other() -> None:
    assert danger_id(sighting(operator="a", source_id="bc")) != danger_id(sighting(operator="ab", source_id="c"))


def test_a_report_that_says_the_same_again_has_the_same_id_whenever_it_came() -> None:
    again = sighting(received_at=NOW + timedelta(minutes=1))
    assert report_id(again) == report_id(sighting())
    assert report_id(sighting(severity=1)) != report_id(sighting())


def test_pile_and_car_are_stopped_by_requests_of_their_own() -> None:
    danger = danger_id(sighting())
    assert action_id(danger, "pile") != action_id(danger, "car")


def test_a_sighting_survives_the_journal_unchanged() -> None:
    before = sighting(measures={"Temperature": 95.0, "remark": "hot"})
    assert msgspec.json.decode(msgspec.json.encode(before), type=Sighting) == before
