"""kill -9 of the database, its children included, then a start on the same files."""

from tests.fault.load import fleet_load
from tests.fault.publisher import Publisher
from tests.fault.scene import workers


def test_killed_twice_in_the_middle_of_the_stream(server, database, fleet, broker, tmp_path, conclude):
    load = fleet_load(4000)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0, 1], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        publisher = Publisher(broker.port, load, a_second=500)
        recovery_s, back_s = 0.0, 0.0
        for part in (1, 2):
            running.until_stored(total * part // 4, within_s=30)
            server.kill()
            recovery_s = max(recovery_s, server.start())
            before = running.stored()
            back_s = max(back_s, running.until_stored(before + 1, within_s=40))
        sent = publisher.finish(within_s=60)
        running.until_stored(total, within_s=40)
    conclude(
        "database killed",
        sent,
        running,
        kills=2,
        recovery=f"{recovery_s:.1f} s",
        longest_until_it_stores_again=f"{back_s:.1f} s",
    )


def test_a_worker_dies_while_it_is_away(server, database, fleet, broker, tmp_path, conclude):
    load = fleet_load(1500)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        publisher = Publisher(broker.port, load, a_second=300)
        running.until_stored(total // 4, within_s=30)
        server.kill()
        running.kill(0)
        sent = publisher.finish(within_s=60)
        server.start()
        back_s = running.until_stored(total, within_s=60)
        running.supervisor.check()
    conclude("worker killed while the database is away", sent, running, all_stored_after=f"{back_s:.1f} s")
