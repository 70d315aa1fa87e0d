"""Signing in, what a session may do, and what others try: through the real application and database."""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import FastAPI, Request

from alerts.access import accounts
from alerts.access.audit import Actor
from alerts.access.passwords import Passwords
from alerts.access.roles import Role, Scope
from alerts.access.sessions import begin_attempt
from alerts.web import create_app
from alerts.web.guard import Allowed, declarations
from config.settings import Settings, WebSettings
from ingest.store.connection import connect, open_pool
from tests.asgi import Client
from tests.signing_in import CHEAP, COOKIE, PASSWORD, add_account, session_of, sign_in

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
BY = Actor("command", "tester")
PAGE = {"accept": "text/html"}
WRONG = "Name or password is wrong"


class Clock:
    """The time, which tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


class Counting(Passwords):
    """Counts what is compared."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, rounds=1)
        self.compared: list[bool] = []
        self._lock = threading.Lock()

    def matches(self, kept: str | None, password: str) -> bool:
        with self._lock:
            self.compared.append(kept is not None)
        return super().matches(kept, password)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hasher() -> Counting:
    return Counting()


@pytest.fixture
def app(database: str, clock: Clock, hasher: Counting) -> Iterator[FastAPI]:
    with open_pool(database, role="alerts", max_size=4) as pool:
        app = create_app(Settings(), pool, clock=clock, hasher=hasher)
        # Refusals are many here, and how long they take is looked at elsewhere.
        app.state.desk.step_s = 0.01
        yield app


def browser(app: FastAPI, **headers: str) -> Client:
    return Client(app, base_url="http://127.0.0.1", headers={**PAGE, **headers})


def token_in(page: str) -> str:
    return page.partition('name="csrf" value="')[2].partition('"')[0]


def try_password(client: Client, password: str = PASSWORD, name: str = "agent", **fields: str) -> httpx.Response:
    page = client.get("/sign-in")
    return client.post(
        "/sign-in", data={"csrf": token_in(page.text), "name": name, "password": password, "back": "/", **fields}
    )


def signed_in(app: FastAPI, database: str, role: Role = Role.AGENT) -> Client:
    client = browser(app)
    dealer_id = add_dealer(database) if role is Role.DEALER else None
    client.cookies.set(COOKIE, sign_in(database, role, now=NOW, dealer_id=dealer_id))
    return client


def _nothing() -> dict[str, str]:
    return {}


def add_dealer(database: str) -> str:
    with connect(database, role="alerts") as conn:
        conn.execute(
            "INSERT INTO care.dealer (dealer_id, name_zh, name_en, city, brand, latitude, longitude, phone)"
            " VALUES ('d-1', '门店', 'Dealer', 'Shanghai', 'Forewarn Motors', 31, 121, '021-5550-0000')"
            " ON CONFLICT DO NOTHING"
        )
    return "d-1"


def events(database: str, action: str) -> list[Any]:
    with connect(database, role="alerts") as conn:
        return conn.execute("SELECT actor, detail FROM audit.event WHERE action = %s", [action]).fetchall()


def test_in_and_out(app: FastAPI, database: str) -> None:
    add_account(database, Role.AGENT, now=NOW)
    client = browser(app)
    asked = client.get("/cases/7?x=1")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?back=/cases/7%3Fx%3D1")
    answer = try_password(client, name=" Agent ", back="/?city=Xi%27an")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?city=Xi%27an")
    page = client.get("/")
    assert page.status_code == 200
    # Whoever is signed in already is not asked again.
    assert client.get("/sign-in?back=/cases/1").headers["location"] == "/cases/1"
    token = client.cookies[COOKIE]
    left = client.post("/sign-out", data={"csrf": token_in(page.text)})
    assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
    assert COOKIE not in client.cookies
    # Not only forgotten by the browser: the token itself is worth nothing any more.
    client.cookies.set(COOKIE, token)
    assert client.get("/").status_code == 303
    assert [actor for actor, _ in events(database, "signed in")] == ["agent"]


