"""Quality flags of a reading. A flagged reading is stored: it is never dropped in silence."""

from enum import IntFlag

# A car may sleep in a garage without reception for a night; later than a day after is late.
LATE_MS = 86_400_000


class Quality(IntFlag):
    """Bits of ``quality`` of a stored reading; 0 is unremarkable. They are stored, so they never change.

    The first group is set at the door, from the reading alone. The second needs the readings before it, which may come
    later or through another worker: it is set by ``ingest.history`` once a day of a car has changed.
    """

    OUT_OF_RANGE = 1  # a value no working sensor reports was moved to ``extra``, or stands in a list
    UNKNOWN_SIGNAL = 2  # a signal that is not in the catalogue was kept in ``extra``
    WRONG_TYPE = 4  # a value of the wrong type was kept in ``extra``
    CLOCK_AHEAD = 8  # measured later than it was received
    LATE = 16  # received more than a day after it was measured
    ABNORMAL = 32  # the car itself calls a value abnormal (GB/T 32960: all ones but the last bit)
    INVALID = 64  # the car itself calls a value invalid (GB/T 32960: all ones)

    JUMP = 256  # a signal changed by more than it can
    FROZEN = 512  # a signal did not change at all while the car moved
    GAP = 1024  # sequence numbers are missing before this reading


BY_HISTORY = Quality.JUMP | Quality.FROZEN | Quality.GAP


def clock_flags(ts_ms: int, received_ms: int, *, clock_ahead_ms: int) -> Quality:
    """Return what the time of one reading is flagged with."""
    if ts_ms > received_ms + clock_ahead_ms:
        return Quality.CLOCK_AHEAD
    return Quality.LATE if ts_ms < received_ms - LATE_MS else Quality(0)
