"""Who gets which connector: one session at a time, enrolled cars first."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.simulator.charging.sessions import place_sessions
from forewarn.simulator.charging.stations import draw_stations

from .conftest import START_MS, make_visit

MINUTE = 60_000


def by_connector(placed):
    found = {}
    for session in placed.sessions:
        found.setdefault(session.connector.at, []).append(session)
    return found.values()


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    begins=st.lists(st.integers(0, 2 * 24 * 60), max_size=40),
    minutes=st.integers(5, 300),
)
def test_a_connector_never_holds_two_sessions(seed, begins, minutes):
    rng = np.random.default_rng(seed)
    visits = [
        make_visit(
            vin=f"LFWA0010X0T1{n:05d}",
            started_ms=START_MS + begin * MINUTE,
            ended_ms=START_MS + (begin + minutes) * MINUTE,
            kind="AC" if n % 3 == 0 else "DC",
        )
        for n, begin in enumerate(begins)
    ]
    placed = place_sessions(
        draw_stations(3, rng, cities=("Beijing",)),
        visits,
        start_ms=START_MS,
        days=2,
        rng=rng,
        dangerous=frozenset({0, 1}),
    )
    for sessions in by_connector(placed):
        for one, other in itertools.pairwise(sessions):
            assert one.ended_ms < other.started_ms
    assert all(session.visit is None or session.visit.kind == session.connector.kind for session in placed.sessions)
    charged = [session.visit for session in placed.sessions if session.visit is not None and not session.failed]
    assert len(charged) + len(placed.unplaced) == len(visits)


def test_ids_are_the_sessions_own_and_starts_rise():
    rng = np.random.default_rng(1)
    placed = place_sessions(draw_stations(16, rng), [], start_ms=START_MS, days=3, rng=rng)
    ids = [session.session_id for session in placed.sessions]
    assert len(set(ids)) == len(ids) > 300
    starts = [session.started_ms for session in placed.sessions]
    assert starts == sorted(starts)
    assert min(starts) >= START_MS - 10 * MINUTE


def test_operators_fail_to_start_as_often_as_they_are_said_to():
    rng = np.random.default_rng(2)
    placed = place_sessions(draw_stations(32, rng), [], start_ms=START_MS, days=14, rng=rng)
    for operator in {session.operator for session in placed.sessions}:
        own = [session for session in placed.sessions if session.operator is operator]
        share = sum(session.failed for session in own) / sum(not session.failed for session in own)
        # Where the connector was taken just before, there was no attempt.
        assert operator.failed_share * 0.6 < share < operator.failed_share * 1.3


def test_a_city_without_stations_leaves_the_car_unplaced():
    rng = np.random.default_rng(1)
    visit = make_visit(city="Wuhan")
    placed = place_sessions(draw_stations(1, rng, cities=("Beijing",)), [visit], start_ms=START_MS, days=1, rng=rng)
    assert placed.unplaced == (visit,)


@pytest.mark.parametrize("wrong", [{"soc_start": 20.0}, {"soc_end": 0.1}, {"ended_ms": START_MS}, {"cells": 0}])
def test_a_visit_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="a visit"):
        make_visit(**wrong)
