"""A simulated fleet as a whole: what it publishes is well formed, repeatable, and says what is going to break."""

import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from config.faults import fault_modes
from config.signals import catalogue
from forewarn.simulator import Fleet, messages, simulate_fleet
from forewarn.simulator.car_models import MODELS, vin
from forewarn.simulator.readings import STATES
from ingest import topics
from ingest.telemetry import TelemetryDecoder

END = datetime(2026, 3, 10, 16, tzinfo=UTC)
STATE = "Vehicle.LowVoltageSystemState"
LV = "Vehicle.LowVoltageBattery.CurrentVoltage"


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return simulate_fleet(vehicles=40, days=50, seed=3, end=END, faulty_share=0.4, step_s=300)


def test_same_arguments_give_the_same_bytes():
    first, second = (list(messages(simulate_fleet(vehicles=4, days=6, seed=9, end=END, step_s=300))) for _ in range(2))
    assert first == second
    assert first != list(messages(simulate_fleet(vehicles=4, days=6, seed=10, end=END, step_s=300)))


def test_messages_come_in_the_order_received_and_end_with_the_fleet(fleet):
    received = [message.received_ms for message in messages(fleet)]
    assert received == sorted(received)
    assert received[0] >= fleet.start.timestamp() * 1000
    assert received[-1] < END.timestamp() * 1000 + 1000


def test_ingest_finds_nothing_odd_in_a_fleet(fleet):
    decoder = TelemetryDecoder()
    by_kind: dict[str, int] = {}
    keys = set()
    for message in messages(fleet):
        topic = topics.parse(message.topic)
        by_kind[topic.kind] = by_kind.get(topic.kind, 0) + message.samples
        assert topic.received_ms == message.received_ms
        assert len(message.payload) < 1_000_000
        if topic.kind == "telemetry" and message.received_ms % 7 == 0:
            decoded = decoder.decode(message.payload, vin=topic.vin)
            assert len(decoded.samples) == message.samples
            assert not decoded.oddities
            assert not decoded.bad
            keys.update((topic.vin, sample.ts) for sample in decoded.samples)
            assert all(sample.ts <= message.received_ms for sample in decoded.samples)
    assert by_kind["telemetry"] == fleet.n_readings
    assert by_kind["events"] >= 6


def test_every_key_is_sent_once(fleet):
    for vehicle in fleet.vehicles:
        assert np.all(np.diff(vehicle.readings.ts_ms) > 0)


def test_values_are_within_the_range_of_their_signal_and_of_their_powertrain(fleet):
    signals = catalogue().by_path
    for vehicle in fleet.vehicles:
        for path, values in vehicle.readings.columns.items():
            signal = signals[path]
            assert vehicle.enrolment.powertrain in signal.on
            if signal.lowest is not None and signal.highest is not None:
                sent = values[~np.isnan(values)]
                assert sent.min() >= signal.lowest, path
                assert sent.max() <= signal.highest, path


def test_numbers_have_the_resolution_of_gbt_32960(fleet):
    electric = next(v for v in fleet.vehicles if v.enrolment.powertrain == "bev")
    payload = next(
        m.payload for m in messages(fleet) if electric.enrolment.vin in m.topic and b"CellVoltages" in m.payload
    )
    signals = msgspec.json.decode(payload)["samples"][0]["signals"]
    battery = "Vehicle.Powertrain.TractionBattery"
    for path, decimals in ((f"{battery}.CurrentVoltage", 1), (f"{battery}.CellVoltage.Min", 3)):
        assert signals[path] == round(signals[path], decimals)
    cells = signals[f"{battery}.CellVoltage.CellVoltages"]
    assert len(cells) == electric.enrolment.cells
    assert all(volts == round(volts, 3) for volts in cells)
    assert min(cells) == signals[f"{battery}.CellVoltage.Min"]


def test_cars_wake_up_while_they_stand(fleet):
    for vehicle in fleet.vehicles:
        asleep = vehicle.readings.columns[STATE] == STATES.index("OFF")
        # Some three a day; an outage may cost a few.
        assert asleep.sum() > 1.5 * 50


def test_some_lamps_come_on_before_the_end_and_some_after(fleet):
    truth = fleet.truth.dropna(subset=["lamp_on_at"])
    for mode in ("hv_self_discharge", "lv_battery"):
        of_mode = truth[truth.fault_mode == mode]
        assert (of_mode.lamp_on_at < END).sum() >= 2
        assert (of_mode.lamp_on_at >= END).sum() >= 2
        assert (of_mode.lamp_on_at > of_mode.onset_at).all()
    codes = {code for mode in fault_modes().values() for code in mode.lamps}
    assert {lamp.code for vehicle in fleet.vehicles for lamp in vehicle.lamps} <= codes


