"""Runs the partners' side of a process: who they are, which car is on which pile, and the server they speak to.

In two steps, since the desk has to know the partners before messages can be handed to the desk.
"""

import errno
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import structlog
import uvicorn
from psycopg_pool import ConnectionPool, PoolTimeout

from alerts.charging.partners.admission import Limits
from alerts.charging.partners.app import create_app
from alerts.charging.partners.asked import Asked
from alerts.charging.partners.asking import new_client
from alerts.charging.partners.gate import Gate, SafetyDesk, forget_messages
from alerts.charging.partners.occurrences import Occurrences, Where
from alerts.charging.partners.partner import Partner
from alerts.charging.partners.records import all_partners
from alerts.charging.partners.registration import Registrar
from alerts.charging.partners.registry import Registry
from alerts.charging.partners.reports import Measurement
from alerts.charging.partners.sealing import load_or_make
from alerts.charging.partners.sessions import Sessions, open_sessions
from alerts.charging.partners.stoppers import OurSide, stopper_maker
from config import sql
from config.errors import UserMistake
from config.settings import PartnerSettings, Settings
from ingest.store.connection import open_pool

_log = structlog.get_logger(__name__)
# A message does not wait longer for a database that is away: what had to be done is done by then.
_CONNECTION_WITHIN_S = 2.0
# A session that nobody ended is over by then, and an anomaly nobody called over is a new one.
_LATELY = timedelta(days=2)
_HOUSEKEEPING_S = 600.0
_START_WITHIN_S = 10.0
# More at once is nobody's business: a slow attack ends at the proxy.
_MOST_CONNECTIONS = 500


class NeedsTls(UserMistake):
    """Partners on other machines send keys and dangers: not without TLS."""


class PartnerSide:
    """What one process knows of partners. ``registry`` and ``sessions`` are for the desk, ``serve`` takes it."""

    def __init__(
        self, settings: Settings, pool: ConnectionPool[psycopg.Connection[Any]], *, clock: Callable[[], datetime]
    ) -> None:
        self._settings, self._pool, self._clock = settings.partners, pool, clock
        self._language = settings.language
        self.sealer = load_or_make(master_key_file(settings))
        self.client = new_client()
        self.sessions = Sessions()
        self.occurrences = Occurrences()
        self.asked = Asked()
        ours = OurSide(
            operator_id=settings.partners.operator_id,
            party=(settings.partners.country_code, settings.partners.party_id),
            public_url=settings.partners.address(),
        )
        make = stopper_maker(ours, self.client, self.sessions.session_at, self.asked, clock=clock)
        self.registry = Registry(self._load, make, policy=settings.charging.pile_policy, clock=clock)
        self._is_restored = False

    def refresh(self) -> None:
        """Read who the partners are, and what was going on when this process ended."""
        self.registry.refresh()
        if not self._is_restored:
            self._restore()

    def keep_fresh(self, stop: threading.Event) -> None:
        """Do so again and again until ``stop``; a database that is away is waited for."""
        tidied = time.monotonic()
        while not stop.wait(self._settings.refresh_s):
            self.registry.refresh_patiently()
            with suppress(psycopg.OperationalError, PoolTimeout):
                if not self._is_restored:
                    self._restore()
                if time.monotonic() - tidied > _HOUSEKEEPING_S:
                    tidied = time.monotonic()
                    with self._pool.connection() as conn:
                        forget_messages(conn, now=self._clock())

    def gate(self, desk: SafetyDesk, *, measured: Callable[[Iterable[Measurement]], None] | None = None) -> Gate:
        """Return the way of messages to the desk."""
        return Gate(
            desk=desk,
            registry=self.registry,
            sessions=self.sessions,
            connect=self._pool.connection,
            limits=Limits(rate_per_s=self._settings.rate_per_s, burst=self._settings.burst),
            tolerance_s=self._settings.clock_tolerance_s,
            asked=self.asked,
            occurrences=self.occurrences,
            measured=measured,
            clock=self._clock,
        )

    @contextmanager
    def serve(
        self,
        desk: SafetyDesk,
        *,
        measured: Callable[[Iterable[Measurement]], None] | None = None,
        listening: socket.socket | None = None,
    ) -> Iterator[None]:
        """Serve partners on a thread of its own.

        Raises : NeedsTls; UserMistake, when the address cannot be had
        """
        gate = self.gate(desk, measured=measured)
        registrar = self._registrar()
        app = create_app(gate, self.sealer, registrar, self._settings, language=self._language)
        config = uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
            access_log=False,
            lifespan="off",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=75,
            proxy_headers=self._settings.behind_proxy,
            ssl_certfile=self._settings.cert_file,
            ssl_keyfile=self._settings.key_file,
        )
        with listening or bind(self._settings) as bound:
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="partners", daemon=True)
            thread.start()
            deadline = time.monotonic() + _START_WITHIN_S
            while not server.started and thread.is_alive() and time.monotonic() < deadline:
                time.sleep(0.01)
            if not server.started:
                raise UserMistake("the server for partners did not start: its own message says why")
            try:
                yield
            finally:
                server.should_exit = True
                thread.join(_START_WITHIN_S)
                gate.close()
                registrar.close()

    def close(self) -> None:
        self.client.close()

    def _registrar(self) -> Registrar:
        return Registrar(
            registry=self.registry,
            sealer=self.sealer,
            connect=self._pool.connection,
            client=self.client,
            # Who serves this machine alone is spoken to by this machine; whom else we serve has TLS, as we have.
            in_the_open=is_loopback(urlsplit(self._settings.address()).hostname or ""),
            clock=self._clock,
        )

    def _load(self) -> list[Partner]:
        with self._pool.connection() as conn:
            return list(all_partners(conn, self.sealer, now=self._clock()))

    def _restore(self) -> None:
        since = self._clock() - _LATELY
        with self._pool.connection() as conn:
            self.sessions.restore(open_sessions(conn, since=since))
            for row in conn.execute(sql.load(__package__, "open_anomalies"), {"since": since}):
                channel, source_id, operator, station, connector, code, session_id, kind, severity, at = row
                where = Where(channel, operator, station or "", connector or "")
                self.occurrences.restore(
                    where, code, source_id=source_id, session_id=session_id, kind=kind, severity=severity, at=at
                )
        self._is_restored = True


