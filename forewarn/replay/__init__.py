"""Reads real recordings and turns them into the messages the car would have sent."""

from datetime import datetime
from pathlib import Path

from config.errors import UserMistake
from forewarn.replay.recording import Recording

FORMATS = ("ev-bms", "carobd")

__all__ = ["FORMATS", "Recording", "read"]


def read(
    path: Path,
    *,
    as_format: str,
    trip: str | None = None,
    start: datetime | None = None,
    vin: str | None = None,
) -> Recording:
    """Read a recording.

    path      : a CSV file, or an archive (.zip, .tar.xz and the like) that holds it
    as_format : one of FORMATS
    trip      : which file of an archive, by name without folder or ending; the first by default
    start     : when a recording without a calendar clock began (carobd only)
    vin       : the car it is stored under; by default one made from the recording, the same every time
    Raises    : UserMistake, when the file is missing or is not what ``as_format`` says
    """
    if as_format == "ev-bms":
        from forewarn.replay import ev_bms

        if start is not None:
            raise UserMistake("an ev-bms recording carries its own dates: leave --start out")
        return ev_bms.read(path, trip=trip, vin=vin)
    if as_format == "carobd":
        from forewarn.replay import carobd

        return carobd.read(path, trip=trip, start=start, vin=vin)
    raise UserMistake(f"--as {as_format} is not a format of recordings: use one of {', '.join(FORMATS)}")
