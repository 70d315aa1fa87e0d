"""The escalation ladder: what happens when, until a person has the matter in hand. Pure functions of times."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from config.dangers import dangers
from config.settings import ChargingSettings

Step = Literal["remind_owner", "call_owner", "tell_supervisor", "send_specialist"]
# Asked again so often; by then somebody phones.
_MOST_ROUNDS = 10
# So soon it is looked whether the owner was told at all: the process that was to do it may have ended.
_LOOK_AFTER = timedelta(seconds=5)


class Rung(msgspec.Struct, frozen=True):
    """One step of a case's ladder and when it is due."""

    step: Step
    round: int
    due_at: datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far people are with a case.

    told     : whether a message to the owner was handed over
    receipt  : whether the owner has confirmed one
    taken    : whether the desk has acknowledged the case
    closed   : whether it is closed
    """

    severity: Literal[1, 2, 3]
    kind: str
    told: bool
    receipt: bool
    taken: bool
    closed: bool


class Climb(msgspec.Struct, frozen=True):
    """What to do at a rung: ``None`` is nothing, for ``why``; ``then`` is the next rung."""

    do: Literal["tell_owner", "task_call_owner", "tell_supervisor", "task_send_specialist"] | None
    why: str
    then: Rung | None = None


def rungs(severity: int, kind: str, at: datetime, settings: ChargingSettings) -> list[Rung]:
    """Return the ladder of a case that opened or got worse at ``at``; a notice has none."""
    if severity > 2:
        return []
    found = [Rung("remind_owner", 0, at + _LOOK_AFTER)]
    # In person at once where people are in danger, else when no receipt comes.
    call_after = timedelta(0) if severity == 1 else timedelta(seconds=settings.receipt_within_s)
    found.append(Rung("call_owner", 0, at + call_after))
    found.append(Rung("tell_supervisor", 0, at + timedelta(seconds=settings.acknowledge_within_s)))
    danger = dangers().get(kind)
    if danger is not None and danger.specialist:
        found.append(Rung("send_specialist", 0, at))
    return found


def climb(rung: Rung, standing: Standing, *, now: datetime, settings: ChargingSettings) -> Climb:
    """Return what to do at a rung that is due."""
    if standing.closed:
        return Climb(None, "the case is closed")
    match rung.step:
        case "remind_owner":
            if standing.receipt:
                return Climb(None, "the owner has confirmed")
            later = Rung("remind_owner", rung.round + 1, now + timedelta(seconds=settings.remind_every_s))
            following = later if later.round < _MOST_ROUNDS else None
            if rung.round == 0 and standing.told:
                return Climb(None, "the owner was told at once", following)
            return Climb("tell_owner", "no receipt", following)
        case "call_owner":
            if standing.severity > 1 and standing.receipt:
                return Climb(None, "the owner has confirmed")
            why = "people are in danger" if standing.severity == 1 else "no receipt"
            return Climb("task_call_owner", why)
        case "tell_supervisor":
            if standing.taken:
                return Climb(None, "the desk has taken the case")
            later = Rung("tell_supervisor", rung.round + 1, now + timedelta(seconds=settings.acknowledge_within_s))
            return Climb("tell_supervisor", "nobody at the desk", later if later.round < _MOST_ROUNDS else None)
        case "send_specialist":
            return Climb("task_send_specialist", standing.kind)
