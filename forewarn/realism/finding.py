"""One figure of the report: what was recorded, what is simulated, and how far that is off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["distance", "ratio", "share", "correlation"]
Verdict = Literal["good", "fair", "bad", "not measured"]

# Off by no more than this is good, by no more than the second fair.
_GOOD, _FAIR = 0.25, 0.6
# A correlation that is off by a half, or a share by a quarter, counts as off by 1.
_WEIGHT = {"correlation": 2.0, "share": 4.0}


@dataclass(frozen=True)
class Finding:
    """A measure of one recording beside the same of simulated cars like it.

    section   : of the report
    of        : the recording
    what      : the measure; with section and recording it names the finding
    kind      : how it is judged. distance: ``simulated`` is a distance between the two, ``recorded`` is 0 ·
                ratio: by what factor they differ · share, correlation: by their difference
    simulated : median over simulated cars
    low, high : the 10th and the 90th percentile of them; NaN when there are not several
    ks        : of a distance, that of Kolmogorov and Smirnov
    """

    section: str
    of: str
    what: str
    unit: str
    kind: Kind
    recorded: float
    simulated: float
    low: float = np.nan
    high: float = np.nan
    ks: float = np.nan

    @property
    def off(self) -> float:
        """Return how far off the simulation is: 0 is not at all, 1 by as much as there is; NaN is not known.

        One recorded car is one draw: it is not off where four of five simulated cars lie on either side of it.
        """
        if not (np.isfinite(self.recorded) and np.isfinite(self.simulated)):
            return np.nan
        if self.kind == "distance":
            return self.simulated
        if self.low <= self.recorded <= self.high:
            return 0.0
        if self.kind in _WEIGHT:
            return _WEIGHT[self.kind] * abs(self.simulated - self.recorded)
        if self.recorded == self.simulated:
            return 0.0
        if self.recorded <= 0 or self.simulated <= 0:
            return np.inf
        return float(abs(np.log(self.simulated / self.recorded)))

    @property
    def verdict(self) -> Verdict:
        off = self.off
        if np.isnan(off):
            return "not measured"
        return "good" if off <= _GOOD else "fair" if off <= _FAIR else "bad"


def by_car(
    section: str, of: str, what: str, unit: str, kind: Kind, recorded: float, simulated: Sequence[float]
) -> Finding:
    """Return the finding of a measure that was taken of each simulated car by itself; NaN is not measured."""
    known = np.array([value for value in simulated if np.isfinite(value)])
    if not len(known):
        return Finding(section, of, what, unit, kind, recorded, np.nan)
    low, middle, high = np.quantile(known, [0.1, 0.5, 0.9])
    if len(known) < 3:
        low = high = np.nan
    return Finding(section, of, what, unit, kind, float(recorded), float(middle), float(low), float(high))


def worst(findings: Sequence[Finding], count: int) -> list[Finding]:
    """Return the findings that are furthest off."""
    known = [finding for finding in findings if not np.isnan(finding.off)]
    return sorted(known, key=lambda finding: (-finding.off, finding.section, finding.of, finding.what))[:count]
