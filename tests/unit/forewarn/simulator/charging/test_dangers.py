"""Dangers come to what their strength says, stop when they are stopped as far as physics lets them, and are seen."""

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from forewarn.simulator.charging.car import IS_CHARGING
from forewarn.simulator.charging.codes import SEVERITY_1_RATE
from forewarn.simulator.charging.dangers import KINDS, NEAR_MISSES, can_have, draw_danger
from forewarn.simulator.charging.run import pack_of
from forewarn.simulator.charging.runaway import condition_index
from forewarn.simulator.charging.traffic import ordered

from .conftest import START_MS, make_run, make_visit

BATTERY = "Vehicle.Powertrain.TractionBattery."


@pytest.mark.parametrize("kind", KINDS)
def test_strong_ones_come_to_it_and_weak_ones_do_not(run, kind):
    strong = [run(kind=kind, strength=1.0, number=number) for number in range(3)]
    weak = [run(kind=kind, strength=0.0, number=number) for number in range(3)]
    assert sum(one.happening.condition_row is not None for one in strong) >= 2
    assert [one.happening.condition_row for one in weak] == [None] * 3
    for one in strong + weak:
        (row,) = one.truth
        assert row.what == "danger"
        assert row.vin == one.session.visit.vin
        assert row.kind == kind
        assert one.session.started_ms < row.onset_ms < one.session.ended_ms
        if row.condition_ms is not None:
            assert row.onset_ms <= row.condition_ms
            assert row.severity == (1 if kind not in ("over_voltage", "disagreement") else row.severity)
            assert row.severity <= 2


@settings(deadline=None, max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from([*KINDS, *NEAR_MISSES]),
    chemistry=st.sampled_from(["NMC", "LFP"]),
    charger=st.sampled_from(["DC", "AC"]),
)
def test_what_a_danger_does_stays_physical(seed, kind, chemistry, charger):
    run = make_run(seed=seed, kind=kind, chemistry=chemistry, charger=charger)
    happening = run.happening
    assert happening.car.cell_v.min() >= 0
    assert happening.car.cell_v.max() < 5
    assert happening.car.cell_c_max.max() < 1200
    assert happening.gun_c.max() <= 291
    assert (happening.insulation_kohm > 1).all()
    if run.danger.physics != "thermal_runaway":
        assert happening.gb38031_row is None
    if kind in NEAR_MISSES:
        assert happening.condition_row is None
        assert happening.car.probe_c.max() < 60
        assert all(alarm.severity > 1 for alarm in run.alarms)
    for readings in (run.pile, run.car):
        assert (np.diff(readings.ts_ms) > 0).all()
        assert (readings.received_ms >= readings.ts_ms).all()


def test_a_hot_day_gets_close_to_the_ceiling(run):
    hottest = max(
        run(kind="hot_day", number=number, soc_start=0.1, capacity_kwh=75.0).happening.car.course.pack_c.max()
        for number in range(3)
    )
    assert 56 < hottest < 59.5


def test_a_noisy_sensor_is_off_for_one_sample(run):
    for number in range(6):
        noisy = run(kind="noisy_sensor", number=number)
        probes, cells = noisy.car.probe_c, noisy.car.cell_v
        odd = ((probes.max(axis=1) - np.median(probes, axis=1)) > 15) | (cells.min(axis=1) < 2.9)
        assert odd.sum() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_before_a_stop_differs(run, kind):
    through = run(kind=kind, strength=0.9)
    stopped_at_ms = through.truth[0].onset_ms + 60_000
    stopped = run(kind=kind, strength=0.9, stopped_at_ms=stopped_at_ms)
    sent = [
        [message for _, message in ordered(iter([one])) if message.received_ms < stopped_at_ms]
        for one in (through, stopped)
    ]
    assert sent[0] == sent[1]
    assert len(sent[0]) > 100


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_stop_no_current_flows(run, kind):
    stopped_at_ms = run(kind=kind, strength=0.9).truth[0].onset_ms + 60_000
    stopped = run(kind=kind, strength=0.9, stopped_at_ms=stopped_at_ms)
    after = stopped.happening.t_s * 1000 + START_MS >= stopped_at_ms + 1000
    assert not stopped.happening.car.course.current_a[after].any()
    assert not stopped.pile.columns["Current.Import"][stopped.pile.ts_ms >= stopped_at_ms + 2000].any()
    assert not stopped.car.columns[IS_CHARGING][stopped.car.ts_ms >= stopped_at_ms + 2000].any()


def test_a_stop_cools_a_contact_and_ends_an_overcharge(run):
    for kind, seconds in (("contact_heat", 90), ("over_voltage", 30)):
        through = run(kind=kind, strength=1.0)
        stop_s = through.danger.onset_s + seconds
        stopped = run(kind=kind, strength=1.0, stopped_at_ms=START_MS + round(stop_s * 1000))
        assert through.happening.condition_row is not None
        assert stopped.happening.condition_row is None
        if kind == "contact_heat":
            row = int(stop_s)
            assert stopped.happening.gun_c[-1] < stopped.happening.gun_c[row]


def test_a_stop_does_not_put_a_runaway_out(run):
    found = 0
    for number in range(4):
        through = run(kind="thermal_runaway", strength=0.9, number=number)
        met_ms = through.truth[0].condition_ms
        if met_ms is not None:
            stopped = run(kind="thermal_runaway", strength=0.9, number=number, stopped_at_ms=met_ms)
            assert stopped.truth[0].condition_ms == met_ms
            assert stopped.happening.car.cell_c_max.max() > 300
            found += 1
    assert found >= 3


