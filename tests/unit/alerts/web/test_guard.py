"""A route that does not say who may use it keeps the whole application from starting."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from alerts.access.roles import Caller, Role, Scope
from alerts.web import create_app
from alerts.web.guard import Allowed, Anyone, UndeclaredRoute, allowed, anyone, check_declared, declarations
from config.settings import Settings
from forewarn.cli.roles import RoleName, ScopeName
from tests.signing_in import CHEAP


def _app() -> FastAPI:
    return create_app(Settings(), pool=None, hasher=CHEAP)  # type: ignore[arg-type]


def test_every_route_of_the_application_says_who_may_use_it() -> None:
    found = list(declarations(_app()))
    assert len(found) > 10
    assert [declared.path for declared in found if declared.access is None] == []


def test_what_is_open_to_everybody_is_known() -> None:
    paths = {declared.path for declared in declarations(_app()) if isinstance(declared.access, Anyone)}
    plotly = next(path for path in paths if path.startswith("/vendor/"))
    assert paths - {plotly} == {
        "/sign-in",
        "/language/{language}",
        "/healthz",
        "/static",
        "/safety/receipts/{delivery_id}",
        # What owners open from a message.
        "/o/{token}",
        "/o/{token}/received",
        "/o/{token}/driver",
        "/s/{token}",
        "/messages/{message_id}/receipt",
    }


def _plain() -> FastAPI:
    return FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


def _nothing() -> dict[str, Any]:
    return {}


def test_an_undeclared_route_is_named() -> None:
    app = _plain()
    app.add_api_route("/open", _nothing, dependencies=[anyone("a test")])
    check_declared(app)
    app.add_api_route("/secret", _nothing)
    with pytest.raises(UndeclaredRoute, match=r"^/secret: say who may use it"):
        check_declared(app)


def test_a_route_of_an_included_router_is_named_with_its_prefix() -> None:
    app, outer, inner = _plain(), APIRouter(), APIRouter()
    inner.add_api_route("/deep", _nothing)
    inner.add_api_route("/fine", _nothing, dependencies=[allowed(Role.SAFETY)])
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/outer")
    with pytest.raises(UndeclaredRoute, match=r"^/outer/inner/deep: "):
        check_declared(app)


def test_a_router_may_declare_for_all_of_its_routes() -> None:
    app, router = _plain(), APIRouter(dependencies=[allowed(Role.SAFETY)])
    router.add_api_route("/desk", _nothing)
    app.include_router(router)
    check_declared(app)
    (declared,) = declarations(app)
    assert isinstance(declared.access, Allowed)
    assert declared.access.roles == {Role.SAFETY}


def test_two_declarations_are_none() -> None:
    app, router = _plain(), APIRouter(dependencies=[allowed(Role.SAFETY)])
    router.add_api_route("/desk", _nothing, dependencies=[anyone("by mistake")])
    app.include_router(router)
    with pytest.raises(UndeclaredRoute):
        check_declared(app)


def test_mounted_files_and_sockets_declare_too(tmp_path: Path) -> None:
    app = _plain()
    app.mount("/files", StaticFiles(directory=tmp_path))

    @app.websocket("/live")
    async def live() -> None: ...

    with pytest.raises(UndeclaredRoute, match=r"^/files, /live: "):
        check_declared(app)


def test_a_declaration_without_anybody_is_refused() -> None:
    with pytest.raises(ValueError, match="name a role"):
        allowed()


def test_who_is_admitted() -> None:
    access = Allowed(frozenset({Role.AGENT}), Scope.ALERTS_READ)
    assert access.admits(Caller(kind="account", name="a", role=Role.AGENT))
    assert not access.admits(Caller(kind="account", name="d", role=Role.DEALER))
    assert access.admits(Caller(kind="key", name="1", scopes=frozenset({Scope.ALERTS_READ})))
    assert not access.admits(Caller(kind="key", name="2", scopes=frozenset({Scope.COUPONS_REDEEM})))
    assert not Allowed(frozenset({Role.AGENT}), None).admits(Caller(kind="key", name="3", scopes=frozenset(Scope)))


def test_commands_name_the_roles_and_scopes_there_are() -> None:
    assert [role.value for role in RoleName] == [role.value for role in Role]
    assert [scope.value for scope in ScopeName] == [scope.value for scope in Scope]


def test_every_form_carries_the_token() -> None:
    templates = Path(__file__).parents[4] / "alerts" / "web" / "templates"
    forms = [
        form
        for file in templates.glob("*.html")
        for form in re.findall(r"<form.*?</form>", file.read_text(), re.DOTALL)
    ]
    posting = [form for form in forms if 'method="post"' in form]
    assert len(posting) >= 3
    assert [form for form in posting if 'name="csrf"' not in form] == []
