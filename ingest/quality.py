"""Quality flags of a reading. A flagged reading is stored: it is never dropped in silence."""

from enum import IntFlag


class Quality(IntFlag):
    """Bits of ``telemetry.vehicle_reading.quality``; 0 is unremarkable. They are stored, so they never change."""

    OUT_OF_RANGE = 1  # a value no working sensor reports was moved to ``extra``
    UNKNOWN_SIGNAL = 2  # a signal that is not in the catalogue was kept in ``extra``
    WRONG_TYPE = 4  # a value of the wrong type was kept in ``extra``
    CLOCK_AHEAD = 8  # measured later than it was received
