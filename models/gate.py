"""The gate of a promotion: a challenger must not be worse than the champion, as far as cars held out can tell."""

from collections.abc import Mapping, Sequence

import msgspec

# What is tolerated is what trainings of one fleet with other randomness differ by; judgement, not measurement.
LEAST_TOLERANCE = 0.05
# A share of few cars moves in steps of one car; one car is no evidence either way.
CARS_TOLERATED = 1.0
# A Brier score is as large as faults are rare, so its tolerance is a share of the champion's.
BRIER_TOLERANCE = 0.1


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of two models. ``worse_by`` is negative when the challenger is better; None: not measured."""

    figure: str
    champion: float | None
    challenger: float | None
    worse_by: float | None
    tolerance: float
    passed: bool

    def __str__(self) -> str:
        if self.champion is None or self.challenger is None or self.worse_by is None:
            return f"{self.figure} was not measured of both"
        return (
            f"{self.figure} {self.challenger:.3f} is {self.worse_by:.3f} worse than the champion's {self.champion:.3f}"
            f" ({self.tolerance:.3f} is tolerated)"
        )


def compare(champion: Mapping[str, float], challenger: Mapping[str, float]) -> list[Check]:
    """Return every check of a challenger's metrics against the champion's.

    champion, challenger : as of ``models.evaluation.metrics_of``
    """
    failing = min(champion.get("vehicles_failing", 0.0), challenger.get("vehicles_failing", 0.0))
    healthy = min(champion.get("vehicles_healthy", 0.0), challenger.get("vehicles_healthy", 0.0))
    brier = champion.get("brier", 0.0) * BRIER_TOLERANCE
    return [
        _check("average_precision", champion, challenger, better=+1, tolerance=LEAST_TOLERANCE),
        _check("brier", champion, challenger, better=-1, tolerance=brier),
        _check("share_caught", _shares(champion), _shares(challenger), better=+1, tolerance=_of_cars(failing)),
        _check("share_needless", _shares(champion), _shares(challenger), better=-1, tolerance=_of_cars(healthy)),
    ]


def failed(checks: Sequence[Check]) -> list[Check]:
    """Return the checks that stand in the way of a promotion."""
    return [check for check in checks if not check.passed]


def _of_cars(cars: float) -> float:
    return max(LEAST_TOLERANCE, CARS_TOLERATED / max(cars, 1.0))


def _shares(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of cars caught and needlessly flagged, as far as they were measured."""
    shares = {}
    for name, part, whole in (
        ("share_caught", "vehicles_caught", "vehicles_failing"),
        ("share_needless", "vehicles_flagged_needlessly", "vehicles_healthy"),
    ):
        if part in metrics and metrics.get(whole):
            shares[name] = metrics[part] / metrics[whole]
    return shares


def _check(
    figure: str, champion: Mapping[str, float], challenger: Mapping[str, float], *, better: int, tolerance: float
) -> Check:
    old, new = champion.get(figure), challenger.get(figure)
    worse_by = None if old is None or new is None else (old - new) * better
    return Check(
        figure=figure,
        champion=old,
        challenger=new,
        worse_by=worse_by,
        tolerance=tolerance,
        # A hair, so that a figure at the tolerance passes whatever the last bit says.
        passed=worse_by is not None and worse_by <= tolerance + 1e-9,
    )
