"""What truly happens in one session: the course, what the danger does to it, and when it becomes one."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.charging import heat
from forewarn.simulator.charging.curve import Course, Supply, cable_loss_w, public_power_kw, run_course
from forewarn.simulator.charging.dangers import HOT_AIR_C, OVERCHARGE_FINISH_SHARE, Danger
from forewarn.simulator.charging.pack import Floats, Pack, hot_pack
from forewarn.simulator.charging.runaway import burn, condition_index, probes_c
from forewarn.simulator.charging.sessions import Session

GRID_V = 229.0
LEGAL_OHM_PER_V = 100.0
# A full LFP cell rests far below one of nickel, manganese and cobalt; its worst is in proportion.
CELL_HIGH_V = {"NMC": 4.25, "LFP": 3.8}
CELL_WORST_V = {"NMC": 4.5, "LFP": 4.02}
DISAGREES = 0.1
_DISAGREES_FOR_S = 60
# Everything is followed every second: whether something goes wrong must not show in how finely a session is sampled.
_STEP_S = 1.0
# A runaway is followed for so long after it has grown; then the pack is as it is.
_FOLLOW_S = 5400
_PILE_ALONE_KOHM = 25_000.0
_PACK_V_PER_PUBLIC_SOC = (330.0, 410.0)


@dataclass(frozen=True)
class CarTruth:
    """The car's side, (n, …) rows as ``Happening.t_s``: V and C of every cell, C of every probe."""

    pack: Pack
    course: Course
    cell_v: Floats
    probe_c: Floats
    cell_c_max: Floats


@dataclass(frozen=True)
class Happening:
    """A session as it truly was, arrays (n,) at ``t_s`` seconds after plugging in.

    pile_v, pile_a, pile_kw : at the pile's meter, which is where energy is sold; V and A of one phase for AC
    energy_kwh     : integral of ``pile_kw`` up to each row
    insulation_kohm, gun_c : true values
    disagreement   : share by which what the pile measures exceeds what the car measures
    car            : None for a public or failed session
    condition_row, gb38031_row : first row at which the danger's own condition and GB 38031's held
    silent_from_s  : from here on the car's electronics are dead
    """

    t_s: Floats
    pile_v: Floats
    pile_a: Floats
    pile_kw: Floats
    energy_kwh: Floats
    soc: Floats
    gun_c: Floats
    insulation_kohm: Floats
    disagreement: Floats
    car: CarTruth | None = None
    condition_row: int | None = None
    gb38031_row: int | None = None
    silent_from_s: float | None = None
    vented_s: float | None = None


def public_session(session: Session, *, air_c: float, stop_s: float | None, rise_c: float) -> Happening:
    """Return what a pile sees of a car that is not enrolled; a failed start has no power."""
    t_s = np.arange(0.0, session.seconds, _STEP_S)
    power = np.zeros(len(t_s))
    energy = np.zeros(len(t_s))
    if not session.failed:
        fine_s = np.arange(0.0, session.seconds + 1.0)
        fine = public_power_kw(fine_s, seconds=session.seconds, pmax_kw=session.pmax_kw, energy_kwh=session.energy_kwh)
        if stop_s is not None:
            fine = np.where(fine_s >= stop_s, 0.0, fine)
        power = np.interp(t_s, fine_s, fine)
        energy = np.interp(t_s, fine_s, _integral_kwh(fine_s, fine))
    part = energy / session.energy_kwh if session.energy_kwh else energy
    soc = session.soc_start + (session.soc_end - session.soc_start) * part
    volts = np.interp(soc, (0.0, 1.0), _PACK_V_PER_PUBLIC_SOC) + power * 0.12
    amps = power * 1000 / volts
    gun = heat.gun_c(session.connector, t_s, amps, air_c=air_c, rise_c=rise_c, usual_a=1.0, danger=None)
    return Happening(t_s, volts, amps, power, energy, soc, gun, np.full(len(t_s), 9000.0), np.zeros(len(t_s)))


def enrolled_session(
    session: Session,
    pack: Pack,
    danger: Danger | None,
    *,
    air_c: float,
    rise_c: float,
    stop_s: float | None,
) -> Happening:
    """Return both sides of an enrolled car's session."""
    assert session.visit is not None
    if danger is not None and danger.kind == "hot_day":
        pack, air_c = hot_pack(pack, 58.0), HOT_AIR_C
    course = _course(session, pack, danger, air_c=air_c, stop_s=stop_s)
    cell_v = pack.cell_v(course.soc, course.current_a, course.pack_c)
    probe_c = np.repeat(course.pack_c[:, None], len(pack.probe_cell), axis=1)
    cell_c_max = course.pack_c
    gb38031_row = silent_from_s = vented_s = None
    if danger is not None and danger.runaway is not None:
        plan = danger.runaway
        first = int(danger.onset_s)
        last = min(len(course.t_s), int(danger.onset_s + danger.growth_s) + _FOLLOW_S)
        burning = burn(plan, pack, course.t_s[first:last], course.pack_c[first:last])
        cell_c = np.concatenate(
            [
                np.repeat(course.pack_c[:first, None], pack.cells, axis=1),
                burning.cell_c,
                np.repeat(burning.cell_c[-1:], len(course.t_s) - last, axis=0),
            ]
        )
        left = np.ones_like(cell_v)
        left[first:last] = burning.voltage_left
        left[last:] = burning.voltage_left[-1]
        vented_s = burning.vented_s
        gb38031_row = condition_index(cell_v * left, cell_c, cell_v[first])
        if gb38031_row is not None:
            # When the car falls silent the pile loses its messages and stops.
            silent_from_s = gb38031_row + plan.dies_s
            ends_s = silent_from_s if stop_s is None else min(stop_s, silent_from_s)
            course = _course(session, pack, danger, air_c=air_c, stop_s=ends_s)
            cell_v = pack.cell_v(course.soc, course.current_a, course.pack_c)
        cell_v = cell_v * left
        course = Course(course.t_s, course.soc, course.current_a, course.pack_c, cell_v.sum(axis=1))
        probe_c = probes_c(pack, cell_c, course.pack_c)
        cell_c_max = cell_c.max(axis=1)
    happening = _at_pile(session, pack, course, danger, air_c=air_c, rise_c=rise_c)
    car = CarTruth(pack, course, cell_v, probe_c, cell_c_max)
    return replace(
        happening,
        car=car,
        condition_row=_condition(happening, car, danger, gb38031_row),
        gb38031_row=gb38031_row,
        silent_from_s=silent_from_s,
        vented_s=vented_s,
    )


