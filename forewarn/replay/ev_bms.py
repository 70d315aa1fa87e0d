"""Recordings of electric cars as a cloud platform keeps them: one row a report, with every cell and every probe.

Current is positive while discharging there and positive while charging here; times are of China; insulation may be in
MOhm, probes may carry the offset of GB/T 32960. What a file needed is said in the recording's notes.
"""

import csv
import hashlib
import io
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.errors import UserMistake
from forewarn.message import Message
from forewarn.replay.recording import Recording, check_times, pseudo_vin, telemetry_message
from forewarn.replay.source import open_table
from ingest.store.enrolment import Enrolment

_BATTERY = "Vehicle.Powertrain.TractionBattery"
_CELLS = f"{_BATTERY}.CellVoltage.CellVoltages"
_PROBES = f"{_BATTERY}.Temperature.Probes"
_UTC_OFFSET = pd.Timedelta(hours=8)

# Columns that are a signal as they stand.
_PLAIN = {
    "vehSpeed": "Vehicle.Speed",
    "BMSBatteryVoltage": f"{_BATTERY}.CurrentVoltage",
    "BMSCellVoltageMax": f"{_BATTERY}.CellVoltage.Max",
    "BMSCellVoltageMin": f"{_BATTERY}.CellVoltage.Min",
    "vehBMSPackSOC": f"{_BATTERY}.StateOfCharge.Current",
    "BMSProbeTempMax": f"{_BATTERY}.Temperature.Max",
    "BMSProbeTempMin": f"{_BATTERY}.Temperature.Min",
}
_CONVERTED = {
    "tboxTime",
    "BMSBatteryCurrent",
    "BMSChargeStatus",
    "BMSWarningInformation",
    "vehOdo",
    "insulationResistance",
    "BMSProbeTempM",
}
# GB/T 32960: 1 charging while parked, 2 charging while driving, 3 not charging, 4 charging complete.
_IS_CHARGING = {1.0: True, 2.0: True, 3.0: False, 4.0: False}
# GB/T 32960 sends degrees plus 40 and 255 for a probe that is not there.
_PROBE_OFFSET_C = 40
_PROBE_INVALID = 255
# No pack insulates by less than 60 kOhm and still drives, and none is measured beyond 60 MOhm: such numbers are MOhm.
_MEGOHM_BELOW = 60.0


@dataclass(frozen=True)
class _Columns:
    """Signals ready to send.

    scalars       : by signal path, one value per row; None is not sent
    cells         : (n_rows, n_cells) V
    probes        : (n_rows, n_probes) C; what ``probe_missing`` marks is sent as null, so that numbers stay in place
    """

    ts_ms: list[int]
    seq: list[int]
    scalars: dict[str, list[Any]]
    cells: NDArray[np.float64]
    probes: NDArray[np.float64]
    probe_missing: NDArray[np.bool_]


def read(path: Path, *, trip: str | None = None, vin: str | None = None) -> Recording:
    """Read one car's recording; every row becomes one sample, received when it was measured.

    Raises : UserMistake, when the file is not such a recording
    """
    table = open_table(path, name=trip)
    times, numbers = _parse(path, table.content)
    names = ["tboxTime", *map(str, numbers.columns)] if times is not None else list(map(str, numbers.columns))
    cell_names = [name for name in names if name.startswith("V_")]
    missing = [name for name in ("tboxTime", *_PLAIN, "BMSBatteryCurrent") if name not in names]
    if missing or not cell_names:
        raise UserMistake(f"{path} is not an ev-bms recording: it lacks {', '.join(missing) or 'cell voltages V_1…'}")
    if times is None or numbers.empty:
        raise UserMistake(f"{path} holds no rows")
    chosen_vin = vin or pseudo_vin("ev-bms", hashlib.sha256(table.content[:65536]).hexdigest())
    notes: list[str] = []
    columns = _convert(times, numbers, cell_names, notes, path)
    unmapped = [n for n in names if n not in _PLAIN and n not in _CONVERTED and not n.startswith(("V_", "T_"))]
    if unmapped:
        notes.append(f"not in the signal catalogue, left out: {', '.join(unmapped)}")
    enrolment = Enrolment(
        vin=chosen_vin,
        model=f"Recorded EV, {len(cell_names)} cells",
        powertrain="bev",
        chemistry="NMC",
        cells=len(cell_names),
        owner_name="录制数据",
        phone="+861000000000",
        replayed=True,
    )
    return Recording(chosen_vin, enrolment, len(numbers), len(numbers), notes, lambda: _messages(chosen_vin, columns))