def test_a_runaway_can_be_seen_in_what_the_car_sent(run):
    """The condition, read from measured values with whole degrees, comes true within seconds of the truth."""
    seen = 0
    for number in range(6):
        burning = run(kind="thermal_runaway", strength=0.8, number=number)
        if burning.truth[0].condition_ms is None or burning.danger.gap is not None:
            continue
        temperatures = burning.car.probe_c
        hot = np.flatnonzero(temperatures.max(axis=1) >= 70)
        rising = np.flatnonzero((temperatures[5:] - temperatures[:-5]).max(axis=1) >= 5)
        seen += bool(len(hot) and len(rising))
    assert seen >= 3


def test_a_gap_has_nothing_from_the_car_and_all_from_the_pile(run):
    gapped = run(kind="data_gap", strength=0.5)
    first, last = (START_MS + round(edge * 1000) for edge in gapped.danger.gap)
    assert not ((gapped.car.ts_ms >= first) & (gapped.car.ts_ms < last - 1000)).any()
    assert ((gapped.pile.ts_ms >= first) & (gapped.pile.ts_ms < last)).sum() > 30


@pytest.mark.parametrize("kind", [None, *KINDS, *NEAR_MISSES])
def test_how_often_somebody_reports_tells_nothing_that_is_ahead(run, kind):
    for number in range(3):
        watched = run(kind=kind, number=number, strength=0.9)
        gap_ms = 0 if watched.danger is None or watched.danger.gap is None else 300_000
        steps = np.diff(watched.car.ts_ms)
        assert (steps != 1000).sum() <= (gap_ms > 0)
        assert watched.car.ts_ms[0] < START_MS + 1000
        first_ms = min((alarm.ts_ms for alarm in watched.alarms), default=watched.session.ended_ms)
        ts_ms = watched.pile.ts_ms
        assert (np.diff(ts_ms[ts_ms < first_ms]) == 15_000).all()
        assert (np.diff(ts_ms[ts_ms >= first_ms]) == 1000).all()


def test_a_pile_is_as_dense_after_an_alarm_about_nothing(run):
    seen = 0
    for number in range(60):
        nuisance = run(number=number, minutes=15)
        at_ms = [alarm.ts_ms for alarm in nuisance.alarms if alarm.state == "on" and alarm.fault != "offline"]
        if at_ms and len(at_ms) * 2 == len(nuisance.alarms):
            ts_ms = nuisance.pile.ts_ms
            assert (np.diff(ts_ms[ts_ms < min(at_ms)]) == 15_000).all()
            assert (np.diff(ts_ms[ts_ms >= min(at_ms)]) == 1000).all()
            seen += 1
    assert seen >= 2


@pytest.mark.parametrize(("chemistry", "high_v"), [("NMC", 4.25), ("LFP", 3.8)])
def test_what_is_too_much_voltage_depends_on_the_chemistry(run, chemistry, high_v):
    over = run(kind="over_voltage", strength=1.0, chemistry=chemistry)
    highest = over.happening.car.cell_v.max(axis=1)
    row = over.happening.condition_row
    assert highest[row - 1] < high_v <= highest[row]
    for number in range(6):
        healthy = run(number=number, chemistry=chemistry, soc_start=0.1, soc_end=0.98, minutes=60, air_c=0.0)
        assert healthy.happening.car.cell_v.max() < high_v
        assert not healthy.car.columns[f"{BATTERY}WarningLevel"].any()


def test_alarms_come_late_get_worse_under_one_id_or_do_not_come(run):
    reported = Counter()
    for number in range(24):
        alarmed = run(kind="insulation_loss", strength=0.9, number=number)
        reported[bool(alarmed.alarms)] += 1
        if alarmed.alarms:
            assert len({alarm.alarm_id for alarm in alarmed.alarms}) == 1
            assert [alarm.severity for alarm in alarmed.alarms] == sorted(
                (alarm.severity for alarm in alarmed.alarms), reverse=True
            )
            assert alarmed.alarms[0].ts_ms >= alarmed.truth[0].onset_ms + 2000
    assert reported[True] > reported[False] > 0


def test_healthy_sessions_raise_no_severity_1_beyond_the_nuisance_rate(run):
    count = 250
    worst = sum(
        alarm.severity == 1 and alarm.state == "on"
        for number in range(count)
        for alarm in run(number=number, minutes=20).alarms
    )
    # Far in the tail of a Poisson distribution of this mean.
    assert worst <= count * SEVERITY_1_RATE + 4 * (count * SEVERITY_1_RATE) ** 0.5 + 1


def test_an_overcharge_needs_a_charge_that_fills_the_pack():
    visit = make_visit(soc_end=0.6)
    assert not can_have("over_voltage", visit)
    with pytest.raises(ValueError, match="over_voltage needs a visit"):
        draw_danger("over_voltage", visit, pack_of(visit, seed=1), rng=np.random.default_rng(1))


def test_measured_cells_of_a_healthy_car_never_meet_the_condition(run):
    healthy = run(pace=None, kind=None)
    hottest = np.repeat(healthy.car.probe_c.max(axis=1)[:, None], 96, axis=1)
    assert condition_index(healthy.car.cell_v, hottest, healthy.car.cell_v[0]) is None


def test_pile_and_car_disagree_where_one_is_wrong(run):
    wrong = run(kind="disagreement", strength=1.0)
    late_ms = START_MS + round((wrong.danger.onset_s + wrong.danger.growth_s + 30) * 1000)
    pile = wrong.pile.columns["Current.Import"][wrong.pile.ts_ms >= late_ms][4]
    car = wrong.car.columns[f"{BATTERY}CurrentCurrent"][wrong.car.ts_ms >= late_ms][4]
    assert pile > 1.2 * car


def test_payloads_hold_numbers_only(run):
    for _, message in ordered(iter([run(kind="thermal_runaway", strength=1.0)])):
        assert b"NaN" not in message.payload
        msgspec.json.decode(message.payload)
