"""Reads real recordings and turns them into the messages the car, or the station, would have sent."""

from datetime import datetime
from pathlib import Path

from config.errors import UserMistake
from forewarn.replay.recording import Recording

FORMATS = ("ev-bms", "carobd", "kit-obd2", "epfl", "csv")

__all__ = ["FORMATS", "Recording", "read"]


def read(
    path: Path,
    *,
    as_format: str,
    trip: str | None = None,
    start: datetime | None = None,
    vin: str | None = None,
    mapping: Path | None = None,
) -> Recording:
    """Read a recording.

    path      : a CSV file, or an archive (.zip, .xz, .tar.xz and the like) that holds it; of epfl a workbook
    as_format : one of FORMATS
    trip      : which file of an archive, by name without folder or ending; the first by default
    start     : when a recording without a calendar clock began
    vin       : the car it is stored under; by default one made from the recording, the same every time
    mapping   : the mapping file of a CSV, and of nothing else
    Raises    : UserMistake, when the file is missing or is not what ``as_format`` says
    """
    if mapping is not None and as_format != "csv":
        raise UserMistake(f"--map goes with --as csv: --as {as_format} knows its columns, leave --map out")
    if start is not None and as_format in ("ev-bms", "epfl"):
        raise UserMistake(f"an {as_format} recording carries its own dates: leave --start out")
    if as_format == "ev-bms":
        from forewarn.replay import ev_bms

        return ev_bms.read(path, trip=trip, vin=vin)
    if as_format == "carobd":
        from forewarn.replay import carobd

        return carobd.read(path, trip=trip, start=start, vin=vin)
    if as_format == "kit-obd2":
        from forewarn.replay import kit_obd2

        return kit_obd2.read(path, trip=trip, start=start, vin=vin)
    if as_format == "epfl":
        from forewarn.replay import epfl

        if trip is not None:
            raise UserMistake(f"an epfl recording is one workbook: leave --trip {trip} out")
        return epfl.read(path)
    if as_format == "csv":
        from forewarn.replay import csv_table

        if mapping is None:
            raise UserMistake("--as csv needs --map FILE.toml, which says what the columns are: see docs/replay.md")
        return csv_table.read(path, mapping=mapping, trip=trip, start=start, vin=vin)
    raise UserMistake(f"--as {as_format} is not a format of recordings: use one of {', '.join(FORMATS)}")