def _course(session: Session, pack: Pack, danger: Danger | None, *, air_c: float, stop_s: float | None) -> Course:
    connector = session.connector
    share = pack.charger if connector.kind == "AC" else 0.97
    amps = 1000.0 if connector.kind == "AC" else connector.rated_a
    overcharge = danger.overcharge if danger is not None else None
    return run_course(
        pack,
        Supply(connector.power_kw * share - pack.aux_w / 1000, amps),
        seconds=session.seconds - 1,
        soc_start=session.soc_start,
        soc_end=session.soc_end,
        air_c=air_c,
        step_s=_STEP_S,
        finish_share=OVERCHARGE_FINISH_SHARE if overcharge else 0.97,
        stop_s=stop_s,
        overcharge=overcharge,
    )


def _at_pile(
    session: Session, pack: Pack, course: Course, danger: Danger | None, *, air_c: float, rise_c: float
) -> Happening:
    connector = session.connector
    flows = course.current_a > 0
    drawn_w = (course.pack_v * course.current_a + pack.aux_w) * flows
    if connector.kind == "AC":
        power_kw = drawn_w / pack.charger / 1000
        volts = np.full(len(drawn_w), GRID_V) - power_kw * 0.4
        amps = power_kw * 1000 / volts / connector.phases
    else:
        amps = np.where(flows, drawn_w / np.maximum(course.pack_v, 50.0), 0.0)
        power_kw = (drawn_w + cable_loss_w(amps)) / 1000
        volts = np.where(flows, power_kw * 1000 / np.maximum(amps, 1e-9), course.pack_v)
    gun = heat.gun_c(
        connector,
        course.t_s,
        amps,
        air_c=air_c,
        rise_c=rise_c,
        usual_a=_usual_a(session, pack),
        danger=danger,
    )
    insulation = np.full(len(amps), pack.insulation_kohm)
    if danger is not None and danger.end_kohm is not None:
        ratio = danger.end_kohm / pack.insulation_kohm
        insulation = pack.insulation_kohm * ratio ** danger.progress(course.t_s)
    if connector.kind == "DC":
        insulation = 1 / (1 / insulation + 1 / _PILE_ALONE_KOHM)
    disagreement = np.zeros(len(amps))
    if danger is not None and danger.bias:
        disagreement = danger.bias * danger.progress(course.t_s) * flows
    energy = _integral_kwh(course.t_s, power_kw)
    return Happening(course.t_s, volts, amps, power_kw, energy, course.soc, gun, insulation, disagreement)


def _usual_a(session: Session, pack: Pack) -> float:
    """Return the current (A) in the cable that the visit needs on average, and a little more."""
    assert session.visit is not None
    hours = session.seconds / 3600
    kw = 1.6 * (session.soc_end - session.soc_start) * session.visit.capacity_kwh / hours
    kw = min(kw, session.connector.power_kw)
    if session.connector.kind == "AC":
        return kw * 1000 / pack.charger / GRID_V / session.connector.phases
    return min(kw * 1000 / session.visit.nominal_v, session.connector.rated_a)


def _integral_kwh(t_s: Floats, kw: Floats) -> Floats:
    steps = (kw[1:] + kw[:-1]) / 2 * np.diff(t_s) / 3600
    return np.concatenate([[0.0], np.cumsum(steps)])


def _condition(happening: Happening, car: CarTruth, danger: Danger | None, gb38031_row: int | None) -> int | None:
    if danger is None or not danger.is_danger:
        return None
    holds: NDArray[np.bool_]
    match danger.physics:
        case "thermal_runaway":
            return gb38031_row
        case "insulation_loss":
            holds = happening.insulation_kohm * 1000 < LEGAL_OHM_PER_V * car.course.pack_v
        case "contact_heat":
            holds = happening.gun_c >= heat.HOT_C
        case "over_voltage":
            holds = car.cell_v.max(axis=1) >= CELL_HIGH_V[car.pack.chemistry]
        case _:
            wrong = (happening.disagreement >= DISAGREES).astype(float)
            running = np.convolve(wrong, np.ones(_DISAGREES_FOR_S), mode="full")[: len(wrong)]
            holds = running >= _DISAGREES_FOR_S
    return int(np.argmax(holds)) if holds.any() else None
