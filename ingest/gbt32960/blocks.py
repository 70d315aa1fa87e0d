"""What one block of a realtime frame says, in physical units.

An attribute is None where the car sent "abnormal" or "invalid"; ``flags`` then names it and which of the two
(``"speed_kmh:abnormal"``, ``"cell_v[17]:invalid"``, and ``"cell_v:invalid"`` for a list whose count was invalid), and
also what lies above the standard's valid range (``"soc_pct:out_of_range"``; the value is kept). Attributes that a
version does not send are None without a flag. States are the standard's own codes, kept as they came, known or not.

Source: GB/T 32960.3-2016, 7.2.3 and B.3.5.3; GB/T 32960.3-2025, 7.2.4. The tables stand at each class. The text was
read in the transcription of sunsky74/gbt32960-simulator and checked against the decoders of EMQX, rtm_con and bcd (and
sunsky74's own); where one of them differs it is said.
"""

import msgspec

from ingest.gbt32960.wire import Flags


class Vehicle(msgspec.Struct, frozen=True, gc=False):
    """Block 01. Source: 2016 table B.4 (table 9 calls the pedals reserved); 2025 table 10."""

    state: int | None  # 1 started, 2 off, 3 other
    charging: int | None  # 1 parked, 2 while driving, 3 not charging, 4 complete
    mode: int | None  # 1 electric, 2 hybrid, 3 fuel
    speed_kmh: float | None
    odometer_km: float | None
    pack_v: float | None
    # Raw 0 is -1000 A in 2016 and -3000 A in 2025: both texts, and frames of real cars under either. Positive is
    # discharge: the text is silent, but cars braking send negative and cars pulling send positive currents.
    pack_a: float | None
    soc_pct: int | None
    dcdc: int | None  # 1 working, 2 open
    # Bits 0-3: 0 neutral, 1-12 gear, 13 R, 14 D, 15 P; 4 braking force, 5 driving force; 7 (2025) gear not valid.
    gear: int
    insulation_kohm: int | None  # 2016 defines no marks here; its valid range ends at 60000, so all ones is read as one
    accelerator_pct: int | None = None  # 2016 only
    brake_pct: int | None = None  # 2016 only; 101 is "pressed" from a pedal without travel
    flags: Flags = ()


class Motor(msgspec.Struct, frozen=True, gc=False):
    """One drive motor. Source: 2016 table 11 (12 bytes); 2025 table 16 (10 bytes, torque in four).

    One version of bcd read two bytes of torque for 2025; the text, EMQX, rtm_con and sunsky74 say four.
    """

    number: int | None
    state: int | None  # 1 consuming, 2 generating, 3 off, 4 ready
    controller_c: int | None
    speed_rpm: int | None  # raw 0 is -20000 in 2016, -32000 in 2025
    torque_nm: float | None  # raw 0 is -2000 Nm in 2016 (the offset 20000 is of raw steps), -20000 Nm in 2025
    motor_c: int | None
    controller_v: float | None = None  # 2016 only
    controller_a: float | None = None  # 2016 only; raw 0 is -1000 A
    flags: Flags = ()


class Motors(msgspec.Struct, frozen=True, gc=False):
    """Block 02. Source: 2016 table 10; 2025 table 15."""

    motors: tuple[Motor, ...]
    flags: Flags = ()


class FuelCell(msgspec.Struct, frozen=True, gc=False):
    """Block 03 of 2016. Source: 2016 table 12.

    Uncertain: the text gives 0-60000 raw and 0-50000 mg/kg for the same concentration; taken as 1 mg/kg a step
    without offset (EMQX, sunsky74; an older bcd subtracts 10000). DarkInno reads a lowest pressure too, which no
    other source has.
    """

    voltage_v: float | None
    current_a: float | None
    consumption_kg_per_100km: float | None
    probe_c: tuple[int | None, ...]
    hydrogen_max_c: float | None
    hydrogen_max_c_probe: int | None
    hydrogen_max_mg_per_kg: int | None
    hydrogen_max_mg_per_kg_sensor: int | None
    hydrogen_max_mpa: float | None
    hydrogen_max_mpa_sensor: int | None
    dcdc: int | None  # 1 working, 2 open
    flags: Flags = ()


