"""The whole product on one machine in one command, with a simulated fleet and nothing else made up."""

import secrets
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import conninfo, sql

from config.errors import UserMistake
from config.settings import DatabaseSettings, MqttSettings, Settings
from forewarn.databases import drop_database
from forewarn.delivery import Outcomes, deliver, ingest_beside
from forewarn.embedded import services
from forewarn.embedded.account import make_folder
from forewarn.embedded.locks import try_lock
from forewarn.progress import progress_bar
from forewarn.schedule import JobContext, running_schedule
from ingest.store.connection import connect
from ingest.store.enrolment import enrol
from ingest.store.migrate import migrate

if TYPE_CHECKING:
    from alerts.call_list import CallRow
    from forewarn.demo_charging import ChargingShown

# The folder of a demo inside the data folder: its servers, its database and its models, apart from the real ones.
FOLDER = "demo"
# What owners of cars in danger were sent, a JSON object a line.
MESSAGE_FILE = "messages.jsonl"
_TOP = 10
# A fleet that shows something in minutes: far more faults than on the road, mostly the two that models are made of, and
# reports every minute and a half under way.
_FAULTY_SHARE = 0.5
_MODES = ("hv_self_discharge", "lv_battery", "hv_self_discharge", "lv_battery", "tyre_leak")
_SAMPLING_S = (90.0, 900.0, 360.0)
# Without those that look alike.
_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a demo did. ``top`` is the top of the call list, ``settings`` reach its servers while they run.

    accounts : who may sign in to this demo, all by one password that was made for it
    """

    settings: Settings
    outcomes: Outcomes
    top: "list[CallRow]"
    data_dir: Path
    accounts: tuple[str, ...]
    password: str


def run_demo(
    settings: Settings,
    *,
    vehicles: int,
    days: int,
    seed: int,
    show: Callable[[DemoResult], None],
    show_charging: "Callable[[ChargingShown], None]",
    serve: Callable[[Settings], None] | None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    say: Callable[[str], None],
) -> DemoResult:
    """Simulate a fleet, publish it, ingest, train, score, open cases; ``show`` the result.

    Then a car is in danger while it charges; ``show_charging`` what came of it, and ``serve`` it all.
    serve  : runs until the user ends it; None leaves at once
    Raises : UserMistake, when another demo runs in the same folder, the fleet is too small to learn from, or the
             danger was not stopped
    """
    folder = settings.data_dir / FOLDER
    with ExitStack() as stack:
        make_folder(folder.resolve())
        alone = try_lock(folder / "demo.lock", exclusive=True)
        if alone is None:
            raise UserMistake(
                f"another demo runs in {folder}: end it first, or set FOREWARN_DATA_DIR to another folder"
            )
        stack.enter_context(alone)
        say("Starting PostgreSQL and the MQTT broker")
        own = stack.enter_context(services(_own_settings(settings, folder), broker=True))
        _empty(own)
        end = clock().replace(hour=0, minute=0, second=0, microsecond=0)
        arrived = _publish_fleet(own, vehicles=vehicles, days=days, seed=seed, end=end)
        context = JobContext(own, clock=clock, as_of=end)
        with running_schedule(context) as schedule:
            say("Training a model for every fault mode")
            schedule.run_now("train")
            say("Scoring the fleet")
            schedule.run_now("score")
            say("Opening cases")
            schedule.run_now("triage")
            # Lamps that are on are on the list too, whatever the models dare to say of so few cars.
            schedule.run_now("care")
            schedule.run_now("slots")
        accounts, password = _add_accounts(own, now=clock())
        result = DemoResult(own, arrived, _call_list(own), folder, accounts, password)
        show(result)
        # Imported here: the call list does not wait for it.
        from forewarn.demo_charging import show_danger

        show_charging(show_danger(own, message_file=folder.resolve() / MESSAGE_FILE, seed=seed, say=say))
        if serve is not None:
            serve(own)
    return result


def _own_settings(settings: Settings, folder: Path) -> Settings:
    # Whatever database and broker are configured, a demo keeps its hands off them.
    ingest = settings.ingest.model_copy(update={"workers": 1})
    own = {"data_dir": folder, "mqtt": MqttSettings(), "database": DatabaseSettings(), "ingest": ingest}
    return settings.model_copy(update=own)


def _empty(settings: Settings) -> None:
    """Begin with an empty database, no models, and nothing of the danger before."""
    assert settings.database.dsn is not None
    name = conninfo.conninfo_to_dict(settings.database.dsn)["dbname"]
    with psycopg.connect(conninfo.make_conninfo(settings.database.dsn, dbname="postgres"), autocommit=True) as conn:
        drop_database(conn, str(name))
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(str(name))))
    for made in ("models", "charging"):
        shutil.rmtree(settings.data_dir / made, ignore_errors=True)
    (settings.data_dir / MESSAGE_FILE).unlink(missing_ok=True)
    migrate(settings.database.dsn, settings.store)


def _publish_fleet(settings: Settings, *, vehicles: int, days: int, seed: int, end: datetime) -> Outcomes:
    from alerts.dealers import load_sample_dealers
    from forewarn.simulator import Sampling, messages, simulate_fleet

    assert settings.database.dsn is not None
    with progress_bar(f"Simulating {vehicles} cars for {days} days", total=vehicles) as advance:
        fleet = simulate_fleet(
            vehicles=vehicles,
            days=days,
            seed=seed,
            end=end,
            faulty_share=_FAULTY_SHARE,
            sampling=Sampling(*_SAMPLING_S),
            modes=_MODES,
            on_progress=advance,
        )
    with connect(settings.database.dsn, role="alerts") as conn:
        load_sample_dealers(conn)
    with connect(settings.database.dsn, role="admin") as conn:
        enrol(conn, fleet.enrolments, chosen_at=fleet.start)
    with (
        ingest_beside(settings),
        progress_bar("Publishing their messages over MQTT", total=fleet.n_readings) as advance,
    ):
        return deliver(messages(fleet), settings, on_progress=advance)


def _add_accounts(settings: Settings, *, now: datetime) -> tuple[tuple[str, ...], str]:
    """Add an account of each role to the demo's own database; return their names and the one password."""
    from alerts.access.accounts import add_account
    from alerts.access.audit import Actor
    from alerts.access.roles import Role
    from alerts.dealers import sample_dealers

    # New for each demo: a password that everybody knows would one day be on a server that everybody reaches.
    letters = "".join(secrets.choice(_LETTERS) for _ in range(16))
    password = "-".join(letters[start : start + 4] for start in range(0, 16, 4))
    assert settings.database.dsn is not None
    with connect(settings.database.dsn, role="alerts") as conn:
        for role in Role:
            dealer_id = sample_dealers()[0].dealer_id if role is Role.DEALER else None
            by = Actor("command", "demo")
            add_account(conn, role.value, role, password, dealer_id=dealer_id, by=by, now=now)
    return tuple(role.value for role in Role), password


def _call_list(settings: Settings) -> "list[CallRow]":
    from alerts.call_list import rows

    assert settings.database.dsn is not None
    with connect(settings.database.dsn, role="alerts") as conn:
        return rows(conn, language=settings.language, limit=_TOP)