def test_the_cookie_is_for_this_server_alone(app: FastAPI, database: str) -> None:
    add_account(database, Role.AGENT, now=NOW)
    cookies = try_password(browser(app)).headers.get_list("set-cookie")
    (session,) = [cookie for cookie in cookies if cookie.startswith(f"{COOKIE}=")]
    parts = {part.strip().lower() for part in session.split(";")[1:]}
    assert parts == {"httponly", "samesite=strict", "path=/"}


def test_by_tls_cookies_are_secure_and_bound_to_the_host(database: str, clock: Clock) -> None:
    add_account(database, Role.AGENT, now=NOW)
    web = WebSettings(host="0.0.0.0", names="calls.example", proxy="127.0.0.1")
    with open_pool(database, role="alerts", max_size=2) as pool:
        app = create_app(Settings(web=web), pool, clock=clock, hasher=CHEAP)
        client = Client(app, base_url="https://calls.example", headers=PAGE)
        answer = try_password(client)
        session = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-forewarn-session="))
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in session.split(";")}
        assert "Domain" not in session
        assert client.get("/").status_code == 200
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        # A neighbour of the same domain can set the name without the prefix, which is not looked at.
        token = client.cookies["__Host-forewarn-session"]
        tossed = Client(app, base_url="https://calls.example", headers=PAGE)
        tossed.cookies.set(COOKIE, token)
        assert tossed.get("/").status_code == 303
        # Past the proxy there is no way in, but health is asked for by machines.
        plain = Client(app, base_url="http://calls.example")
        assert plain.get("/sign-in").status_code == 403
        assert plain.get("/healthz").status_code == 200
        assert Client(app, base_url="https://evil.example").get("/sign-in").status_code == 400


def test_a_wrong_password_and_an_unknown_name_look_and_cost_the_same(
    app: FastAPI, database: str, hasher: Counting
) -> None:
    add_account(database, Role.AGENT, now=NOW)
    client = browser(app)
    wrong, unknown = try_password(client, "not the password"), try_password(client, name="nobody")
    for answer in (wrong, unknown):
        assert answer.status_code == 403
        assert WRONG in answer.text
        assert COOKIE not in client.cookies
    assert wrong.text.replace("agent", "nobody") == unknown.text
    assert hasher.compared == [True, False]


def test_failures_make_an_account_wait_longer_and_longer(
    app: FastAPI, database: str, clock: Clock, hasher: Counting
) -> None:
    add_account(database, Role.AGENT, now=NOW)
    client = browser(app)
    for _ in range(5):
        assert WRONG in try_password(client, "not the password").text
    # Now even the right one is refused, in the same words and at the same cost.
    assert WRONG in try_password(client).text
    assert hasher.compared == [True] * 5 + [False]
    clock.pass_by(seconds=59)
    assert try_password(client).status_code == 403
    clock.pass_by(seconds=1)
    assert WRONG in try_password(client, "not the password").text
    clock.pass_by(seconds=119)
    assert try_password(client).status_code == 403
    clock.pass_by(seconds=1)
    assert try_password(client).status_code == 303
    # The right one ends it: the next slip costs nothing.
    client = browser(app)
    assert try_password(client, "not the password").status_code == 403
    assert try_password(client).status_code == 303
    assert len(events(database, "sign-in tried again")) >= 5


def test_failures_a_day_apart_do_not_add_up(app: FastAPI, database: str, clock: Clock) -> None:
    add_account(database, Role.AGENT, now=NOW)
    client = browser(app)
    for _ in range(8):
        assert try_password(client, "not the password").status_code == 403
        clock.pass_by(days=1, seconds=1)
    assert try_password(client).status_code == 303


