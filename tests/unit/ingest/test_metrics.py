"""What Prometheus is told of a worker."""

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.settings import IngestSettings
from forewarn.embedded.ports import free_ports
from ingest.inbox import Inbox, Message
from ingest.metrics import MetricsPortTaken, WorkerMetrics, port_of, served
from ingest.writer import Outcome


def _scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, sample.labels["lane"]): sample.value
            for family in families
            for sample in family.samples
            if not sample.name.endswith(("_bucket", "_created"))
        }


def test_what_is_scraped_is_what_was_counted():
    (port,) = free_ports(1)
    in_flight, connected = 7, True
    metrics = WorkerMetrics("bulk", in_flight=lambda: in_flight, connected=lambda: connected)
    with served(metrics, host="127.0.0.1", port=port):
        metrics.count(Outcome(received=10, stored=5, duplicate=3, dead=1, refused=1), took_s=0.5)
        metrics.count(Outcome(received=2, stored=2), took_s=0.25)
        metrics.count(None, took_s=0.25)
        first = _scraped(port)
        in_flight, connected = 0, False
        second = _scraped(port)
    counted = {name: first[f"forewarn_ingest_{name}_total", "bulk"] for name in Outcome.__struct_fields__}
    assert counted == {"received": 12, "stored": 7, "duplicate": 3, "dead": 1, "refused": 1}
    assert first["forewarn_ingest_batch_seconds_count", "bulk"] == 3
    assert first["forewarn_ingest_batch_seconds_sum", "bulk"] == 1.0
    gauges = ("forewarn_ingest_in_flight_messages", "forewarn_ingest_connected")
    assert [first[name, "bulk"] for name in gauges] == [7, 1]
    assert [second[name, "bulk"] for name in gauges] == [0, 0]


def test_without_a_port_nothing_listens():
    settings = IngestSettings()
    assert port_of(settings, number=3) is None
    with served(WorkerMetrics("bulk", in_flight=int, connected=bool), host="127.0.0.1", port=None):
        pass


def test_every_worker_has_a_port_of_its_own():
    settings = IngestSettings(metrics_port=9400)
    assert [port_of(settings, number=number) for number in range(3)] == [9400, 9401, 9402]
    with pytest.raises(MetricsPortTaken, match="choose a lower one"):
        port_of(IngestSettings(metrics_port=65_535), number=1)


def test_a_port_in_use_is_a_persons_mistake():
    (port,) = free_ports(1)
    metrics = WorkerMetrics("bulk", in_flight=int, connected=bool)
    with (
        served(metrics, host="127.0.0.1", port=port),
        pytest.raises(MetricsPortTaken, match=r"ingest\.metrics_port"),
        served(metrics, host="127.0.0.1", port=port),
    ):
        pass
    # Released at the end.
    with served(metrics, host="127.0.0.1", port=port):
        pass


def test_in_flight_is_what_waits_and_what_is_in_hand():
    inbox = Inbox(max_messages=100, max_bytes=1000)
    assert inbox.in_flight == 0
    inbox.put([Message("t", b"x", mid, 0, 1) for mid in range(5)])
    assert inbox.in_flight == 5
    take = {"at_most_bytes": 1000, "oldest_s": 0.0, "stop": lambda: False}
    assert len(inbox.take(at_most=3, **take)) == 3
    assert (len(inbox), inbox.in_flight) == (2, 5)
    inbox.done(1)
    assert inbox.in_flight == 4
    assert len(inbox.take(at_most=3, **take)) == 2
    assert (len(inbox), inbox.in_flight) == (0, 2)
    assert inbox.take(at_most=3, **take) == []
    assert inbox.in_flight == 0