def _messages(vin: str, columns: _Columns) -> Iterator[Message]:
    paths = list(columns.scalars)
    rows = zip(*columns.scalars.values(), strict=True)
    for i, (ts_ms, seq, row) in enumerate(zip(columns.ts_ms, columns.seq, rows, strict=True)):
        signals: dict[str, Any] = {p: v for p, v in zip(paths, row, strict=True) if v is not None}
        signals[_CELLS] = columns.cells[i].tolist()
        if columns.probes.shape[1]:
            probes = columns.probes[i].tolist()
            for j in np.flatnonzero(columns.probe_missing[i]):
                probes[j] = None
            signals[_PROBES] = probes
        yield telemetry_message(vin, ts_ms, seq, signals)


def _parse(path: Path, content: bytes) -> tuple[list[str] | None, pd.DataFrame]:
    """Return the times as they are written, None without such a column, and all other columns as numbers.

    Not by pandas: its float parser may be off in the last digit, and what is stored must equal the file.
    """
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        names = next(lines, [])
        place = names.index("tboxTime") if "tboxTime" in names else None
        times: list[str] = []
        values = array("d")
        for fields in lines:
            if not fields:
                continue
            if len(fields) != len(names):
                raise UserMistake(f"{path}: line {lines.line_num} has {len(fields)} fields, not {len(names)}")
            if place is not None:
                times.append(fields.pop(place))
            try:
                values.extend(map(float, fields))
            except ValueError:
                # What came before the bad field is in there already.
                del values[len(values) - len(values) % len(fields) :]
                values.extend(float(field) if field.strip() else math.nan for field in fields)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserMistake(f"{path} is not a table of comma-separated values: {error}") from error
    except ValueError as error:
        raise UserMistake(f"{path}: line {lines.line_num} does not hold what it should: {error}") from error
    columns = [name for name in names if name != "tboxTime"]
    matrix = np.frombuffer(values, dtype=np.float64).reshape(-1, len(columns)) if columns else np.empty((0, 0))
    return times if place is not None else None, pd.DataFrame(matrix, columns=columns)


def _convert(
    written: list[str], numbers: pd.DataFrame, cell_names: list[str], notes: list[str], path: Path
) -> _Columns:
    try:
        times = pd.to_datetime(pd.Series(written), format="%Y-%m-%d %H:%M:%S") - _UTC_OFFSET
    except ValueError as error:
        raise UserMistake(f"{path}: tboxTime does not hold what it should: {error}") from error
    ts_ms = times.to_numpy(dtype="datetime64[ms]").astype(np.int64)
    check_times(path, ts_ms.tolist(), "correct tboxTime")
    scalars = {signal: _sent(numbers[name]) for name, signal in _PLAIN.items()}
    # 0 - x instead of -x: the latter writes "-0.0".
    scalars[f"{_BATTERY}.CurrentCurrent"] = _sent(0.0 - numbers["BMSBatteryCurrent"])
    if "vehOdo" in numbers:
        reset = (numbers["vehOdo"] == 0) & (numbers["vehOdo"].max() > 0)
        if reset.any():
            notes.append(f"{reset.sum()} rows say odometer 0 between others that do not: left out of them")
        scalars["Vehicle.TraveledDistance"] = _sent(numbers["vehOdo"].mask(reset))
    if "BMSWarningInformation" in numbers:
        level = numbers["BMSWarningInformation"]
        scalars[f"{_BATTERY}.WarningLevel"] = [int(v) if math.isfinite(v) else None for v in level.tolist()]
    if "BMSChargeStatus" in numbers:
        status = numbers["BMSChargeStatus"]
        if status.isna().any():
            notes.append(f"{status.isna().sum()} rows have no charge status: left out of them")
        scalars[f"{_BATTERY}.Charging.IsCharging"] = [_IS_CHARGING.get(v) for v in status.tolist()]
    if "insulationResistance" in numbers:
        kohm = _insulation_kohm(numbers["insulationResistance"], notes)
        scalars[f"{_BATTERY}.InsulationResistance"] = _sent(kohm)
    cells = numbers[cell_names].to_numpy()
    odd = (cells < 0.5) | (cells > 5.0)
    if odd.any():
        notes.append(f"{odd.any(axis=1).sum()} rows hold {odd.sum()} cell voltages that no cell has: sent as they are")
    probes, probe_missing, offset = _probes(numbers, notes)
    if "BMSProbeTempM" in numbers:
        scalars[f"{_BATTERY}.Temperature.Average"] = _sent((numbers["BMSProbeTempM"] - offset).round(3))
    return _Columns(ts_ms.tolist(), _sequence(numbers, ts_ms, notes), scalars, cells, probes, probe_missing)