def test_guesses_at_the_same_moment_all_count(database: str) -> None:
    add_account(database, Role.AGENT, now=NOW)
    ready = threading.Barrier(20)

    def guess(_: int) -> bool:
        with connect(database, role="alerts") as conn:
            ready.wait(30)
            return begin_attempt(conn, "agent", now=NOW).password_hash is not None

    with ThreadPoolExecutor(20) as threads:
        looked_at = list(threads.map(guess, range(20)))
    assert sum(looked_at) == 5


def test_a_locked_account_is_out_at_once_and_stays_out(app: FastAPI, database: str) -> None:
    client = signed_in(app, database)
    assert client.get("/").status_code == 200
    with connect(database, role="alerts") as conn:
        accounts.lock_account(conn, "agent", by=BY, now=NOW)
    assert client.get("/").status_code == 303
    assert WRONG in try_password(browser(app)).text
    with connect(database, role="alerts") as conn:
        accounts.unlock_account(conn, "agent", by=BY, now=NOW)
    # The session that was ended does not come back with the account.
    assert client.get("/").status_code == 303
    assert try_password(browser(app)).status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        lambda conn: accounts.end_sessions(conn, "agent", by=BY, now=NOW),
        lambda conn: accounts.set_password(conn, "agent", "ten brown foxes", by=BY, now=NOW),
        lambda conn: accounts.set_role(conn, "agent", Role.SAFETY, by=BY, now=NOW),
    ],
    ids=["revoked", "password", "role"],
)
def test_what_takes_a_right_away_takes_effect_at_once(
    app: FastAPI, database: str, change: Callable[[psycopg.Connection[Any]], Any]
) -> None:
    account = add_account(database, Role.AGENT, now=NOW)
    clients = [browser(app), browser(app)]
    for client in clients:
        client.cookies.set(COOKIE, session_of(database, account, now=NOW))
        assert client.get("/").status_code == 200
    with connect(database, role="alerts") as conn:
        change(conn)
    assert [client.get("/").status_code for client in clients] == [303, 303]


def test_a_session_ends_when_idle_and_at_last_in_any_case(app: FastAPI, database: str, clock: Clock) -> None:
    client = signed_in(app, database)
    for _ in range(14):
        clock.pass_by(minutes=50)
        assert client.get("/").status_code == 200
    # 11 h 40 min of work, and then half an hour more: the twelve hours are over.
    clock.pass_by(minutes=30)
    assert client.get("/").status_code == 303

    client = browser(app)
    assert try_password(client).status_code == 303
    clock.pass_by(minutes=61)
    assert client.get("/").status_code == 303


def test_signing_in_gives_a_new_token_and_ends_the_old_one(app: FastAPI, database: str) -> None:
    """Session fixation: a token that somebody planted, or had before, is not what is used after."""
    account = add_account(database, Role.AGENT, now=NOW)
    mine = session_of(database, account, now=NOW)
    client = browser(app)
    page = client.get("/sign-in")
    client.cookies.set(COOKIE, mine)
    answer = client.post(
        "/sign-in", data={"csrf": token_in(page.text), "name": "agent", "password": PASSWORD, "back": "/"}
    )
    assert answer.status_code == 303
    given = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(f"{COOKIE}="))
    assert mine not in given
    other = browser(app)
    other.cookies.set(COOKIE, mine)
    assert other.get("/").status_code == 303
    # One that nobody gave out does not become a session either.
    planted = browser(app)
    planted.cookies.set(COOKIE, "planted")
    page = planted.get("/sign-in")
    assert page.status_code == 200
    assert planted.get("/").status_code == 303


def test_of_two_cookies_of_one_name_neither_counts(app: FastAPI, database: str) -> None:
    """Cookie tossing: another port or path of this host may have set one of them."""
    token = sign_in(database, Role.AGENT, now=NOW)
    client = browser(app)
    assert client.get("/", headers={"cookie": f"{COOKIE}={token}"}).status_code == 200
    for header in (f"{COOKIE}=other; {COOKIE}={token}", f"{COOKIE}={token}; a=b; {COOKIE}=other"):
        assert client.get("/", headers={"cookie": header}).status_code == 303


