"""Every fixed run of fields, by version: width, highest valid raw value, steps per unit, raw value of zero.

Source: the table named at each layout. The widths of 2025's blocks were checked against EMQX, sunsky74/gb32960,
rtm_con and bcd; the valid ranges against the text and a carmaker's rule list for the draft of 2024, which differ in
the top speed (5000 against 3000 raw) and in 253 against 250 or 252 for numbers of things: the text's are taken.
"""

from collections.abc import Callable
from typing import Any, Final

from ingest.gbt32960 import blocks
from ingest.gbt32960.wire import CELL_DIVISOR, CELL_TOP, TEMPERATURE_OFFSET, TEMPERATURE_TOP, Field, Layout


def _number(name: str, top: int = 253) -> Field:
    return Field(name, "B", top)


def _celsius(name: str) -> Field:
    return Field(name, "B", TEMPERATURE_TOP, 1, TEMPERATURE_OFFSET)


def _volts(name: str, top: int = 60000) -> Field:
    return Field(name, "H", top, 10)


def _amperes(name: str, span_a: int) -> Field:
    return Field(name, "H", 20 * span_a, 10, 10 * span_a)


def _cell(name: str, top: int = CELL_TOP) -> Field:
    return Field(name, "H", top, CELL_DIVISOR)


def _vehicle(speed_top: int, pack_v_top: int, span_a: int, *more: Field, absent: int = 0) -> Layout:
    return Layout(
        blocks.Vehicle,
        Field("state", "B", 3),
        Field("charging", "B", 4),
        Field("mode", "B", 3),
        Field("speed_kmh", "H", speed_top, 10),
        Field("odometer_km", "I", 9999999, 10),
        _volts("pack_v", pack_v_top),
        _amperes("pack_a", span_a),
        Field("soc_pct", "B", 100),
        Field("dcdc", "B", 2),
        Field("gear", "B", 255, marks=False),
        Field("insulation_kohm", "H", 60000),
        *more,
        absent=absent,
    )


# 2016 table B.4 (20 bytes), 2025 table 10 (18 bytes)
VEHICLE_2016: Final = _vehicle(2200, 10000, 1000, Field("accelerator_pct", "B", 100), Field("brake_pct", "B", 101))
VEHICLE_2025: Final = _vehicle(5000, 60000, 3000, absent=2)

# 2016 table 11
MOTOR_2016: Final = Layout(
    blocks.Motor,
    _number("number"),
    Field("state", "B", 4),
    _celsius("controller_c"),
    Field("speed_rpm", "H", 65531, 1, 20000),
    Field("torque_nm", "H", 65531, 10, 20000),
    _celsius("motor_c"),
    _volts("controller_v"),
    _amperes("controller_a", 1000),
)

# 2025 table 16
MOTOR_2025: Final = Layout(
    blocks.Motor,
    _number("number"),
    Field("state", "B", 4),
    _celsius("controller_c"),
    Field("speed_rpm", "H", 65531, 1, 32000),
    Field("torque_nm", "I", 400000, 10, 200000),
    _celsius("motor_c"),
    absent=2,
)

# 2016 table 12: probes stand between the two parts
FUEL_CELL_HEAD: Final = Layout(
    None, _volts("voltage_v", 20000), _volts("current_a", 20000), Field("consumption_kg_per_100km", "H", 60000, 100)
)
FUEL_CELL_TAIL: Final = Layout(
    None,
    Field("hydrogen_max_c", "H", 2400, 10, 400),
    _number("hydrogen_max_c_probe", 252),
    Field("hydrogen_max_mg_per_kg", "H", 60000),
    _number("hydrogen_max_mg_per_kg_sensor", 252),
    Field("hydrogen_max_mpa", "H", 1000, 10),
    _number("hydrogen_max_mpa_sensor", 252),
    Field("dcdc", "B", 2),
)

# 2025 table 17
HYDROGEN_SYSTEM: Final = Layout(
    blocks.HydrogenSystem,
    Field("hydrogen_max_c", "H", TEMPERATURE_TOP, 1, TEMPERATURE_OFFSET),
    _number("hydrogen_max_c_probe"),
    Field("hydrogen_max_pct", "H", 60000, 10000),
    _number("hydrogen_max_pct_sensor"),
    Field("hydrogen_max_mpa", "H", 1000, 10),
    _number("hydrogen_max_mpa_sensor"),
    Field("dcdc", "B", 2),
    Field("hydrogen_left_pct", "B", 100),
    _celsius("dcdc_c"),
)


