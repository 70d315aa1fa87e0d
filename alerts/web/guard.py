"""Who may use a route: every route says so itself, and an application with one that does not is not started.

@router.get("/cases/{case_id}", dependencies=[allowed(Role.AGENT, Role.SUPERVISOR)])
@router.get("/call-list.json", dependencies=[allowed(Role.AGENT, scope=Scope.ALERTS_READ)])
@router.get("/healthz", dependencies=[anyone("a supervisor asks without an account")])
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from fastapi import Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount

from alerts.access.keys import find_key
from alerts.access.roles import Caller, Role, Scope
from alerts.access.sessions import find_session
from alerts.access.tokens import is_same
from alerts.web.forms import CSRF_FIELD, CSRF_HEADER, check_origin, read_form
from alerts.web.visit import Visits

# They change nothing, so a page of somebody else may cause them.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class UndeclaredRoute(Exception):
    """A route does not say who may use it."""


class NotSignedIn(Exception):
    """Nobody is signed in, or the session is over."""


class NotAllowed(Exception):
    """Whoever is signed in may not do this."""


class FormRefused(Exception):
    """A form did not come from a page of this session, or is too old."""


class Access:
    """What a route declares; it is asked before the route runs."""

    async def __call__(self, request: Request) -> None:
        raise NotImplementedError


class Anyone(Access):
    """Open to everybody, for a reason."""

    def __init__(self, why: str) -> None:
        self.why = why

    async def __call__(self, request: Request) -> None:
        request.state.caller = None


class Allowed(Access):
    """Open to people of some roles and, with a scope, to machines whose key has it."""

    def __init__(self, roles: frozenset[Role], scope: Scope | None) -> None:
        self.roles = roles
        self.scope = scope

    async def __call__(self, request: Request) -> None:
        caller = await run_in_threadpool(find_caller, request)
        if caller is None:
            raise NotSignedIn(NotSignedIn.__doc__)
        request.state.caller = caller
        if not self.admits(caller):
            raise NotAllowed(NotAllowed.__doc__)
        if request.method not in SAFE_METHODS and caller.csrf is not None:
            await check_form(request, caller.csrf)

    def admits(self, caller: Caller) -> bool:
        """Tell whether a caller may use this."""
        return caller.role in self.roles or (self.scope is not None and self.scope in caller.scopes)


class Declared(NamedTuple):
    """A route and who may use it; None when it does not say."""

    path: str
    methods: frozenset[str]
    access: Access | None


def allowed(*roles: Role, scope: Scope | None = None) -> Any:
    """Declare who may use a route: people of these roles, and machines with a key of this scope."""
    if not roles and scope is None:
        raise ValueError("name a role or a scope, or use anyone() with the reason")
    return Depends(Allowed(frozenset(roles), scope))


def anyone(why: str) -> Any:
    """Declare that a route is open to everybody, and why."""
    return Depends(Anyone(why))


def caller_of(request: Request) -> Caller:
    """Return who asks, in a route that is not open to everybody."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        raise NotSignedIn(NotSignedIn.__doc__)
    return caller


def find_caller(request: Request) -> Caller | None:
    """Return whose key or session a request carries, as the database has it now; None when it carries none.

    A stream that stays open asks this again from time to time: a session may end under it.
    """
    state = request.app.state
    now = state.clock()
    credentials = request.headers.get("authorization")
    if credentials is not None:
        # A key stands for itself: whatever else the request carries adds no right to it.
        scheme, _, secret = credentials.partition(" ")
        if scheme.lower() != "bearer":
            return None
        with state.pool.connection() as conn:
            return find_key(conn, secret.strip(), now=now)
    visits: Visits | None = state.visits
    token = visits.session_of(request) if visits is not None else None
    if visits is None or token is None:
        return None
    with state.pool.connection() as conn:
        return find_session(conn, token, limits=visits.limits, now=now)


async def check_form(request: Request, csrf: str) -> None:
    """Refuse what was not sent by a page of ours: by where it comes from, and by what only our page can know.

    Raises : FormRefused
    """
    if not check_origin(request):
        raise FormRefused(FormRefused.__doc__)
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        given = (await read_form(request)).get(CSRF_FIELD)
    if not is_same(given, csrf):
        raise FormRefused(FormRefused.__doc__)


def declarations(app: FastAPI) -> Iterator[Declared]:
    """Return every route of an application with who may use it, mounted ones by their folder."""
    for route in iter_route_contexts(app.routes):
        path = route.path or ""
        original = route.original_route
        if isinstance(original, Mount):
            access = getattr(original.app, "access", None)
            yield Declared(path, frozenset({"GET", "HEAD"}), access if isinstance(access, Access) else None)
            continue
        given = [depends.dependency for depends in getattr(route, "dependencies", ())]
        found = [dependency for dependency in given if isinstance(dependency, Access)]
        # Two would both be asked, but nobody could read off who may.
        yield Declared(path, frozenset(route.methods or ()), found[0] if len(found) == 1 else None)


def check_declared(app: FastAPI) -> None:
    """Refuse an application that has a route without a declaration, or with two. Raises : UndeclaredRoute"""
    missing = sorted({declared.path for declared in declarations(app) if declared.access is None})
    if missing:
        raise UndeclaredRoute(
            f"{', '.join(missing)}: say who may use it, with dependencies=[allowed(Role.…)] or [anyone('why')]"
        )
