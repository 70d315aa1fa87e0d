"""What is a danger while a car charges, read from ``charging.toml``."""

from functools import cache
from typing import Any, Literal

import msgspec

from config._files import read_toml

Chemistry = Literal["NMC", "LFP"]
# A car nobody has said the chemistry of is judged as the one that burns more easily.
_UNKNOWN: Chemistry = "NMC"


class ChargingLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits of one car: s, C, V, kOhm, kW and shares; ``charging.toml`` says where each is from."""

    held_s: float
    clear_s: float
    longest_pause_s: float
    gap_s: float
    drop_share: float
    highest_c: float
    rise_c_s: float
    rise_held_s: float
    difference_c: float
    clear_c: float
    cell_dead_v: float
    spread_v: float
    insulation_ohm_per_v: float
    insulation_low_kohm: float
    contact_c: float
    disagree_share: float
    disagree_s: float
    car_uses_kw: float
    ceiling_c: float
    cell_high_v: float
    cell_worst_v: float
    cell_clear_v: float


@cache
def charging_limits(chemistry: Chemistry | None = None, model: str | None = None) -> ChargingLimits:
    """Return the limits of a car; None is what nobody has said of it.

    Raises : msgspec.ValidationError, when ``charging.toml`` names a limit that there is not
    """
    tables = read_toml("charging.toml")
    own: dict[str, Any] = tables.get("model", {}).get(model, {}) if model is not None else {}
    values = tables["limits"] | tables["chemistry"][chemistry or _UNKNOWN] | own
    return msgspec.convert(values, ChargingLimits)
