"""Where a case stands on the list, and why: points that add up, so that an agent can follow them."""

from collections.abc import Sequence

import msgspec

# Personal safety comes first: a certain 12 V failure (25 + 35 + 7) stands below a safety matter of probability 0.4.
_SEVERITY_POINTS = {1: 50, 2: 25, 3: 10}
_LIKELIHOOD_POINTS = 35
# Nothing is wrong with the car: whatever is expected to fail on another comes first.
_COURTESIES = frozenset({"service", "dormant", "loyalty"})
# The sooner the lamp is expected, the fewer days are left to book a workshop. (days, points), first match.
_URGENCY_POINTS = ((7, 10), (14, 7), (21, 5))
_LATER_POINTS = 3
_POINTS_A_FURTHER_LEAD, _MOST_FOR_FURTHER_LEADS = 2, 5


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to call. ``probability`` is None for what has happened already; severity 1 is personal safety.

    days_to_lamp : when the lamp is expected; None where no model says so, and the horizon is all that is known
    """

    lead_id: int
    source: str
    fault_mode: str | None
    severity: int
    probability: float | None
    horizon_d: int
    days_to_lamp: float | None = None


class Part(msgspec.Struct, frozen=True):
    """One addend: what it is for, its points, and the value that earned them."""

    key: str
    points: int
    value: float


class Priority(msgspec.Struct, frozen=True):
    """0 to 100 points, the lead that is spoken about first, and the parts that add up to the points."""

    points: int
    lead_id: int
    parts: tuple[Part, ...]


def rank(leads: Sequence[Lead]) -> Priority:
    """Return the priority of a case with these leads: that of its strongest lead, and a little for each further one.

    Raises : ValueError, when there is no lead, for then there is no case
    """
    if not leads:
        raise ValueError("a case has at least one lead")
    strongest = max(leads, key=lambda lead: (_own_points(lead), -lead.lead_id))
    parts = _own_parts(strongest)
    if further := len(leads) - 1:
        points = min(_MOST_FOR_FURTHER_LEADS, _POINTS_A_FURTHER_LEAD * further)
        parts = (*parts, Part("further_leads", points, further))
    return Priority(sum(part.points for part in parts), strongest.lead_id, parts)


def _own_points(lead: Lead) -> int:
    return sum(part.points for part in _own_parts(lead))


def _own_parts(lead: Lead) -> tuple[Part, ...]:
    if lead.source in _COURTESIES:
        return (Part("severity", _SEVERITY_POINTS[lead.severity], lead.severity),)
    probability = 1.0 if lead.probability is None else lead.probability
    left_d = lead.horizon_d if lead.days_to_lamp is None else lead.days_to_lamp
    urgency = next((points for days, points in _URGENCY_POINTS if left_d <= days), _LATER_POINTS)
    return (
        Part("severity", _SEVERITY_POINTS[lead.severity], lead.severity),
        Part("likelihood", round(_LIKELIHOOD_POINTS * probability), probability),
        Part("urgency", urgency, left_d),
    )
