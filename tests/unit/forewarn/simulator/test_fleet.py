"""A simulated fleet as a whole: what it publishes is well formed, repeatable, and says what is going to break."""

import itertools
from datetime import UTC, datetime, timedelta
from multiprocessing import active_children
from time import monotonic, sleep

import msgspec
import numpy as np
import pytest

from config.faults import fault_modes
from config.signals import catalogue
from forewarn.simulator import FleetPlan, Sampling, messages, simulate_fleet
from forewarn.simulator.car_models import MODELS, vin
from forewarn.simulator.faults import DEAL, GROWTH
from forewarn.simulator.fleet import Blocks, each_task
from forewarn.simulator.readings import STATES
from ingest import topics
from ingest.telemetry import TelemetryDecoder

END = datetime(2026, 3, 10, 16, tzinfo=UTC)
COARSE = Sampling(300, 900, 300)
STATE = "Vehicle.LowVoltageSystemState"
LV = "Vehicle.LowVoltageBattery.CurrentVoltage"


def small(**changes):
    return simulate_fleet(**{"vehicles": 4, "days": 6, "seed": 9, "end": END, "sampling": COARSE, **changes})


def test_same_arguments_give_the_same_bytes_in_one_process_and_in_two():
    first = list(messages(small()))
    assert first == list(messages(small(processes=2)))
    assert first != list(messages(small(seed=10)))


def test_messages_come_in_the_order_received_and_end_with_the_fleet(fleet):
    received = [message.received_ms for message in messages(fleet)]
    assert received == sorted(received)
    assert received[0] >= fleet.start.timestamp() * 1000
    assert received[-1] < END.timestamp() * 1000 + 1000


def test_ingest_finds_nothing_odd_in_a_fleet(fleet):
    decoder = TelemetryDecoder()
    by_kind: dict[str, int] = {}
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
    assert by_kind["telemetry"] == fleet.n_readings
    assert by_kind["events"] >= 6


def test_a_key_that_comes_twice_comes_with_the_same_content(fleet):
    twice = 0
    for vehicle in fleet.vehicles:
        readings = vehicle.readings
        order = np.lexsort((readings.received_ms, readings.seq))
        same = np.flatnonzero(np.diff(readings.seq[order]) == 0)
        twice += len(same)
        for one, other in zip(order[same].tolist(), order[same + 1].tolist(), strict=True):
            assert readings.ts_ms[one] == readings.ts_ms[other]
            assert readings.received_ms[one] < readings.received_ms[other]
            for values in readings.columns.values():
                assert np.array_equal(values[one], values[other], equal_nan=True)
    assert twice > 0


def test_some_readings_come_late_and_some_by_a_wrong_clock(fleet):
    late = np.concatenate([v.readings.received_ms - v.readings.ts_ms for v in fleet.vehicles]) / 1000
    assert (late > 3600).any()
    assert (late < 0).any()
    assert np.median(late) < 3600


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


def test_every_powertrain_sends_every_signal_that_it_has(fleet):
    sent = {kind: set() for kind in ("bev", "phev", "ice")}
    for vehicle in fleet.vehicles:
        sent[vehicle.enrolment.powertrain] |= set(vehicle.readings.columns)
    for kind, paths in sent.items():
        expected = {s.path for s in catalogue().signals if kind in s.on and not s.derived and s.type != "real[]"}
        assert paths == expected


def test_numbers_have_the_resolution_of_gbt_32960(fleet):
    electric = next(v for v in fleet.vehicles if v.enrolment.powertrain == "bev")
    payload = next(
        m.payload for m in messages(fleet) if electric.enrolment.vin in m.topic and b"CellVoltages" in m.payload
    )
    signals = next(
        sample["signals"]
        for sample in msgspec.json.decode(payload)["samples"]
        if any("CellVoltages" in path for path in sample["signals"])
    )
    battery = "Vehicle.Powertrain.TractionBattery"
    for path, decimals in ((f"{battery}.CurrentVoltage", 1), (f"{battery}.CellVoltage.Min", 3)):
        assert signals[path] == round(signals[path], decimals)
    cells = signals[f"{battery}.CellVoltage.CellVoltages"]
    assert len(cells) == electric.enrolment.cells
    assert all(volts == round(volts, 3) for volts in cells)
    assert min(cells) == signals[f"{battery}.CellVoltage.Min"]
    probes = signals[f"{battery}.Temperature.Probes"]
    assert min(probes) == signals[f"{battery}.Temperature.Min"]