class HydrogenSystem(msgspec.Struct, frozen=True, gc=False):
    """Block 03 of 2025: fuel-cell engine and on-board hydrogen system. Source: 2025 table 17.

    Uncertain: the hydrogen temperature has two bytes but 1 C a step and 0-250 raw (the text, sunsky74 and bcd); a
    carmaker's checker written from the 2024 draft allows 0-2500, as if a step were 0.1 C as it was in 2016.
    """

    hydrogen_max_c: int | None
    hydrogen_max_c_probe: int | None
    hydrogen_max_pct: float | None  # volume fraction, 0.0001 % a step
    hydrogen_max_pct_sensor: int | None
    hydrogen_max_mpa: float | None
    hydrogen_max_mpa_sensor: int | None
    dcdc: int | None
    hydrogen_left_pct: int | None
    dcdc_c: int | None
    flags: Flags = ()


class Engine(msgspec.Struct, frozen=True, gc=False):
    """Block 04. Source: 2016 table 13; 2025 table 20 (the speed alone)."""

    speed_rpm: int | None
    state: int | None = None  # 2016 only: 1 running, 2 off
    consumption_l_per_100km: float | None = None  # 2016 only
    flags: Flags = ()


class Position(msgspec.Struct, frozen=True, gc=False):
    """Block 05; longitude comes first. Source: 2016 tables 14 and 15; 2025 tables 21 and 22.

    Status bit 0 set means *not* fixed, bit 1 south, bit 2 west (the text, sunsky74, backspace-xdw); rtm_con names bit
    0 "valid", the Wireshark dissector counts the bits from the other end. A car without a fix repeats its last one with
    bit 0 set. The text gives coordinates no marks; all ones is read as invalid, as sunsky74 does.
    """

    status: int
    longitude_deg: float | None  # east is positive
    latitude_deg: float | None  # north is positive
    datum: int | None = None  # 2025 only: 1 WGS-84, 2 GCJ-02, 3 other
    flags: Flags = ()

    @property
    def fixed(self) -> bool:
        return not self.status & 1


class Extremes(msgspec.Struct, frozen=True, gc=False):
    """Block 06 of 2016; 2025 has none. Source: 2016 table 16. Cell and probe numbers have one byte: 250 at most."""

    max_cell_v_pack: int | None
    max_cell_v_number: int | None
    max_cell_v: float | None
    min_cell_v_pack: int | None
    min_cell_v_number: int | None
    min_cell_v: float | None
    max_temp_c_pack: int | None
    max_temp_c_probe: int | None
    max_temp_c: int | None
    min_temp_c_pack: int | None
    min_temp_c_probe: int | None
    min_temp_c: int | None
    flags: Flags = ()


class Alarms(msgspec.Struct, frozen=True, gc=False):
    """Block 07 of 2016, 06 of 2025. Source: 2016 tables 17 and 18; 2025 tables 23 and 24. Names: ``alarms.py``.

    ``bits`` of all ones would raise every alarm, the reserved ones among them: read as the double word's marks.
    """

    level: int | None  # 0 none to 3; 2025 adds 4, the thermal event
    bits: int | None
    battery_faults: tuple[int, ...] = ()
    motor_faults: tuple[int, ...] = ()
    engine_faults: tuple[int, ...] = ()
    other_faults: tuple[int, ...] = ()
    levels: tuple[tuple[int, int], ...] = ()  # 2025 only: (alarm bit, level)
    flags: Flags = ()


