"""Labels: did the lamp of a fault mode come on within the horizon, as far as anyone can know."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import psycopg
from numpy.typing import NDArray

from config import sql
from config.faults import FaultMode, fault_modes
from models.days import day_numbers, midnight

# After a lamp went out the readings still show the fault it was about; within this time they say nothing new.
QUIET_D = 28
# A finding may carry the very time of the lamp, to the second.
_LIT_BY = timedelta(minutes=1)
# A car that fell silent this many days before its horizon ended may have lit its lamp unheard.
SILENCE_D = 7


def lamps_of(mode: FaultMode, lamps: pd.DataFrame) -> pd.DataFrame:
    """Return when each lamp of one fault mode was lit.

    lamps   : DataFrame (n_events) as of ``ingest.store.events.lamps``: vehicle_id, ts, received_at, code, state, level
    Returns : DataFrame (n_episodes, 5): vehicle_id, on_at, off_at (UTC; NaT while it is still on), and from when on
              either is known, since what a car tells may come days later; by vehicle and time
    """
    events = lamps[lamps["code"].isin(mode.lamps)].sort_values(["vehicle_id", "code", "ts"], kind="stable")
    on = (events["state"] == "on").to_numpy()
    owner = events.groupby(["vehicle_id", "code"], sort=False).ngroup().to_numpy()
    begins = np.ones(len(events), dtype=bool)
    begins[1:] = (owner[1:] != owner[:-1]) | (on[1:] != on[:-1])
    # Known is a report that has come, and whose time is not still to come by a clock that ran ahead.
    known_at = events["ts"].where(events["ts"] > events["received_at"], events["received_at"])
    # A lamp that is reported on again and again is one episode; it ends with the first "off".
    events = events.assign(known_at=known_at.groupby(np.cumsum(begins)).transform("min"))
    edges, on, owner = events[begins], on[begins], owner[begins]
    same_lamp = np.zeros(len(edges), dtype=bool)
    same_lamp[:-1] = owner[1:] == owner[:-1]
    following = edges[["ts", "known_at"]].shift(-1)
    episodes = pd.DataFrame(
        {
            "vehicle_id": edges["vehicle_id"],
            "on_at": edges["ts"],
            "off_at": following["ts"].where(same_lamp),
            "on_known_at": edges["known_at"],
            "off_known_at": following["known_at"].where(same_lamp),
        }
    )[on]
    return episodes.sort_values(["vehicle_id", "on_at"], kind="stable").reset_index(drop=True)


def without_unfounded(mode: FaultMode, episodes: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Return the lamps of a mode but those that a workshop found nothing behind: a lamp that is wrong teaches nothing.

    episodes : DataFrame as of ``lamps_of``
    findings : DataFrame: vehicle_id, fault_mode, found_at (UTC), confirmed; one that was not confirmed is about the
               last lamp lit before it
    """
    vain = findings[(findings["fault_mode"] == mode.key) & ~findings["confirmed"].astype(bool)]
    if vain.empty or episodes.empty:
        return episodes
    drop: set[int] = set()
    for vehicle, found_at in zip(vain["vehicle_id"], vain["found_at"] + _LIT_BY, strict=True):
        before = episodes.index[(episodes["vehicle_id"] == vehicle) & (episodes["on_at"] <= found_at)]
        drop.update(before[-1:])
    return episodes.drop(index=list(drop)).reset_index(drop=True)


def quiet_vehicles(episodes: pd.DataFrame, vehicle_ids: pd.Index, *, as_of: datetime) -> pd.Series:
    """Return which vehicles a prediction can be made for: whose lamp was not lit at ``as_of`` nor in the weeks before.

    episodes : DataFrame as of ``lamps_of``
    Returns  : Series (n_vehicles,) bool indexed by vehicle_id
    """
    since = as_of - timedelta(days=QUIET_D)
    lit = episodes[(episodes["on_at"] < as_of) & ~(episodes["off_at"] < since)]
    return pd.Series(~vehicle_ids.isin(lit["vehicle_id"]), index=vehicle_ids)


def lamp_labels(
    mode: FaultMode,
    episodes: pd.DataFrame,
    last_heard: pd.Series,
    *,
    as_of: datetime,
    until: datetime,
) -> pd.Series:
    """Return for each vehicle whether its lamp came on within the horizon after ``as_of``.

    episodes   : DataFrame as of ``lamps_of``, of what had been received before ``until``
    last_heard : Series (n_vehicles,) of UTC days indexed by vehicle_id: the last day with readings known at ``until``
    until      : what is known ends here (UTC)
    Returns    : Series (n_vehicles,) float64: 1 it came on, 0 it did not, NaN when nobody can say or the lamp had
                 been lit already. The whole frame is NaN while the horizon has not passed: to keep the lamps that came
                 early and drop the cars still in waiting would teach a wrong share.
    """
    end = as_of + timedelta(days=mode.horizon_d)
    labels = pd.Series(np.nan, index=last_heard.index)
    if end > until:
        return labels
    came = episodes[(episodes["on_at"] >= as_of) & (episodes["on_at"] < end)]["vehicle_id"]
    followed = day_numbers(last_heard) >= midnight(end - timedelta(days=SILENCE_D))
    labels[followed] = 0.0
    labels[labels.index.isin(came)] = 1.0
    labels[~quiet_vehicles(episodes, labels.index, as_of=as_of)] = np.nan
    return labels


def days_to_lamp(
    episodes: pd.DataFrame, vehicle_id: NDArray[np.int64], as_of: NDArray[np.datetime64]
) -> NDArray[np.float64]:
    """Return for each row how many days passed from ``as_of`` until the car's next lamp: (n_rows,), NaN without one.

    episodes          : DataFrame as of ``lamps_of``
    vehicle_id, as_of : (n_rows,) as ``models.dataset.Dataset`` has them
    """
    days = np.full(len(vehicle_id), np.nan)
    lit = episodes.sort_values("on_at")
    on_at = lit["on_at"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    owner = lit["vehicle_id"].to_numpy(dtype=np.int64)
    for vehicle in np.unique(owner):
        own = np.flatnonzero(vehicle_id == vehicle)
        lamps = on_at[owner == vehicle]
        at = as_of[own].astype("datetime64[us]")
        following = np.searchsorted(lamps, at)
        came = following < len(lamps)
        days[own[came]] = (lamps[following[came]] - at[came]) / np.timedelta64(1, "D")
    return days


def record_lamp_labels(conn: psycopg.Connection[tuple[object, ...]], lamps: pd.DataFrame) -> int:
    """Write every lamp-on of a known fault mode into ``prediction.label`` once; return how many were new."""
    known = lamps[lamps["state"] == "on"]
    modes = known["code"].map({code: mode.key for mode in fault_modes().values() for code in mode.lamps})
    known, modes = known[modes.notna()], modes[modes.notna()]
    columns = [known["vehicle_id"].tolist(), modes.tolist(), known["ts"].tolist(), known["received_at"].tolist()]
    cursor = conn.execute(sql.load("models", "record_lamp_labels"), columns)
    return cursor.rowcount
