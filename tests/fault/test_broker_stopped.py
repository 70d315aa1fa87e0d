"""The broker is stopped as its operator would and started again; what it holds is in its file."""

import time

from config.settings import MqttSettings
from ingest.broker_check import broker_warnings
from tests.fault.ledger import read_ledger
from tests.fault.load import fleet_load
from tests.fault.publisher import Publisher
from tests.fault.scene import eventually, workers

AWAY_S = 8


def test_stopped_twice_in_the_middle_of_the_stream(database, fleet, broker, tmp_path, conclude):
    load = fleet_load(4000)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        publisher = Publisher(broker.port, load, a_second=500)
        back_s = 0.0
        for part in (1, 2):
            running.until_stored(total * part // 4, within_s=30)
            broker.stop()
            broker.start()
            before = running.stored()
            back_s = max(back_s, running.until_stored(before + 1, within_s=30))
        sent = publisher.finish(within_s=60)
        running.until_stored(total, within_s=30)
    conclude("broker stopped", sent, running, stops=2, longest_until_it_stores_again=f"{back_s:.1f} s")


def test_stopped_while_it_holds_a_backlog(server, database, fleet, broker, tmp_path, conclude):
    load = fleet_load(3000)
    total = sum(len(batch.soc_pct) for batch in load)
    options = {"dsn": database, "mqtt_port": broker.port, "folder": tmp_path}
    with workers([0], **options):
        # The session stands from here on.
        pass
    sent = Publisher(broker.port, load).finish(within_s=60)
    broker.stop()
    broker.start()
    with workers([0], **options) as running:
        back_s = running.until_stored(total, within_s=60)
    conclude("broker stopped with a backlog", sent, running, backlog_stored_after=f"{back_s:.1f} s")


def test_away_for_a_while_loses_nothing_of_one_worker(database, fleet, broker, tmp_path, conclude):
    load = fleet_load(4000)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        sent = _publish_while_it_is_away(broker, running, load, total)
        back_s = running.until_stored(total, within_s=60)
    ledger = conclude("broker away", sent, running, away_s=AWAY_S, all_stored_after=f"{back_s:.1f} s")
    assert ledger.lost == 0


def test_away_for_a_while_loses_what_two_workers_shared_and_start_up_says_so(
    request, database, fleet, broker, tmp_path
):
    """Mosquitto's file holds no shared subscriptions: what is published before a worker is back goes nowhere."""
    (warning,) = broker_warnings(MqttSettings(host="127.0.0.1", port=broker.port), shared=True)
    assert "forgets shared subscriptions when it restarts" in warning
    assert "ingest.workers to 1" in warning
    load = fleet_load(4000)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0, 1], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        sent = _publish_while_it_is_away(broker, running, load, total)
        _until_it_stands_still(running, for_s=10)
    ledger = read_ledger(database, sent)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nbroker away, two workers share a subscription: {ledger}, away {AWAY_S} s", flush=True)  # noqa: T201
    # Whatever reached a worker is stored once.
    assert (ledger.doubled, ledger.foreign, ledger.altered) == (0, 0, 0)
    assert ledger.every_epoch_balances
    assert ledger.stored >= total // 4


def _publish_while_it_is_away(broker, running, load, total):
    publisher = Publisher(broker.port, load, a_second=500)
    running.until_stored(total // 4, within_s=30)
    broker.stop()
    # The fault itself: longer than a worker's first tries to come back.
    time.sleep(AWAY_S)
    broker.start()
    return publisher.finish(within_s=60)


def _until_it_stands_still(running, *, for_s):
    last = [running.received(), time.monotonic()]

    def still():
        received = running.received()
        if received != last[0]:
            last[:] = [received, time.monotonic()]
        return time.monotonic() - last[1] > for_s

    eventually(still, within_s=90, what="the workers have nothing left")
