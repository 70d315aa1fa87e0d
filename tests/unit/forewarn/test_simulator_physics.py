"""The physics of one car: time without gaps, charge that adds up, voltages that follow their cause."""

from datetime import UTC, datetime

import numpy as np
import pytest

from forewarn.simulator.car_models import MODELS, CarModel
from forewarn.simulator.climate import Climate
from forewarn.simulator.faults import DAY_S, FaultPlan
from forewarn.simulator.lv_battery import LvBattery, cranks, lv_lamp_s, run_lv_battery
from forewarn.simulator.network import send
from forewarn.simulator.pack import draw_pack, run_pack, spread_lamp_s
from forewarn.simulator.people import CITIES
from forewarn.simulator.readings import cut_short, measure, measure_cells
from forewarn.simulator.sampling import FIRST_WAKE_S, Samples, draw_samples
from forewarn.simulator.tyres import draw_tyres, run_tyres, tyre_lamp_s
from forewarn.simulator.usage import Kind, Segments, draw_habit, live

START = datetime(2026, 1, 5, 3, tzinfo=UTC)
DAYS = 40
CLIMATE = Climate(CITIES[0], start=START, days=DAYS, seed=1)
E5 = next(model for model in MODELS if model.name == "Forewarn E5")
PETROL = next(model for model in MODELS if model.powertrain == "ice")
BATTERY = LvBattery(capacity_ah=60.0, wear=0.1, sleep_a=0.02, charger_v=13.75)


def life(model: CarModel, seed: int = 0) -> tuple[Segments, Samples]:
    rng = np.random.default_rng(seed)
    segments = live(model, draw_habit(rng, days=DAYS), start=START, days=DAYS, rng=rng)
    return segments, draw_samples(segments, step_s=120, rng=rng)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_life_has_no_gap_and_its_charge_is_continuous(model):
    segments, _ = life(model)
    assert segments.start_s[0] == 0.0
    assert segments.end_s[-1] == DAYS * DAY_S
    assert np.array_equal(segments.start_s[1:], segments.end_s[:-1])
    assert np.allclose(segments.soc_start[1:], segments.soc_end[:-1])
    assert segments.soc_end.min() >= 0.0
    assert segments.soc_end.max() <= 1.0
    driven = segments.kind == Kind.DRIVE
    assert 20 < driven.sum() < 200
    assert np.all(segments.distance_km[driven] > 0)


def test_only_cars_with_a_plug_charge():
    assert not np.isin(life(PETROL)[0].kind, (Kind.AC, Kind.DC)).any()
    assert (life(E5)[0].kind == Kind.AC).any()


def test_reports_lie_in_their_segment_and_parked_cars_report_after_hours():
    segments, samples = life(E5)
    assert np.all(np.diff(samples.t_s) > 0)
    since = samples.t_s - segments.start_s[samples.segment]
    assert np.all(since >= 0)
    assert np.all(samples.t_s < segments.end_s[samples.segment])
    assert np.all(since[segments.kind[samples.segment] == Kind.PARKED] >= FIRST_WAKE_S)


def test_winter_is_colder_than_summer_and_night_than_noon():
    winter = CLIMATE.air_c(np.arange(0, 30) * DAY_S)
    summer = Climate(CITIES[0], start=datetime(2026, 7, 5, 3, tzinfo=UTC), days=30, seed=1)
    assert summer.air_c(np.arange(0, 30) * DAY_S).mean() > winter.mean() + 20
    # 3 h UTC is 11 h in China.
    assert CLIMATE.air_c(np.array([3 * 3600.0]))[0] > CLIMATE.air_c(np.array([17 * 3600.0]))[0]


def test_cells_sag_under_load_and_rise_on_the_charger():
    segments, samples = life(E5)
    rng = np.random.default_rng(5)
    state = run_pack(draw_pack(E5, rng), segments, samples, CLIMATE, None, rng=rng)
    assert np.all(state.current_a[segments.kind[samples.segment] == Kind.AC] > 0)
    driving = segments.kind[samples.segment] == Kind.DRIVE
    assert state.current_a[driving].mean() < 0
    assert state.cell_v.shape == (len(samples.t_s), 96)
    assert spread_lamp_s(state, samples) is None
    parked = segments.kind[samples.segment] == Kind.PARKED
    assert np.all(np.abs(state.current_a[parked]) <= 2.0)


