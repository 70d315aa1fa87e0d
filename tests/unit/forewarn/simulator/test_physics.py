"""The physics of cars: time without gaps, charge that is conserved, heat that stays physical, causes that show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.simulator.car_models import MODELS
from forewarn.simulator.cells import current_split, draw_pack
from forewarn.simulator.charge_curve import charged, charging_hours
from forewarn.simulator.climate import Climate
from forewarn.simulator.faults import FaultPlan
from forewarn.simulator.habits import draw_habit
from forewarn.simulator.open_circuit import open_circuit_v
from forewarn.simulator.people import CITIES
from forewarn.simulator.relax import relax, remembered
from forewarn.simulator.sampling import FIRST_WAKE_S
from forewarn.simulator.time import DAY_S
from forewarn.simulator.usage import Kind
from forewarn.simulator.usage import live as usage_of

from .conftest import DAYS, START

ELECTRIC = [model.name for model in MODELS if model.has_pack]
LONG = 20 * DAY_S


def fault(mode: str, *, strength: float = 1.4, place: int = 7, growth_s: float = LONG) -> FaultPlan:
    return FaultPlan(mode, 5 * DAY_S, growth_s, strength, 1.0, place, sudden=False)


@pytest.mark.parametrize("name", [model.name for model in MODELS])
def test_a_life_has_no_gap_and_its_charge_is_continuous(live, name):
    segments = live(name).segments
    assert segments.start_s[0] == 0.0
    assert segments.end_s[-1] == DAYS * DAY_S
    assert np.array_equal(segments.start_s[1:], segments.end_s[:-1])
    assert np.allclose(segments.soc_start[1:], segments.soc_end[:-1])
    assert segments.soc_end.min() >= 0.0
    assert segments.soc_end.max() <= 1.0
    driven = segments.kind == Kind.DRIVE
    assert driven.sum() > 3
    assert np.all(segments.distance_km[driven] > 0)


@settings(max_examples=12, deadline=None)
@given(name=st.sampled_from(ELECTRIC), seed=st.integers(0, 10_000))
def test_charge_is_conserved(live, name, seed):
    """Charge changes by the current alone: over every segment with reports, and from each report to the next."""
    block = live(name, seed=seed)
    packs, samples, segments = block.packs, block.samples, block.segments
    coulombs = packs.capacity_ah * 3600
    moved = np.bincount(samples.segment, packs.current_a * samples.span_s / coulombs, minlength=len(segments.car))
    reported = np.bincount(samples.segment, minlength=len(segments.car)) > 0
    gained = segments.soc_end - segments.soc_start
    assert np.allclose(moved[reported], gained[reported], atol=1e-9)
    follows = samples.segment[1:] == samples.segment[:-1]
    # A charger's current falls within an interval; the report stands for its mean from its own instant on.
    step = np.diff(packs.soc)[follows]
    first = (samples.number[:-1] > 0)[follows]
    expected = (packs.current_a[:-1] * np.diff(samples.t_s) / coulombs[:-1])[follows]
    assert np.allclose(step[first], expected[first], atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(name=st.sampled_from([model.name for model in MODELS]), seed=st.integers(0, 10_000))
def test_what_is_measured_of_a_healthy_car_is_physical(live, name, seed):
    block = live(name, seed=seed)
    assert np.all((block.lv.voltage_v > 6.0) & (block.lv.voltage_v < 15.0))
    assert np.all((block.tyre_kpa > 100.0) & (block.tyre_kpa < 400.0))
    assert np.all((block.pad_pct >= 0.0) & (block.pad_pct < 84.0))
    assert np.all((block.motion.speed_kmh >= 0) & (block.motion.speed_kmh <= 150))
    if block.packs is not None:
        assert np.all((block.packs.temperature_c > -30) & (block.packs.temperature_c < 60))
        assert np.all((block.cells.true_v > 2.0) & (block.cells.true_v < 4.35))
        # Cooling keeps all but the hottest fast charges away from the ceiling.
        assert (block.packs.temperature_c > 55).mean() < 0.01
        assert np.all((block.packs.soc > -0.02) & (block.packs.soc < 1.02))
        assert np.all(block.heat.motor_c < 150)
        assert np.all(block.heat.inverter_c < 130)
        assert np.all(block.heat.dcdc_c < 85)
        assert np.all(block.insulation_kohm > 250)
    if block.engines is not None:
        assert np.all((block.engines.coolant_c > -25) & (block.engines.coolant_c < 100))


def test_only_cars_with_a_plug_charge(live):
    assert not np.isin(live("Forewarn C4").segments.kind, (Kind.AC, Kind.DC)).any()
    assert np.isin(live("Forewarn E5").segments.kind, (Kind.AC, Kind.DC)).any()


def test_reports_lie_in_their_segment_and_parked_cars_report_after_hours(live):
    block = live("Forewarn E5")
    segments, samples = block.segments, block.samples
    assert np.all(np.diff(samples.t_s) > 0)
    since = samples.t_s - segments.start_s[samples.segment]
    assert np.all(since >= 0)
    assert np.all(samples.t_s < segments.end_s[samples.segment])
    assert np.all(since[segments.kind[samples.segment] == Kind.PARKED] >= FIRST_WAKE_S)


def test_winter_is_colder_than_summer_and_rain_is_damp():
    winter, summer = (Climate(CITIES[0], start=start, days=60, seed=1) for start in (START, START.replace(month=7)))
    days = np.arange(0, 30) * DAY_S
    assert summer.air_c(days).mean() > winter.air_c(days).mean() + 20
    # 3 h UTC is 11 h in China.
    assert winter.air_c(np.array([3 * 3600.0]))[0] > winter.air_c(np.array([17 * 3600.0]))[0]
    humidity = summer.humidity_pct(np.arange(0, 50 * 24) * 3600.0)
    assert 12 <= humidity.min() < humidity.max() <= 99


def test_cells_sag_under_load_and_rise_on_the_charger(live):
    block = live("Forewarn E5")
    kind = block.segments.kind[block.samples.segment]
    charging = kind >= Kind.AC
    assert np.all(block.packs.current_a[charging] > 0)
    assert block.packs.current_a[kind == Kind.DRIVE].mean() < 0
    rest = open_circuit_v("NMC", block.packs.soc)
    mean = block.cells.true_v.mean(axis=1)
    assert np.all(mean[charging] > rest[charging] - 0.01)
    hard = block.packs.current_a < -60
    assert hard.sum() > 10
    assert np.all(mean[hard] < rest[hard])


def test_a_fast_charge_slows_down_and_warms_the_pack(live):
    block = live("Forewarn E5", oddity="fast_charging_taxi", seed=3)
    kind = block.segments.kind[block.samples.segment]
    # The one that begins coldest: right after a long drive a pack may be warmer than its cooling lets it be.
    coldest = np.where((kind == Kind.DC) & (block.samples.number == 0), block.packs.temperature_c, np.inf).argmin()
    segment = block.samples.segment[coldest]
    rows = np.flatnonzero(block.samples.segment == segment)
    current, warm = block.packs.current_a[rows], block.packs.temperature_c[rows]
    assert current.max() > 1.25 * current[-1]
    assert warm[-1] > warm[0] + 3


def test_a_leaking_cell_is_behind_at_rest_and_a_bad_joint_only_under_load(live):
    for mode, at_rest in (("hv_self_discharge", True), ("hv_connection", False)):
        block = live("Forewarn E5", plan=fault(mode), seed=2)
        until_s = next((lamp.on_s for lamp in block.lives[0].lamps), 30 * DAY_S)
        late = (block.samples.t_s > 18 * DAY_S) & (block.samples.t_s < until_s)
        behind = np.median(block.cells.true_v, axis=1) - block.cells.true_v[:, 7]
        calm, loaded = np.abs(block.packs.current_a) < 2, block.packs.current_a < -40
        assert (np.median(behind[late & calm]) > 0.03) == at_rest
        assert np.median(behind[late & loaded]) > 0.03


def test_boards_that_bleed_unevenly_move_whole_modules_apart_and_the_leaking_cell_stays_the_lowest(live):
    seen = []
    for seed in range(12):
        block = live("Forewarn E2", plan=fault("hv_self_discharge", strength=1.0), seed=seed)
        bled = block.parts[0].pack.bled
        late = (block.samples.t_s > 20 * DAY_S) & (np.abs(block.packs.current_a) < 2) & (block.packs.soc > 0.3)
        late &= block.samples.t_s < next((lamp.on_s for lamp in block.lives[0].lamps), np.inf)
        volts = np.median(block.cells.true_v[late], axis=0)
        others = np.delete(np.arange(len(volts)), 7)
        assert volts[7] < volts[others].min()
        # Where boards bleed alike, cells differ by what they are; else by board, the more the more is taken.
        seen.append((bled.any(), float(np.ptp(volts[others]))))
        if bled.any():
            assert np.corrcoef(volts[others], bled[others])[0, 1] < -0.8
            assert len(np.unique(bled)) < len(bled) / 5
    even, uneven = ([spread for apart, spread in seen if apart == which] for which in (False, True))
    assert min(len(even), len(uneven)) >= 2
    assert np.median(uneven) > 1.5 * np.median(even)


def test_a_pause_of_a_leak_gives_nothing_back_and_the_workshop_all(live):
    plan = replace(fault("hv_self_discharge", strength=1.0), pauses=((15 * DAY_S, 25 * DAY_S),), repair_s=32 * DAY_S)
    block = live("Forewarn E5", plan=plan, seed=2)
    behind = np.median(block.cells.true_v, axis=1) - block.cells.true_v[:, 7]
    calm = (np.abs(block.packs.current_a) < 2) & (np.abs(block.packs.soc - 0.6) < 0.25)

    def seen(first_d, last_d):
        rows = calm & (block.samples.t_s > first_d * DAY_S) & (block.samples.t_s < last_d * DAY_S)
        return float(np.median(behind[rows]))

    before, early, late, mended = seen(13, 15), seen(16, 19), seen(21, 25), seen(33, 40)
    assert min(early, late) > 0.6 * before > 0.01
    assert late < 1.5 * before
    assert mended < 0.5 * late


@given(st.floats(-0.25, 0.25), st.floats(-0.2, 0.2))
def test_the_curve_of_another_maker_rises_everywhere_and_ends_where_the_published_one_does(once, twice):
    pack = replace(draw_pack(MODELS[0], np.random.default_rng(1)), curve=(once, twice))
    soc = np.linspace(-0.1, 1.05, 500)
    moved = pack.on_curve(soc)
    assert np.all(np.diff(moved) > 0)
    assert pack.on_curve(np.array([-0.1, 0.0, 1.0, 1.05])) == pytest.approx([-0.1, 0.0, 1.0, 1.05])
    inside = (soc > 0.01) & (soc < 0.99)
    assert np.gradient(moved, soc)[inside] == pytest.approx(pack.steeper(soc)[inside], abs=0.01)


def test_few_packs_have_a_module_from_another_one():
    model = next(model for model in MODELS if model.name == "Forewarn E2")
    packs = [draw_pack(model, np.random.default_rng(seed)) for seed in range(1500)]
    apart = 0
    for pack in packs:
        six_together = np.convolve(pack.offset, np.full(6, 1 / 6), mode="valid")
        ordinary = 1.48 * np.median(np.abs(pack.offset - np.median(pack.offset)))
        apart += bool(np.abs(six_together).max() > 2 * ordinary)
    assert 0.008 * len(packs) < apart < 0.03 * len(packs)


def test_a_corroded_wire_moves_two_neighbours_apart_and_leaves_the_pack_voltage(live):
    block = live("Forewarn E5", plan=fault("hv_sampling"), seed=2)
    shift = block.cells.sensed_v - block.cells.true_v
    worst = int(block.cells.drift_v.argmax())
    assert shift[worst, 7] == pytest.approx(-shift[worst, 8], abs=1e-5)
    assert abs(shift[worst].sum()) < 1e-5
    assert block.cells.drift_v.max() > 0.15


def test_insulation_is_worse_in_the_wet_and_fails_by_its_fault(live):
    healthy, failing = (live("Forewarn E5", plan=plan, seed=1) for plan in (None, fault("insulation")))
    assert healthy.insulation_kohm.min() > 700
    assert failing.insulation_kohm.min() < 250
    assert next(lamp.code for lamp in failing.lives[0].lamps if not lamp.nuisance) == "insulation"


def test_an_old_battery_rests_lower_cranks_deeper_and_is_replaced(live):
    block = live("Forewarn C4", plan=fault("lv_battery", strength=1.3), seed=4)
    lamp = next(lamp for lamp in block.lives[0].lamps if lamp.code == "lv_battery")
    kind = block.segments.kind[block.samples.segment]
    t_s = block.samples.t_s
    for rows in ((kind == Kind.PARKED), block.lv.cranking):
        early = np.median(block.lv.voltage_v[rows & (t_s < 8 * DAY_S)])
        late = np.median(block.lv.voltage_v[rows & (t_s > lamp.on_s - 3 * DAY_S) & (t_s <= lamp.on_s)])
        assert late < early - 0.2
    mended = block.lv.voltage_v[(kind == Kind.PARKED) & (t_s > lamp.off_s + DAY_S)]
    assert mended.min() > 12.2


def test_a_failing_converter_lets_the_voltage_under_way_sag(live):
    healthy, failing = (live("Forewarn E5", plan=plan, seed=5) for plan in (None, fault("dcdc", strength=1.5)))
    driving = healthy.segments.kind[healthy.samples.segment] == Kind.DRIVE
    late = driving & (healthy.samples.t_s > 23 * DAY_S)
    assert np.median(healthy.lv.voltage_v[late]) > 13.3
    lamp_s = failing.lives[0].lamps[0].on_s
    worst = (failing.samples.t_s > lamp_s - DAY_S) & (failing.samples.t_s < lamp_s + DAY_S)
    worst &= failing.segments.kind[failing.samples.segment] == Kind.DRIVE
    assert failing.lv.voltage_v[worst].min() < np.median(healthy.lv.voltage_v[driving]) - 0.5


def test_a_leaking_tyre_loses_pressure_and_the_others_do_not(live):
    block = live("Forewarn E5", plan=fault("tyre_leak", place=2, growth_s=10 * DAY_S), seed=1)
    lamp = next(lamp for lamp in block.lives[0].lamps if lamp.code == "tire_pressure")
    row = int(np.searchsorted(block.samples.t_s, lamp.on_s)) - 1
    assert block.tyre_kpa[row, 2] < 0.76 * 250
    assert np.all(block.tyre_kpa[row, [0, 1, 3]] > 0.8 * 250)


def test_less_coolant_is_hotter_and_less_oil_presses_less(live):
    healthy = live("Forewarn C4", seed=1)
    hot = live("Forewarn C4", plan=fault("coolant", strength=1.2), seed=1)
    assert hot.engines.coolant_c.max() > healthy.engines.coolant_c.max() + 12
    assert hot.engines.coolant_left.min() < 0.45
    low = live("Forewarn C4", plan=fault("oil_pressure", strength=1.3), seed=1)
    running = low.engines.running & (low.samples.t_s > 24 * DAY_S) & (low.samples.t_s < 26 * DAY_S)
    assert np.median(low.engines.oil_kpa[running]) < 0.6 * np.median(healthy.engines.oil_kpa[healthy.engines.running])


def test_bad_cooling_makes_motor_and_inverter_hotter(live):
    healthy, hot = (live("Forewarn E2", plan=plan, seed=1) for plan in (None, fault("drive_heat")))
    assert hot.heat.motor_c.max() > healthy.heat.motor_c.max() + 30
    assert hot.heat.inverter_c.max() > healthy.heat.inverter_c.max() + 30


@pytest.mark.parametrize("mode", ["insulation", "dcdc", "drive_heat", "hv_connection", "hv_sampling"])
def test_a_fault_grows_from_nothing(live, mode):
    """A moment after its onset a car is what it would have been without the fault."""
    healthy, failing = (live("Forewarn E5", plan=plan, seed=1) for plan in (None, fault(mode)))
    soon = (healthy.samples.t_s > 5 * DAY_S) & (healthy.samples.t_s < 5.7 * DAY_S)
    assert soon.sum() > 0
    assert np.allclose(failing.insulation_kohm[: len(soon)][soon], healthy.insulation_kohm[soon], rtol=0.15)
    assert np.allclose(failing.heat.inverter_c[: len(soon)][soon], healthy.heat.inverter_c[soon], atol=5.0)
    assert np.allclose(failing.cells.sensed_v[: len(soon)][soon], healthy.cells.sensed_v[soon], atol=0.02)


def test_weekends_are_those_of_china():
    commuter = draw_habit(np.random.default_rng(1), days=70, driver="commuter")
    mean_c = np.full(80, 20.0)
    for hour in (0, 16):
        start = datetime(2026, 3, 1, hour, tzinfo=UTC)
        rows = usage_of(
            MODELS[-1],
            commuter,
            start=start,
            days=70,
            day_mean_c=mean_c,
            departures=np.random.default_rng(2),
            rng=np.random.default_rng(3),
        )
        drives = rows[rows[:, 2] == Kind.DRIVE, 0]
        days = [(start + timedelta(seconds=s + 8 * 3600)).weekday() for s in drives]
        assert np.bincount(days, minlength=7)[:5].min() > np.bincount(days, minlength=7)[5:].max()


def test_dragging_pads_wear_faster(live):
    healthy, dragging = (
        live("Forewarn C4", plan=plan, seed=6) for plan in (None, fault("brake_wear", strength=1.6, place=0))
    )
    grown = [block.pad_pct[:, 0].max() - block.pad_pct[0, 0] for block in (healthy, dragging)]
    assert grown[1] > 2 * grown[0]


@given(st.floats(0.0, 0.95), st.floats(0.01, 1.0), st.booleans())
def test_a_charge_takes_the_time_its_curve_says(soc, more, fast):
    to = min(1.0, soc + more)
    whole = charging_hours(60.0, 50.0, soc, to, fast=fast)
    middle = float(charged(np.array([soc]), np.array([to]), np.array([0.5]), fast=fast)[0])
    assert soc <= middle <= to
    assert charging_hours(60.0, 50.0, soc, middle, fast=fast) == pytest.approx(whole / 2, rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(st.floats(-50, 150), st.floats(0.5, 1e5)), min_size=1, max_size=60), st.floats(1.0, 1e4))
def test_relaxing_is_what_a_loop_would_make_of_it(steps, tau_s):
    target, since = np.array(steps).T
    since[0] = np.inf
    expected, now = [], 0.0
    for aim, seconds in zip(target, since, strict=True):
        now = aim + (now - aim) * np.exp(-seconds / tau_s) if np.isfinite(seconds) else aim
        expected.append(now)
    assert np.allclose(relax(target, since, tau_s), expected, atol=1e-5)


def test_noise_that_remembers_has_unit_variance_and_forgets_in_time():
    noise = np.random.default_rng(1).standard_normal(200_000)
    since = np.full(len(noise), 10.0)
    since[0] = np.inf
    kept = remembered(noise, since, 40.0)
    assert kept.std() == pytest.approx(1.0, abs=0.02)
    assert np.corrcoef(kept[1:], kept[:-1])[0, 1] == pytest.approx(np.exp(-0.25), abs=0.01)


@given(st.lists(st.lists(st.floats(0.1, 10.0), min_size=3, max_size=3), min_size=1, max_size=5))
def test_cells_in_parallel_share_the_current_and_one_voltage(mohm):
    resistance = np.array(mohm)
    share = current_split(resistance)
    assert np.allclose(share.sum(axis=0), 1.0)
    # The same drop over each.
    assert np.allclose(resistance * share, (resistance * share)[0])
    assert np.all(share.argmax(axis=0) == resistance.argmin(axis=0))
