import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.priority import Lead, rank

leads = st.builds(
    Lead,
    lead_id=st.integers(1, 10**6),
    source=st.just("prediction"),
    fault_mode=st.sampled_from(["hv_self_discharge", "lv_battery"]),
    severity=st.integers(1, 3),
    probability=st.none() | st.floats(0, 1),
    horizon_d=st.integers(0, 60),
    days_to_lamp=st.none() | st.floats(0, 60),
)


def lead(
    severity: int, probability: float | None, horizon_d: int, lead_id: int = 1, days_to_lamp: float | None = None
) -> Lead:
    return Lead(
        lead_id=lead_id,
        source="prediction",
        fault_mode="x",
        severity=severity,
        probability=probability,
        horizon_d=horizon_d,
        days_to_lamp=days_to_lamp,
    )


def test_the_points_are_explained() -> None:
    priority = rank([lead(1, 0.9, 21)])
    assert [(part.key, part.points) for part in priority.parts] == [
        ("severity", 50),
        ("likelihood", 32),
        ("urgency", 5),
    ]
    assert priority.points == 87


def test_the_sooner_the_lamp_is_expected_the_higher() -> None:
    points = [rank([lead(2, 0.9, 30, days_to_lamp=days)]).points for days in (3.0, 12.5, 20.0, 29.0, None)]
    assert points == [25 + 32 + own for own in (10, 7, 5, 3, 3)]


def test_safety_comes_before_a_certain_flat_battery() -> None:
    assert rank([lead(1, 0.4, 21)]).points > rank([lead(2, 1.0, 14)]).points


def test_what_has_happened_is_certain() -> None:
    assert rank([lead(2, None, 0)]).points == 25 + 35 + 10


def test_a_case_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="at least one lead"):
        rank([])


@given(st.lists(leads, min_size=1, max_size=6))
def test_points_are_the_sum_of_their_parts_and_within_100(found: list[Lead]) -> None:
    priority = rank(found)
    assert priority.points == sum(part.points for part in priority.parts)
    assert 0 < priority.points <= 100
    assert priority.lead_id in {lead.lead_id for lead in found}


@given(st.lists(leads, min_size=1, max_size=5), leads)
def test_a_further_reason_never_lowers_a_case(found: list[Lead], another: Lead) -> None:
    assert rank([*found, another]).points >= rank(found).points


@given(st.lists(leads, min_size=1, max_size=5, unique_by=lambda lead: lead.lead_id), st.randoms())
def test_the_order_of_leads_does_not_matter(found: list[Lead], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = found.copy()
    random.shuffle(shuffled)
    assert rank(shuffled) == rank(found)