def _sent(values: "pd.Series[float]") -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _insulation_kohm(values: "pd.Series[float]", notes: list[str]) -> "pd.Series[float]":
    if values.max() <= _MEGOHM_BELOW:
        notes.append(f"insulation resistance up to {values.max():g} is taken as MOhm")
        # Rounded, for 1.371 * 1000 is not 1371 in binary.
        return (values * 1000).round(3)
    if values.nunique() == 1:
        notes.append(f"insulation resistance is {values.iloc[0]:g} kOhm in every row: not measured, or never changed")
    return values


def _probes(numbers: pd.DataFrame, notes: list[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """Return probe temperatures (C), where a probe said nothing, and the offset that was taken off."""
    raw = numbers[[name for name in map(str, numbers.columns) if name.startswith("T_")]].to_numpy()
    if not raw.shape[1]:
        return raw, np.zeros(raw.shape, dtype=bool), 0
    missing = np.isnan(raw) | (raw == _PROBE_INVALID)
    hottest = np.where(missing, -np.inf, raw).max(axis=1)
    said = numbers["BMSProbeTempMax"].to_numpy()
    # The pack's own highest temperature tells whether probes carry the offset: it never does.
    both = np.isfinite(hottest) & np.isfinite(said)
    excess = float(np.median((hottest - said)[both])) if both.any() else 0.0
    offset = _PROBE_OFFSET_C if excess > _PROBE_OFFSET_C / 2 else 0
    if offset:
        notes.append(f"probe temperatures are {offset} C too high throughout: {offset} C is taken off")
        unfilled = raw == 0
        if unfilled.any():
            notes.append(f"{unfilled.sum()} probe readings are a bare 0 (a report cut short): sent as missing")
        missing |= unfilled
    never = np.flatnonzero((missing & ~np.isnan(raw)).all(axis=0))
    if never.size:
        numbers_text = ", ".join(str(i + 1) for i in never)
        notes.append(f"{never.size} probes say {_PROBE_INVALID} (not there) in every row: {numbers_text}")
    return raw - offset, missing, offset


def _sequence(numbers: pd.DataFrame, ts_ms: NDArray[np.int64], notes: list[str]) -> list[int]:
    """Return a number per row that keeps rows of the same time apart when they differ; equal rows share theirs."""
    seq = np.zeros(len(numbers), dtype=np.int64)
    shared = pd.Series(ts_ms).duplicated(keep=False).to_numpy()
    repeated = 0
    contents: dict[int, list[tuple[str, ...]]] = {}
    rows_at: dict[int, int] = {}
    for i in np.flatnonzero(shared):
        content = tuple(map(repr, numbers.iloc[i]))
        known = contents.setdefault(int(ts_ms[i]), [])
        rows_at[int(ts_ms[i])] = rows_at.get(int(ts_ms[i]), 0) + 1
        if content in known:
            repeated += 1
        else:
            known.append(content)
        seq[i] = known.index(content)
    differing = sum(rows_at[ts] for ts, known in contents.items() if len(known) > 1)
    if differing:
        notes.append(f"{differing} rows share a time with another row and differ: kept apart by seq")
    if repeated:
        notes.append(f"exact copies of an earlier row: {repeated}, sent again to be counted as duplicates")
    return seq.tolist()
