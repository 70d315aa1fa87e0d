"""What may go wrong with a frame, each with a reason that a dead letter can carry and a person can read."""

from typing import Final

from ingest.rejected import FrameRejected

__all__ = ["IGNORABLE_REASONS", "REASONS", "FrameRejected", "NotEncodable"]

# Reasons of a frame that is in order but carries nothing to store: count it, no dead letter needed.
IGNORABLE_REASONS: Final = frozenset({"heartbeat", "time_sync", "receipt"})

REASONS: Final = IGNORABLE_REASONS | {
    "start",  # neither ## nor $$
    "length",  # fewer or more bytes than the header announces
    "check",  # the check byte does not match
    "answer",  # the answer flag of a platform, on a frame that carries data all the same
    "command",  # platform log-in, activation, query, ...: no data of a vehicle
    "vin",  # not 17 of A-Z without I, O, Q, and 0-9
    "encrypted",  # the data unit is encrypted; there are no keys here
    "encryption",  # the encryption byte itself is abnormal, invalid or reserved
    "time",  # no such date or time of day
    "truncated",  # a block runs past the end of the data unit
    "trailing",  # bytes after a log-in or log-out
    "unknown_block",  # a reserved block type: how long it is nobody can know
}


class NotEncodable(ValueError):
    """A value has no place in a frame of this version."""
