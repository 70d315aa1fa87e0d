"""Hysteresis: from what a rule says of each sample to a danger that begins, gets worse and ends."""

from typing import Literal

import msgspec

from alerts.charging.anomaly import Severity

Change = Literal["on", "worse", "off"]


class Judgement(msgspec.Struct, frozen=True):
    """What a rule says of one sample.

    severity : None, where nothing is wrong
    clear    : whether it is so far from the limit that a danger may end; between the two what was so stays so
    why      : what was compared with what, in a few words
    measures : the numbers of it
    """

    severity: Severity | None
    clear: bool
    why: str = ""
    measures: dict[str, float | str] = {}


CALM = Judgement(None, clear=True)


class Hold(msgspec.Struct, frozen=True):
    """Where one rule stands with one car or connector. Times are epoch ms by the source's clock.

    since    : for severity 1, 2 and 3, since when samples have been at least that bad without a break
    said     : the worst severity so far of the danger that is on; None: none is on
    began_ms : when the danger that is on began
    """

    since: tuple[int | None, int | None, int | None] = (None, None, None)
    said: Severity | None = None
    began_ms: int = 0
    clear_since: int | None = None
    seen_ms: int | None = None


def advance(
    hold: Hold, judgement: Judgement, ts_ms: int, *, held_ms: int, clear_ms: int, longest_pause_ms: int
) -> tuple[Hold, Change | None]:
    """Return where the rule stands after a sample at ``ts_ms``, and what has changed.

    held_ms          : so long a condition holds before it is a danger
    clear_ms         : so long it is clear before the danger is over
    longest_pause_ms : after a longer silence nobody knows what held meanwhile: the count begins anew
    """
    paused = hold.seen_ms is not None and ts_ms - hold.seen_ms > longest_pause_ms
    since = tuple(
        None
        if judgement.severity is None or judgement.severity > level
        else ts_ms
        if began is None or paused
        else began
        for level, began in zip((1, 2, 3), hold.since, strict=True)
    )
    held = [
        level for level, began in zip((1, 2, 3), since, strict=True) if began is not None and ts_ms - began >= held_ms
    ]
    worst: Severity | None = held[0] if held else None  # type: ignore[assignment]
    clear_since = None if not judgement.clear else ts_ms if hold.clear_since is None or paused else hold.clear_since
    after = Hold(since, hold.said, hold.began_ms, clear_since, ts_ms)  # type: ignore[arg-type]
    if worst is not None and (hold.said is None or worst < hold.said):
        began = since[worst - 1] if hold.said is None else hold.began_ms
        assert began is not None
        return msgspec.structs.replace(after, said=worst, began_ms=began), "on" if hold.said is None else "worse"
    if hold.said is not None and clear_since is not None and ts_ms - clear_since >= clear_ms:
        return msgspec.structs.replace(after, said=None, since=(None, None, None)), "off"
    return after, None
