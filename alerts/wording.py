"""Sentences for people: why a car is on the list, and why so far up."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from babel.dates import format_skeleton

from alerts.evidence import Observed
from alerts.priority import Part
from alerts.reasons import Reason, Why
from config.faults import FaultMode
from config.i18n import Translate, translator
from config.quantities import named

_UNITS = {
    "degC": "°C",
    "percent": "%",
    "kOhm": "kΩ",
    "mOhm": "mΩ",
    "uS": "µS",
    "log10 kOhm": "lg kΩ",
    "degrees": "°",
}


@dataclass(frozen=True, slots=True)
class _Phrase:
    """How to speak of one signal: its level, and its trend when it gets worse. ``worse`` is the sign of a bad trend."""

    level: str
    worsens: str
    worse: int
    # The distance from the pack's median is told as a size; which side it is on is in the words.
    size_only: bool = False


_LOSES = ", and loses %(slope)s a day"
_PHRASES = {
    "cell_low_dev_mv": _Phrase(
        "%(cell)s rests %(value)s below the pack's median", ", and falls %(slope)s a day", +1, size_only=True
    ),
    "cell_high_dev_mv": _Phrase(
        "%(cell)s rests %(value)s above the pack's median", ", and climbs %(slope)s a day", +1, size_only=True
    ),
    "cell_spread_mv": _Phrase("at rest the cells are %(value)s apart", ", and drift %(slope)s further a day", +1),
    "lv_battery_v": _Phrase("the 12 V battery rests at %(value)s", _LOSES, -1),
    "insulation_kohm": _Phrase("the insulation resistance is %(value)s", _LOSES, -1),
    "tire_fl_kpa": _Phrase("the front left tyre is at %(value)s", _LOSES, -1),
    "tire_fr_kpa": _Phrase("the front right tyre is at %(value)s", _LOSES, -1),
    "tire_rl_kpa": _Phrase("the rear left tyre is at %(value)s", _LOSES, -1),
    "tire_rr_kpa": _Phrase("the rear right tyre is at %(value)s", _LOSES, -1),
}
_KINDS = {
    "level": "mean of %(days)s d",
    "lowest": "lowest in %(days)s d",
    "highest": "highest in %(days)s d",
    "deviation": "scatter over %(days)s d",
    "recent": "fading mean of %(days)s d",
    "trend": "trend over %(days)s d",
    "since": "last %(days)s d against two months ago",
    "left": "days left at the rate of the last %(days)s d",
    "loaded": "mean of %(days)s d beyond that at rest",
    "peer_loaded": "mean of %(days)s d beyond that at rest, against cars like it",
    "peer": "mean of %(days)s d against cars like it",
    "peer_lowest": "lowest in %(days)s d against cars like it",
    "peer_highest": "highest in %(days)s d against cars like it",
    "peer_trend": "trend over %(days)s d against cars like it",
    "peer_change": "change in %(days)s d against cars like it",
    "peer_since": "change since two months ago against cars like it",
    "change": "last %(days)s d against the 4 weeks before",
    "drift": "last %(days)s d against the car's first days",
}
_REGIMES = {"rest": "at rest", "drive": "while driving", "charge": "while charging"}
_CAPABILITIES = {"general": "general repairs", "hv_battery": "high-voltage battery", "hv_drive": "electric drive"}
_POWERTRAINS = {"bev": "battery electric", "phev": "plug-in hybrid", "ice": "combustion engine"}
# What a lead without a fault mode is about: as a heading, and after "we call since".
_SOURCES = {
    "prediction": ("expected fault", "something is expected to fail"),
    "lamp": ("warning lamp is on", "a warning lamp came on"),
    "anomaly": ("notice while charging", "a charging station noticed something"),
    "service": ("service due", "its service is due"),
    "dormant": ("not seen for long", "we have not seen it in a workshop for long"),
    "loyalty": ("yearly care", "its yearly care is due"),
}
_DISPOSITIONS = {
    "appointment": "comes: appointment booked",
    "call_back": "wants to be called back",
    "no_answer": "nobody answered",
    "thinks_about_it": "thinks about it",
    "declined": "does not want it",
    "already_repaired": "had it repaired already",
    "wrong_number": "wrong number",
    "do_not_call": "never call again",
    "complaint": "complains",
}
_ENTRIES = {
    "opened": "case opened",
    "reopened": "case opened again: it came back after a repair",
    "closed": "case closed",
    "claimed": "taken",
    "released": "given back",
    "handed over": "handed over",
    "call began": "call began",
    "call ended": "call ended",
    "note": "note",
    "silenced": "silenced",
    "appointment booked": "appointment booked",
    "appointment cancelled": "appointment cancelled",
    "arrived": "came to the workshop",
    "no show": "did not come",
    "offer sent": "coupon sent",
    "coupon redeemed": "coupon redeemed",
    "coupon taken back": "redemption taken back",
    "message received": "message received",
    "driver named": "driver named",
    "driver removed": "driver removed",
    "finding": "workshop finding",
    "task": "task",
    "task done": "task done",
    "survey answered": "owner answered the question",
}
_OUTCOMES = {
    "repaired": "repaired",
    "other_found": "another fault found",
    "nothing_found": "nothing found",
    "declined": "declined",
    "already_repaired": "repaired elsewhere",
    "do_not_call": "not to be called",
    "not_reached": "not reached",
    "calm": "calmed down by itself",
}
_FINDINGS = {"confirmed": "confirmed", "other": "another fault", "nothing": "nothing found"}
_TASKS = {
    "tow": "tow the car",
    "pick_up": "fetch the car",
    "power": "bring power to the car",
    "help": "help button in the car: call at once",
    "low_survey": "unhappy owner: call and put it right",
    "wrong_number": "find the right number",
    "no_receipt": "message not received: call",
}
_CLOCKS = {"answer": "first call", "complaint": "answer the complaint", "close": "close the complaint"}
_WAYS = {"drive": "drives there", "pick_up": "is fetched", "tow": "is towed"}
_SAID = {
    "nothing_now": "Nobody can be called now: cases rest or are in somebody's hands, or owners are asleep.",
    "written": "Written down.",
    "unfinished": "Write down first what came of this call.",
    "offer_sent": "The coupon is on its way.",
    "handed_over": "Handed over.",
}
_SEVERITIES = {1: "personal safety", 2: "equipment", 3: "notice"}


def why(reason: Why, mode: FaultMode | None, language: str, *, source: str = "prediction") -> str:
    """Return one sentence an agent can say: "cell 82 rests 41 mV below the pack's median, usual 4 mV, and falls …"."""
    t = translator(language)
    if reason.observed is not None:
        return _observed(reason.observed, t, language)
    if reason.reasons:
        return reason_sentence(reason.reasons[0], language)
    if source != "prediction":
        return about_source(source, language)
    return t("the model expects it: %(fault)s", fault=mode.name(language)) if mode else ""


def source(name: str, language: str) -> str:
    """Return what kind of lead it is, as a heading."""
    return translator(language)(_SOURCES[name][0])


def disposition(name: str, language: str) -> str:
    """Return what came of a call."""
    return translator(language)(_DISPOSITIONS.get(name, name))


def entry(kind: str, language: str) -> str:
    """Return what happened to a case."""
    return translator(language)(_ENTRIES.get(kind, kind))


def outcome(name: str, language: str) -> str:
    """Return how a case ended."""
    return translator(language)(_OUTCOMES.get(name, name))


def finding(result: str, language: str) -> str:
    """Return what a workshop found, in a word."""
    return translator(language)(_FINDINGS.get(result, result))


def task(kind: str, language: str) -> str:
    """Return what a task asks for."""
    return translator(language)(_TASKS.get(kind, kind))


def clock(kind: str, language: str) -> str:
    """Return what was promised."""
    return translator(language)(_CLOCKS.get(kind, kind))


def way(name: str, language: str) -> str:
    """Return how a car gets to the workshop."""
    return translator(language)(_WAYS.get(name, name))


def said(name: str | None, language: str) -> str:
    """Return the sentence for what was just done; "" for a word that has none."""
    return translator(language)(_SAID[name]) if name in _SAID else ""


def about_source(name: str, language: str) -> str:
    """Return why somebody calls about a lead of a kind, to follow "we call since"."""
    return translator(language)(_SOURCES[name][1])


def reason_sentence(reason: Reason, language: str) -> str:
    """Return one reason as an agent can say it: "…: 11.90 V, usual 12.40 V to 12.70 V, since 3 March"."""
    t = translator(language)
    text = f"{signal_label(reason, language)}: {figure(reason, reason.value, language)}"
    if usual := usual_of(reason, language):
        text += t(", usual %(usual)s", usual=usual)
    if reason.since is not None:
        text += t(", since %(day)s", day=calendar_day(reason.since, language))
    return text


def usual_of(reason: Reason, language: str) -> str:
    """Return between what most cars like it stand, else what is in the middle; "" where nobody knows."""
    if reason.usual_low is not None and reason.usual_high is not None:
        low, high = (figure(reason, value, language) for value in (reason.usual_low, reason.usual_high))
        # Where both ends look alike the range says nothing more than one of them.
        return low if low == high else translator(language)("%(low)s to %(high)s", low=low, high=high)
    return "" if reason.usual is None else figure(reason, reason.usual, language)


def calendar_day(day: date, language: str) -> str:
    """Return a day without its year, as people say it."""
    return format_skeleton("MMMMd", datetime(day.year, day.month, day.day, tzinfo=UTC), locale=language)


def days_to_lamp(days: float | None, low: float | None, high: float | None, language: str) -> str:
    """Return when the lamp is expected: "probably in 9 days (4 to 16)"; "" where nobody knows."""
    whole = whole_days(days, low, high)
    if whole is None:
        return ""
    t = translator(language)
    if whole["days"] < 1:
        return t("probably within a day (up to %(high)s days)", high=whole["high"])
    return t("probably in %(days)s days (%(low)s to %(high)s)", **whole)


def whole_days(days: float | None, low: float | None, high: float | None) -> dict[str, int] | None:
    """Return the days to a lamp and their ends as people say them, none of what they stand for left out."""
    if days is None or low is None or high is None:
        return None
    return {"days": round(days), "low": math.floor(low), "high": max(math.ceil(high), 1)}


def quantity(value: float, unit: str | None) -> str:
    """Return a value with its unit, with as many digits as the sensor is worth: 12.10 V, 41 mV, 3.4 °C."""
    size = abs(value)
    if unit == "V" and size < 100:
        digits = 2
    elif size >= 100 or unit == "mV":
        digits = 0
    else:
        digits = 1
    return _shown(value, unit, digits)


def rate(value: float, unit: str | None) -> str:
    """Return a change a day; volts in millivolts, for cells and batteries move by those."""
    value, unit = (value * 1000, "mV") if unit == "V" else (value, unit)
    size = abs(value)
    return _shown(value, unit, 0 if size >= 10 else 2 if 0 < size < 0.1 else 1)


def _shown(value: float, unit: str | None, digits: int) -> str:
    text = f"{value:.{digits}f}".replace("-", "−")
    if text.strip("−0.") == "":
        text = text.replace("−", "")
    shown = _UNITS.get(unit or "", unit or "")
    return f"{text}{'' if shown in ('', '°') else ' '}{shown}"


def signal_label(reason: Reason, language: str) -> str:
    """Return what a reason is about: "12 V battery voltage, at rest, mean of 7 d"."""
    t = translator(language)
    signal = named(reason.signal)
    parts = [signal.name(language) if signal else reason.signal]
    if reason.regime in _REGIMES:
        parts.append(t(_REGIMES[reason.regime]))
    if reason.window_d and reason.kind in _KINDS:
        parts.append(t(_KINDS[reason.kind], days=reason.window_d))
    return t(", ").join(parts)


def figure(reason: Reason, value: float | None, language: str) -> str:
    """Return a reason's value, or its usual value, with the unit; a trend is per day."""
    if value is None:
        return "—"
    signal = named(reason.signal)
    unit = signal.unit if signal else reason.unit
    if reason.kind == "left":
        return translator(language)("%(days)s d", days=round(value))
    if reason.kind in ("trend", "peer_trend"):
        return translator(language)("%(rate)s a day", rate=rate(value, unit))
    return quantity(value, unit)


