"""Which signals and quantities the model of each fault mode watches, and which way each is bad."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from config.faults import FaultMode
from models.features import REGIMES, Feature, Kind, Regime

# A fault of days shows in three, one of weeks in a week; a month tells since when. Cars that are driven at weekends
# alone say nothing on most single days.
SHORT_D, WEEK_D, MONTH_D = 3, 7, 28

Wanted = tuple[Kind | Literal["extreme"], int]

# Where it stands, which way it goes, and how it compares with the car's own past and with its peers.
GROWS: tuple[Wanted, ...] = (
    ("level", SHORT_D),
    ("level", WEEK_D),
    ("extreme", WEEK_D),
    ("trend", WEEK_D),
    ("trend", MONTH_D),
    ("change", WEEK_D),
    ("since", WEEK_D),
    ("peer", WEEK_D),
    ("peer_change", WEEK_D),
)
STANDS: tuple[Wanted, ...] = (("level", WEEK_D), ("extreme", WEEK_D), ("change", WEEK_D))
PEAKS: tuple[Wanted, ...] = (("extreme", SHORT_D), ("extreme", WEEK_D))
LOADED: tuple[Wanted, ...] = (("loaded", WEEK_D), ("peer_loaded", WEEK_D))
COMPARED: tuple[Wanted, ...] = (("level", WEEK_D), ("change", WEEK_D), ("peer", WEEK_D))
# One week's level: something without which the others mislead, such as the cold.
CONTEXT: tuple[Wanted, ...] = (("level", WEEK_D),)


@dataclass(frozen=True, slots=True)
class Watch:
    """One signal or quantity that shows a fault grow.

    worse  : +1 when rising is bad, -1 when falling is, 0 when it depends
    wanted : kinds of features with the days they look at; "extreme" is the end that is bad
    """

    column: str
    worse: int = 0
    regimes: tuple[Regime, ...] = REGIMES
    wanted: tuple[Wanted, ...] = GROWS


REST: tuple[Regime, ...] = ("rest",)
DRIVE: tuple[Regime, ...] = ("drive",)
CHARGE: tuple[Regime, ...] = ("charge",)
AWAKE: tuple[Regime, ...] = ("drive", "charge")

_WATCHED: Mapping[str, tuple[Watch, ...]] = {
    # A cell that discharges itself falls behind its neighbours: plainest to see when the car has stood for hours, and
    # the lost charge warms it.
    "hv_self_discharge": (
        Watch("cell_low_dev_mv", -1, REST, (*GROWS, ("level", MONTH_D), ("deviation", WEEK_D))),
        Watch("cell_lag_mv", +1, REST),
        Watch("cell_behind_pct", +1, REST, (*GROWS, ("lowest", WEEK_D), ("level", MONTH_D), ("trend", 14))),
        Watch("cell_spread_mv", +1, REST, STANDS),
        Watch("cell_low_dev_mv", -1, CHARGE, STANDS),
        Watch("battery_hot_spot_k", +1, REST, COMPARED),
        Watch("cell_mirror_mv", 0, REST, CONTEXT),
        # The same imbalance shows as more millivolts at the ends of the charge curve and in the cold.
        Watch("soc_pct", 0, REST, (*CONTEXT, ("extreme", WEEK_D))),
        Watch("battery_min_c", 0, REST, CONTEXT),
    ),
    # A joint that corrodes drops a voltage in proportion to the current, nothing without it, and warms what is near.
    "hv_connection": (
        Watch("cell_spread_mohm", +1, AWAKE),
        Watch("cell_step_mohm", +1, AWAKE, (*COMPARED, ("extreme", WEEK_D), ("trend", MONTH_D))),
        Watch("cell_high_dev_mv", +1, CHARGE, (*LOADED, ("extreme", WEEK_D), ("change", WEEK_D), ("since", WEEK_D))),
        Watch("cell_spread_mv", +1, CHARGE, (*LOADED, ("extreme", WEEK_D), ("change", WEEK_D))),
        Watch("cell_low_dev_mv", -1, DRIVE, (*LOADED, ("extreme", WEEK_D), ("change", WEEK_D))),
        Watch("cell_spread_mv", +1, DRIVE, (*LOADED, ("extreme", WEEK_D), ("change", WEEK_D))),
        Watch("battery_hot_spot_k", +1, AWAKE, (*GROWS, *LOADED)),
        Watch("battery_apart_k", +1, AWAKE, (*COMPARED, ("extreme", WEEK_D))),
        Watch("cell_spread_mv", 0, REST, COMPARED),
        Watch("pack_a", 0, CHARGE, CONTEXT),
    ),
    # A sensing wire between two cells takes from one what it gives to the other, whatever the current.
    "hv_sampling": (
        Watch("cell_mirror_mv", +1, REST),
        Watch("cell_mirror_mv", +1, CHARGE, (*COMPARED, ("extreme", WEEK_D))),
        Watch("cell_high_dev_mv", +1, REST, (*STANDS, ("deviation", WEEK_D))),
        Watch("cell_low_dev_mv", 0, REST, (("level", WEEK_D), ("deviation", WEEK_D))),
        Watch("cell_lag_mv", 0, REST, CONTEXT),
        Watch("soc_pct", 0, REST, CONTEXT),
    ),
    # Heat and damp lower every car's insulation; a path through dirt lies beside it and adds what it leads.
    "insulation": (
        Watch("insulation_leak_us", +1, AWAKE),
        Watch("insulation_decades", -1, AWAKE, (*COMPARED, ("since", WEEK_D), ("peer_change", WEEK_D))),
        Watch("insulation_kohm", -1, AWAKE, (*PEAKS, ("level", SHORT_D))),
        Watch("battery_avg_c", 0, AWAKE, CONTEXT),
        Watch("air_temp_c", 0, DRIVE, CONTEXT),
    ),
    # Ageing shows as a lower voltage at rest and a deeper dip when cranking; cold lowers both in a healthy battery.
    "lv_battery": (
        Watch("lv_battery_v", -1, REST, (*GROWS, ("extreme", SHORT_D), ("peer_lowest", WEEK_D), ("deviation", WEEK_D))),
        # After a long drive it stands as high as it still can.
        Watch("lv_battery_v", -1, REST, (("highest", WEEK_D), ("peer_highest", WEEK_D))),
        Watch("lv_rest_drop_v", +1, REST, COMPARED),
        Watch("lv_battery_v", -1, DRIVE, PEAKS),
        Watch("lv_battery_v", 0, AWAKE, COMPARED),
        Watch("lv_dip_25c_mohm", +1, DRIVE, (*GROWS, ("change", SHORT_D), ("trend", 14))),
        Watch("lv_battery_a", 0, AWAKE, COMPARED),
        Watch("driven_km", 0, DRIVE, CONTEXT),
        Watch("air_temp_c", 0, ("rest", "drive"), CONTEXT),
        Watch("dcdc_rise_k", 0, DRIVE, (*CONTEXT, ("peer", WEEK_D))),
    ),
    # A caliper that drags wears its pads many times faster than the kilometres say.
    "brake_wear": (
        Watch(
            "pad_wear_pct",
            +1,
            DRIVE,
            (
                ("level", SHORT_D),
                ("extreme", SHORT_D),
                ("trend", WEEK_D),
                ("trend", MONTH_D),
                ("change", WEEK_D),
                ("since", WEEK_D),
                ("peer_trend", MONTH_D),
                ("peer_change", WEEK_D),
            ),
        ),
        # The fewer days are left the worse, though wear itself is worse the higher.
        Watch("pad_wear_pct", -1, DRIVE, (("left", WEEK_D), ("left", MONTH_D))),
        Watch("driven_km", 0, DRIVE, (("level", WEEK_D), ("level", MONTH_D))),
    ),
    # One tyre against the other three leaves out heat and cold; against its peers it says how far the lamp is.
    "tyre_leak": (
        Watch(
            "tire_gap_pct",
            -1,
            DRIVE,
            (
                ("level", 1),
                ("level", SHORT_D),
                ("extreme", WEEK_D),
                ("trend", 4),
                ("trend", WEEK_D),
                ("change", 1),
                ("change", SHORT_D),
                ("change", WEEK_D),
                ("left", 4),
                ("left", WEEK_D),
            ),
        ),
        Watch(
            "tire_lowest_20c_kpa",
            -1,
            DRIVE,
            (("peer", 1), ("peer", SHORT_D), ("trend", 4), ("trend", WEEK_D), ("change", SHORT_D)),
        ),
        Watch("driven_km", 0, DRIVE, CONTEXT),
    ),
    # With too little coolant the thermostat no longer holds the temperature: its peaks rise first.
    "coolant": (
        # Its float has contacts of its own, where the engine has one.
        Watch("coolant_low_pct", +1, DRIVE, (("level", SHORT_D), ("level", WEEK_D), ("change", WEEK_D))),
        Watch("coolant_peak_c", +1, DRIVE, (*GROWS, ("peer", SHORT_D), ("level", MONTH_D))),
        Watch(
            "coolant_c",
            +1,
            DRIVE,
            (("extreme", SHORT_D), ("extreme", WEEK_D), ("peer_highest", SHORT_D), ("peer_highest", WEEK_D)),
        ),
        # What the thermostat held it at before, to see that it no longer does.
        Watch("coolant_c", 0, DRIVE, (("highest", MONTH_D),)),
        Watch("coolant_c", 0, DRIVE, (("level", WEEK_D), ("deviation", WEEK_D), ("change", WEEK_D), ("peer", WEEK_D))),
        Watch("air_temp_c", 0, DRIVE, CONTEXT),
        Watch("driven_km", 0, DRIVE, CONTEXT),
    ),
    # Pressure rises with the revolutions and with cold, thick oil: lowest when a warm engine idles.
    "oil_pressure": (
        Watch("oil_per_krpm_kpa", -1, DRIVE),
        Watch(
            "oil_pressure_kpa",
            -1,
            DRIVE,
            (*PEAKS, ("level", SHORT_D), ("level", WEEK_D), ("change", WEEK_D), ("since", WEEK_D), ("peer", WEEK_D),
             ("peer_lowest", WEEK_D), ("peer_lowest", SHORT_D)),
        ),
        Watch("coolant_c", 0, DRIVE, CONTEXT),
        Watch("engine_rpm", 0, DRIVE, CONTEXT),
    ),
    # Losses warm motor and inverter in proportion to the power; cooling that fails makes more degrees of each kilowatt.
    "drive_heat": (
        Watch("inverter_k_per_kw", +1, DRIVE),
        Watch("motor_k_per_kw", +1, DRIVE),
        Watch("inverter_rise_k", +1, DRIVE, (*COMPARED, ("since", WEEK_D))),
        Watch("motor_rise_k", +1, DRIVE, (*COMPARED, ("since", WEEK_D))),
        Watch("inverter_c", +1, DRIVE, (*PEAKS, ("peer_highest", WEEK_D))),
        Watch("motor_c", +1, DRIVE, (*PEAKS, ("peer_highest", WEEK_D))),
        Watch("drive_load_kw", 0, DRIVE, (("level", SHORT_D), ("level", WEEK_D))),
        Watch("air_temp_c", 0, DRIVE, CONTEXT),
    ),
    # A converter that fails runs hotter for the same work, and no longer holds up the 12 V.
    "dcdc": (
        Watch("dcdc_rise_k", +1, AWAKE),
        Watch("dcdc_peak_rise_k", +1, AWAKE, (*COMPARED, ("peer_change", WEEK_D), ("since", WEEK_D))),
        Watch("dcdc_c", +1, AWAKE, (*PEAKS, ("peer_highest", WEEK_D))),
        Watch("lv_charge_25c_v", -1, AWAKE, (*COMPARED, ("extreme", WEEK_D), ("since", WEEK_D))),
        Watch("lv_battery_v", 0, REST, CONTEXT),
        Watch("air_temp_c", 0, DRIVE, CONTEXT),
    ),
}  # fmt: skip


def features_of(mode: FaultMode) -> tuple[Feature, ...]:
    """Return the features of one fault mode's model; a mode without an entry watches the signal it is shown by."""
    features: dict[str, Feature] = {}
    for watch in _WATCHED.get(mode.key, (Watch(mode.chart),)):
        for regime in watch.regimes:
            for feature in _of(watch, regime):
                features.setdefault(feature.name, feature)
    return tuple(features.values())


def _of(watch: Watch, regime: Regime) -> Iterator[Feature]:
    for kind, window_d in watch.wanted:
        if kind != "extreme":
            # Beside this week's level, last month's only says since when: no direction of its own.
            directed = window_d < MONTH_D or kind not in ("level", "deviation")
            yield Feature(watch.column, regime, kind, window_d, watch.worse if directed and kind != "deviation" else 0)
            continue
        if watch.worse >= 0:
            yield Feature(watch.column, regime, "highest", window_d, watch.worse)
        if watch.worse <= 0:
            yield Feature(watch.column, regime, "lowest", window_d, watch.worse)
