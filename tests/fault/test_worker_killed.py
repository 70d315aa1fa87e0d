"""kill -9 of a worker in the middle of the stream, alone and sharing a subscription."""

from tests.fault.load import fleet_load
from tests.fault.publisher import Publisher
from tests.fault.scene import eventually, workers

KILLS = 3


def test_the_only_worker(database, fleet, broker, tmp_path, conclude):
    load = fleet_load(3000)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        publisher = Publisher(broker.port, load, a_second=500)
        back_s = _kill_again_and_again(running, total, [0])
        sent = publisher.finish(within_s=60)
        running.until_stored(total, within_s=30)
    conclude("worker killed", sent, running, kills=KILLS, longest_until_it_writes_again=f"{back_s:.1f} s")


def test_two_that_share_a_subscription(database, fleet, broker, tmp_path, conclude):
    load = fleet_load(3000)
    total = sum(len(batch.soc_pct) for batch in load)
    with workers([0, 1], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        publisher = Publisher(broker.port, load, a_second=500)
        back_s = _kill_again_and_again(running, total, [0, 1])
        sent = publisher.finish(within_s=60)
        running.until_stored(total, within_s=30)
    conclude("one of two workers killed", sent, running, kills=KILLS, longest_until_back=f"{back_s:.1f} s")


def _kill_again_and_again(running, total, indexes):
    longest_s = 0.0
    for number in range(KILLS):
        running.until_stored(total * (number + 1) // (KILLS + 2), within_s=30)
        index = indexes[number % len(indexes)]
        epochs = running.epochs()
        killed = running.kill(index)
        eventually(lambda: running.pid(index) not in (None, killed), within_s=20, what="a new process")  # noqa: B023
        longest_s = max(
            longest_s,
            eventually(lambda: running.epochs() > epochs, within_s=30, what="a new epoch"),  # noqa: B023
        )
    return longest_s


def test_a_member_that_stays_away_and_comes_back(database, fleet, broker, tmp_path, conclude):
    load = fleet_load(1500)
    half = len(load) // 2
    total = sum(len(batch.soc_pct) for batch in load)
    options = {"dsn": database, "mqtt_port": broker.port, "folder": tmp_path, "of": 2}
    with workers([0], **options) as staying:
        with workers([1], **options) as leaving:
            first = Publisher(broker.port, load[:half]).finish(within_s=30)
            staying.until_stored(sum(len(batch.soc_pct) for batch in first), within_s=30)
            # Killed in a way that no supervisor mends: it has stopped watching.
            leaving.supervisor.watch = lambda: None
            leaving.kill(1)
            eventually(lambda: leaving.pid(1) is None, within_s=10, what="the end of worker 1")
        second = Publisher(broker.port, load[half:]).finish(within_s=30)
        # A marker that comes after all that this member gets: its share has arrived when the counters stand still.
        alone = _stands_still(staying)
        with workers([1], **options) as returned:
            back_s = staying.until_stored(total, within_s=30)
            peak = max(returned.peak_mib, leaving.peak_mib)
    assert peak <= 300
    waited = (total - alone) / (total - sum(len(batch.soc_pct) for batch in first))
    conclude(
        "one of two workers away for good, then back",
        first + second,
        staying,
        waited_for_it=f"{waited:.0%}",
        stored_after_its_return=f"{back_s:.1f} s",
    )


def _stands_still(running, *, for_looks=20):
    stored, looks = running.stored(), 0

    def unchanged():
        nonlocal stored, looks
        now = running.stored()
        looks = looks + 1 if now == stored else 0
        stored = now
        return looks >= for_looks

    eventually(unchanged, within_s=30, what="the remaining worker has nothing left")
    return stored
