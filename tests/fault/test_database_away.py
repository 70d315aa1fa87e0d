"""The database is away for a minute while the fleet goes on sending."""

import os
import time

from tests.fault.load import fleet_load
from tests.fault.publisher import Publisher
from tests.fault.scene import eventually, workers

AWAY_S = float(os.environ.get("FOREWARN_TEST_AWAY_S", "60"))


def test_away_for_a_minute(server, database, fleet, broker, tmp_path, conclude):
    # More than a worker may hold: the rest has to wait at the broker.
    load = fleet_load(15_000, cars=100)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        publisher = Publisher(broker.port, load, a_second=1000)
        running.until_stored(total // 20, within_s=30)
        server.stop()
        back_at = time.monotonic() + AWAY_S
        eventually(
            lambda: running.look() or time.monotonic() >= back_at, within_s=AWAY_S + 1, what="the time has passed"
        )
        peak_mib = running.peak_mib
        server.start()
        sent = publisher.finish(within_s=30)
        back_s = running.until_stored(total, within_s=60)
    conclude(
        "database away",
        sent,
        running,
        seconds=f"{AWAY_S:.0f}",
        peak_while_away=f"{peak_mib:.0f} MiB",
        backlog_stored_after=f"{back_s:.1f} s",
    )


def test_large_messages_wait_at_the_broker(server, database, fleet, broker, tmp_path, conclude):
    # Some 300 kB each: what a worker may hold is bounded in bytes too.
    load = fleet_load(300, cars=20, samples_a_message=1000)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        server.stop()
        sent = Publisher(broker.port, load).finish(within_s=60)
        server.start()
        back_s = running.until_stored(total, within_s=60)
    conclude(
        "database away, large messages",
        sent,
        running,
        megabytes=sum(len(batch.payload) for batch in load) // 10**6,
        backlog_stored_after=f"{back_s:.1f} s",
    )
