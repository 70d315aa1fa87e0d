"""The cookies: a session's token, and that of a visit before there is one. Nothing of them is read by a script."""

from datetime import timedelta
from typing import Any, Literal

from fastapi import Request, Response

from alerts.access.sessions import Limits
from config.settings import WebSettings

_STRICT: Literal["strict"] = "strict"


class Visits:
    """Reads and writes cookies.

    By TLS their names begin with ``__Host-``: browsers take such a cookie from this very host only, never from a
    neighbour of the same domain. On this machine alone, without TLS, there is no such guard.
    """

    def __init__(self, web: WebSettings) -> None:
        self.secure = web.is_secure
        self.limits = Limits(timedelta(minutes=web.session_idle_min), timedelta(hours=web.session_max_h))
        prefix = "__Host-" if self.secure else ""
        self.session_cookie = f"{prefix}forewarn-session"
        self.visit_cookie = f"{prefix}forewarn-visit"

    def session_of(self, request: Request) -> str | None:
        """Return the token of the session that a browser names, good or not."""
        return _only(request, self.session_cookie)

    def visit_of(self, request: Request) -> str | None:
        """Return the token of a visit without a session."""
        return _only(request, self.visit_cookie)

    def open(self, response: Response, token: str) -> None:
        """Have the browser keep a session until it is closed; the server knows when it is over."""
        self._set(response, self.session_cookie, token)
        self._delete(response, self.visit_cookie)

    def begin(self, response: Response, token: str) -> None:
        """Have the browser keep the token that the form of the sign-in is bound to."""
        self._set(response, self.visit_cookie, token)

    def close(self, response: Response) -> None:
        """Have the browser forget its session."""
        self._delete(response, self.session_cookie)

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, path="/", httponly=True, secure=self.secure, samesite=_STRICT)

    def _delete(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", httponly=True, secure=self.secure, samesite=_STRICT)


def _only(request: Request, name: str) -> str | None:
    """Return a cookie that is there once: of two with one name, one was put there by somebody else."""
    found: list[Any] = []
    for header in request.headers.getlist("cookie"):
        for part in header.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                found.append(value.strip().strip('"'))
    return found[0] if len(found) == 1 and found[0] else None
