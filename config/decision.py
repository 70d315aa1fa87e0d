"""What decides when a car is named, read from ``decision.toml``."""

from functools import cache

import msgspec

from config._files import read_toml

# So many scorings are looked back at: what lies before them weighs next to nothing.
LOOK_BACK = 8
# Log odds further out than this are as good as certain.
CERTAIN = 30.0


def weights_of(half_life: float) -> list[float]:
    """Return what the last scorings count, the newest first: (LOOK_BACK,)."""
    return [0.5 ** (nth / half_life) for nth in range(LOOK_BACK)]


class DecisionPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Costs in invitations in vain, numbers of daily scorings, and days; see ``decision.toml`` for what each means."""

    needless_per_1000_car_months: float
    least_probability: float
    full_lead_d: float
    late_value: float
    half_life: float
    closes_below: float
    closes_after: int
    quiet_after_false_alarm_d: int
    missed_cost: dict[str, float]

    def cost_of_missing(self, severity: int) -> float:
        """Return how many invitations in vain one missed lamp of a severity is worth."""
        return self.missed_cost[str(severity)]


@cache
def decision_policy() -> DecisionPolicy:
    """Return the policy that ships with this version."""
    return msgspec.convert(read_toml("decision.toml"), DecisionPolicy)
