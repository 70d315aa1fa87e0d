"""The broker is stopped as its operator would and started again; what it holds is in its file."""

from tests.fault.load import fleet_load
from tests.fault.publisher import Publisher
from tests.fault.scene import workers


def test_stopped_twice_in_the_middle_of_the_stream(database, fleet, broker, tmp_path, conclude):
    load = fleet_load(4000)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0, 1], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
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