@pytest.mark.parametrize(
    "back", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example"]
)
def test_nobody_is_led_elsewhere(app: FastAPI, database: str, back: str) -> None:
    add_account(database, Role.AGENT, now=NOW)
    client = browser(app)
    assert "evil" not in client.get("/sign-in", params={"back": back}).text
    assert try_password(client, back=back).headers["location"] == "/"
    assert client.get("/sign-in", params={"back": back}).headers["location"] == "/"


def test_a_forged_sign_in_is_refused(app: FastAPI, database: str, hasher: Counting) -> None:
    """Nobody may sign a visitor in to an account that is not the visitor's own."""
    add_account(database, Role.AGENT, now=NOW)
    fields = {"name": "agent", "password": PASSWORD}
    assert browser(app).post("/sign-in", data=fields).status_code == 403
    visitor, attacker = browser(app), browser(app)
    visitor.get("/sign-in")
    theirs = token_in(attacker.get("/sign-in").text)
    assert visitor.post("/sign-in", data={**fields, "csrf": theirs}).status_code == 403
    assert hasher.compared == []
    assert COOKIE not in visitor.cookies


FORGERIES: list[tuple[str, dict[str, str], str, bool]] = [
    ("no token", {}, "", False),
    ("a wrong token", {}, "csrf=AAAA", False),
    ("text/plain", {"content-type": "text/plain"}, "csrf={token}", False),
    ("no content type", {"content-type": ""}, "csrf={token}", False),
    ("json", {"content-type": "application/json"}, '{{"csrf": "{token}"}}', False),
    ("multipart", {"content-type": "multipart/form-data; boundary=x"}, "csrf={token}", False),
    ("another site", {"sec-fetch-site": "cross-site"}, "csrf={token}", False),
    ("a neighbour of the site", {"sec-fetch-site": "same-site"}, "csrf={token}", False),
    ("another origin", {"origin": "http://evil.example"}, "csrf={token}", False),
    ("an origin that hides", {"origin": "null"}, "csrf={token}", False),
    ("another port of this machine", {"origin": "http://127.0.0.1:9999"}, "csrf={token}", False),
    ("our own form", {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}, "csrf={token}", True),
    ("our own script", {"content-type": "application/json", "x-csrf-token": "{token}"}, "{{}}", True),
]


@pytest.mark.parametrize(("headers", "body", "done"), [case[1:] for case in FORGERIES], ids=[c[0] for c in FORGERIES])
def test_only_our_own_pages_change_anything(
    app: FastAPI, database: str, headers: dict[str, str], body: str, done: bool
) -> None:
    client = signed_in(app, database)
    token = token_in(client.get("/").text)
    assert token
    sent = {"content-type": "application/x-www-form-urlencoded"} | headers
    sent = {name: value.format(token=token) for name, value in sent.items()}
    answer = client.post("/sign-out", content=body.format(token=token), headers=sent)
    assert answer.status_code == (303 if done else 403)
    assert (client.get("/").status_code == 303) is done


def test_a_form_of_another_session_is_refused(app: FastAPI, database: str) -> None:
    account = add_account(database, Role.AGENT, now=NOW)
    mine, theirs = browser(app), browser(app)
    mine.cookies.set(COOKIE, session_of(database, account, now=NOW))
    theirs.cookies.set(COOKIE, session_of(database, account, now=NOW))
    token = token_in(theirs.get("/").text)
    assert mine.post("/sign-out", data={"csrf": token}).status_code == 403


@pytest.mark.parametrize("fields", ["name=a%00b&password=x", "name=%ff%fe&password=x", "name&&&=;=", "&" * 300])
def test_odd_forms_are_refused_and_nothing_breaks(app: FastAPI, database: str, fields: str) -> None:
    client = browser(app)
    token = token_in(client.get("/sign-in").text)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/sign-in", content=f"csrf={token}&{fields}", headers=headers).status_code == 403


