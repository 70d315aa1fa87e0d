"""What an evaluation comes to: one object that JSON holds and reports show."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd

from config.faults import fault_modes
from forewarn.evaluation.scored import FleetRows, Scored, car_days
from models.lamp_time_figures import LampTimeFigures, Told, lamp_time_figures
from models.protocol import Figures, Judged, Reliability, Spread, came_on, figures, judge, reliability, spread_of

MODEL = "models"


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that was asked for. wanted : "at least" or "at most" ``limit``; reached : None when it is not known"""

    name: str
    wanted: Literal["at least", "at most"]
    limit: float
    reached: float | None
    ok: bool


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """One fleet. ``contenders``: the models and what they have to beat, by name"""

    name: str
    vehicles: int
    readings: int
    first_day: datetime
    last_day: datetime
    contenders: dict[str, Figures]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is told of an evaluation.

    about        : of the models: what they were trained on and when
    settings     : what can be asked for again to get the same
    together     : of all fleets, by contender
    spread       : between the fleets, by contender
    calibration  : of the models' probabilities: "all" and by fault mode
    leads_d      : days from the models' first warning to the lamp of every hit, by fault mode
    days_to_lamp : how good the days were that the models said with it: "all" and by fault mode
    goals        : what was asked for beside what was reached
    better_than_every_baseline : by F1; None without baselines
    """

    made_at: datetime
    about: dict[str, Any]
    settings: dict[str, Any]
    fleets: list[Examined]
    together: dict[str, Figures]
    spread: dict[str, Spread]
    calibration: dict[str, Reliability]
    leads_d: dict[str, list[float]]
    days_to_lamp: dict[str, LampTimeFigures]
    goals: list[Goal]
    better_than_every_baseline: bool | None


class Examination:
    """Gathers fleets one after the other, so that none has to be kept."""

    def __init__(self) -> None:
        self._judged: dict[str, list[Judged]] = {}
        self._examined: list[Examined] = []
        self._told: list[Told] = []
        self._said: dict[str, list[np.ndarray[Any, np.dtype[np.float64]]]] = {}
        self._was: dict[str, list[np.ndarray[Any, np.dtype[np.float64]]]] = {}

    def add(self, name: str, fleet: FleetRows, scored: Mapping[str, Scored], *, until: datetime) -> Examined:
        """Judge what contenders said of a fleet. until : lamps from then on were not waited for"""
        found: dict[str, Figures] = {}
        for contender, said in scored.items():
            one = judge(said.warnings, fleet.faults, vehicles=len(fleet.vins), car_days=car_days(said), until=until)
            self._judged.setdefault(contender, []).append(one)
            found[contender] = figures([one], fault_modes())
            if contender == MODEL:
                self._told.append(Told(one, said.days))
        self._add_calibration(scored[MODEL].probabilities, fleet.stored.lamps, until)
        days = fleet.rows.index.get_level_values("as_of")
        examined = Examined(
            name=name,
            vehicles=len(fleet.vins),
            readings=fleet.readings,
            first_day=days.min().tz_localize("UTC").to_pydatetime(),
            last_day=days.max().tz_localize("UTC").to_pydatetime(),
            contenders=found,
        )
        self._examined.append(examined)
        return examined

    def _add_calibration(self, said: pd.DataFrame, lamps: pd.DataFrame, until: datetime) -> None:
        was = came_on(said, lamps, fault_modes(), until=until)
        for mode in said.columns:
            known = said[mode].notna().to_numpy() & was[mode].notna().to_numpy()
            self._said.setdefault(mode, []).append(said[mode].to_numpy(dtype=np.float64)[known])
            self._was.setdefault(mode, []).append(was[mode].to_numpy(dtype=np.float64)[known])

    def evaluation(self, *, about: dict[str, Any], settings: dict[str, Any], made_at: datetime) -> Evaluation:
        """Return what all fleets come to."""
        together = {name: figures(judged, fault_modes()) for name, judged in self._judged.items()}
        spread = {name: spread_of([fleet.contenders[name] for fleet in self._examined]) for name in self._judged}
        return Evaluation(
            made_at=made_at,
            about=about,
            settings=settings,
            fleets=list(self._examined),
            together=together,
            spread=spread,
            calibration=self._calibration(),
            leads_d=self._leads(),
            days_to_lamp=lamp_time_figures(self._told, fault_modes()),
            goals=goals_of(together[MODEL], spread[MODEL] if len(self._examined) > 1 else None),
            better_than_every_baseline=_beats(together),
        )

    def _leads(self) -> dict[str, list[float]]:
        cars = pd.concat([judged.cars for judged in self._judged[MODEL]], ignore_index=True)
        hit = cars[cars["lead_d"].notna()]
        return {mode: hit.loc[hit["fault_mode"] == mode, "lead_d"].round(3).tolist() for mode in fault_modes()}

    def _calibration(self) -> dict[str, Reliability]:
        said = {mode: np.concatenate(parts) for mode, parts in self._said.items()}
        was = {mode: np.concatenate(parts) for mode, parts in self._was.items()}
        every = reliability(np.concatenate(list(said.values())), np.concatenate(list(was.values()))) if said else None
        found = {"all": every, **{mode: reliability(said[mode], was[mode]) for mode in said}}
        return {name: one for name, one in found.items() if one is not None}


def goals_of(models: Figures, spread: Spread | None) -> list[Goal]:
    """Return what was asked for of warnings. spread : None when there is one fleet"""
    return [
        _goal("f1", "at least", 0.90, models.f1),
        *([] if spread is None else [_goal("spread of f1", "at most", 0.03, spread.spread)]),
        _goal("right fault mode", "at least", 0.80, models.right_mode),
        _goal("false invitations per 1,000 car-months", "at most", 2.0, models.false_per_1000_car_months),
        _goal("median lead, gradual faults, days", "at least", 14.0, models.lead_gradual.median_d),
        _goal("10th percentile of lead, gradual faults, days", "at least", 2.0, models.lead_gradual.p10_d),
    ]


def _goal(name: str, wanted: Literal["at least", "at most"], limit: float, reached: float | None) -> Goal:
    ok = reached is not None and (reached >= limit if wanted == "at least" else reached <= limit)
    return Goal(name=name, wanted=wanted, limit=limit, reached=reached, ok=ok)


def _beats(together: Mapping[str, Figures]) -> bool | None:
    others: Sequence[Figures] = [found for name, found in together.items() if name != MODEL]
    if not others:
        return None
    return all((together[MODEL].f1 or 0.0) > (other.f1 or 0.0) for other in others)
