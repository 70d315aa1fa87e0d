"""Turns values into pages: templates, language, times as people say them."""

import re
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from alerts import wording
from alerts.access.roles import Caller
from config.i18n import LANGUAGES, Translate, translator

LANGUAGE_COOKIE = "language"
_HAN = re.compile("[\u4e00-\u9fff]")
PLOTLY_SCRIPT = f"/vendor/plotly-{version('plotly')}.min.js"


class Pages:
    """Renders the templates of this package.

    language : for visitors who did not choose one
    clock    : the time now, UTC
    """

    def __init__(self, *, language: str, clock: Callable[[], datetime]) -> None:
        self.language = language
        self.clock = clock
        self._environment = Environment(
            loader=PackageLoader("alerts.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            wording=wording,
            plotly_script=PLOTLY_SCRIPT,
            version=version("forewarn"),
            local_day=local_day,
            local_moment=local_moment,
        )
        self._environment.filters.update(sentence=sentence, capital=capital, percent=percent)

    def add_globals(self, values: dict[str, Any]) -> None:
        """Let templates call these by name."""
        self._environment.globals.update(values)

    def translator(self, language: str | None) -> Translate:
        """Return the translator of a visitor's language."""
        return translator(language or self.language)

    def translator_of(self, request: Request) -> Translate:
        """Return the translator of who asks."""
        return self.translator(language_of(request))

    def render(
        self, request: Request, template: str, *, status: int = 200, here: str | None = None, **values: Any
    ) -> HTMLResponse:
        """Return a page in the visitor's language.

        here : where a visitor comes back to who chooses another language; None is the page's own address
        """
        language = language_of(request) or self.language
        caller: Caller | None = getattr(request.state, "caller", None)
        t = translator(language)
        now = self.clock()
        text = self._environment.get_template(template).render(
            t=t,
            translator=self.translator,
            language=language,
            here=here or request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            caller=caller,
            csrf=caller.csrf if caller else None,
            ago=lambda instant: ago(instant, now=now, t=t),
            day=lambda instant, zone="UTC": local_day(instant, zone, language),
            clock_time=lambda zone: local_clock(now, zone),
            moment=lambda instant, zone: local_moment(instant, zone, now=now, language=language),
            **values,
        )
        return HTMLResponse(text, status_code=status)


def language_of(request: Request) -> str | None:
    """Return the language the visitor chose, or None."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return chosen if chosen in LANGUAGES else None


def sentence(text: str) -> str:
    """Return a phrase as a sentence of its own: the first letter large, a full stop at the end."""
    stop = "。" if _HAN.search(text) else "."
    return f"{capital(text)}{stop}" if text else ""


def capital(text: str) -> str:
    """Return a phrase with its first letter large and the others as they are."""
    return f"{text[:1].upper()}{text[1:]}"


def percent(share: float | None) -> str:
    """Return a probability in per cent, never a certainty that no model has."""
    return "—" if share is None else f"{min(99, max(1, round(100 * share)))} %"


def ago(instant: datetime, *, now: datetime, t: Translate) -> str:
    """Return how long ago an instant was, in the largest unit that is not zero."""
    minutes = int((now - instant).total_seconds() // 60)
    if minutes < 1:
        return t("just now")
    if minutes < 60:
        return t("%(minutes)s min ago", minutes=minutes)
    if minutes < 48 * 60:
        return t("%(hours)s h ago", hours=minutes // 60)
    return t("%(days)s days ago", days=minutes // (24 * 60))


def local_day(instant: datetime, zone: str, language: str) -> str:
    """Return the calendar day of an instant in a time zone, as its readers write it."""
    local = instant.astimezone(_zone(zone) or instant.tzinfo)
    if language == "zh_CN":
        return f"{local.year}年{local.month}月{local.day}日"
    return f"{local.day} {local:%b %Y}"


def local_clock(now: datetime, zone: str) -> str | None:
    """Return the time of day in a time zone, or None when this machine does not know the zone."""
    known = _zone(zone)
    return f"{now.astimezone(known):%H:%M}" if known else None


def local_moment(instant: datetime, zone: str, *, now: datetime, language: str) -> str:
    """Return day and time of an instant in a time zone; of today, the time alone."""
    known = _zone(zone) or now.tzinfo
    local = instant.astimezone(known)
    if local.date() == now.astimezone(known).date():
        return f"{local:%H:%M}"
    if language == "zh_CN":
        return f"{local.month}月{local.day}日周{'一二三四五六日'[local.weekday()]} {local:%H:%M}"
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None
