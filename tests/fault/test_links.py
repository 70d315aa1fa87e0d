"""The links of a worker, to the broker and to the database, cut, stalled, slow, refused."""

import time

import pytest
from psycopg import conninfo

from tests.fault.load import fleet_load
from tests.fault.proxy import proxy
from tests.fault.publisher import Publisher
from tests.fault.scene import eventually, workers

CUTS = 4
STALL_S = 5.0


def _through(dsn, link):
    return conninfo.make_conninfo(dsn, host="127.0.0.1", port=link.port)


@pytest.mark.parametrize("to", ["broker", "database"])
def test_cut(to, server, database, fleet, broker, tmp_path, conclude):
    load = fleet_load(3000)
    total = sum(len(batch.soc_pct) for batch in load)
    with (
        proxy(broker.port) as broker_link,
        proxy(server.port) as database_link,
        workers(
            [0],
            dsn=database,
            mqtt_port=broker_link.port,
            worker_dsn=_through(database, database_link),
            folder=tmp_path,
        ) as running,
    ):
        link = broker_link if to == "broker" else database_link
        publisher = Publisher(broker.port, load, a_second=400)
        for number in range(CUTS):
            running.until_stored(total * (number + 1) // (CUTS + 2), within_s=30)
            before = link.accepted
            link.cut()
            eventually(lambda: link.accepted > before, within_s=30, what="the worker connects again")  # noqa: B023
        sent = publisher.finish(within_s=60)
        running.until_stored(total, within_s=30)
    conclude(f"link to the {to} cut", sent, running, cuts=CUTS)


@pytest.mark.parametrize("to", ["broker", "database"])
def test_stalled_and_then_cut(to, server, database, fleet, broker, tmp_path, conclude):
    load = fleet_load(4000)
    total = sum(len(batch.soc_pct) for batch in load)
    with (
        proxy(broker.port) as broker_link,
        proxy(server.port) as database_link,
        workers(
            [0],
            dsn=database,
            mqtt_port=broker_link.port,
            worker_dsn=_through(database, database_link),
            folder=tmp_path,
        ) as running,
    ):
        link = broker_link if to == "broker" else database_link
        publisher = Publisher(broker.port, load, a_second=500)
        running.until_stored(total // 5, within_s=30)
        _stall(link, running)
        link.resume()
        running.until_stored(total // 2, within_s=30)
        _stall(link, running)
        link.cut()
        link.resume()
        sent = publisher.finish(within_s=60)
        running.until_stored(total, within_s=40)
    conclude(f"link to the {to} stalled, then cut", sent, running, stalls=2, of=f"{STALL_S:.0f} s")


def _stall(link, running):
    link.stall()
    over_at = time.monotonic() + STALL_S
    eventually(lambda: running.look() or time.monotonic() >= over_at, within_s=STALL_S + 1, what="the stall is over")


def test_slow_links(server, database, fleet, broker, tmp_path, conclude):
    load = fleet_load(1500)
    total = sum(len(batch.soc_pct) for batch in load)
    with proxy(broker.port) as broker_link, proxy(server.port) as database_link:
        broker_link.delay(0.05)
        database_link.delay(0.05)
        with workers(
            [0],
            dsn=database,
            mqtt_port=broker_link.port,
            worker_dsn=_through(database, database_link),
            folder=tmp_path,
        ) as running:
            sent = Publisher(broker.port, load).finish(within_s=60)
            running.until_stored(total, within_s=60)
    conclude("slow links", sent, running, delay="50 ms each way")


def test_a_broker_away_behind_what_still_accepts(server, database, fleet, broker, tmp_path, conclude):
    """A load balancer takes connections and hangs up: no reason to speak an older protocol from then on."""
    load = fleet_load(1500)
    total = sum(len(batch.soc_pct) for batch in load)
    with (
        proxy(broker.port) as link,
        workers([0], dsn=database, mqtt_port=link.port, folder=tmp_path) as running,
    ):
        publisher = Publisher(broker.port, load, a_second=200)
        running.until_stored(total // 4, within_s=30)
        before = link.accepted
        link.refuse()
        eventually(lambda: link.accepted >= before + 3, within_s=30, what="the worker tries three times")
        link.admit()
        sent = publisher.finish(within_s=60)
        running.until_stored(total, within_s=40)
    ways = [line for line in broker.log.read_text().splitlines() if "as forewarn-ingest-0 " in line]
    spoken = [line.split("(p")[1][0] for line in ways]
    conclude("broker away behind a load balancer", sent, running, protocols=spoken)
    assert set(spoken) == {spoken[0]}