@contextmanager
def partner_side(
    settings: Settings, *, dsn: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Iterator[PartnerSide]:
    """Have the partners' side of a process, kept up to date on a thread, for as long as it is used.

    A database that is away is waited for.
    Raises : NeedsTls, MasterKeyUnfit
    """
    check_listening(settings.partners)
    stop = threading.Event()
    pool = open_pool(dsn, role="alerts", timeout_s=_CONNECTION_WITHIN_S, patient=True)
    with pool:
        side = PartnerSide(settings, pool, clock=clock)
        try:
            side.refresh()
        except (psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("partners cannot be read yet", error=str(error).strip())
        thread = threading.Thread(target=side.keep_fresh, args=(stop,), name="partners-fresh", daemon=True)
        thread.start()
        try:
            yield side
        finally:
            stop.set()
            thread.join()
            side.close()


def master_key_file(settings: Settings) -> Path:
    """Return where the key lies that partners' keys are sealed with."""
    return settings.partners.master_key or settings.data_dir / "partners.key"


def check_listening(settings: PartnerSettings) -> None:
    """Refuse to serve other machines in the open.

    Raises : NeedsTls
    """
    if (settings.cert_file is None) != (settings.key_file is None):
        raise NeedsTls("partners.cert_file and partners.key_file belong together: set both")
    for file in (settings.cert_file, settings.key_file):
        if file is not None and not file.is_file():
            raise NeedsTls(f"there is no file {file}: correct partners.cert_file and partners.key_file")
    if settings.cert_file is None and not settings.behind_proxy and not is_loopback(settings.host):
        raise NeedsTls(
            f"partners.host is {settings.host}, and partners would send keys in the open: set partners.cert_file and"
            " partners.key_file, or partners.behind_proxy when a proxy in front does TLS"
        )


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(settings: PartnerSettings) -> socket.socket:
    """Return a socket at the address of the settings. Raises : UserMistake"""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Only of a socket that says it is TCP does asyncio turn off Nagle's wait, which holds an answer back for 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise UserMistake(
                f"port {settings.port} is in use: stop what listens there or set FOREWARN_PARTNERS__PORT to another"
            ) from error
        raise UserMistake(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): correct FOREWARN_PARTNERS__HOST"
        ) from error
    return listening
