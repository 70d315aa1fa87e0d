"""Readings of a few cars over a few days, with everything that makes rollups hard."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

START = datetime(2026, 3, 1, tzinfo=UTC)
COLUMNS = [
    "ts",
    "vehicle_id",
    "seq",
    "received_at",
    "quality",
    "at_rest",
    "is_charging",
    "lv_system_state",
    "lv_battery_v",
    "insulation_kohm",
    "air_temp_c",
    "cell_spread_mv",
    "cell_low_dev_mv",
    "odometer_km",
]
CLOCK_AHEAD = 8
Row = tuple[Any, ...]


def fleet(*, seed: int, cars: int = 3, days: int = 3, a_day: int = 40) -> list[Row]:
    """Return readings sorted by receipt: some a day or two late, some at one instant, some with a clock ahead."""
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    for car in range(1, cars + 1):
        for day in range(days):
            seconds = np.sort(random.choice(86_400 * 4, a_day, replace=False)) / 4
            # Just before and at midnight, and three readings in one instant.
            seconds[[0, -1]] = [0, 86_399.75]
            seconds[[5, 6, 7]] = seconds[5]
            for number, second in enumerate(seconds.tolist()):
                ts = START + timedelta(days=day, seconds=second)
                late = timedelta(days=int(random.choice([0, 0, 0, 0, 1, 2])), seconds=float(random.uniform(0.2, 3)))
                rows.append((ts, car, number, ts + late, *_measured(random)))
    return sorted(rows, key=lambda row: row[3])


def _measured(random: np.random.Generator) -> tuple[Any, ...]:
    def maybe(value: Any, chance: float = 0.8) -> Any:
        return value if random.random() < chance else None

    regime = random.integers(4)
    return (
        CLOCK_AHEAD if random.random() < 0.05 else 0,
        maybe(bool(regime == 0), 0.9),
        maybe(bool(regime == 1), 0.7),
        maybe(str(random.choice(["OFF", "ON", "START"])), 0.5),
        maybe(_real(random.normal(12.6, 0.4))),
        maybe(_real(random.uniform(200, 9000))),
        maybe(_real(random.uniform(-15, 40))),
        maybe(_real(random.uniform(2, 60))),
        maybe(_real(random.normal(-10, 6))),
        maybe(float(random.uniform(0, 400_000))),
    )


def _real(value: float) -> float:
    return float(np.float32(value))
