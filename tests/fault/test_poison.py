"""Half of all messages cannot be stored, each in another way; the other half is."""

import random
import time

import msgspec
import psycopg
import pytest

from ingest import topics
from tests.fault.conftest import MOST_MIB
from tests.fault.load import SOC, Batch, fleet_load, vin_of
from tests.fault.publisher import Publisher
from tests.fault.scene import eventually, workers


def test_half_of_all_messages(database, fleet, broker, tmp_path, conclude):
    chance = random.Random(20_260)
    good = fleet_load(3000)
    total = sum(len(batch.soc_pct) for batch in good)
    bad = [_poison(chance) for _ in good]
    mixed = [batch for pair in zip(good, bad, strict=True) for batch in pair]
    with workers([0, 1], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        sent = Publisher(broker.port, mixed).finish(within_s=60)
        running.until_stored(total, within_s=60)
    ledger = conclude("half poison", sent, running, poison_messages=len(bad))
    # Nobody died, so nothing came twice: one outcome for each bad message.
    assert ledger.dead == len(bad)
    assert (ledger.refused, ledger.duplicate) == (0, 0)
    assert running.epochs() == 2, "no worker was started again"


@pytest.mark.parametrize("column", ["dead", "stored"])
def test_a_backlog_of_the_smallest_samples_does_not_fill_the_memory(database, fleet, broker, tmp_path, column):
    """A thousand samples weigh 2 KB when they are bad and 40 KB when they are good: what counts is samples."""
    now_ms = int(time.time() * 1000)
    payloads = [_thousand(b"1")] * 300
    if column == "stored":
        payloads = [_thousand(b'{"ts":%d,"seq":%%d,"signals":{}}' % (now_ms + number)) for number in range(250)]
    options = {"dsn": database, "mqtt_port": broker.port, "folder": tmp_path}
    with workers([0], **options):
        # The session stands from here on.
        pass
    load = [Batch(topics.telemetry(vin_of(0)), payload, {}, frozenset()) for payload in payloads]
    Publisher(broker.port, load).finish(within_s=60)
    with workers([0], **options) as running:
        total = 1000 * len(payloads)
        eventually(lambda: running.received() >= total, within_s=120, what=f"{total} samples")
        assert running.epochs() == 2, "no worker was started again"
    with psycopg.connect(database) as conn:
        counts = conn.execute(f"SELECT sum(received), sum({column}), max(batch_messages) FROM telemetry.outcome")
        received, counted, most = counts.fetchone()
    assert (received, counted) == (total, total)
    # The message that reaches ingest.batch_rows ends the batch.
    assert most <= 5
    assert running.peak_mib <= MOST_MIB


def _thousand(sample):
    samples = b",".join(sample % number if b"%d" in sample else sample for number in range(1000))
    return b'{"samples":[' + samples + b"]}"


def _poison(chance):
    vin = vin_of(chance.randrange(50))
    topic, payload = chance.choice(_KINDS)(vin, chance)
    return Batch(topic, payload, {}, frozenset())


def _sample(**changes):
    return msgspec.json.encode({"samples": [{"ts": 1_767_225_600_000, "seq": 0, "signals": {SOC: 1.0}} | changes]})


_KINDS = [
    lambda vin, chance: (topics.telemetry(vin), chance.randbytes(chance.randrange(1, 3000))),
    lambda vin, chance: (topics.telemetry(vin), b""),
    lambda vin, chance: (topics.telemetry(vin), _sample()[: chance.randrange(1, 60)]),
    lambda vin, chance: (topics.telemetry(vin), b"[" * 100_000),
    lambda vin, chance: (topics.telemetry(vin), b'{"samples":' + b"[" * 900 + b"]" * 900 + b"}"),
    lambda vin, chance: (topics.telemetry(vin), b'{"samples":[]}'),
    lambda vin, chance: (topics.telemetry(vin), b'{"samples":{"ts":1}}'),
    lambda vin, chance: (topics.telemetry(vin), _sample(ts="yesterday")),
    lambda vin, chance: (topics.telemetry(vin), _sample(ts=2**70)),
    lambda vin, chance: (topics.telemetry(vin), _sample(ts=-(2**62))),
    lambda vin, chance: (topics.telemetry(vin), _sample(seq=2**63)),
    lambda vin, chance: (topics.telemetry(vin), _sample(seq=1.5)),
    lambda vin, chance: (topics.telemetry(vin), _sample(signals=[1, 2, 3])),
    # What JSON can hold and the database cannot.
    lambda vin, chance: (topics.telemetry(vin), _sample(seq=chance.randrange(2**40), signals={"Vehicle.New": "\0"})),
    lambda vin, chance: (topics.telemetry(vin), _sample(seq=chance.randrange(2**40), signals={"a\0b": 1})),
    lambda vin, chance: (topics.telemetry(vin), b'{"samples":[{"ts":1,"signals":{"Vehicle.Speed":1e400}}]}'),
    lambda vin, chance: (topics.telemetry(vin), _sample()[:-1] + b',"vin":"' + vin_of(99).encode() + b'"}'),
    lambda vin, chance: (topics.telemetry("SHORT"), _sample()),
    lambda vin, chance: (topics.telemetry(vin.replace("F", "O")), _sample()),
    lambda vin, chance: (f"v1/replay/soon/vehicles/{vin}/telemetry", _sample()),
    lambda vin, chance: (f"v1/replay/9999999999999/{'x/' * 50}", _sample()),
    lambda vin, chance: (topics.events(vin), b'{"ts":1,"kind":"horn","code":"x"}'),
    lambda vin, chance: (topics.events(vin), b'{"ts":1767225600000,"kind":"dtc","code":"P\\u00001"}'),
    lambda vin, chance: (topics.events(vin), msgspec.json.encode({"ts": 2**61, "kind": "dtc", "code": "P0"})),
    lambda vin, chance: (topics.consent(vin), b'{"ts":1767225600000,"purposes":{"care":"no"}}'),
    lambda vin, chance: (topics.consent(vin), chance.randbytes(40)),
]
