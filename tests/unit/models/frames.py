"""Small frames in the shape that ingest.store returns, and a fleet made of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

START = datetime(2026, 3, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def aggregates(rows: list[tuple[int, int, int, str, list[float]]], column: str = "lv_battery_v") -> pd.DataFrame:
    """rows: (vehicle_id, day, received on day, regime, values of one signal)"""
    frame = pd.DataFrame(
        [
            {
                "vehicle_id": vehicle,
                "day": day(at),
                "received_on": day(received),
                "regime": regime,
                "n": len(values),
                f"{column}__n": len(values),
                f"{column}__sum": float(np.sum(values)) if values else np.nan,
                f"{column}__sumsq": float(np.sum(np.square(values))) if values else np.nan,
                f"{column}__min": min(values, default=np.nan),
                f"{column}__max": max(values, default=np.nan),
            }
            for vehicle, at, received, regime, values in rows
        ]
    )
    for name in ("day", "received_on"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame


def lamps(rows: list[tuple[int, datetime, str, str]]) -> pd.DataFrame:
    """rows: (vehicle_id, ts, code, state), received a minute after"""
    frame = pd.DataFrame(rows, columns=["vehicle_id", "ts", "code", "state"])
    frame["ts"] = pd.to_datetime(frame["ts"], utc=True).astype("datetime64[us, UTC]")
    frame["received_at"] = frame["ts"] + pd.Timedelta(minutes=1)
    frame["level"] = 2
    return frame[["vehicle_id", "ts", "received_at", "code", "state", "level"]]


def battery_fleet(*, vehicles: int, failing: int, days: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Aggregates of 12 V batteries and their lamps: the first ``failing`` cars lose 30 mV a day until the lamp."""
    random = np.random.default_rng(seed)
    rows, lit = [], []
    for vehicle in range(1, vehicles + 1):
        level = random.normal(12.6, 0.05)
        lamp = int(random.integers(days // 3, days)) if vehicle <= failing else None
        for at in range(days):
            sag = 0.0 if lamp is None else 0.03 * max(0, 30 - (lamp - at))
            for regime, base in (("rest", level), ("drive", 14.0)):
                values = base - sag + random.normal(0, 0.02, 4)
                rows.append((vehicle, at, at + int(random.random() < 0.05), regime, values.tolist()))
        if lamp is not None:
            lit.append((vehicle, day(lamp) + timedelta(hours=8), "lv_battery", "on"))
    return aggregates(rows), lamps(lit)
