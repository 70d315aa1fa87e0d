"""An alarm tells what the pile noticed, not whether it was a danger: ids, cars, measures and ends are alike."""

from dataclasses import replace

import numpy as np
import pytest

from forewarn.simulator.charging.alarms import danger_alarms, everyday_alarms, numbered
from forewarn.simulator.charging.codes import EVERYDAY_FAULTS
from forewarn.simulator.charging.dangers import KINDS

from .conftest import START_MS


def reported(run, kind, **values):
    """Return those of some runs of ``kind`` that the pile reports."""
    return [one for one in (run(kind=kind, number=number, **values) for number in range(8)) if one.alarms]


def everyday(one, seed=1):
    faults = [(fault, 60.0 * place) for place, fault in enumerate(EVERYDAY_FAULTS, start=1)]
    return numbered(everyday_alarms(one.session, one.happening, faults, rng=np.random.default_rng(seed)))


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_ids_are_numbers_in_the_order_of_time(run, kind):
    found = [everyday(run())] if kind is None else [one.alarms for one in reported(run, kind, strength=1.0)]
    assert found
    for alarms in found:
        assert [alarm.ts_ms for alarm in alarms] == sorted(alarm.ts_ms for alarm in alarms)
        ids = list(dict.fromkeys(alarm.alarm_id for alarm in alarms))
        assert ids == [f"s-1-{place}" for place in range(1, len(ids) + 1)]
        assert len({(alarm.alarm_id, alarm.fault) for alarm in alarms}) == len(ids)


def test_a_car_is_named_as_often_whatever_the_alarm_is_about(run):
    one = run(kind="contact_heat", strength=1.0, minutes=20)
    danger = replace(one.danger, is_reported=True)
    shares = {"danger": 0, "nuisance": 0}
    for seed in range(300):
        dangerous = danger_alarms(one.session, one.happening, danger, rng=np.random.default_rng(seed))
        for name, alarms in (("danger", dangerous), ("nuisance", everyday(one, seed))):
            (vin,) = {alarm.vin for alarm in alarms}
            shares[name] += vin is not None
    assert all(0.6 < share / 300 < 0.8 for share in shares.values())
    public = replace(one.session, visit=None)
    alarms = everyday_alarms(public, one.happening, [(EVERYDAY_FAULTS[0], 9.0)], rng=np.random.default_rng(1))
    assert {alarm.vin for alarm in alarms} == {None}


def test_alarms_measure_alike_while_the_car_is_there(run):
    one = run(kind="insulation_loss", strength=1.0)
    for alarm in (*one.alarms, *everyday(one)):
        is_there = alarm.ts_ms <= START_MS + one.happening.t_s[-1] * 1000
        assert set(alarm.measures) == ({"Voltage", "Current.Import", "Temperature"} if is_there else set())


@pytest.mark.parametrize("kind", ["insulation_loss", "contact_heat", "over_voltage", "disagreement"])
def test_a_danger_that_is_over_is_off(run, kind):
    found = reported(run, kind, strength=1.0)
    assert found
    for one in found:
        assert one.alarms[-1].state == "off"
        assert one.alarms[-1].severity == one.alarms[-2].severity
        assert one.alarms[-1].ts_ms > one.alarms[-2].ts_ms


@pytest.mark.parametrize("kind", ["contact_heat", "over_voltage", "disagreement"])
def test_what_a_stop_ends_is_off_before_the_car_is_gone(run, kind):
    ended = 0
    for number in range(8):
        through = run(kind=kind, number=number, strength=1.0)
        if not through.alarms:
            continue
        stopped_at_ms = through.alarms[0].ts_ms + 5_000
        stopped = run(kind=kind, number=number, strength=1.0, stopped_at_ms=stopped_at_ms)
        last = stopped.alarms[-1]
        ended += last.state == "off" and stopped_at_ms < last.ts_ms < stopped.session.ended_ms
    assert ended >= 2


def test_rain_that_passes_is_off_within_the_session(run):
    """Few rains are heavy enough and reported, so here all are reported."""
    seen = 0
    for number in range(40):
        one = run(kind="rain", number=number)
        danger = replace(one.danger, is_reported=True)
        alarms = danger_alarms(one.session, one.happening, danger, rng=np.random.default_rng(1))
        if alarms:
            assert [(alarm.state, alarm.severity) for alarm in alarms] == [("on", 3), ("off", 3)]
            assert alarms[-1].ts_ms < one.session.ended_ms
            seen += 1
    assert seen >= 2


def test_a_fire_has_no_end(run):
    burnt = [one for one in reported(run, "thermal_runaway", strength=1.0) if one.happening.silent_from_s is not None]
    assert burnt
    assert {alarm.state for one in burnt for alarm in one.alarms} == {"on"}


@pytest.mark.parametrize(("chemistry", "ceiling_c"), [("NMC", 60.0), ("LFP", 65.0)])
def test_a_battery_is_hot_where_the_standard_says_so(run, chemistry, ceiling_c):
    seen = 0
    for one in reported(run, "thermal_runaway", strength=0.5, chemistry=chemistry):
        row = int(np.argmax(one.happening.car.probe_c.max(axis=1) >= ceiling_c))
        late_s = (one.alarms[0].ts_ms - START_MS) / 1000 - one.happening.t_s[row] - one.danger.delay_s
        assert -0.001 <= late_s <= 3.001
        seen += 1
    assert seen >= 3
