"""Registers operators by OCPI's credentials: their token comes in, their interface is looked at, ours goes out.

What is given out follows from the token that was used and the one that came: the same request again has the same
answer, and nobody is locked out by an answer that got lost.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from alerts.access.audit import Actor, record
from alerts.charging.partners.asking import NotReached, get, short
from alerts.charging.partners.credentials import Credentials, commands_url, details_url, read_credentials
from alerts.charging.partners.gate import Connect
from alerts.charging.partners.ocpi import SUCCESS, authorization
from alerts.charging.partners.partner import Key, Partner
from alerts.charging.partners.records import rotate
from alerts.charging.partners.refusals import (
    EndpointsMissing,
    NotAuthentic,
    NotForNow,
    NotRecorded,
    PartnerUnusable,
    Refused,
    TooMany,
)
from alerts.charging.partners.registry import Registry
from alerts.charging.partners.sealing import Sealer, digest
from config import sql

_log = structlog.get_logger(__name__)
_ASK_WITHIN_S = 10.0
# Threads of their own, so that an interface that does not answer keeps no danger waiting; few, for it happens seldom.
_THREADS = 2
_PREFIX = "fwo_"
# An answer that got lost is asked for again sooner.
REPEAT_WITHIN = timedelta(minutes=10)
# So long what the operator has in flight, and its other machines, may still say the token before.
OVERLAP = timedelta(hours=1)


class Registrar:
    """Registers operators. For several threads.

    connect     : as of the gate; of a role that may write keys
    in_the_open : whether operators' interfaces may be without TLS, as on one machine
    """

    def __init__(
        self,
        *,
        registry: Registry,
        sealer: Sealer,
        connect: Connect,
        client: httpx.Client,
        in_the_open: bool,
        clock: Callable[[], datetime],
        ask_within_s: float = _ASK_WITHIN_S,
    ) -> None:
        self._registry, self._sealer, self._connect, self._client = registry, sealer, connect, client
        self._in_the_open, self._clock, self._ask_within_s = in_the_open, clock, ask_within_s
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="partner-registers")
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def register(self, partner: Partner, key: Key, fields: dict[str, Any]) -> str:
        """Take an operator's first credentials and return the token by which it is known from now on.

        Raises : Refused
        """
        return self._exchange(partner, key, fields, is_first=True)

    def renew(self, partner: Partner, key: Key, fields: dict[str, Any]) -> str:
        """Take new credentials of a registered operator and return its next token; the one before goes on for a while.

        Raises : Refused
        """
        return self._exchange(partner, key, fields, is_first=False)

    def end(self, partner: Partner, key: Key) -> None:
        """End a registration, with every token of it.

        Raises : NotForNow, NotRecorded
        """
        now = self._clock()
        with self._alone(partner), _recorded(), self._connect() as conn:
            self._locked(conn, partner)
            if partner.ocpi_versions_url is None:
                raise _not_registered()
            _check_newest(key)
            values = {"partner_id": partner.partner_id, "now": now}
            conn.execute(sql.load(__package__, "revoke_ocpi_keys"), values)
            conn.execute(sql.load(__package__, "unregister_partner"), values)
            record(conn, _actor(partner, key), "ocpi registration ended", now=now)
        self._registry.refresh_patiently()
        _log.warning("an operator ended its registration: it is not asked by OCPI any more", partner=partner.partner_id)

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)

    def _exchange(self, partner: Partner, key: Key, fields: dict[str, Any], *, is_first: bool) -> str:
        theirs = read_credentials(fields, partner, in_the_open=self._in_the_open)
        ours = self._sealer.derived_token(_PREFIX, about=_about(partner, key, theirs))
        with self._alone(partner):
            # Before the states are looked at: asked again, they are those that the first request left behind.
            if self._is_repeated(partner, ours):
                return ours
            _check_state(partner, key, is_first=is_first)
            commands = self._look_at(partner, theirs)
            self._write(partner, key, theirs, commands, ours)
            self._registry.refresh_patiently()
        _log.info("an operator exchanged credentials", partner=partner.partner_id, first=is_first)
        return ours

    def _is_repeated(self, partner: Partner, ours: str) -> bool:
        with _recorded(), self._connect() as conn:
            values = {"partner_id": partner.partner_id, "digest": digest(ours), "now": self._clock()}
            return conn.execute(sql.load(__package__, "is_key_of"), values).fetchone() is not None

    def _look_at(self, partner: Partner, theirs: Credentials) -> str | None:
        """Return where the operator takes commands; None, when it is asked to stop in another way.

        Raises : PartnerUnusable, NoCommonVersion, EndpointsMissing, NotUnderstood
        """
        deadline_s = time.monotonic() + self._ask_within_s
        versions = self._ask(theirs.versions_url, theirs.token, deadline_s=deadline_s)
        at = details_url(versions, in_the_open=self._in_the_open)
        details = self._ask(at, theirs.token, deadline_s=deadline_s)
        try:
            return commands_url(details, in_the_open=self._in_the_open)
        except EndpointsMissing:
            if partner.stop_by in (None, "ocpi"):
                raise
            return None

    def _ask(self, url: str, token: str, *, deadline_s: float) -> Any:
        headers = {"authorization": authorization(token), "accept": "application/json"}
        try:
            reply = get(self._client, url, headers, deadline_s=deadline_s)
            said = msgspec.json.decode(reply.body)
        except NotReached as error:
            raise PartnerUnusable(f"your {url} does not answer: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PartnerUnusable(f"your {url} answers HTTP {reply.status} and no JSON") from error
        if reply.status != 200 or not isinstance(said, dict) or said.get("status_code") != SUCCESS:
            code = said.get("status_code") if isinstance(said, dict) else None
            raise PartnerUnusable(short(f"your {url} answers HTTP {reply.status}, status_code {code}"))
        return said.get("data")

    def _write(self, partner: Partner, key: Key, theirs: Credentials, commands: str | None, ours: str) -> None:
        now = self._clock()
        with _recorded(), self._connect() as conn:
            self._locked(conn, partner)
            # Another server of ours may have been asked the same at the same moment.
            row = conn.execute(sql.load(__package__, "key_state"), {"key_id": key.key_id, "now": now}).fetchone()
            values = {"partner_id": partner.partner_id, "digest": digest(ours), "now": now}
            if conn.execute(sql.load(__package__, "is_key_of"), values).fetchone() is not None:
                return
            if row is None or row[0] is not None:
                raise _spent()
            for kind, secret in (("ocpi", ours), ("ocpi_out", theirs.token)):
                rotate(
                    conn,
                    self._sealer,
                    partner.partner_id,
                    kind,  # type: ignore[arg-type]
                    now=now,
                    overlap=OVERLAP,
                    given=secret.encode(),
                )
            if key.kind == "ocpi_register":
                spent = {"key_id": key.key_id, "now": now, "expires_at": now + REPEAT_WITHIN}
                conn.execute(sql.load(__package__, "spend_key"), spent)
            where = {"partner_id": partner.partner_id, "versions_url": theirs.versions_url, "commands_url": commands}
            conn.execute(sql.load(__package__, "register_partner"), where)
            # Nobody of ours stood by: where its piles are asked to stop from now on has to be found later.
            detail = {"versions_url": theirs.versions_url, "commands_url": commands}
            record(conn, _actor(partner, key), "ocpi credentials exchanged", now=now, detail=detail)

    def _locked(self, conn: psycopg.Connection[Any], partner: Partner) -> None:
        values = {"partner_id": partner.partner_id}
        if conn.execute(sql.load(__package__, "lock_partner"), values).fetchone() is None:
            raise _spent()

    @contextmanager
    def _alone(self, partner: Partner) -> Iterator[None]:
        """Serve one exchange of a partner at a time. Raises : TooMany"""
        with self._lock:
            if partner.partner_id in self._busy:
                raise TooMany("an exchange of credentials is under way", retry_after_s=int(self._ask_within_s))
            self._busy.add(partner.partner_id)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(partner.partner_id)


def _check_state(partner: Partner, key: Key, *, is_first: bool) -> None:
    if key.spent_at is not None:
        raise _spent()
    is_registered = partner.ocpi_versions_url is not None
    # A new token from a person lets who lost theirs begin again.
    if is_first and is_registered and key.kind != "ocpi_register":
        raise NotForNow("you are registered: PUT changes credentials", allowed=("GET", "PUT", "DELETE"))
    if not is_first and not is_registered:
        raise _not_registered()
    if not is_first:
        _check_newest(key)


def _check_newest(key: Key) -> None:
    # It goes on for what is in flight. Who rotates since it leaked is not to be put out by whoever has it.
    if key.expires_at is not None:
        raise NotAuthentic("the token was replaced: it tells of sessions for a while, and changes no credentials")


def _about(partner: Partner, key: Key, theirs: Credentials) -> str:
    given = hashlib.sha256(theirs.token.encode()).hexdigest()
    return f"ocpi {partner.partner_id} {key.key_id} {given}"


def _actor(partner: Partner, key: Key) -> Actor:
    return Actor("key", f"partner {partner.partner_id} key {key.key_id}")


def _spent() -> Refused:
    return NotAuthentic("the token is none of ours, or was used")


def _not_registered() -> Refused:
    return NotForNow("you are not registered: POST does that", allowed=("GET", "POST"))


@contextmanager
def _recorded() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise NotRecorded("the database does not answer: ask again in a moment", retry_after_s=5) from error