def test_cars_wake_up_while_they_stand(fleet):
    for vehicle in fleet.vehicles:
        asleep = vehicle.readings.columns[STATE] == STATES.index("OFF")
        # Some two a day, a taxi's nights only; an outage may cost a few.
        assert asleep.sum() > 0.5 * 50


def test_some_lamps_come_on_before_the_end_and_some_after(fleet):
    lit = fleet.truth.faults.dropna(subset=["lamp_on_at"])
    assert (lit.lamp_on_at < END).sum() >= 3
    assert (lit.lamp_on_at >= END).sum() >= 2
    assert (lit.lamp_on_at > lit.onset_at).all()
    codes = {code for mode in fault_modes().values() for code in mode.lamps}
    assert {lamp.code for vehicle in fleet.vehicles for lamp in vehicle.lamps} <= codes


def test_every_fault_mode_of_the_configuration_is_simulated():
    assert set(GROWTH) == set(DEAL) == set(fault_modes())


def test_lamp_events_say_what_happened_before_the_end(fleet):
    sent = set()
    for message in messages(fleet):
        topic = topics.parse(message.topic)
        if topic.kind == "events":
            event = msgspec.json.decode(message.payload)
            assert event["kind"] == "lamp"
            sent.add((topic.vin, event["code"], event["state"], event["ts"]))
    expected = set()
    for vehicle in fleet.vehicles:
        for lamp in vehicle.lamps:
            for state, seconds in (("on", lamp.on_s), ("off", lamp.off_s)):
                if seconds is not None and fleet.start + timedelta(seconds=seconds) < END:
                    ts_ms = int(fleet.start.timestamp() * 1000) + int(seconds * 1000)
                    expected.add((vehicle.enrolment.vin, lamp.code, state, ts_ms))
    assert sent == expected


def test_the_truth_is_in_nothing_that_is_sent(fleet):
    words = {mode.encode() for mode in fault_modes()} - {
        b"insulation",
        b"dcdc",
        b"coolant",
        b"oil_pressure",
        b"lv_battery",
    }
    for message in itertools.islice(messages(fleet), 3000):
        # A lamp may be called like its fault, as in a car; nothing else says what is wrong.
        if topics.parse(message.topic).kind == "telemetry":
            assert not any(word in message.payload for word in words | {b"severity", b"onset", b"oddity"})


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
    one, other = (small(vehicles=count, faulty_share=0) for count in (2, 5))
    for mine, theirs in zip(one.vehicles, other.vehicles[:2], strict=True):
        assert mine.enrolment == theirs.enrolment
        assert np.array_equal(mine.readings.ts_ms, theirs.readings.ts_ms)
        for path, values in mine.readings.columns.items():
            assert np.array_equal(values, theirs.readings.columns[path], equal_nan=True), path


def test_a_day_of_one_car_is_a_fleet_too():
    fleet = small(vehicles=1, days=1, faulty_share=1)
    assert fleet.end - fleet.start == timedelta(days=1)
    assert list(messages(fleet))


def test_only_faults_that_were_asked_for_are_dealt():
    fleet = small(vehicles=6, faulty_share=1.0, modes=("insulation", "tyre_leak"))
    assert set(fleet.truth.faults.fault_mode) == {"insulation", "tyre_leak"}


@pytest.mark.parametrize(
    "wrong",
    [{"vehicles": 0}, {"days": 0}, {"faulty_share": 1.2}, {"modes": ()}, {"sampling": Sampling(0.5)}],
)
def test_a_fleet_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=r"at least one vehicle|once a second"):
        small(**wrong)


def count_cars(plan: FleetPlan, blocks: Blocks) -> int:
    return sum(len(numbers) for _, numbers in blocks)


def test_a_fleet_that_is_interrupted_leaves_no_process():
    before = set(active_children())
    fleet = each_task(FleetPlan(200, 20, 1, END, 0.0, COARSE), count_cars, processes=2)
    assert next(fleet) > 0
    assert set(active_children()) - before
    fleet.close()
    deadline = monotonic() + 10
    while set(active_children()) - before:
        assert monotonic() < deadline
        sleep(0.05)
