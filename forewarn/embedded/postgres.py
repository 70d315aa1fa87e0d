"""A PostgreSQL server of our own: scram passwords, 127.0.0.1 only, an unprivileged user, durable settings."""

import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.errors import UserMistake
from forewarn.embedded.account import Account, account_for, can_reach, make_folder
from forewarn.embedded.binaries import SYSTEM_HOME, explain, run_program
from forewarn.embedded.locks import locked
from forewarn.embedded.ports import free_port, is_taken
from forewarn.embedded.postmaster import end_server, forget_stale_locks, running_port, socket_folder
from forewarn.embedded.shared import shared_server

_OWNER = "forewarn"
_SUPERUSER = "postgres"
_LONGEST_SOCKET_PATH = 107
# Recovery after a kill can take a while on a slow disk.
_START_TIMEOUT_S = 90
_LOG_LIMIT_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server. ``dsn`` reaches the database ``forewarn`` over TCP as its owner, who is no superuser."""

    dsn: str
    home: Path
    port: int
    account: Account | None

    @property
    def data(self) -> Path:
        return self.home / "data"

    def stop(self, *, remove: bool = False) -> None:
        """End the server, should it still run, and wait for it. remove : delete its files as well."""
        sockets = socket_folder(self.data)
        end_server(self.data)
        if sockets is not None and sockets != self.home / "socket":
            shutil.rmtree(sockets, ignore_errors=True)
        if remove:
            shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def shared_cluster(directory: Path, *, run_as: str | None, port: int | None = None) -> Iterator[Cluster]:
    """Yield the server of ``directory`` that all processes share; see ``start_cluster``."""
    home, account = _home(directory, run_as)
    with shared_server(home, start=partial(_start, home, account, port), stop=Cluster.stop) as cluster:
        yield cluster


def start_cluster(directory: Path, *, run_as: str | None, port: int | None = None) -> Cluster:
    """Return a running server whose files are in ``directory``, made on first use, adopted when it still runs.

    run_as : the user it runs as when this process is root; None takes ``nobody``
    port   : None takes the one of last time when it is free, else any free one
    Raises : UserMistake, when the port is taken, the disk is full, the folder is another user's or too damaged
    When this process is root and that user cannot enter ``directory``, the files go below /var/lib/forewarn.
    """
    home, account = _home(directory, run_as)
    with locked(home / "start.lock"):
        return _start(home, account, port)


def restart_cluster(cluster: Cluster) -> None:
    """Start a server that was killed again, on its data and its port; the caller holds the start lock."""
    _start(cluster.home, cluster.account, cluster.port)


def running_cluster(directory: Path, *, run_as: str | None) -> Cluster | None:
    """Return the server of ``directory`` if it runs now; starts and creates nothing."""
    account = account_for(run_as)
    for home in (directory.resolve(), _elsewhere(directory.resolve())):
        port = running_port(home / "data")
        if port is not None:
            return Cluster(_dsn(home, port), home, port, account)
    return None


def _elsewhere(directory: Path) -> Path:
    return SYSTEM_HOME / hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]


def _home(directory: Path, run_as: str | None) -> tuple[Path, Account | None]:
    directory = directory.resolve()
    account = account_for(run_as)
    try:
        make_folder(directory)
        if not can_reach(account, directory):
            # The parents keep their modes, so the server moves instead.
            directory = _elsewhere(directory)
            make_folder(directory)
    except PermissionError as error:
        raise UserMistake(
            f"cannot write {error.filename}: run as its owner or set FOREWARN_DATA_DIR to a folder of your own"
        ) from error
    if directory.stat().st_uid != os.geteuid():
        raise UserMistake(
            f"{directory} belongs to another user: run as its owner or set FOREWARN_DATA_DIR to a folder of your own"
        )
    return directory, account


def _start(home: Path, account: Account | None, port: int | None) -> Cluster:
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(home, account)
    expected = account.uid if account else os.geteuid()
    if data.stat().st_uid != expected:
        raise UserMistake(
            f"{data} belongs to another user than the one that runs PostgreSQL: "
            "set FOREWARN_EMBEDDED__RUN_AS to its owner or FOREWARN_DATA_DIR to a new folder"
        )
    running = running_port(data)
    if running is not None:
        if port not in (None, running):
            raise UserMistake(f"PostgreSQL in {home} already runs on port {running}: use that port, or end it first")
        cluster = Cluster(_dsn(home, running), home, running, account)
        _wait_until_ready(cluster)
    else:
        cluster = _launch(home, account, port)
    _create_owner(cluster)
    return cluster


def _initialise(home: Path, account: Account | None) -> None:
    new = home / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    for name in ("password", "superuser-password"):
        _write_private(home / name, secrets.token_urlsafe(24))
    handed_over = home / "initdb-password"
    _write_private(handed_over, (home / "superuser-password").read_text(encoding="ascii"))
    if account:
        for path in (new, handed_over):
            os.chown(path, account.uid, account.gid)
    try:
        run_program(
            home,
            account,
            "initdb",
            f"--pgdata={new}",
            f"--username={_SUPERUSER}",
            f"--pwfile={handed_over}",
            "--auth-local=scram-sha-256",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        )
    finally:
        handed_over.unlink(missing_ok=True)
    with (new / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(_CONFIGURATION)
    new.rename(home / "data")


_CONFIGURATION = """
# Forewarn: the port and the socket folder are given at each start.
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
max_wal_size = '4GB'
"""


def _launch(home: Path, account: Account | None, port: int | None) -> Cluster:
    log = home / "postgres.log"
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.old"))
    log.touch(mode=0o600)
    sockets = _socket_folder(home)
    if account:
        for path in (log, sockets):
            os.chown(path, account.uid, account.gid)
    remembered = home / "port"
    wanted = port or (int(remembered.read_text(encoding="ascii")) if remembered.exists() else 0)
    for attempt in range(5):
        if port is not None and is_taken(port):
            raise UserMistake(f"port {port} is in use: stop what listens there or choose another port")
        chosen = wanted if wanted and not is_taken(wanted) else free_port()
        before = log.stat().st_size
        options = f"-p {chosen} -c unix_socket_directories={_quoted(sockets)}"
        try:
            _control(home, account, "start", "-w", "-t", str(_START_TIMEOUT_S), "-l", str(log), "-o", options)
        except UserMistake as failure:
            said = log.read_bytes()[before:].decode(errors="replace")
            # Another process took the port first, or the processes of a server that was killed are still ending.
            if attempt < 4 and ("could not bind" in said or "still in use" in said):
                time.sleep(0.5)
                continue
            if attempt < 4 and "lock file" in said and forget_stale_locks(home / "data", sockets):
                continue
            raise UserMistake(explain(said, failure, log)) from failure
        remembered.write_text(str(chosen), encoding="ascii")
        return Cluster(_dsn(home, chosen), home, chosen, account)
    raise AssertionError("unreachable: the last attempt raises")


def _socket_folder(home: Path) -> Path:
    folder = home / "socket"
    if len(os.fsencode(folder / ".s.PGSQL.65535.lock")) > _LONGEST_SOCKET_PATH:
        # The system limits the whole path; a deep data folder gets its sockets elsewhere.
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:8]
        return Path(tempfile.mkdtemp(prefix=f"forewarn-{digest}-", dir="/tmp"))
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _create_owner(cluster: Cluster) -> None:
    """Make the login that Forewarn uses: it may create databases and roles and is no superuser."""
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(cluster.dsn, connect_timeout=10):
        return
    superuser = _dsn(cluster.home, cluster.port, user=_SUPERUSER, database="postgres", secret="superuser-password")  # noqa: S106
    password = (cluster.home / "password").read_text(encoding="ascii")
    with psycopg.connect(superuser, connect_timeout=10, autocommit=True) as connection:
        exists = "SELECT FROM pg_roles WHERE rolname = %s"
        verb = "ALTER" if connection.execute(exists, [_OWNER]).rowcount else "CREATE"
        connection.execute(
            sql.SQL(f"{verb} ROLE {{}} LOGIN CREATEDB CREATEROLE PASSWORD {{}}").format(
                sql.Identifier(_OWNER), sql.Literal(password)
            )
        )
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [_OWNER]).rowcount:
            connection.execute(f"CREATE DATABASE {_OWNER} OWNER {_OWNER}")


def _wait_until_ready(cluster: Cluster) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    dsn = _dsn(cluster.home, cluster.port, user=_SUPERUSER, database="postgres", secret="superuser-password")  # noqa: S106
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise UserMistake(
                    f"PostgreSQL does not answer: {str(error).splitlines()[0]}; see {cluster.home / 'postgres.log'}"
                ) from error
            time.sleep(0.2)
        else:
            return


def _control(home: Path, account: Account | None, action: str, *arguments: str) -> None:
    run_program(home, account, "pg_ctl", action, "-D", str(home / "data"), *arguments)


def _dsn(home: Path, port: int, *, user: str = _OWNER, database: str = _OWNER, secret: str = "password") -> str:  # noqa: S107
    password = (home / secret).read_text(encoding="ascii")
    return f"postgresql://{user}:{quote(password)}@127.0.0.1:{port}/{database}"


def _quoted(path: Path) -> str:
    # pg_ctl hands the options to a shell.
    return "'" + str(path).replace("'", "'\\''") + "'"


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
