"""A share of flagged cars that nobody is called for: without them lead time and precision cannot be measured.

A car that is called is repaired, and its lamp never says whether the prediction was right. Which cars are held out is
decided by number of the car and month alone, so that scoring again, or on another machine, decides the same.
"""

import hashlib
from collections import Counter
from datetime import datetime
from typing import Any

import psycopg

from config import sql
from config.faults import fault_modes

# Severity of what endangers people: nobody is held out of that, whatever can be learnt.
_PERSONAL_SAFETY = 1


def is_held_out(vehicle_id: int, as_of: datetime, *, share: float) -> bool:
    """Say whether a car is held out in the month of ``as_of`` (UTC); who is at a share is at any larger one too."""
    digest = hashlib.sha256(f"{vehicle_id} {as_of:%Y-%m}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def hold_out(conn: psycopg.Connection[Any], *, run_id: int, as_of: datetime, share: float) -> dict[str, int]:
    """Note which flagged predictions of a scoring nobody is called for; return how many by fault mode.

    conn  : role "models", in the transaction of the scoring
    share : of flagged cars, from 0 (none) to 1; no car is held out of a fault mode that endangers people
    """
    conn.execute(sql.load("models", "forget_holdout"), {"run_id": run_id})
    if share <= 0:
        return {}
    able = [mode.key for mode in fault_modes().values() if mode.severity > _PERSONAL_SAFETY]
    flagged = conn.execute(
        sql.load("models", "flagged_of_run"), {"run_id": run_id, "as_of": as_of, "fault_modes": able}
    ).fetchall()
    held = [(number, mode) for number, vehicle, mode in flagged if is_held_out(vehicle, as_of, share=share)]
    conn.execute(sql.load("models", "hold_out"), {"prediction_ids": [number for number, _ in held]})
    return dict(Counter(mode for _, mode in held))
