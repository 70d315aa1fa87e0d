from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from alerts.evidence import observe

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)


def days_of(values: list[float], *, regime: str = "rest", column: str = "lv_battery_v", n: int = 4) -> pd.DataFrame:
    """Daily aggregates of one car whose last day is the one before AS_OF."""
    days = pd.date_range(end=pd.Timestamp(AS_OF) - pd.Timedelta(days=1), periods=len(values), freq="D")
    return pd.DataFrame({"day": days, "regime": regime, f"{column}__n": n, f"{column}__sum": np.array(values) * n})


def test_level_and_trend_at_rest() -> None:
    observed = observe(days_of([12.6 - 0.02 * day for day in range(14)]), "lv_battery_v", as_of=AS_OF, usual=12.62)
    assert observed is not None
    assert observed.value == pytest.approx(12.36)
    assert observed.slope_per_day == pytest.approx(-0.02)
    assert (observed.regime, observed.usual, observed.earlier) == ("rest", 12.62, None)


def test_a_month_ago() -> None:
    observed = observe(days_of([12.6] * 27 + [12.1] * 28), "lv_battery_v", as_of=AS_OF)
    assert observed is not None
    assert observed.earlier == pytest.approx(12.6)
    assert observed.value == pytest.approx(12.1)


def test_chance_is_no_trend() -> None:
    noise = np.random.default_rng(7).normal(12.6, 0.03, 14)
    observed = observe(days_of(list(noise)), "lv_battery_v", as_of=AS_OF)
    assert observed is not None
    assert observed.slope_per_day is None


def test_a_steady_signal_has_no_trend() -> None:
    observed = observe(days_of([12.6] * 14), "lv_battery_v", as_of=AS_OF)
    assert observed is not None
    assert observed.slope_per_day is None


def test_too_few_days_for_a_trend() -> None:
    observed = observe(days_of([12.6, 12.5, 12.4, 12.3]), "lv_battery_v", as_of=AS_OF)
    assert observed is not None
    assert observed.slope_per_day is None


def test_driving_counts_when_there_is_no_rest() -> None:
    observed = observe(days_of([90.0] * 6, regime="drive", column="coolant_c"), "coolant_c", as_of=AS_OF)
    assert observed is not None
    assert observed.regime == "drive"


def test_a_day_that_arrived_in_two_parts_is_one_day() -> None:
    days = pd.concat([days_of([12.0] * 5, n=1), days_of([12.4] * 5, n=3)])
    observed = observe(days, "lv_battery_v", as_of=AS_OF)
    assert observed is not None
    assert observed.value == pytest.approx(12.3)


def test_nothing_was_read() -> None:
    assert observe(days_of([12.0], n=0), "lv_battery_v", as_of=AS_OF) is None
    assert observe(days_of([]), "lv_battery_v", as_of=AS_OF) is None
