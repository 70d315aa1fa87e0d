"""The general alarm flags: their names by bit, and the lamps they stand for.

Source: GB/T 32960.3-2016 table 18; GB/T 32960.3-2025 table 24. Bit 0 is the least significant bit of the big-endian
double word (sunsky74, rtm_con, backspace-xdw and two more; the Wireshark dissector counts from the other end, by which
an insulation alarm would be a reserved bit). Bits 0 to 18 mean the same in both; 2025 says "minimum parallel unit" for
"cell".

**Bit 19 is not the thermal event.** In 2016 bits 19 to 31 are reserved; in 2025 bit 19 is motor over-speed and the
thermal event is bit 23 (the text, sunsky74 and rtm_con), and at once level 4 (table 23). A public
write-up has the thermal event at 19 after a draft of the revision. Should a carmaker send it so under 2016, it arrives
as ``reserved_19``, which stands for no lamp until somebody says so for that model.
"""

from typing import Final, NamedTuple

from ingest.gbt32960.blocks import Alarms
from ingest.gbt32960.frame import Frame, Realtime

ALARMS_2016: Final = (
    "temperature_difference",
    "battery_high_temperature",
    "pack_over_voltage",
    "pack_under_voltage",
    "soc_low",
    "cell_over_voltage",
    "cell_under_voltage",
    "soc_high",
    "soc_jump",
    "storage_mismatch",
    "cell_consistency",
    "insulation",
    "dcdc_temperature",
    "brake_system",
    "dcdc_status",
    "motor_controller_temperature",
    "high_voltage_interlock",
    "motor_temperature",
    "overcharge",
)
ALARMS_2025: Final = (
    *ALARMS_2016,
    "motor_over_speed",
    "motor_over_current",
    "super_capacitor_temperature",
    "super_capacitor_over_voltage",
    "thermal_event",
    "hydrogen_leak",
    "hydrogen_pressure",
    "hydrogen_temperature",
    "fuel_cell_stack_temperature",
)
ALARMS: Final = {2016: ALARMS_2016, 2025: ALARMS_2025}


class Lamp(NamedTuple):
    """The code of ``telemetry.vehicle_event`` an alarm stands for, and why that one."""

    code: str
    reason: str


# Codes that config/faults.toml counts as a fault mode's lamp become labels of its model, so an alarm is given one of
# them only where it says the same thing; everything else keeps a code of its own, to be seen but not learnt from.
LAMPS: Final[dict[str, Lamp]] = {
    "temperature_difference": Lamp("battery_temp_spread", "temperature between probes, not voltage between cells"),
    "battery_high_temperature": Lamp("battery_overheat", "heat of the pack; no fault mode predicts it"),
    "pack_over_voltage": Lamp("pack_over_voltage", "whole pack too high: charging control, not one cell"),
    "pack_under_voltage": Lamp("pack_under_voltage", "whole pack too low: mostly an empty battery"),
    "soc_low": Lamp("soc_low", "an empty battery is use, not a fault"),
    "cell_over_voltage": Lamp("cell_over_voltage", "a cell or its sampling: the flag does not say which"),
    "cell_under_voltage": Lamp("cell_under_voltage", "a weak cell or an empty pack: the flag does not say which"),
    "soc_high": Lamp("soc_high", "state of charge above its limit: estimation or charging control"),
    "soc_jump": Lamp("soc_jump", "estimation, not a voltage of a cell"),
    "storage_mismatch": Lamp("storage_mismatch", "packs that do not belong together: set up, not worn"),
    "cell_consistency": Lamp("hv_cell_spread", "cells apart in voltage: what self-discharge ends in"),
    "insulation": Lamp("insulation", "the same lamp"),
    "dcdc_temperature": Lamp("dcdc", "the converter hot; one lamp for both of its alarms"),
    "brake_system": Lamp(
        "brake_system", "fluid, booster, ABS or pads: counted as worn pads it would teach a wrong label"
    ),
    "dcdc_status": Lamp("dcdc", "the converter failed; one lamp for both of its alarms"),
    "motor_controller_temperature": Lamp("inverter_overheat", "the motor controller is the inverter"),
    "high_voltage_interlock": Lamp("hv_interlock", "a plug or cover open; hv_connection is resistance that grows"),
    "motor_temperature": Lamp("motor_overheat", "the same lamp"),
    "overcharge": Lamp("overcharge", "charged beyond full: the safety desk's, no fault mode predicts it"),
    "motor_over_speed": Lamp("motor_over_speed", "use or control, no fault mode"),
    "motor_over_current": Lamp("motor_over_current", "no fault mode predicts it"),
    "super_capacitor_temperature": Lamp("super_capacitor", "one lamp for both of its alarms"),
    "super_capacitor_over_voltage": Lamp("super_capacitor", "one lamp for both of its alarms"),
    "thermal_event": Lamp("thermal_event", "GB 38031's alarm of a battery about to burn: the safety desk's at once"),
    "hydrogen_leak": Lamp("hydrogen_leak", "personal safety, no fault mode"),
    "hydrogen_pressure": Lamp("hydrogen_system", "one lamp for pressure and temperature"),
    "hydrogen_temperature": Lamp("hydrogen_system", "one lamp for pressure and temperature"),
    "fuel_cell_stack_temperature": Lamp("fuel_cell_overheat", "no fault mode predicts it"),
}


def alarm_events(frame: Frame) -> list[tuple[str, bool]]:
    """Return (alarm, on) for every alarm the frame's version names, in the order of the bits.

    A reserved bit is listed, as ``reserved_19``, only when it is set. Empty when the frame has no alarm block, or one
    whose flags are invalid: silence is not "off". Of several alarm blocks an alarm is on when one of them says so.
    """
    bits = _bits(frame)
    if bits is None:
        return []
    names = ALARMS[frame.version]
    reserved = [(f"reserved_{bit}", True) for bit in range(len(names), 32) if bits >> bit & 1]
    return [(name, bool(bits >> bit & 1)) for bit, name in enumerate(names)] + reserved


def lamp_states(frame: Frame) -> dict[str, bool]:
    """Return every lamp the frame speaks of and whether it is on: on, when one of its alarms is."""
    states: dict[str, bool] = {}
    for name, on in alarm_events(frame):
        if name in LAMPS:
            code = LAMPS[name].code
            states[code] = on or states.get(code, False)
    return states


def alarm_bits(version: int, names: frozenset[str]) -> int:
    """Return the double word in which these alarms are on; Raises KeyError for a name the version has not."""
    bits = {name: bit for bit, name in enumerate(ALARMS[version])}
    return sum(1 << bits[name] for name in names)


def _bits(frame: Frame) -> int | None:
    if not isinstance(frame.body, Realtime):
        return None
    told = [block.bits for block in frame.body.blocks if isinstance(block, Alarms) and block.bits is not None]
    if not told:
        return None
    together = 0
    for bits in told:
        together |= bits
    return together