def test_interfaces_of_their_own_take_keys_and_no_cookies(database: str) -> None:
    from alerts.access.keys import make_key
    from alerts.web.guard import UndeclaredRoute, allowed, caller_of
    from alerts.web.machines import guard_machines

    def partner() -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

        @app.post("/redeem", dependencies=[allowed(Role.DEALER, scope=Scope.COUPONS_REDEEM)])
        def redeem(request: Request) -> dict[str, str | None]:
            return {"dealer": caller_of(request).dealer_id}

        return app

    dealer_id = add_dealer(database)
    with open_pool(database, role="alerts", max_size=2) as pool:
        app = partner()
        guard_machines(app, pool, clock=lambda: NOW)
        with pool.connection() as conn:
            _, right = make_key(conn, "till", {Scope.COUPONS_REDEEM}, dealer_id=dealer_id, by=BY, now=NOW)
            _, wrong = make_key(conn, "crm", {Scope.ALERTS_READ}, by=BY, now=NOW)
        answers = [
            Client(app, headers=headers).post("/redeem")
            for headers in ({}, {"authorization": f"Bearer {wrong}"}, {"authorization": f"Bearer {right}"})
        ]
        assert [answer.status_code for answer in answers] == [401, 403, 200]
        assert answers[-1].json() == {"dealer": "d-1"}
        person = Client(app)
        person.cookies.set(COOKIE, sign_in(database, Role.DEALER, now=NOW, dealer_id=dealer_id))
        assert person.post("/redeem").status_code == 401
        undeclared = partner()
        undeclared.add_api_route("/open", _nothing)
        with pytest.raises(UndeclaredRoute):
            guard_machines(undeclared, pool, clock=lambda: NOW)


def test_a_large_body_is_not_read(app: FastAPI, database: str) -> None:
    assert browser(app).post("/sign-in", data={"name": "x" * 300_000}).status_code == 413


def test_every_route_refuses_everybody_it_does_not_name(app: FastAPI, database: str) -> None:
    """Every route and method with every role, with nobody, and with a key of every scope."""
    clients: dict[Any, Client] = {role: signed_in(app, database, role) for role in Role}
    with connect(database, role="alerts") as conn:
        from alerts.access.keys import make_key

        for scope in Scope:
            dealer_id = "d-1" if scope is Scope.COUPONS_REDEEM else None
            _, secret = make_key(conn, scope.value, {scope}, dealer_id=dealer_id, by=BY, now=NOW)
            clients[scope] = browser(app, authorization=f"Bearer {secret}")
    clients[None] = browser(app)
    checked = 0
    for declared in declarations(app):
        access = declared.access
        if not isinstance(access, Allowed):
            continue
        number = str(UUID(int=1)) if declared.path.startswith("/safety") else "1"
        path = re.sub(r"{(case|task|action|appointment)_id}", number, declared.path)
        path = path.replace("{code}", "7K3M-9QXT-2VA5")
        assert "{" not in path
        for method in sorted(declared.methods):
            for who, client in clients.items():
                admitted = who in access.roles or (who is not None and who is access.scope)
                if admitted and path.endswith("/stream"):
                    # It does not end; the browser tests read both.
                    continue
                answer = client.request(method, path)
                if admitted:
                    # A form without its token gets no further either, but it is not its sender who is refused.
                    # A program that sends nothing is told so.
                    refused = (403, 422) if method == "POST" else (422,) if "{code}" in declared.path else ()
                    assert answer.status_code in (200, 303, 404, *refused), (path, who)
                    assert "sign-in" not in answer.headers.get("location", "")
                    assert "Your role may not" not in answer.text
                elif who is None:
                    assert answer.status_code == (303 if method == "GET" else 401), (path, method)
                else:
                    assert answer.status_code == 403, (path, method, who)
                checked += 1
    assert checked > 50