def priority_parts(parts: tuple[Part, ...], language: str) -> list[tuple[str, int]]:
    """Return what each addend of a priority is for, with its points."""
    t = translator(language)
    texts: Mapping[str, str] = {
        "severity": "%(severity)s",
        "likelihood": "%(percent)s %% likely",
        "urgency": "lamp within %(value)s days",
        "further_leads": "further reasons: %(value)s",
    }
    return [
        (
            t(
                texts[part.key],
                value=round(part.value),
                percent=round(100 * part.value),
                severity=severity(round(part.value), language) if part.key == "severity" else "",
            ),
            part.points,
        )
        for part in parts
        if part.key in texts
    ]


def severity(level: int, language: str) -> str:
    """Return the name of a severity: 1 personal safety, 2 equipment, 3 notice."""
    return translator(language)(_SEVERITIES[level])


def capability(key: str, language: str) -> str:
    """Return what a workshop can do, by its key in config/faults.toml."""
    return translator(language)(_CAPABILITIES.get(key, key))


def role(name: str, language: str) -> str:
    """Return what somebody does here."""
    t = translator(language)
    names = {
        "agent": t("call-centre agent"),
        "supervisor": t("supervisor"),
        "safety": t("safety desk"),
        "dealer": t("dealer workshop"),
    }
    return names.get(name, name)


