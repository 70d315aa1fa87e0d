"""A worker's figures for Prometheus. They are touched once a batch, never once a message.

They count what this process committed; the counts that outlive it are in ``telemetry.outcome``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from config.errors import UserMistake
from config.settings import IngestSettings
from ingest.writer import Outcome

_HIGHEST_PORT = 65_535
# A batch of 5000 samples takes 50 to 200 ms; whole seconds are a database in trouble.
_BATCH_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 5, 15, 60)


class MetricsPortTaken(UserMistake):
    """The port for Prometheus cannot be used."""


class WorkerMetrics:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self, lane: str, *, in_flight: Callable[[], int], connected: Callable[[], bool]) -> None:
        self.registry = CollectorRegistry()
        self._outcomes = {
            name: Counter(f"forewarn_ingest_{name}", text, ["lane"], registry=self.registry).labels(lane)
            for name, text in _OUTCOMES.items()
        }
        self._batch_s = Histogram(
            "forewarn_ingest_batch_seconds",
            "Time from the first try to write a batch to its commit.",
            ["lane"],
            buckets=_BATCH_BUCKETS_S,
            registry=self.registry,
        ).labels(lane)
        # Both are asked when somebody looks: counted, not kept.
        Gauge(
            "forewarn_ingest_in_flight_messages",
            "Messages received and not acknowledged: those in the inbox and in the batch in hand.",
            ["lane"],
            registry=self.registry,
        ).labels(lane).set_function(in_flight)
        Gauge(
            "forewarn_ingest_connected",
            "1 while the worker is connected to the broker.",
            ["lane"],
            registry=self.registry,
        ).labels(lane).set_function(connected)

    def count(self, outcome: Outcome | None, *, took_s: float) -> None:
        """Count one committed batch; None is one of which only the database knows what it came to."""
        self._batch_s.observe(took_s)
        if outcome is None:
            return
        for name, samples in msgspec.structs.asdict(outcome).items():
            self._outcomes[name].inc(samples)


_OUTCOMES = {
    "received": "Samples that came to an outcome: stored, duplicate, dead or refused.",
    "stored": "Samples stored.",
    "duplicate": "Samples that were stored before.",
    "dead": "Samples kept as dead letters.",
    "refused": "Samples refused by the consent gate.",
}


def port_of(settings: IngestSettings, *, number: int) -> int | None:
    """Return the port of the worker of this number, None when metrics are off.

    Raises : MetricsPortTaken, when there is no such port
    """
    if settings.metrics_port is None:
        return None
    port = settings.metrics_port + number
    if port > _HIGHEST_PORT:
        raise MetricsPortTaken(f"ingest.metrics_port leaves no port for worker {number}: choose a lower one")
    return port


@contextmanager
def served(metrics: WorkerMetrics, *, host: str, port: int | None) -> Iterator[None]:
    """Serve the metrics at ``http://host:port/metrics`` for as long as the caller needs; None serves nothing.

    Raises : MetricsPortTaken
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        raise MetricsPortTaken(
            f"no metrics on {host}:{port} ({error.strerror}): stop what listens there or set ingest.metrics_port"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
