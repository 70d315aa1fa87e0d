"""How fast ingest stores what a broker has queued, beside what paho and COPY alone can do on the same machine.

docs/benchmarks.md says what is timed and why.
"""

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from config.settings import DatabaseSettings, MqttSettings, Settings
from forewarn.bench.load import Load, compare_keys
from forewarn.bench.memory import peak_rss_mib
from forewarn.bench.mosquitto import mosquitto, program
from forewarn.bench.sessions import leave_session, receive_limit
from forewarn.bench.store import Connection, ServerFacts, copy_limit, first_received_s, server_facts, stored_keys
from forewarn.delivery import ingest_workers, outcomes
from forewarn.embedded.postgres import start_cluster
from forewarn.progress import progress_bar
from forewarn.publish import publish
from forewarn.supervisor import Supervisor, child_environment, supervised
from ingest.store.connection import connect
from ingest.store.enrolment import Enrolment, enrol
from ingest.store.migrate import migrate
from ingest.topics import BULK_FILTERS

_CLIENT_ID = "forewarn-bench"
# The end is seen this much late at most; a look is one query of a table of one row a worker.
_LOOK_EVERY_S = 0.02
_STALLED_AFTER_S = 30.0

Say = Callable[[str], None]


class IngestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What ``forewarn bench ingest`` prints, by these names. None is what could not be measured."""

    messages: int
    rows: int
    messages_per_s: float | None
    rows_per_s: float | None
    fsync: str
    synchronous_commit: str
    table_persistence: str
    client_limit_per_s: float
    ratio_to_client_limit: float | None
    copy_limit_rows_per_s: float | None
    ratio_to_copy_limit: float | None
    lost: int
    duplicates: int
    peak_rss_mib: float | None


def bench_ingest(settings: Settings, *, messages: int, batch: int, workers: int, say: Say) -> IngestResult:
    """Measure with a mosquitto and a PostgreSQL of the benchmark's own, in a folder that is removed afterwards.

    settings : those of ``ingest``, ``mqtt.protocol`` and ``mqtt.receive_maximum`` count, so that they can be compared
    batch    : samples a message
    Raises   : MosquittoMissing; UserMistake
    """
    program()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forewarn-bench-")))
        # PostgreSQL runs as another user when we are root; what is secret in here has its own modes.
        folder.chmod(0o755)
        port = stack.enter_context(mosquitto(folder))
        say("Starting PostgreSQL")
        cluster = start_cluster(folder / "postgres", run_as=settings.embedded.run_as)
        stack.callback(cluster.stop, remove=True)
        migrate(cluster.dsn)
        ours = _settings(settings, folder=folder, dsn=cluster.dsn, port=port, workers=workers)
        return _measure(ours, Load(messages=messages, batch=batch, now_ms=time.time_ns() // 1_000_000), say=say)


def _measure(settings: Settings, load: Load, *, say: Say) -> IngestResult:
    dsn, port = settings.database.dsn, settings.mqtt.port
    assert dsn is not None
    with connect(dsn, role="admin") as conn:
        ids = enrol(conn, _enrolments(load), chosen_at=datetime(2026, 1, 1, tzinfo=UTC))
    shared = settings.ingest.workers > 1
    for index in range(settings.ingest.workers):
        filters = tuple(f"$share/forewarn/{topic_filter}" if shared else topic_filter for topic_filter in BULK_FILTERS)
        leave_session(port, f"{_CLIENT_ID}-{index}", filters)
    bare = [f"{_CLIENT_ID}-bare-{number}" for number in range(2)]
    for client_id in bare:
        leave_session(port, client_id, BULK_FILTERS)
    with progress_bar("Queueing messages", total=load.rows) as advance:
        publish(load, host="127.0.0.1", port=port, on_progress=advance)
    say("Measuring what bare paho receives")
    limits = [receive_limit(port, bare[0], messages=load.messages)]
    with connect(dsn, role="admin", autocommit=True) as conn:
        say("Measuring ingest")
        with supervised(ingest_workers(settings), environment=_environment(settings)) as supervisor:
            ended_s = _wait_until_settled(conn, load.rows, supervisor)
            peak = peak_rss_mib(supervisor.pids().values())
        # Once before and once after: what slows only one of them down from elsewhere would flatter the ratio.
        limits.append(receive_limit(port, bare[1], messages=load.messages))
        say("Comparing keys, measuring what COPY alone takes")
        lost, duplicates = compare_keys(load.keys(ids), stored_keys(conn))
        began_s = first_received_s(conn)
        facts = server_facts(conn)
        copied = copy_limit(conn)
    took_s = ended_s - began_s if ended_s is not None and began_s is not None else None
    return summarise(
        load,
        took_s=took_s,
        client_limit=max(limits),
        copied=copied,
        lost=lost,
        duplicates=duplicates,
        peak=peak,
        facts=facts,
    )


def summarise(
    load: Load,
    *,
    took_s: float | None,
    client_limit: float,
    copied: float | None,
    lost: int,
    duplicates: int,
    peak: float | None,
    facts: ServerFacts,
) -> IngestResult:
    """Turn measurements into the figures that are printed.

    took_s : from the first message received to the last commit; None when not every sample was accounted for
    copied : rows a second of COPY alone
    """
    messages_per_s = load.messages / took_s if took_s else None
    rows_per_s = load.rows / took_s if took_s else None
    return IngestResult(
        messages=load.messages,
        rows=load.rows,
        messages_per_s=_rounded(messages_per_s, 1),
        rows_per_s=_rounded(rows_per_s, 1),
        client_limit_per_s=round(client_limit, 1),
        ratio_to_client_limit=_rounded(messages_per_s / client_limit if messages_per_s else None, 3),
        copy_limit_rows_per_s=_rounded(copied, 1),
        ratio_to_copy_limit=_rounded(rows_per_s / copied if rows_per_s and copied else None, 3),
        lost=lost,
        duplicates=duplicates,
        peak_rss_mib=_rounded(peak, 1),
        **msgspec.structs.asdict(facts),
    )


def _wait_until_settled(conn: Connection, rows: int, supervisor: Supervisor) -> float | None:
    """Return when the last commit was seen, in epoch s; None when samples stay away."""
    seen, changed_at = -1, time.monotonic()
    while True:
        settled = outcomes(conn).settled
        now_s = time.time()
        if settled >= rows:
            return now_s
        if settled != seen:
            seen, changed_at = settled, time.monotonic()
        elif time.monotonic() - changed_at > _STALLED_AFTER_S:
            return None
        supervisor.check()
        time.sleep(_LOOK_EVERY_S)


def _settings(given: Settings, *, folder: Path, dsn: str, port: int, workers: int) -> Settings:
    mqtt = MqttSettings(
        host="127.0.0.1",
        port=port,
        client_id=_CLIENT_ID,
        protocol=given.mqtt.protocol,
        receive_maximum=given.mqtt.receive_maximum,
    )
    return given.model_copy(
        update={
            "data_dir": folder,
            "database": DatabaseSettings(dsn=dsn),
            "mqtt": mqtt,
            "ingest": given.ingest.model_copy(update={"workers": workers, "metrics_port": None}),
        }
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Return the environment of the workers: nothing of the user's own servers may get in."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    nothing = settings.data_dir / "forewarn.toml"
    nothing.touch()
    base["FOREWARN_CONFIG"] = str(nothing)
    base["FOREWARN_MQTT__CLIENT_ID"] = settings.mqtt.client_id
    base["FOREWARN_MQTT__PROTOCOL"] = settings.mqtt.protocol
    base["FOREWARN_MQTT__RECEIVE_MAXIMUM"] = str(settings.mqtt.receive_maximum)
    for name, value in settings.ingest.model_dump(exclude_none=True).items():
        base[f"FOREWARN_INGEST__{name.upper()}"] = str(value)
    return child_environment(settings, base)


def _enrolments(load: Load) -> list[Enrolment]:
    return [
        Enrolment(vin=vin, model="Dawn", powertrain="bev", owner_name="Benchmark", phone=f"+8613900{number:06d}")
        for number, vin in enumerate(load.vins)
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
