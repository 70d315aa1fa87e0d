import csv
import io
import json
from datetime import UTC, datetime

import msgspec
import pytest

from alerts.call_list import COLUMNS, row, to_csv, to_json, to_table
from alerts.calls import Call, CouponOffer, DealerOffer, LeadDetail
from alerts.evidence import Observed
from alerts.reasons import Why
from alerts.script import what_to_say

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
CALL = Call(
    case_id=7,
    vehicle_id=3,
    opened_at=NOW,
    priority=87,
    parts=(),
    lead=LeadDetail(
        lead_id=1,
        source="prediction",
        fault_mode="lv_battery",
        severity=2,
        probability=0.91234,
        why=Why(Observed(signal="lv_battery_v", regime="rest", value=12.1, usual=12.6), ()),
        first_seen_at=NOW,
        last_seen_at=NOW,
        model_version="v1",
        as_of=NOW,
    ),
    model="=cmd|' /C calc'!A0",
    powertrain="bev",
    chemistry="NMC",
    cells=96,
    city="Shanghai",
    vin_masked="LFWA…1234",
    owner_masked="王**",
    owner_language="zh_CN",
    time_zone="Asia/Shanghai",
    phone_masked="138****5678",
    offer=DealerOffer(
        dealer_id="sh-1",
        name_zh="上海门店",
        name_en="Shanghai [1]",
        phone="021-5550-0000",
        capabilities=("general",),
        distance_km=2.04,
        campaign="fault_care",
    ),
    coupon=CouponOffer(code="7K3M-9QXT-2VA5", percent_off=20, valid_until=NOW, redeemed_at=None),
)
# Programs read these names: a change here is a break for them and belongs into the changelog.
STABLE = (
    "case_id priority vehicle_id model vin_masked city fault_mode fault severity probability horizon_d why owner_masked"
    " phone_masked dealer_id dealer distance_km coupon percent_off coupon_valid_until opened_at"
    " days_to_lamp days_to_lamp_low days_to_lamp_high source claimed_by due_at yuan_off phone"
)


def test_columns_are_stable() -> None:
    assert " ".join(COLUMNS) == STABLE


def test_csv_has_a_header_and_no_formula() -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv([row(CALL, "zh_CN")]))))
    assert list(lines[0]) == list(COLUMNS)
    assert lines[0]["model"] == "'=cmd|' /C calc'!A0"
    assert lines[0]["dealer"] == "上海门店"
    assert lines[0]["distance_km"] == "2.0"


def test_json_keeps_numbers_and_nothing_as_null() -> None:
    bare = msgspec.structs.replace(CALL, offer=None, coupon=None, phone_masked=None)
    first, second = json.loads(to_json([row(CALL, "en"), row(bare, "en")]))
    assert tuple(first) == COLUMNS
    assert first["probability"] == 0.912
    assert first["why"] == "the 12 V battery rests at 12.10 V, usual 12.60 V"
    assert (second["dealer"], second["distance_km"], second["coupon"]) == (None, None, None)
    assert to_csv([row(bare, "en")]).count(",,") > 0


def test_table_shows_a_call() -> None:
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(to_table([row(CALL, "en")], language="en"))
    text = console.export_text()
    for shown in ("87", "王**", "7K3M-9QXT-2VA5", "Shanghai [1]", "2.0 km", "91 % likely"):
        assert shown in text


@pytest.mark.parametrize(
    ("percent", "yuan", "language", "shown"),
    [
        (20, None, "en", "−20 %"),
        (None, 360, "en", "−360 yuan"),
        (None, 360, "zh_CN", "−360 元"),
        (None, None, "en", ""),
    ],
)
def test_table_shows_what_a_coupon_takes_off(percent: int | None, yuan: int | None, language: str, shown: str) -> None:
    from rich.console import Console

    assert CALL.coupon is not None
    coupon = msgspec.structs.replace(CALL.coupon, percent_off=percent, yuan_off=yuan)
    console = Console(width=200, record=True, file=io.StringIO())
    line = row(msgspec.structs.replace(CALL, coupon=coupon), language)
    console.print(to_table([line], language=language))
    text = console.export_text()
    assert shown in text
    assert "None" not in text


def test_what_is_said_names_no_probability() -> None:
    said = " ".join(what_to_say(CALL, "en"))
    assert "Shanghai [1] is 2.0 km from you" in said
    assert "20 % less" in said
    assert "91" not in said
    without = what_to_say(msgspec.structs.replace(CALL, offer=None, coupon=None), "en")
    assert without[-1] == "May I find a workshop that suits you and call you back?"


def test_a_lamp_that_is_on_is_not_told_as_something_to_come() -> None:
    lead = msgspec.structs.replace(CALL.lead, source="lamp", probability=None, why=Why(None, ()))
    lit = msgspec.structs.replace(CALL, lead=lead)
    line = row(lit, "en")
    assert (line.why, line.horizon_d) == ("a warning lamp came on", None)
    said = " ".join(what_to_say(lit, "en"))
    assert "We call since a warning lamp came on. What it points to: 12 V battery failing." in said
    assert "may come on" not in said
    assert "这可能是：12 V 蓄电池老化。" in " ".join(what_to_say(lit, "zh_CN"))