def test_lamp_events_say_what_the_truth_says(fleet):
    sent = {}
    for message in messages(fleet):
        topic = topics.parse(message.topic)
        if topic.kind == "events":
            event = msgspec.json.decode(message.payload)
            assert event["kind"] == "lamp"
            if event["state"] == "on":
                sent[topic.vin] = event["ts"]
    before_end = fleet.truth[fleet.truth.lamp_on_at < END]
    assert sent == {row.vin: round(row.lamp_on_at.timestamp() * 1000) for row in before_end.itertuples()}


def test_healthy_cars_show_no_lamp(fleet):
    assert not [vehicle for vehicle in fleet.vehicles if vehicle.plan is None and vehicle.lamps]
    assert {vehicle.oddity for vehicle in fleet.vehicles} > {None, "weak_cell"}


def test_a_leaking_cell_falls_behind_at_rest_until_its_lamp(fleet):
    checked = 0
    for vehicle in fleet.vehicles:
        if vehicle.plan is None or vehicle.plan.mode != "hv_self_discharge" or vehicle.plan.sudden:
            continue
        readings = vehicle.readings
        asleep = (readings.columns[STATE] == STATES.index("OFF")) & (readings.cell_row >= 0)
        cells = readings.cell_mv[readings.cell_row[asleep]]
        behind = np.median(cells, axis=1) - cells[:, vehicle.plan.place]
        to_lamp_d = vehicle.lamps[0].on_s / 86400 - (readings.ts_ms[asleep] / 1000 - fleet.start.timestamp()) / 86400
        early, late = behind[to_lamp_d > 45], behind[(to_lamp_d > 0) & (to_lamp_d < 12)]
        if len(early) and len(late):
            checked += 1
            assert np.median(late) > np.median(early) + 15
    assert checked >= 2


def test_a_failing_12_v_battery_rests_lower_until_its_lamp_and_is_replaced(fleet):
    checked = 0
    for vehicle in fleet.vehicles:
        if vehicle.plan is None or vehicle.plan.mode != "lv_battery" or vehicle.plan.sudden or not vehicle.lamps:
            continue
        readings = vehicle.readings
        asleep = readings.columns[STATE] == STATES.index("OFF")
        volts = readings.columns[LV][asleep]
        at_s = readings.ts_ms[asleep] / 1000 - fleet.start.timestamp()
        to_lamp_d = (vehicle.lamps[0].on_s - at_s) / 86400
        late = volts[(to_lamp_d > 0) & (to_lamp_d < 4)]
        early = volts[to_lamp_d > 25]
        if len(early) and len(late):
            checked += 1
            assert np.nanmedian(late) < np.nanmedian(early) - 0.15
            off_s = vehicle.lamps[0].off_s
            assert off_s is not None
            mended = volts[at_s > off_s + 86400]
            assert np.nanmin(mended, initial=12.7) > 12.3
    assert checked >= 2


def test_vins_are_distinct_and_carry_the_right_check_digit(fleet):
    vins = [vehicle.enrolment.vin for vehicle in fleet.vehicles]
    assert len(set(vins)) == len(vins)
    assert all(topics.VIN.fullmatch(name) for name in vins)
    # Worked out by hand for LFWA0000?0T1000000 after ISO 3779: 238 = 21 * 11 + 7 with X weighing 7 * 10.
    assert all(len(vin(model, number=0, seed=0)) == 17 for model in MODELS)
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", [*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)], strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    for name in vins:
        total = sum(values.get(c, int(c) if c.isdigit() else 0) * w for c, w in zip(name, weights, strict=True))
        assert name[8] == "0123456789X"[total % 11]


def test_owners_live_near_their_city_and_can_be_called(fleet):
    for enrolment in fleet.enrolments:
        assert enrolment.phone.startswith("+86100")
        assert "care" in enrolment.purposes
        assert enrolment.home_latitude is not None
        assert 18 < enrolment.home_latitude < 45
    assert len({enrolment.phone for enrolment in fleet.enrolments}) == len(fleet.vehicles)


def test_one_car_does_not_depend_on_how_many_others_there_are():
    small, large = (
        simulate_fleet(vehicles=count, days=5, seed=4, end=END, faulty_share=0, step_s=300) for count in (2, 5)
    )
    for one, other in itertools.islice(zip(small.vehicles, large.vehicles, strict=False), 2):
        assert one.enrolment == other.enrolment
        assert np.array_equal(one.readings.ts_ms, other.readings.ts_ms)


def test_a_day_of_one_car_is_a_fleet_too():
    fleet = simulate_fleet(vehicles=1, days=1, seed=1, end=END, faulty_share=1)
    assert fleet.end - fleet.start == timedelta(days=1)
    assert list(messages(fleet))


@pytest.mark.parametrize("wrong", [{"vehicles": 0}, {"days": 0}, {"faulty_share": 1.2}, {"step_s": 0}])
def test_a_fleet_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="at least one vehicle"):
        simulate_fleet(**{"vehicles": 1, "days": 1, "seed": 1, "end": END, **wrong})