def test_a_leaking_cell_lights_the_lamp_near_the_time_it_is_aimed_at():
    segments, samples = life(E5, seed=2)
    plan = FaultPlan("hv_self_discharge", -5 * DAY_S, 25 * DAY_S, 2.0, place=7, sudden=False)
    rng = np.random.default_rng(5)
    state = run_pack(draw_pack(E5, rng), segments, samples, CLIMATE, plan, rng=rng)
    lamp_s = spread_lamp_s(state, samples)
    assert lamp_s is not None
    assert 15 * DAY_S < lamp_s < 38 * DAY_S
    late = samples.t_s > 20 * DAY_S
    assert np.all(state.cell_v[late].argmin(axis=1) == 7)


def test_a_12_v_battery_that_wears_out_lights_its_lamp_and_a_sound_one_does_not():
    segments, samples = life(PETROL)
    sound = run_lv_battery(BATTERY, PETROL, segments, samples, CLIMATE, None)
    assert lv_lamp_s(sound, PETROL, segments, samples) is None
    plan = FaultPlan("lv_battery", 0.0, 25 * DAY_S, 1.5, place=0, sudden=False)
    worn = run_lv_battery(BATTERY, PETROL, segments, samples, CLIMATE, plan)
    lamp_s = lv_lamp_s(worn, PETROL, segments, samples)
    assert lamp_s is not None
    assert 15 * DAY_S < lamp_s < 32 * DAY_S
    renewed = run_lv_battery(BATTERY, PETROL, segments, samples, CLIMATE, plan.repaired_at(30 * DAY_S))
    after = samples.t_s > 31 * DAY_S
    assert renewed.voltage_v[after].min() > worn.voltage_v[after].min() + 1.0


def test_cranking_dips_as_in_real_cars():
    segments, samples = life(PETROL)
    state = run_lv_battery(BATTERY, PETROL, segments, samples, CLIMATE, None)
    cranking = cranks(PETROL, segments, samples)
    assert cranking.any()
    assert 9.8 < np.median(state.voltage_v[cranking]) < 11.6
    running = (segments.kind[samples.segment] == Kind.DRIVE) & ~cranking
    assert 13.4 < np.median(state.voltage_v[running]) < 14.3
    assert not cranks(E5, segments, samples).any()


def test_a_leaking_tyre_lights_the_lamp_and_the_others_follow_the_weather():
    segments, samples = life(E5)
    rng = np.random.default_rng(1)
    tyres = draw_tyres(E5, rng)
    assert tyre_lamp_s(run_tyres(tyres, E5, segments, samples, CLIMATE, None), E5, segments, samples) is None
    plan = FaultPlan("tyre_leak", 10 * DAY_S, 20 * DAY_S, 0.3, place=2, sudden=False)
    pressure = run_tyres(tyres, E5, segments, samples, CLIMATE, plan)
    lamp_s = tyre_lamp_s(pressure, E5, segments, samples)
    assert lamp_s is not None
    assert 14 * DAY_S < lamp_s < 23 * DAY_S
    assert pressure[samples.t_s > 20 * DAY_S].argmin(axis=1).tolist() == [2] * int((samples.t_s > 20 * DAY_S).sum())


def test_outages_lose_some_reports_and_delay_others_but_never_reorder_a_message():
    segments, samples = life(E5)
    del segments
    lost = late = 0
    for seed in range(20):
        arrives, message, received_s = send(samples, days=DAYS, rng=np.random.default_rng(seed))
        assert np.all(received_s > samples.t_s)
        same = message[1:] == message[:-1]
        assert np.all(received_s[1:][same] == received_s[:-1][same])
        assert np.bincount(message).max() <= 10
        lost += int((~arrives).sum())
        late += int((received_s - samples.t_s > 5400).sum())
    assert lost > 0
    assert late > 0


def test_sensors_round_and_keep_what_was_not_sent():
    rng = np.random.default_rng(0)
    measured = measure("Vehicle.Powertrain.TractionBattery.CurrentVoltage", np.full(500, 351.2345), rng)
    sent = measured[~np.isnan(measured)]
    assert 480 < len(sent) < 501
    assert all(value == round(value, 1) for value in sent.tolist())
    assert np.isnan(measure("Vehicle.Speed", np.array([np.nan]), rng)).all()


def test_a_report_that_breaks_off_ends_in_zeros():
    rng = np.random.default_rng(0)
    cells = measure_cells(np.full((20000, 8), 3.7), rng)
    assert abs(cells.mean() - 3700) < 1
    sent = cut_short(cells, rng)
    broken = sent[(sent == 0).any(axis=1)]
    assert 0 < len(broken) < 40
    assert np.all(broken[:, 0] > 3000)
    assert np.all(broken[:, -1] == 0)