class PackCells(msgspec.Struct, frozen=True, gc=False):
    """The cells of one pack, or from one cell on. Source: 2016 table B.6 (sub-system); 2025 table 12 (pack).

    The pack current's raw 0 is -1000 A in 2016 (the text, sunsky74, bcd and real frames; rtm_con has -3000 there) and
    -3000 A in 2025. A cell is 0.001 V a step in both (one Go parser has 0.01 V for 2025: the text says 0.001).
    """

    number: int | None
    pack_v: float | None
    pack_a: float | None
    cell_total: int | None
    first_cell: int | None  # 2016: more than 200 cells are split; 2025: always 1
    cell_v: tuple[float | None, ...]
    flags: Flags = ()


class CellVoltages(msgspec.Struct, frozen=True, gc=False):
    """Block 08 of 2016 (table B.5), 07 of 2025 (minimum parallel units, table 11)."""

    packs: tuple[PackCells, ...]
    flags: Flags = ()


class PackProbes(msgspec.Struct, frozen=True, gc=False):
    """The temperature probes of one pack. Source: 2016 table B.8; 2025 table 14."""

    number: int | None
    probe_c: tuple[int | None, ...]
    flags: Flags = ()


class ProbeTemperatures(msgspec.Struct, frozen=True, gc=False):
    """Block 09 of 2016 (table B.7), 08 of 2025 (table 13)."""

    packs: tuple[PackProbes, ...]
    flags: Flags = ()


class FuelCellStack(msgspec.Struct, frozen=True, gc=False):
    """One stack. Source: 2025 table 19; its current has no offset (one Go parser leaves out a pressure: wrong)."""

    number: int | None
    voltage_v: float | None
    current_a: float | None
    hydrogen_inlet_kpa: float | None
    air_inlet_kpa: float | None
    air_inlet_c: int | None
    coolant_c: tuple[int | None, ...]
    flags: Flags = ()


class FuelCellStacks(msgspec.Struct, frozen=True, gc=False):
    """Block 30 of 2025. Source: 2025 table 18."""

    stacks: tuple[FuelCellStack, ...]
    flags: Flags = ()


class SuperCapacitor(msgspec.Struct, frozen=True, gc=False):
    """Block 31 of 2025: one management system, without a count before it. Source: 2025 table 25."""

    number: int | None
    voltage_v: float | None
    current_a: float | None
    cell_v: tuple[float | None, ...]
    probe_c: tuple[int | None, ...]
    flags: Flags = ()


class SuperCapacitorExtremes(msgspec.Struct, frozen=True, gc=False):
    """Block 32 of 2025; cell and probe codes have two bytes here. Source: 2025 table 26."""

    max_cell_v_system: int | None
    max_cell_v_number: int | None
    max_cell_v: float | None
    min_cell_v_system: int | None
    min_cell_v_number: int | None
    min_cell_v: float | None
    max_temp_c_system: int | None
    max_temp_c_probe: int | None
    max_temp_c: int | None
    min_temp_c_system: int | None
    min_temp_c_probe: int | None
    min_temp_c: int | None
    flags: Flags = ()


class Signature(msgspec.Struct, frozen=True, gc=False):
    """Block FF of 2025: signs from the time to the byte before it. Kept, not verified. Source: 2025 table 8."""

    algorithm: int  # 1 SM2, 2 RSA (all of it in ``r``), 3 ECC
    r: bytes
    s: bytes


class Custom(msgspec.Struct, frozen=True, gc=False):
    """Blocks 80 to FE: the carmaker's own, two bytes of length before them. Source: 2016 table 19; 2025 table 27.

    EMQX takes everything from such a block to the end as one; the text and the others read its length.
    """

    kind: int
    data: bytes


class PlatformData(msgspec.Struct, frozen=True, gc=False):
    """Blocks 0A (2025: 09) to 2F, agreed between platforms and described nowhere: the rest of the frame, unread."""

    kind: int
    data: bytes


Block = (
    Vehicle
    | Motors
    | FuelCell
    | HydrogenSystem
    | Engine
    | Position
    | Extremes
    | Alarms
    | CellVoltages
    | ProbeTemperatures
    | FuelCellStacks
    | SuperCapacitor
    | SuperCapacitorExtremes
    | Signature
    | Custom
    | PlatformData
)
