"""What was really wrong while cars charged. Only what scores the answer may look at it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

What = Literal["danger", "near_miss", "nuisance"]


@dataclass(frozen=True)
class Truth:
    """One thing that went wrong, or looked so. Times are epoch ms, None where it never came to that.

    vin          : None for a public session
    condition_ms : when what makes it a danger first truly held: GB 38031 for a thermal runaway, 100 Ohm/V, 90 C at the
                   contact, 4.25 V in an NMC or 3.8 V in an LFP cell, 10 % between pile and car
    gb38031_ms   : when GB 38031's condition first truly held, whatever the kind
    severity     : 1 personal safety, 2 equipment, 3 notice: what it came to
    strength     : as drawn, 0..1
    alarm_ms     : when the pile first reported it
    finding      : what a workshop or a fire brigade would find
    """

    session_id: str
    vin: str | None
    what: What
    kind: str
    physics: str
    onset_ms: int
    condition_ms: int | None = None
    gb38031_ms: int | None = None
    severity: int = 3
    strength: float = 0.0
    is_gradual: bool = False
    alarm_ms: int | None = None
    gap_from_ms: int | None = None
    gap_to_ms: int | None = None
    finding: str = ""


_TIMES = ("onset", "condition", "gb38031", "alarm", "gap_from", "gap_to")
COLUMNS = (
    "session_id",
    "vin",
    "what",
    "kind",
    "physics",
    "onset_at",
    "condition_at",
    "gb38031_at",
    "severity",
    "strength",
    "is_gradual",
    "alarm_at",
    "gap_from_at",
    "gap_to_at",
    "finding",
)


def truth_frame(rows: Iterable[Truth]) -> pd.DataFrame:
    """Return COLUMNS, one row each; times are UTC, NaT where it never came to that."""
    frame = pd.DataFrame([asdict(row) for row in rows], columns=list(Truth.__dataclass_fields__))
    for name in _TIMES:
        frame[f"{name}_at"] = pd.to_datetime(frame[f"{name}_ms"].astype("Int64"), unit="ms", utc=True)
    return frame[list(COLUMNS)]