def _engine_2016(state: Any, speed_rpm: Any, consumption: Any, flags: tuple[str, ...]) -> blocks.Engine:
    return blocks.Engine(speed_rpm, state, consumption, flags)


# 2016 table 13 (state first on the wire), 2025 table 20
ENGINE_2016: Final = Layout(
    _engine_2016,
    Field("state", "B", 2),
    Field("speed_rpm", "H", 60000),
    Field("consumption_l_per_100km", "H", 60000, 100),
)
ENGINE_2025: Final = Layout(blocks.Engine, Field("speed_rpm", "H", 60000), absent=2)

_LONGITUDE: Final = Field("longitude_deg", "I", 180_000_000, 1_000_000)
_LATITUDE: Final = Field("latitude_deg", "I", 90_000_000, 1_000_000)


def _position(datum: Any, status: Any, longitude: Any, latitude: Any, flags: tuple[str, ...]) -> blocks.Position:
    if longitude is not None and status & 4:
        longitude = -longitude
    if latitude is not None and status & 2:
        latitude = -latitude
    return blocks.Position(status, longitude, latitude, datum, flags)


def _position_2016(status: Any, longitude: Any, latitude: Any, flags: tuple[str, ...]) -> blocks.Position:
    return _position(None, status, longitude, latitude, flags)


def _position_2025(status: Any, datum: Any, longitude: Any, latitude: Any, flags: tuple[str, ...]) -> blocks.Position:
    return _position(datum, status, longitude, latitude, flags)


# 2016 table 14, 2025 table 21; magnitudes on the wire, the hemispheres in the status
POSITION_2016: Final = Layout(_position_2016, Field("status", "B", 255, marks=False), _LONGITUDE, _LATITUDE)
POSITION_2025: Final = Layout(
    _position_2025, Field("status", "B", 255, marks=False), Field("datum", "B", 3), _LONGITUDE, _LATITUDE
)


def _extremes(make: Callable[..., Any], owner: str, owner_top: int, code: str, top: int, cell_top: int) -> Layout:
    fields: list[Field] = []
    for end in ("max", "min"):
        fields += (
            Field(f"{end}_cell_v_{owner}", "B", owner_top),
            Field(f"{end}_cell_v_number", code, top),
            _cell(f"{end}_cell_v", cell_top),
        )
    for end in ("max", "min"):
        fields += (
            Field(f"{end}_temp_c_{owner}", "B", owner_top),
            Field(f"{end}_temp_c_probe", code, top),
            _celsius(f"{end}_temp_c"),
        )
    return Layout(make, *fields)


# 2016 table 16; 2025 table 26
EXTREMES: Final = _extremes(blocks.Extremes, "pack", 250, "B", 250, 15000)
CAPACITOR_EXTREMES: Final = _extremes(blocks.SuperCapacitorExtremes, "system", 253, "H", 65531, CELL_TOP)

# 2016 table 17, 2025 table 23: the part before the fault lists
ALARMS_2016: Final = Layout(None, Field("level", "B", 3), Field("bits", "I", 0xFFFFFFFD))
ALARMS_2025: Final = Layout(None, Field("level", "B", 4), Field("bits", "I", 0xFFFFFFFD))

# 2016 table B.6 (a byte that counts the cells follows), 2025 table 12 (a word that counts them follows)
PACK_2016: Final = Layout(
    None,
    _number("number", 250),
    _volts("pack_v", 10000),
    _amperes("pack_a", 1000),
    Field("cell_total", "H", 65531),
    Field("first_cell", "H", 65531),
)
PACK_2025: Final = Layout(None, _number("number", 50), _volts("pack_v"), _amperes("pack_a", 3000))

# 2016 table B.8, 2025 table 14: a word that counts the probes follows
PROBES_2016: Final = Layout(None, _number("number", 250))
PROBES_2025: Final = Layout(None, _number("number", 50))

# 2025 table 19 (probes follow) and table 25 (cells and probes follow)
STACK: Final = Layout(
    None,
    _number("number"),
    _volts("voltage_v", 20000),
    _volts("current_a", 20000),
    Field("hydrogen_inlet_kpa", "H", 5000, 10, 1000),
    Field("air_inlet_kpa", "H", 5000, 10, 1000),
    _celsius("air_inlet_c"),
)
CAPACITOR: Final = Layout(None, _number("number"), _volts("voltage_v", 10000), _amperes("current_a", 3000))