def test_programs_are_told_in_their_own_way(app: FastAPI, database: str) -> None:
    client = Client(app, base_url="http://127.0.0.1")
    answer = client.get("/call-list.json")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"]
    for credentials in ("Bearer forewarn_wrong", "Basic YWdlbnQ6eA==", "Bearer", ""):
        assert client.get("/call-list.json", headers={"authorization": credentials}).status_code == 401


def test_a_bad_key_is_not_saved_by_a_good_cookie(app: FastAPI, database: str) -> None:
    client = signed_in(app, database)
    assert client.get("/call-list.json", headers={"authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize("role", [Role.SAFETY, Role.DEALER])
def test_whose_desk_is_elsewhere_is_told_so(app: FastAPI, database: str, role: Role) -> None:
    from alerts.web.homes import HOMES

    answer = signed_in(app, database, role).get("/")
    if role in HOMES:
        assert (answer.status_code, answer.headers["location"]) == (303, HOMES[role])
    else:
        assert "You are signed in" in answer.text
        assert "Sign out" in answer.text


def test_nothing_secret_is_kept(app: FastAPI, database: str) -> None:
    from alerts.access.keys import make_key

    token = sign_in(database, Role.AGENT, now=NOW)
    with connect(database, role="alerts") as conn:
        _, secret = make_key(conn, "x", {Scope.ALERTS_READ}, by=BY, now=NOW)
        kept = ""
        for table in ("access.account", "access.session", "access.key", "audit.event"):
            kept += str(conn.execute(f"SELECT row_to_json(t)::text FROM {table} AS t").fetchall())  # type: ignore[arg-type]
    assert "agent" in kept
    for word in (token, secret, PASSWORD):
        assert word not in kept


def test_the_record_is_never_changed(database: str) -> None:
    sign_in(database, Role.AGENT, now=NOW)
    for statement in ("UPDATE audit.event SET actor = 'x'", "DELETE FROM audit.event", "TRUNCATE audit.event"):
        with connect(database, role="alerts") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement)


def test_a_fresh_database_has_no_accounts(database: str) -> None:
    with connect(database, role="alerts") as conn:
        assert accounts.list_accounts(conn, now=NOW) == []


def test_many_who_sign_in_at_once_do_not_stop_the_pages(app: FastAPI, database: str) -> None:
    """Guessers wait for each other; whoever comes after fifty of them is told so before it counts as a failure."""
    from alerts.web import sign_in as desk_module

    add_account(database, Role.AGENT, now=NOW)
    client = browser(app)
    token = token_in(client.get("/sign-in").text)

    app.state.desk._inside = desk_module._AT_ONCE + desk_module._MOST_WAITING
    answer = client.post("/sign-in", data={"csrf": token, "name": "agent", "password": PASSWORD})
    assert answer.status_code == 503
    with connect(database, role="alerts") as conn, contextlib.closing(conn.cursor()) as cursor:
        assert cursor.execute("SELECT failures FROM access.account").fetchone() == (0,)
    app.state.desk._inside -= 1
    assert client.post("/sign-in", data={"csrf": token, "name": "agent", "password": PASSWORD}).status_code == 303
    assert app.state.desk._inside == desk_module._AT_ONCE + desk_module._MOST_WAITING - 1


def test_refusals_are_told_at_the_beat(app: FastAPI, database: str) -> None:
    """What the database does for a name that it knows takes a moment longer; nobody hears it."""
    add_account(database, Role.AGENT, now=NOW)
    app.state.desk.step_s = 0.4
    client = browser(app)
    for name in ("agent", "nobody"):
        token = token_in(client.get("/sign-in").text)
        started = time.monotonic()
        form = {"csrf": token, "name": name, "password": "not the password"}
        assert client.post("/sign-in", data=form).status_code == 403
        assert time.monotonic() - started >= 0.4
