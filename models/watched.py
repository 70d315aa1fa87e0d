"""Which signals the model of each fault mode watches, and which way each is bad."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.faults import FaultMode
from models.features import REGIMES, Feature, Kind, Regime

SHORT_D, WEEK_D, MONTH_D = 1, 7, 28


@dataclass(frozen=True, slots=True)
class Watch:
    """One signal that shows a fault grow. ``worse`` is +1 when rising is bad, -1 when falling is, 0 when it depends."""

    column: str
    worse: int = 0
    regimes: tuple[Regime, ...] = REGIMES


@dataclass(frozen=True, slots=True)
class Context:
    """One signal without which the others mislead, such as the cold: its weekly level only."""

    column: str
    regimes: tuple[Regime, ...] = ("rest", "drive")


_WATCHED: Mapping[str, tuple[Watch | Context, ...]] = {
    # A cell that discharges itself falls behind its neighbours fastest to see when the car has stood for hours.
    "hv_self_discharge": (
        Watch("cell_spread_mv", worse=+1),
        # Millivolts below the median, so falling is bad.
        Watch("cell_low_dev_mv", worse=-1),
        # The same imbalance shows as more millivolts at the ends of the charge curve and in the cold.
        Context("soc_pct"),
        Context("battery_min_c"),
        Context("soh_pct"),
    ),
    # Ageing shows as a lower voltage at rest and a deeper dip when cranking; cold lowers both in a healthy battery.
    "lv_battery": (
        Watch("lv_battery_v", worse=-1),
        Context("lv_battery_a"),
        Context("air_temp_c"),
        Context("dcdc_c", regimes=("drive",)),
    ),
}


def features_of(mode: FaultMode) -> tuple[Feature, ...]:
    """Return the features of one fault mode's model; a mode without an entry watches the signal it is shown by."""
    features: list[Feature] = []
    for entry in _WATCHED.get(mode.key, (Watch(mode.chart),)):
        for regime in entry.regimes:
            if isinstance(entry, Context):
                features.append(Feature(entry.column, regime, "level", WEEK_D))
            else:
                features.extend(_of(entry, regime))
    return tuple(features)


def _of(watch: Watch, regime: Regime) -> list[Feature]:
    # Under load a signal says as much about the driver as about the part, so physics only vouches for it at rest. The
    # exception is the deepest dip of a drive: that is the starter pulling on the 12 V battery.
    at_rest = watch.worse if regime == "rest" else 0
    dip = watch.worse if watch.column == "lv_battery_v" else at_rest
    extremes: dict[int, tuple[Kind, ...]] = {-1: ("lowest",), 0: ("lowest", "highest"), +1: ("highest",)}
    return [
        Feature(watch.column, regime, "level", SHORT_D, at_rest),
        Feature(watch.column, regime, "level", WEEK_D, at_rest),
        # Beside this week's level, last month's only says since when: no direction of its own.
        Feature(watch.column, regime, "level", MONTH_D),
        *(Feature(watch.column, regime, kind, WEEK_D, dip) for kind in extremes[watch.worse]),
        Feature(watch.column, regime, "deviation", WEEK_D),
        Feature(watch.column, regime, "trend", WEEK_D, at_rest),
        Feature(watch.column, regime, "trend", MONTH_D, at_rest),
        Feature(watch.column, regime, "change", WEEK_D, at_rest),
    ]
