"""Traces: each report once, and what the car does at it."""

import numpy as np
import pandas as pd

from forewarn.realism.electric import standing_share
from forewarn.realism.sessions import fast_sessions
from forewarn.realism.trace import BATTERY, CHARGING, CURRENT, REGIMES, SPEED, calm, regimes, stretches, trace_of


def made(**columns):
    frame = pd.DataFrame(columns)
    return trace_of("made", frame, np.zeros((len(frame), 0), dtype=np.float32), step_s=10.0)


def test_reports_are_in_time_order_and_each_once():
    trace = made(ts_s=[20.0, 0.0, 10.0, 10.0], **{SPEED: [3.0, 1.0, 2.0, 2.0]})
    assert trace.ts_s.tolist() == [0.0, 10.0, 20.0]
    assert trace.signal(SPEED).tolist() == [1.0, 2.0, 3.0]
    assert np.isnan(trace.signal("Vehicle.Nothing")).all()


def test_cells_that_no_cell_can_be_are_left_out():
    trace = trace_of("made", pd.DataFrame({"ts_s": [0.0]}), np.array([[3.7, 0.0, 66.5]], dtype=np.float32))
    assert np.isnan(trace.cells_v[0]).tolist() == [False, True, True]


def test_a_drive_reaches_from_the_first_to_the_last_report_with_speed():
    speed = [0, 0, 30, 0, 0, 40, 0, 0, 0]
    trace = made(ts_s=np.arange(9) * 10.0, **{SPEED: speed, CURRENT: [-1.0] * 9})
    names = [REGIMES[i] for i in regimes(trace)]
    assert names == ["rest", "rest", "drive", "drive", "drive", "drive", "rest", "rest", "rest"]
    assert standing_share(trace) == 0.5
    assert calm(trace).tolist() == [speed_of == 0 for speed_of in speed]


def test_a_break_ends_a_drive():
    trace = made(ts_s=[0.0, 10.0, 1000.0, 1010.0], **{SPEED: [30, 0, 0, 30], CURRENT: [0.0] * 4})
    assert stretches(trace).tolist() == [0, 0, 1, 1]
    assert [REGIMES[i] for i in regimes(trace)] == ["drive", "rest", "rest", "drive"]


def test_a_car_that_does_not_say_so_charges_when_it_stands_and_current_flows_in():
    count = 30
    trace = made(ts_s=np.arange(count) * 10.0, **{SPEED: [0.0] * count, CURRENT: [50.0] * 20 + [0.0] * 10})
    assert (regimes(trace) == REGIMES.index("charge")).tolist() == [True] * 20 + [False] * 10


def test_a_fast_session_is_told_by_its_power():
    count = 61
    columns = {
        SPEED: [0.0] * count,
        CHARGING: [1.0] * count,
        f"{BATTERY}.CurrentVoltage": [400.0] * count,
        f"{BATTERY}.StateOfCharge.Current": np.linspace(20, 60, count),
    }
    (session,) = fast_sessions(made(ts_s=np.arange(count) * 10.0, **columns, **{CURRENT: [150.0] * count}))
    assert (session.minutes, session.soc_start_pct, session.soc_end_pct) == (10.0, 20.0, 60.0)
    assert session.energy_kwh == 10.0
    assert not fast_sessions(made(ts_s=np.arange(count) * 10.0, **columns, **{CURRENT: [15.0] * count}))
