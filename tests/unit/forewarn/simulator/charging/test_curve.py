"""The course of a charge: physical, and the same energy for pile and car but for the losses."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from forewarn.simulator.charging.curve import public_power_kw
from forewarn.simulator.charging.pile import ENERGY

from .conftest import make_run

# Lost between the pile's meter and the pack: a share of what the meter counts (cable and contacts; the car's charger
# for alternating current), and what cooling and electronics take while current flows (kW).
DC_SHARE, AC_SHARE, AUXILIARY_KW = 0.03, 0.11, 1.05
METER = 0.012

# A course takes a while: a failing one is shown as it is found.
courses = settings(deadline=None, max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))
visits = {
    "seed": st.integers(0, 10_000),
    "soc_start": st.floats(0.02, 0.6),
    "add": st.floats(0.05, 0.39),
    "minutes": st.integers(20, 90),
    "air_c": st.floats(-15, 38),
    "chemistry": st.sampled_from(["NMC", "LFP"]),
    "charger": st.sampled_from(["DC", "AC"]),
}


@courses
@given(**visits)
def test_pile_and_car_agree_on_energy_and_charge(seed, soc_start, add, minutes, air_c, chemistry, charger):
    run = make_run(
        seed=seed,
        soc_start=soc_start,
        soc_end=soc_start + add,
        minutes=minutes,
        air_c=air_c,
        chemistry=chemistry,
        charger=charger,
    )
    car, t_s = run.happening.car, run.happening.t_s
    course = car.course
    kwh_car = np.trapezoid(course.pack_v * course.current_a, t_s) / 3.6e6
    kwh_pile = run.happening.energy_kwh[-1]
    flowing_h = (course.current_a > 0).mean() * minutes / 60
    share = DC_SHARE if charger == "DC" else AC_SHARE
    assert 0 < kwh_pile - kwh_car < share * kwh_pile + AUXILIARY_KW * flowing_h + 0.02
    amp_hours = np.trapezoid(course.current_a, t_s) / 3600
    added = course.soc[-1] - course.soc[0]
    assert added * car.pack.capacity_ah == pytest.approx(amp_hours, rel=0.02, abs=0.5)
    register = run.pile.columns[ENERGY]
    assert (np.diff(register) >= 0).all()
    # The last reading is up to one interval before the end.
    counted = float(np.interp((run.pile.ts_ms[-1] - run.session.started_ms) / 1000, t_s, run.happening.energy_kwh))
    assert register[-1] - register[0] == pytest.approx(counted, rel=METER, abs=0.02)


@courses
@given(**visits)
def test_a_healthy_session_is_physical_and_harmless(seed, soc_start, add, minutes, air_c, chemistry, charger):
    run = make_run(
        seed=seed,
        soc_start=soc_start,
        soc_end=soc_start + add,
        minutes=minutes,
        air_c=air_c,
        chemistry=chemistry,
        charger=charger,
    )
    happening = run.happening
    course = happening.car.course
    assert course.soc.max() <= soc_start + add + 0.02
    assert (np.diff(course.soc) >= 0).all()
    assert course.current_a.min() >= 0
    assert course.pack_c.min() >= min(air_c, 0) - 5
    assert course.pack_c.max() <= 55
    assert happening.car.cell_v.min() >= 2.5
    assert happening.car.cell_v.max() < 4.25
    assert happening.gun_c.max() < 80
    assert happening.pile_kw.max() <= run.session.connector.power_kw * 1.03
    assert happening.condition_row is None
    assert happening.gb38031_row is None
    np.testing.assert_allclose(course.pack_v, happening.car.cell_v.sum(axis=1), rtol=0.02)


def test_a_fast_charge_is_constant_then_tapers(run):
    # Too little time for all of it: the pack takes what it can.
    course = run(soc_start=0.1, soc_end=1.0, minutes=25).happening.car.course
    early, late = course.current_a[course.soc < 0.5], course.current_a[course.soc > 0.8]
    steady = early[60:]
    assert np.ptp(steady) < 0.02 * steady.mean()
    if len(late):
        assert late.max() < 0.7 * steady.mean()


def test_cold_packs_charge_slowly(run):
    warm, cold = (run(air_c=air_c, minutes=15).happening.car.course.current_a.max() for air_c in (25.0, -15.0))
    assert cold < 0.5 * warm


@pytest.mark.parametrize("charger", ["DC", "AC"])
def test_a_session_reaches_its_charge_where_there_is_time(run, charger):
    course = run(charger=charger, soc_start=0.6, soc_end=0.75, minutes=120).happening.car.course
    assert course.soc[-1] == pytest.approx(0.75, abs=0.015)


@settings(deadline=None, max_examples=60)
@given(
    seconds=st.integers(240, 9000),
    pmax_kw=st.floats(14, 175),
    load=st.floats(0.05, 0.9),
)
def test_public_power_has_the_energy_and_the_peak_of_the_session(seconds, pmax_kw, load):
    energy_kwh = load * pmax_kw * seconds / 3600
    t_s = np.arange(0.0, seconds)
    power = public_power_kw(t_s, seconds=seconds, pmax_kw=pmax_kw, energy_kwh=energy_kwh)
    assert power.max() <= pmax_kw * 1.0001
    assert power.max() >= pmax_kw * 0.9
    assert power.sum() / 3600 == pytest.approx(energy_kwh, rel=0.02)
