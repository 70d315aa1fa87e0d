"""Recordings of real cars, scored day by day by models that learnt from simulated ones alone."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from config.errors import UserMistake
from config.signals import catalogue
from forewarn.evaluation.scored import Contender, features_behind
from forewarn.fleet_folder.columns import PER_VOLT
from forewarn.fleet_frames import daily_frame
from forewarn.realism.recorded import ELECTRIC, PETROL
from forewarn.replay import Recording, read
from forewarn.simulator.files import CELLS
from forewarn.simulator.readings import TEXTS, text_number
from forewarn.simulator.rollups import Packs, Sent, roll_up_cars
from models.dataset import Stored, base_rows
from models.decision import warnings_of
from models.features import Feature, columns_of
from models.fleet_scores import probabilities

# While this was made people looked at how car2 ends: what comes out for it is an example, not a test.
DEVELOPMENT_EXAMPLE = "car2"
# Its spread reaches 0.3 V for the first time, by its own clock of China.
CAR2_ALARM_AT = datetime(2019, 8, 4, 21, 24, 30, tzinfo=UTC) - timedelta(hours=8)
LEAST_LEAD_D, CALM_FIRST_D = 14.0, 30.0
# Trips of the petrol car carry no calendar: one a day, from a day like any other.
_TRIPS_FROM = datetime(2018, 6, 1, 8, tzinfo=UTC)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the models say of one recording.

    days     : on which it was scored
    warnings : fault mode and time of each, earliest first
    highest  : the greatest probability by fault mode, of modes that its signals can show, beside the threshold
    note     : how to read it
    """

    recording: str
    first_day: datetime
    last_day: datetime
    readings: int
    days: int
    warnings: list[tuple[str, datetime]]
    highest: dict[str, tuple[float, float]]
    note: str = ""


@dataclass(frozen=True)
class Recorded:
    """A recording as the models see it."""

    name: str
    stored: Stored
    readings: int


def recordings(data: Path, columns: Sequence[str]) -> Iterator[Recorded]:
    """Yield every recording below a folder that is there.

    Raises : UserMistake, when none is
    """
    found = False
    for name, file in ELECTRIC.items():
        if (data / file).is_file():
            found = True
            yield _recorded(name, [read(data / file, as_format="ev-bms")], columns)
    if (data / PETROL).is_file():
        found = True
        yield _recorded("petrol car, a trip a day", _trips(data / PETROL), columns)
    if not found:
        files = ", ".join([*ELECTRIC.values(), PETROL])
        raise UserMistake(f"{data} holds none of the recordings ({files}): name their folder with --data")


def _trips(file: Path) -> list[Recording]:
    with tarfile.open(file) as archive:
        names = sorted(Path(member.name).stem for member in archive if member.name.endswith(".csv"))
    return [
        read(file, as_format="carobd", trip=name, start=_TRIPS_FROM + timedelta(days=number), vin="LRECPETRQL0000001")
        for number, name in enumerate(names)
    ]


def _recorded(name: str, parts: Sequence[Recording], columns: Sequence[str]) -> Recorded:
    samples = [sample for part in parts for sample in _samples(part)]
    _, days = roll_up_cars(_sent(samples), columns=columns)
    enrolment = parts[0].enrolment
    assert enrolment is not None
    vehicles = pd.DataFrame({"vehicle_id": [1], "powertrain": [enrolment.powertrain], "model": [enrolment.model]})
    # What the cars themselves showed is undocumented, so none of it is a lamp here.
    lamps = pd.DataFrame(
        {
            "vehicle_id": np.zeros(0, dtype=np.int64),
            "ts": pd.to_datetime([], utc=True),
            "received_at": pd.to_datetime([], utc=True),
            "code": np.zeros(0, dtype=object),
            "state": np.zeros(0, dtype=object),
            "level": np.zeros(0, dtype=np.int64),
        }
    )
    frame = daily_frame(1, days.rollups, columns)
    return Recorded(name, Stored(frame, lamps, vehicles), len(samples))


def _samples(recording: Recording) -> Iterator[tuple[int, int, int, dict[str, Any]]]:
    for message in recording.messages:
        for sample in msgspec.json.decode(message.payload)["samples"]:
            yield sample["ts"], sample.get("seq", 0), message.received_ms, sample["signals"]


def _sent(samples: Sequence[tuple[int, int, int, dict[str, Any]]]) -> Sent:
    keys = np.array([sample[:3] for sample in samples], dtype=np.int64).reshape(-1, 3)
    signals = [sample[3] for sample in samples]
    columns = {}
    for path in dict.fromkeys(path for given in signals for path in given):
        signal = catalogue().by_path.get(path)
        if signal is not None and path in TEXTS:
            columns[path] = np.array([text_number(signal, given.get(path)) for given in signals])
        elif signal is not None and signal.type not in ("text", "real[]", "position"):
            values = (given.get(path) for given in signals)
            columns[path] = np.array([np.nan if value is None else float(value) for value in values])
    return Sent(np.ones(len(samples), dtype=np.int64), keys[:, 0], keys[:, 1], keys[:, 2], columns, _packs(signals))


def _packs(signals: Sequence[dict[str, Any]]) -> list[Packs]:
    by_size: dict[int, list[int]] = {}
    for row, given in enumerate(signals):
        if given.get(CELLS):
            by_size.setdefault(len(given[CELLS]), []).append(row)
    found = []
    for rows in by_size.values():
        volts = np.array([[0.0 if cell is None else cell for cell in signals[row][CELLS]] for row in rows])
        cells = np.rint(np.nan_to_num(volts) * PER_VOLT).astype(np.int32)
        found.append(Packs(np.array(rows, dtype=np.intp), np.arange(len(rows)), cells, PER_VOLT))
    return found


def told_of(recorded: Recorded, contender: Contender, features: Sequence[Feature]) -> Told:
    """Return what a contender says of a recording; a single car has no peers to be compared with."""
    days = recorded.stored.aggregates["day"]
    first, last = days.min().to_pydatetime(), days.max().to_pydatetime()
    instants = [first + timedelta(days=number) for number in range(1, (last - first).days + 2)]
    rows = base_rows(recorded.stored, features, days=instants)
    stored = recorded.stored
    said = probabilities(contender.models, rows, lamps=stored.lamps, vehicles=stored.vehicles)
    named = warnings_of(said, contender.thresholds)
    pairs = zip(named["fault_mode"].tolist(), named["first_flagged_at"].tolist(), strict=True)
    highest = said.max().dropna()
    return Told(
        recording=recorded.name,
        first_day=first,
        last_day=last,
        readings=recorded.readings,
        days=len(instants),
        warnings=[(mode, at.to_pydatetime()) for mode, at in pairs],
        highest={str(mode): (round(float(p), 4), contender.thresholds[str(mode)]) for mode, p in highest.items()},
        note="a development example" if recorded.name == DEVELOPMENT_EXAMPLE else "",
    )


def evaluate_recordings(data: Path, contender: Contender) -> list[Told]:
    """Score every recording below a folder. Raises : UserMistake, when none is there"""
    features = features_behind([contender])
    return [told_of(recorded, contender, features) for recorded in recordings(data, columns_of(features))]