def powertrain(key: str, language: str) -> str:
    """Return how a car is driven: bev, phev or ice."""
    return translator(language)(_POWERTRAINS.get(key, key))


def _observed(observed: Observed, t: Translate, language: str) -> str:
    signal = named(observed.signal)
    unit = signal.unit if signal else None
    phrase = _PHRASES.get(observed.signal)
    value, slope = observed.value, observed.slope_per_day
    usual, earlier = observed.usual, observed.earlier
    if phrase and phrase.size_only:
        slope = None if slope is None else slope * (-1 if value < 0 else 1)
        value, usual, earlier = abs(value), _size(usual), _size(earlier)
    if phrase:
        # Which cell it is may not be known; the phrase then begins with the words for any.
        cell = t("one cell") if observed.cell is None else t("cell %(number)s", number=observed.cell)
        text = t(phrase.level, value=quantity(value, unit), cell=cell)
    else:
        name = signal.name(language) if signal else observed.signal
        where = t(_REGIMES[observed.regime])
        text = t("%(name)s %(where)s is %(value)s", name=name, where=where, value=quantity(value, unit))
    if usual is not None:
        text += t(", usual %(usual)s", usual=quantity(usual, unit))
    elif earlier is not None:
        text += t(", a month ago %(earlier)s", earlier=quantity(earlier, unit))
    if slope:
        if phrase and slope * phrase.worse > 0:
            text += t(phrase.worsens, slope=rate(abs(slope), unit))
        elif phrase is None:
            trend = ", and rises %(slope)s a day" if slope > 0 else ", and falls %(slope)s a day"
            text += t(trend, slope=rate(abs(slope), unit))
    return text


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)
