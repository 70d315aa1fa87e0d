"""The link to the database is lost at the worst moment: around COMMIT, while the server's session lives on."""

import threading
from contextlib import contextmanager

import psycopg
from psycopg import conninfo

from tests.fault.load import Batch, fleet_load, vin_of
from tests.fault.proxy import proxy
from tests.fault.publisher import Publisher
from tests.fault.scene import eventually, workers

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'forewarn ingest' AND wait_event_type = 'Lock'
"""


class _Commits:
    """Holds the first COMMIT of a connection that has copied readings, once armed."""

    def __init__(self):
        self.armed = False
        self.held = threading.Event()
        self.deliver = threading.Event()
        self._copied = set()

    def __call__(self, connection, piece):
        if not self.armed or self.held.is_set():
            return
        if b"COPY " in piece:
            self._copied.add(connection)
        if connection in self._copied and b"COMMIT" in piece:
            self.held.set()
            self.deliver.wait(80)


def _poison(number):
    return Batch(f"v1/vehicles/{vin_of(number % 50)}/telemetry", b"poison %d" % number, {}, frozenset())


@contextmanager
def _scene(server, database, broker, tmp_path):
    commits = _Commits()
    with proxy(server.port, before_forward=commits) as link:
        own = conninfo.make_conninfo(database, host="127.0.0.1", port=link.port)
        try:
            with workers([0], dsn=database, mqtt_port=broker.port, worker_dsn=own, folder=tmp_path) as running:
                yield running, link, commits
        finally:
            commits.deliver.set()


def _waits_for_a_lock(database):
    with psycopg.connect(database) as conn:
        row = conn.execute(_WAITING).fetchone()
    return row is not None and row[0] > 0


def test_a_commit_that_arrives_after_its_worker_has_gone(server, database, fleet, broker, tmp_path, conclude):
    load = fleet_load(300)
    bad = [_poison(number) for number in range(len(load))]
    mixed = [batch for pair in zip(load, bad, strict=True) for batch in pair]
    total = sum(len(batch.soc_pct) for batch in load)
    with _scene(server, database, broker, tmp_path) as (running, link, commits):
        commits.armed = True
        sent = Publisher(broker.port, mixed).finish(within_s=30)
        assert commits.held.wait(20)
        link.abandon()
        eventually(lambda: _waits_for_a_lock(database), within_s=20, what="the next try waits for the first")
        commits.deliver.set()
        everything = total + len(bad)
        eventually(lambda: running.received() >= everything, within_s=30, what="every sample has its outcome")
    ledger = conclude("COMMIT arrives after its worker has gone", sent, running)
    # Every message came once, so every dead letter is there once and nothing was counted twice.
    assert (ledger.received, ledger.dead, ledger.duplicate) == (everything, len(bad), 0)


def test_a_commit_that_never_arrives(server, database, fleet, broker, tmp_path, conclude):
    load = fleet_load(500)
    total = sum(len(batch.soc_pct) for batch in load)
    with _scene(server, database, broker, tmp_path) as (running, link, commits):
        commits.armed = True
        sent = Publisher(broker.port, load).finish(within_s=30)
        assert commits.held.wait(20)
        link.abandon()
        # The server's session holds its rows, and the next try of the same batch waits for them.
        back_s = running.until_stored(total, within_s=60)
    conclude("COMMIT never arrives", sent, running, all_stored_after=f"{back_s:.1f} s")
