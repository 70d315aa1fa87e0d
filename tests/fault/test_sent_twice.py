"""Every message is sent twice, by two publishers at the same time and to two workers."""

from tests.fault.load import fleet_load
from tests.fault.publisher import Publisher
from tests.fault.scene import eventually, workers


def test_every_message_twice(database, fleet, broker, tmp_path, conclude):
    load = fleet_load(3000)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0, 1], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        publishers = [Publisher(broker.port, load) for _ in range(2)]
        sent = [batch for publisher in publishers for batch in publisher.finish(within_s=60)]
        eventually(lambda: running.received() >= 2 * total, within_s=60, what="both copies received")
    ledger = conclude("every message twice", sent, running)
    assert (ledger.received, ledger.stored, ledger.duplicate) == (2 * total, total, total)
