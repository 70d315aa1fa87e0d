"""Why a lead exists, as ``care.lead.reasons`` keeps it: what was observed, then what drove the model's score."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec

from alerts.evidence import Observed


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One signal that drove a score.

    kind    "level", "lowest", "highest", "deviation", "recent" (a mean that fades), "trend" (units a day), "change"
            against the weeks before, "since" against two months ago, "left" (days until the limit), "drift" against the
            car's first days, "peer", "peer_lowest", … against cars like it
    usual   median of the same figure over healthy cars; None when the model does not know it
    usual_low, usual_high
            between them most cars of the same model stood on the same day; None where there are few
    since   day from which on the car has stood outside of that; None where it stands inside
    effect  share of the score, in the model's own log odds; positive speaks for the fault
    """

    signal: str
    value: float | None = None
    unit: str | None = None
    usual: float | None = None
    usual_low: float | None = None
    usual_high: float | None = None
    since: date | None = None
    effect: float = 0.0
    regime: str = ""
    kind: str = "level"
    window_d: int = 0


class Why(msgspec.Struct, frozen=True):
    """Everything a lead can say for itself."""

    observed: Observed | None
    reasons: tuple[Reason, ...]


def parse(stored: Iterable[Mapping[str, Any]]) -> Why:
    """Read what ``care.lead.reasons`` or ``prediction.prediction.reasons`` holds."""
    observed = None
    reasons = []
    for entry in stored:
        if entry.get("kind") == "observed":
            observed = msgspec.convert(entry, Observed, strict=False)
        else:
            reasons.append(msgspec.convert({**_of_feature(str(entry.get("feature", ""))), **entry}, Reason))
    return Why(observed, tuple(reasons))


def usual_level(reasons: Iterable[Reason], signal: str) -> float | None:
    """Return what healthy cars show of ``signal``, if a reason says so."""
    return next((reason.usual for reason in reasons if reason.signal == signal and reason.kind == "level"), None)


def _of_feature(feature: str) -> dict[str, Any]:
    """Split a feature's name, such as ``lv_battery_v.rest.trend.7d``."""
    parts = feature.split(".")
    if len(parts) != 4 or not parts[3].removesuffix("d").isdigit():
        return {}
    return {"regime": parts[1], "kind": parts[2], "window_d": int(parts[3].removesuffix("d"))}
