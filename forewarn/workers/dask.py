"""Workers of a Dask cluster. What they run is this Forewarn's code; another version of it is refused."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import psycopg

from config.errors import UserMistake
from forewarn.in_processes import in_order
from forewarn.workers.apart import Apart
from ingest.store.connection import connect
from models.provenance import code_version
from models.workers import A, Connection, S, T

if TYPE_CHECKING:
    from distributed import Client

_PACKAGE = "forewarn"
_ANSWERS_WITHIN_S = 15
# Tasks under way for each thread of the cluster: the next one waits there while a result travels.
_AHEAD = 2


class NoCluster(UserMistake):
    """Nobody answers at the address, or nobody works there."""


class OtherCode(UserMistake):
    """A worker runs another version of Forewarn, whose results would be others."""


class ClusterLost(UserMistake):
    """Workers ended in the middle of the work, more often than it is tried again."""


class _Sealed:
    """What every task needs, the login of the store among it: shown nowhere, so that no dashboard has it."""

    def __init__(self, dsn: str, code: str, shared: object) -> None:
        self.dsn, self.code, self.shared = dsn, code, shared

    def __repr__(self) -> str:
        return "what every task needs"


class Dask(Apart):
    """Workers of a cluster, which reach the store by ``dsn``."""

    def __init__(self, client: "Client", dsn: str) -> None:
        super().__init__(dsn)
        self._client = client

    def each(self, work: Callable[[Connection, S, A], T], tasks: Iterable[A], *, shared: S) -> Iterator[T]:
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        # With every worker, so that it is not lost with one.
        sealed = self._client.scatter(_Sealed(self._dsn, code_version(), shared), broadcast=True, hash=False)

        def submit(task: A) -> Any:
            key = f"{work.__name__.strip('_')}-{token_hex(8)}"
            return self._client.submit(_do, work, sealed, task, key=key, pure=False)

        threads = sum(self._client.nthreads().values())
        try:
            yield from in_order(submit, tasks, ahead=max(_AHEAD * threads, 2))
        except (KilledWorker, FutureCancelledError, TimeoutError, OSError) as error:
            if isinstance(error, psycopg.Error):
                raise
            raise ClusterLost(
                f"the cluster lost its workers in the middle of the work ({type(error).__name__}): look at their logs,"
                " for memory above all, and run it again; nothing was stored"
            ) from error


@contextmanager
def on_dask(address: str, dsn: str) -> Iterator[Dask]:
    """Yield the cluster of a scheduler.

    address : tcp://host:port or tls://host:port; certificates are those of Dask's own settings
    Raises  : NoCluster, OtherCode
    """
    from distributed import Client

    try:
        client = Client(address, timeout=_ANSWERS_WITHIN_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise NoCluster(
            f"no Dask scheduler answers at {address}: start one with 'dask scheduler' there, or correct --on"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_ANSWERS_WITHIN_S)
        except TimeoutError as error:
            raise NoCluster(
                f"the Dask scheduler at {address} has no workers: start some with 'dask worker {address}'"
            ) from error
        own = code_version()
        # Asked of the standard library: a worker without Forewarn cannot even read the question for its version.
        for worker, found in client.run(version, _PACKAGE, on_error="return").items():
            if isinstance(found, Exception):
                raise OtherCode(f"worker {worker} has no Forewarn: install {own.partition('+')[0]} where it runs")
        for worker, code in client.run(_code).items():
            if code != own:
                raise OtherCode(f"worker {worker} runs Forewarn {code} and this is {own}: install the same on both")
        yield Dask(client, dsn)


def _code() -> str:
    return code_version()


def _do(work: Callable[[Connection, S, A], T], sealed: _Sealed, task: A) -> T:
    # A worker that joined later was not asked before.
    if sealed.code != code_version():
        raise OtherCode(f"a worker runs Forewarn {code_version()} and this is {sealed.code}: install the same on both")
    shared: Any = sealed.shared
    with connect(sealed.dsn, role="models", autocommit=True) as conn:
        return work(conn, shared, task)
