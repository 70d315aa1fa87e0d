"""How fast a fleet is simulated into the store, how much memory that takes, and whether its cost is linear."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from config.settings import DatabaseSettings, Settings
from forewarn.bench.databases import own_database, server
from forewarn.bench.memory import PeakOfFamily
from forewarn.progress import progress_bar
from forewarn.simulator import FleetPlan
from forewarn.simulator.into_store import Stored, store_fleet
from ingest.store.migrate import migrate

_SEED = 1
# A fleet this much smaller says whether cost is linear.
_SMALLER = 5

Say = Callable[[str], None]


class SimulateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What ``forewarn bench simulate`` prints, by these names.

    took_s            : from the first car to the last rollup, servers not counted
    cost_ratio        : seconds a car-day of the whole fleet over those of one a fifth as large; 1 is linear
    peak_mib          : most memory that this process and those it started had at one time, the server's not counted
    is_repeatable     : whether the smaller fleet came to the same checksum twice
    """

    vehicles: int
    days: int
    car_days_per_s: float
    took_s: float
    cost_ratio: float
    peak_mib: float
    hours: int
    raw_readings: int
    checksum: str
    is_repeatable: bool


def bench_simulate(settings: Settings, *, vehicles: int, days: int, raw: int, say: Say) -> SimulateResult:
    """Measure in databases of the benchmark's own, which are dropped afterwards."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    smaller = max(1, vehicles // _SMALLER)
    fewer = round(raw / _SMALLER)
    with ExitStack() as stack:
        dsn = stack.enter_context(server(settings))
        say("A smaller fleet, twice")
        small_s, first = _simulated(dsn, settings, FleetPlan(smaller, days, _SEED, end), fewer, say)
        _, second = _simulated(dsn, settings, FleetPlan(smaller, days, _SEED, end), fewer, say)
        with PeakOfFamily() as peak:
            took_s, whole = _simulated(dsn, settings, FleetPlan(vehicles, days, _SEED, end), raw, say)
    return SimulateResult(
        vehicles=vehicles,
        days=days,
        car_days_per_s=round(vehicles * days / took_s, 1),
        took_s=round(took_s, 1),
        cost_ratio=round((took_s / vehicles) / (small_s / smaller), 3),
        peak_mib=round(peak.mib, 1),
        hours=whole.hours,
        raw_readings=whole.raw_readings,
        checksum=whole.checksum,
        is_repeatable=first.checksum == second.checksum,
    )


def _simulated(dsn: str, settings: Settings, plan: FleetPlan, raw: int, say: Say) -> tuple[float, Stored]:
    with own_database(dsn) as ours, TemporaryDirectory(prefix="forewarn-bench-") as folder:
        migrate(ours, settings.store)
        own = settings.model_copy(update={"database": DatabaseSettings(dsn=ours)})
        with progress_bar(f"Simulating {plan.vehicles:,} cars for {plan.days} days", total=plan.vehicles) as advance:
            began = time.perf_counter()
            stored = store_fleet(plan, own, raw=raw, truth=Path(folder) / "truth", on_progress=advance, say=say)
            return time.perf_counter() - began, stored
