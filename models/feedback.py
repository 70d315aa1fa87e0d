"""What came of predictions: precision, lead time, calibration and lamps nobody foretold, from labels.

A label is a lamp that came on or what a workshop found. Until workshops report findings, labels are lamps alone: a car
that was called and repaired in time then counts as a needless call, which is what the hold-out share is for.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import psycopg

from config import sql
from config.faults import fault_modes
from ingest.store.frames import frame
from models.reference import CHANCE_EDGES, ChanceBin

# 95 % of a normal distribution.
_Z = 1.96


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """Cars that one version flagged, each counted on its first day, and what came of it within the horizon.

    known        : of ``flagged``, those of which anyone can say
    precision    : share of ``known`` that came true; ``low`` and ``high`` hold it with 95 %; None without any known
    lead_time_d  : 25 %, median and 75 % of the days from that first day to the lamp; None without a lamp
    held_out     : of ``known``, those that nobody was called for, and ``held_out_true`` of those that came true
    """

    fault_mode: str
    model_version: str
    flagged: int
    known: int
    true: int
    precision: float | None
    low: float | None
    high: float | None
    lead_time_d: tuple[float, float, float] | None
    held_out: int
    held_out_true: int
    held_out_lead_time_d: tuple[float, float, float] | None


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What one version said beside what came true, over ``n`` predictions of ``cars`` cars."""

    fault_mode: str
    model_version: str
    n: int
    cars: int
    predicted: float
    observed: float
    brier: float
    bins: list[ChanceBin]


class Foretold(msgspec.Struct, frozen=True, kw_only=True):
    """Lamps of one fault mode that came on, and how many of them had been flagged within the horizon before."""

    fault_mode: str
    lamps: int
    foretold: int


def precision_between(conn: psycopg.Connection[Any], *, since: datetime, until: datetime) -> list[Precision]:
    """Return the precision of each fault mode and version over flagged cars whose horizon ended in [since, until]."""
    rows = frame(conn, sql.load("models", "flagged_outcomes"), _window(since, until))
    return [
        precision_of(str(mode), str(version), own)
        for (mode, version), own in rows.groupby(["fault_mode", "model_version"], sort=True)
    ]


def precision_of(mode: str, version: str, rows: pd.DataFrame) -> Precision:
    """Return the precision of one version.

    rows : DataFrame (n_flagged_cars, …): as_of, lamp_at (UTC, NaT without one), held_out (bool),
           came (1 true, 0 not, NaN unknown)
    """
    known = rows[rows["came"].notna()]
    true = int(known["came"].sum())
    held = known[known["held_out"].astype(bool)]
    low, high = wilson(true, len(known)) if len(known) else (None, None)
    return Precision(
        fault_mode=mode,
        model_version=version,
        flagged=len(rows),
        known=len(known),
        true=true,
        precision=true / len(known) if len(known) else None,
        low=low,
        high=high,
        lead_time_d=_quartiles(rows),
        held_out=len(held),
        held_out_true=int(held["came"].sum()),
        held_out_lead_time_d=_quartiles(held),
    )


def calibration_between(conn: psycopg.Connection[Any], *, since: datetime, until: datetime) -> list[Calibration]:
    """Return the calibration of each fault mode and version over predictions whose horizon ended in [since, until]."""
    values = _window(since, until) | {"edges": list(CHANCE_EDGES)}
    bins: list[ChanceBin] = []
    found = []
    # The bins of a version come before its whole: NULL sorts last.
    for mode, version, number, n, cars, predicted, observed, brier in conn.execute(
        sql.load("models", "chances_outcomes"), values
    ):
        if number is not None:
            bins.append(ChanceBin(n, predicted, observed))
            continue
        found.append(
            Calibration(
                fault_mode=mode,
                model_version=version,
                n=n,
                cars=cars,
                predicted=predicted,
                observed=observed,
                brier=brier,
                bins=bins,
            )
        )
        bins = []
    return found


def foretold_between(conn: psycopg.Connection[Any], *, since: datetime, until: datetime) -> list[Foretold]:
    """Return how many lamps of [since, until) had been foretold, by fault mode."""
    rows = conn.execute(sql.load("models", "lamps_foretold"), _window(since, until)).fetchall()
    return [Foretold(fault_mode=mode, lamps=lamps, foretold=foretold) for mode, lamps, foretold in rows]


def labels_between(conn: psycopg.Connection[Any], *, since: datetime, until: datetime) -> dict[str, int]:
    """Return how many labels there are of [since, until), by source."""
    return dict(conn.execute(sql.load("models", "count_labels"), {"since": since, "until": until}).fetchall())


def wilson(true: int, n: int) -> tuple[float, float]:
    """Return the bounds that hold a share with 95 %, seen ``true`` times of ``n``; also right for few and for none.

    Source : Wilson (1927)
    """
    share, z2 = true / n, _Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * float(np.sqrt(share * (1 - share) / n + z2 / (4 * n**2)))
    return max(0.0, middle - half), min(1.0, middle + half)


def _quartiles(rows: pd.DataFrame) -> tuple[float, float, float] | None:
    days = (rows["lamp_at"] - rows["as_of"]).dropna().dt.total_seconds().to_numpy(dtype=np.float64) / 86_400
    if not len(days):
        return None
    low, median, high = np.quantile(days, [0.25, 0.5, 0.75]).tolist()
    return low, median, high


def _window(since: datetime, until: datetime) -> dict[str, Any]:
    modes: Sequence[Any] = list(fault_modes().values())
    return {
        "since": since,
        "until": until,
        "fault_modes": [mode.key for mode in modes],
        "horizons_d": [mode.horizon_d for mode in modes],
    }
