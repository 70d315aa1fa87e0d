"""Puts a desk together for a process: journal, recorder, connection for commands, who tells owners."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Literal

import msgspec
import psycopg
import structlog
from psycopg.rows import TupleRow

from alerts.charging.bindings import SaidByPiles
from alerts.charging.book import OpenCase, Rules
from alerts.charging.cars import Cars
from alerts.charging.channels import channels_of
from alerts.charging.commands import CarStopper
from alerts.charging.desk import Desk, NoPartners
from alerts.charging.journal import Journal
from alerts.charging.keeper import Keeper, open_cases
from alerts.charging.recorder import Recorder
from alerts.charging.stopping import Bindings, Partners, PileStopper, Policy
from alerts.charging.teller import OwnerTeller
from config.errors import UserMistake
from config.settings import Settings
from ingest.store.connection import DatabaseAway, connect
from ingest.store.version import check_version

_log = structlog.get_logger(__name__)
_LISTENING_WITHIN_S = 10.0


class OpenDesk(msgspec.Struct, frozen=True):
    """A desk and what a process that feeds it needs beside it."""

    desk: Desk
    cars: Cars
    bindings: SaidByPiles


class PolicyOfSettings:
    """No operator has an interface; the policy is that of the settings."""

    def __init__(self, policy: Policy) -> None:
        self._policy: Policy = policy

    def stopper(self, operator: str) -> PileStopper | None:
        return NoPartners().stopper(operator)

    def policy(self, operator: str) -> Policy:
        return self._policy


@contextmanager
def open_desk(
    settings: Settings,
    *,
    name: Literal["watcher", "web"],
    partners: Partners | None = None,
    bindings: Bindings | None = None,
) -> Iterator[OpenDesk]:
    """Run a desk for as long as the caller needs it; the database may be away, at the start, too.

    name     : of the process; its journal, and its client id at the broker, hang on it. "watcher" climbs the ladder
    partners : what asks operators' piles to stop
    bindings : sessions that say which car is on which pile
    Raises   : UserMistake, when there is no database or broker to speak of, or another process has the same name
    """
    dsn = settings.database.dsn
    if dsn is None or settings.mqtt.host is None:
        raise UserMistake(
            "the safety desk needs database.dsn and mqtt.host: set them, or use a command that runs both embedded"
        )
    charging = settings.charging

    def open_connection() -> psycopg.Connection[TupleRow]:
        return connect(
            dsn, role="alerts", autocommit=True, connect_timeout_s=min(5, settings.database.connect_timeout_s)
        )

    folder = settings.data_dir / "charging" / name
    with ExitStack() as stack:
        journal = Journal(folder)
        stack.callback(journal.close)
        recorder = Recorder(journal, open_connection, settings=charging, folder=folder)
        cars = Cars(open_connection, remember_s=settings.ingest.consent_cache_s)
        said = SaidByPiles(bindings)
        car = CarStopper(settings.mqtt, client_id=f"{settings.mqtt.client_id}-safety-{name}")
        teller = OwnerTeller(
            cars,
            channels_of(charging),
            # The desk is made below: the teller writes only once it was told something.
            lambda entry: desk.write(entry),
            language=settings.language,
            public_url=charging.public_url,
        )
        desk = Desk(
            journal=journal,
            car=car,
            bindings=said,
            partners=partners or PolicyOfSettings(charging.pile_policy),
            rules=Rules(
                charging.fleet_policy,
                timedelta(seconds=charging.stop_within_s),
                timedelta(seconds=charging.stop_valid_s),
            ),
            confirm_within=timedelta(seconds=charging.confirm_within_s),
            teller=teller,
            recording=recorder,
        )
        car.answered = desk.answered
        car.start()
        stack.callback(car.close)
        if not car.wait_until_listening(_LISTENING_WITHIN_S):
            _log.warning("the broker is away: stops to cars leave when it is back")
        recorder.start()
        stack.callback(recorder.close)
        cars.start()
        stack.callback(cars.close)
        stack.callback(teller.close)
        desk.restore(_open_in_database(open_connection))
        desk.start()
        stack.callback(desk.close)
        if name == "watcher":
            keeper = Keeper(open_connection, desk, teller, settings=charging)
            keeper.start()
            stack.callback(keeper.close)
        yield OpenDesk(desk, cars, said)


def _open_in_database(
    open_connection: Callable[[], psycopg.Connection[TupleRow]],
) -> list[tuple[OpenCase, list[uuid.UUID], list[uuid.UUID]]]:
    try:
        with open_connection() as conn:
            check_version(conn)
            return open_cases(conn)
    except psycopg.Error as error:
        _log.warning("open cases cannot be read: the journal alone says what is open", error=str(error))
    except DatabaseAway as error:
        _log.warning("the database is away: the journal alone says what is open", error=str(error))
    return []
