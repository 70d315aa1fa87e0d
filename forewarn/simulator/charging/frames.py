"""Traffic as tables: what connectors measured, their alarms, and what charging cars sent; and as Parquet files."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from forewarn.simulator.charging.car import CELLS, PROBES
from forewarn.simulator.charging.run import SessionRun
from forewarn.simulator.charging.stations import Station
from forewarn.simulator.charging.traffic import Traffic
from forewarn.simulator.charging.truth import Truth, truth_frame

_DAY_MS = 86_400_000
_CARS = "car_charging"


def charging_frame(runs: Iterable[SessionRun]) -> pd.DataFrame:
    """Return a row per reading of a connector: who and where, ts and received_ts (epoch ms), OCPP measurands."""
    frames = []
    for run in runs:
        at, pile = run.session.connector.at, run.pile
        frame = pd.DataFrame({"ts": pile.ts_ms, "received_ts": pile.received_ms, **pile.columns})
        who = {"operator": at.operator, "station": at.station, "connector": at.connector}
        frames.append(frame.assign(**who, session_id=run.session.session_id))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def alarm_frame(runs: Iterable[SessionRun]) -> pd.DataFrame:
    """Return a row per report of an alarm: who and where, ts and received_ts (epoch ms), code, severity, state."""
    rows = []
    for run in runs:
        at = run.session.connector.at
        rows += [
            {
                "operator": at.operator,
                "station": at.station,
                "connector": at.connector,
                "session_id": run.session.session_id,
                "id": alarm.alarm_id,
                "ts": alarm.ts_ms,
                "received_ts": alarm.received_ms,
                "vin": alarm.vin,
                "code": alarm.code,
                "severity": alarm.severity,
                "state": alarm.state,
                "text": alarm.text,
            }
            for alarm in run.alarms
        ]
    return pd.DataFrame(rows)


def car_frame(runs: Iterable[SessionRun]) -> pd.DataFrame:
    """Return a row per reading of a charging car: vin, ts, seq, received_ts, a column per signal, lists for cells."""
    frames = []
    for run in runs:
        if run.car is None or not len(run.car.ts_ms):
            continue
        car = run.car
        columns = {"ts": car.ts_ms, "seq": 0, "received_ts": car.received_ms, **car.columns}
        lists = {CELLS: list(car.cell_v), PROBES: list(car.probe_c)}
        frames.append(pd.DataFrame({"vin": car.vin, **columns, **lists}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def station_frame(stations: Iterable[Station]) -> pd.DataFrame:
    """Return a row per connector: operator, station, connector, kind, power_kw, city, latitude, longitude (WGS-84)."""
    return pd.DataFrame(
        [
            {
                "operator": connector.at.operator,
                "station": connector.at.station,
                "connector": connector.at.connector,
                "kind": connector.kind,
                "power_kw": connector.power_kw,
                "city": station.city,
                "latitude": station.latitude,
                "longitude": station.longitude,
            }
            for station in stations
            for connector in station.connectors
        ]
    )


_TABLES: dict[str, Callable[[Iterable[SessionRun]], pd.DataFrame]] = {
    "charging": charging_frame,
    "alarms": alarm_frame,
    _CARS: car_frame,
}


def write_parquet(
    traffic: Traffic,
    directory: Path,
    *,
    cars: bool = True,
    truth_folder: Path | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Write ``stations.parquet``, ``{charging,alarms,car_charging}/day=…/`` and, apart, ``truth/charging.parquet``.

    A session is filed under the day (UTC) on which it starts.
    cars         : whether what the cars themselves sent is written
    truth_folder : None is the folder truth in ``directory``
    on_progress : is told how many sessions are done
    Returns     : readings and alarms written
    """
    directory.mkdir(parents=True, exist_ok=True)
    station_frame(traffic.stations).to_parquet(directory / "stations.parquet", index=False)
    truth: list[Truth] = []
    rows = 0
    of_day: list[SessionRun] = []
    for number, run in enumerate(traffic.runs()):
        if of_day and run.session.started_ms // _DAY_MS != of_day[0].session.started_ms // _DAY_MS:
            rows += _write_day(of_day, directory, cars=cars)
            of_day = []
        of_day.append(run)
        truth += run.truth
        if on_progress is not None:
            on_progress(number + 1)
    rows += _write_day(of_day, directory, cars=cars)
    apart = truth_folder or directory / "truth"
    apart.mkdir(mode=0o700, exist_ok=True)
    truth_frame(truth).to_parquet(apart / "charging.parquet", index=False)
    return rows


def _write_day(runs: list[SessionRun], directory: Path, *, cars: bool) -> int:
    if not runs:
        return 0
    day = datetime.fromtimestamp(runs[0].session.started_ms / 1000, tz=UTC).date()
    rows = 0
    for name, table in _TABLES.items():
        if name == _CARS and not cars:
            continue
        frame = table(runs)
        if not frame.empty:
            folder = directory / name / f"day={day}"
            folder.mkdir(parents=True, exist_ok=True)
            frame.sort_values("received_ts", kind="stable").to_parquet(folder / "part-0.parquet", index=False)
        rows += len(frame)
    return rows
