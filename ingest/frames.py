"""GB/T 32960.3 frames as samples: the codec's values in the shape that telemetry messages have."""

from typing import Any

import msgspec

from ingest.datum import gcj02_to_wgs84
from ingest.gbt32960 import Frame, Realtime, decode_frame, lamp_states, to_signals
from ingest.gbt32960.blocks import Alarms, Block, CellVoltages
from ingest.gbt32960.rejected import IGNORABLE_REASONS
from ingest.gbt32960.signals import LATITUDE, LONGITUDE
from ingest.layout import Layout
from ingest.quality import Quality
from ingest.rejected import FrameRejected
from ingest.telemetry import Oddity

# 4 is the thermal event of 2025.
HIGHEST_LEVEL = 4
_FAULT_PATHS = {
    "Forewarn.FaultCodes.Battery": "battery_faults",
    "Forewarn.FaultCodes.Motor": "motor_faults",
    "Forewarn.FaultCodes.Engine": "engine_faults",
    "Forewarn.FaultCodes.Other": "other_faults",
}
# Source: GB/T 32960.3-2016, table B.6.
_CELLS_IN_A_PART = 200


class FrameSample(msgspec.Struct, frozen=True):
    """What a frame says: one sample, what is odd about it, and which lamps are on; None without an alarm block.

    lamps : their codes in alphabetical order, a space between two
    """

    sample: Any
    oddity: Oddity | None
    lamps: str | None


class _Sample(msgspec.Struct, frozen=True, gc=False):
    ts: int
    signals: Any
    seq: int = 0


def decode_gbt32960(payload: bytes, *, vin: str, signals: Layout) -> FrameSample | None:
    """Return the sample in a frame of the car ``vin``; None for a frame that measures nothing (log-in, heartbeat).

    Raises : FrameRejected
    """
    try:
        frame = decode_frame(payload)
    except FrameRejected as rejection:
        if rejection.reason in IGNORABLE_REASONS:
            return None
        raise
    if frame.vin != vin:
        raise FrameRejected("foreign_vin", "the frame is of another car than the topic says")
    found = to_signals(frame)
    if not found:
        return None
    ((at, values, flags),) = found
    _to_wgs84(values, flags)
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for path, value in values.items():
        signal = signals.by_path.get(path)
        if signal is None:
            extra[path] = value
        else:
            fields[signal.column] = value
    quality = _quality(flags) | (Quality.UNKNOWN_SIGNAL if extra else 0)
    extra |= _fault_codes(frame)
    sample = _Sample(round(at.timestamp() * 1000), signals.Signals(**fields), _part(frame))
    oddity = Oddity(extra, int(quality)) if quality or extra else None
    return FrameSample(sample, oddity, _lamps(frame))


def alarm_level(sample: Any) -> int:
    """Return the alarm level that a frame's sample says, 0 to HIGHEST_LEVEL; what is no level was not said: 0."""
    level = sample.signals.battery_warning_level
    return int(level) if level is not None and 0 <= level <= HIGHEST_LEVEL else 0


def _fault_codes(frame: Frame) -> dict[str, list[int]]:
    """Return the carmaker's own codes by path; nobody else knows what they mean."""
    found: dict[str, list[int]] = {}
    for block in _blocks(frame):
        if isinstance(block, Alarms):
            for path, attribute in _FAULT_PATHS.items():
                if codes := getattr(block, attribute):
                    found[path] = found.get(path, []) + list(codes)
    return found


def _part(frame: Frame) -> int:
    """Return which part of a second this is, from 0: cells beyond 200 come in a frame of their own, with its time."""
    firsts = [
        pack.first_cell or 1 for block in _blocks(frame) if isinstance(block, CellVoltages) for pack in block.packs
    ]
    return -(-(max(firsts, default=1) - 1) // _CELLS_IN_A_PART)


def _blocks(frame: Frame) -> tuple[Block, ...]:
    return frame.body.blocks if isinstance(frame.body, Realtime) else ()


def _quality(flags: tuple[str, ...]) -> Quality:
    quality = Quality(0)
    for flag in flags:
        kind = flag.rpartition(":")[2]
        if kind == "abnormal":
            quality |= Quality.ABNORMAL
        elif kind == "invalid":
            quality |= Quality.INVALID
        elif kind == "out_of_range":
            quality |= Quality.OUT_OF_RANGE
    return quality


def _lamps(frame: Frame) -> str | None:
    states = lamp_states(frame)
    return " ".join(sorted(code for code, on in states.items() if on)) if states else None


def _to_wgs84(values: dict[str, Any], flags: tuple[str, ...]) -> None:
    if "position.datum:gcj02" in flags:
        values[LATITUDE], values[LONGITUDE] = gcj02_to_wgs84(values[LATITUDE], values[LONGITUDE])
