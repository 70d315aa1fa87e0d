"""How long a danger takes from its message to the stop, and to the owner, beside bulk ingest at 80 % of its limit.

docs/benchmarks.md says what is timed and why.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from paho.mqtt.client import Client

from alerts.charging.partners.partner import Partner as Contract
from alerts.charging.partners.records import add, add_key
from alerts.charging.partners.sealing import load_or_make
from alerts.charging.partners.serving import master_key_file
from alerts.charging.partners.webhooks import headers_for, secret_of
from config.settings import ChargingSettings, DatabaseSettings, MqttSettings, PartnerSettings, Settings
from forewarn.bench.alarms import (
    BEFORE,
    OPERATOR,
    SOURCES,
    Danger,
    Heard,
    Partner,
    car_message,
    cars,
    gateway,
    number_of_vin,
    percentile,
    pile_message,
)
from forewarn.bench.background import background, background_load
from forewarn.bench.load import Load
from forewarn.bench.mosquitto import mosquitto, program
from forewarn.bench.store import Connection
from forewarn.delivery import Outcomes, deliver, ingest_beside, outcomes
from forewarn.embedded.ports import free_port
from forewarn.embedded.postgres import start_cluster
from forewarn.progress import progress_bar
from forewarn.simulator.charging.operator import StopAsked, simulated_operator
from forewarn.supervisor import Child, child_environment, supervised
from ingest.store.connection import connect
from ingest.store.enrolment import Enrolment, enrol
from ingest.store.migrate import migrate

# As the promise has it: bulk at this share of what this machine can store.
BACKGROUND_SHARE = 0.8
_LIMIT_MESSAGES = 30_000
_STAND_IN_PRIORITY = -10
_ALARMS_A_SECOND = 10.0
# Bulk runs for so long before the first alarm: what starts slowly shall not flatter the figures.
_SETTLES_S = 3.0
_READY_WITHIN_S = 60.0
# An alarm nobody has answered by then is lost.
_LOST_AFTER_S = 30.0


class AlarmResult(msgspec.Struct, frozen=True, kw_only=True):
    """What ``forewarn bench alarm`` prints, by these names; ms from sending to arrival. None: nothing was measured.

    http_p99_ms, pile_p99_ms, car_p99_ms : by where the danger came from
    ingest_limit_per_s : messages a second that the same machine publishes and stores when nothing else happens
    lost       : alarms of which a stop, the message to the owner or the record is missing
    """

    alarms: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    owner_p99_ms: float | None
    background_messages_per_s: float
    lost: int
    ingest_limit_per_s: float
    http_p99_ms: float | None
    pile_p99_ms: float | None
    car_p99_ms: float | None
    unconfirmed: int


def bench_alarm(settings: Settings, *, alarms: int, say: Callable[[str], None]) -> AlarmResult:
    """Measure with a mosquitto and a PostgreSQL of the benchmark's own, in a folder that is removed afterwards.

    Raises : MosquittoMissing; UserMistake
    """
    program()
    dangers = [Danger(number, SOURCES[number % len(SOURCES)]) for number in range(alarms)]
    heard = Heard()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forewarn-bench-")))
        # PostgreSQL runs as another user when we are root; what is secret in here has its own modes.
        folder.chmod(0o755)
        port = stack.enter_context(mosquitto(folder))
        say("Starting PostgreSQL")
        cluster = start_cluster(folder / "postgres", run_as=settings.embedded.run_as)
        stack.callback(cluster.stop, remove=True)
        migrate(cluster.dsn)
        messages = stack.enter_context(gateway(lambda message: heard.note_owner(_number_of(message["address"]))))
        operator = stack.enter_context(simulated_operator(asked=lambda stop: _note_pile(heard, stop)))
        ours = _settings(settings, folder=folder, dsn=cluster.dsn, port=port, messages_url=messages)
        secret = _prepare(ours, dangers, stop_url=operator.url)
        _only_these_settings(ours)
        with connect(cluster.dsn, role="admin", autocommit=True) as conn, ingest_beside(ours):
            say("Measuring what ingest can store")
            limit = _limit(ours)
            rate = BACKGROUND_SHARE * limit
            say(f"Ingest stores {limit:,.0f} messages/s; {rate:,.0f} run beside the alarms")
            seconds = _SETTLES_S + alarms / _ALARMS_A_SECOND + 2 * _LOST_AFTER_S
            with _watching(ours), cars(port, heard) as client, background(port, rate=rate, seconds=seconds):
                time.sleep(_SETTLES_S)
                # Only now: what was started before would have it, too.
                _ask_for_priority()
                before, began = outcomes(conn), time.monotonic()
                partner = Partner(
                    ours.partners.port,
                    f"/v1/partners/{OPERATOR}/events",
                    lambda body, number: headers_for(
                        [secret], message_id=number, timestamp=int(time.time()), body=body
                    ),
                    heard,
                )
                _send(dangers, heard, client, partner)
                stored_per_s = _rate(outcomes(conn).since(before), time.monotonic() - began)
                partner.close()
                _wait_until_answered(dangers, heard)
                recorded, unconfirmed = _recorded(conn, len(dangers))
    return summarise(
        dangers, heard, limit=limit, background_per_s=stored_per_s, recorded=recorded, unconfirmed=unconfirmed
    )


def summarise(
    dangers: Sequence[Danger],
    heard: Heard,
    *,
    limit: float,
    background_per_s: float,
    recorded: set[int],
    unconfirmed: int,
) -> AlarmResult:
    """Turn what was heard into the figures that are printed.

    recorded : numbers of the dangers that the database holds
    """
    stops = {danger.number: heard.stop_ms(danger) for danger in dangers}
    owners = {danger.number: heard.owner_ms(danger) for danger in dangers}
    complete = [number for number in stops if stops[number] is not None and owners[number] is not None]
    known = [ms for ms in stops.values() if ms is not None]

    def p99(source: str) -> float | None:
        return _rounded(
            percentile(
                [ms for danger in dangers if danger.source == source and (ms := stops[danger.number]) is not None], 0.99
            )
        )

    return AlarmResult(
        alarms=len(dangers),
        p50_ms=_rounded(percentile(known, 0.5)),
        p99_ms=_rounded(percentile(known, 0.99)),
        max_ms=_rounded(max(known, default=None)),
        owner_p99_ms=_rounded(percentile([ms for ms in owners.values() if ms is not None], 0.99)),
        background_messages_per_s=round(background_per_s, 1),
        lost=len(dangers) - len(recorded & set(complete)),
        ingest_limit_per_s=round(limit, 1),
        http_p99_ms=p99("http"),
        pile_p99_ms=p99("pile"),
        car_p99_ms=p99("car"),
        unconfirmed=unconfirmed,
    )


def _ask_for_priority() -> None:
    """Have this process come first, where it may ask for that.

    It stands in for cars, piles, operators and owners, which have processors of their own: how long it waits for its
    turn to look at its clock is no part of what is measured.
    """
    with suppress(OSError):
        # Linux has it by thread; what a thread starts has it from there.
        for thread in Path("/proc/self/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), _STAND_IN_PRIORITY)


def _send(dangers: Sequence[Danger], heard: Heard, client: Client, partner: Partner) -> None:
    """Send every danger when it is due; a car's earlier samples a second apart before it."""
    began = time.monotonic()
    steps: list[tuple[float, int, Danger]] = []
    for danger in dangers:
        due_s = len(BEFORE) + danger.number / _ALARMS_A_SECOND
        if danger.source == "car":
            steps += [(due_s - len(BEFORE) + place, place, danger) for place in range(len(BEFORE))]
        steps.append((due_s, len(BEFORE), danger))
    first_ms = time.time_ns() // 1_000_000
    with progress_bar("Dangers", total=len(dangers)) as advance:
        done = 0
        for due_s, place, danger in sorted(steps, key=lambda step: step[0]):
            wait_s = due_s - (time.monotonic() - began)
            if wait_s > 0:
                time.sleep(wait_s)
            if danger.source == "http":
                partner.push(danger)
            elif danger.source == "pile":
                topic, payload = pile_message(danger, ts_ms=time.time_ns() // 1_000_000)
                heard.note_sent(danger.number)
                client.publish(topic, payload, qos=1)
            else:
                # By its own clock a car measures every second exactly, whenever we get to send it.
                degrees = BEFORE[place] if place < len(BEFORE) else BEFORE[-1]
                topic, payload = car_message(danger, degrees, ts_ms=first_ms + round(due_s * 1000))
                if place == len(BEFORE):
                    heard.note_sent(danger.number)
                client.publish(topic, payload, qos=1)
            if place == len(BEFORE):
                done += 1
                advance(done)


def _wait_until_answered(dangers: Sequence[Danger], heard: Heard) -> None:
    deadline = time.monotonic() + _LOST_AFTER_S
    waiting = list(dangers)
    while waiting and time.monotonic() < deadline:
        time.sleep(0.1)
        waiting = [one for one in waiting if heard.stop_ms(one) is None or heard.owner_ms(one) is None]


def _recorded(conn: Connection, count: int) -> tuple[set[int], int]:
    """Return which dangers are in the database once no more come, and how many stops nobody has confirmed."""
    deadline = time.monotonic() + _LOST_AFTER_S
    while True:
        rows = conn.execute(
            "SELECT DISTINCT identity.vin FROM safety.sighting JOIN pii.vehicle_identity AS identity USING (vehicle_id)"
        ).fetchall()
        open_stops = conn.execute("SELECT count(*) FROM safety.action WHERE state <> 'confirmed'").fetchone()
        assert open_stops is not None
        if (len(rows) >= count and open_stops[0] == 0) or time.monotonic() > deadline:
            return {number_of_vin(str(vin)) for (vin,) in rows}, int(str(open_stops[0]))
        time.sleep(0.2)


def _limit(settings: Settings) -> float:
    """Return how many messages a second the machine publishes and stores when it does nothing else."""
    load = Load(messages=_LIMIT_MESSAGES, batch=1, now_ms=time.time_ns() // 1_000_000)
    began = time.monotonic()
    deliver(load, settings)
    return load.messages / (time.monotonic() - began)


@contextmanager
def _watching(settings: Settings) -> Iterator[None]:
    ready = settings.data_dir / "charging" / "watcher" / "ready"
    child = Child("charging", ("charging", "run", "--child"))
    with supervised([child], environment=_environment(settings)) as supervisor:
        deadline = time.monotonic() + _READY_WITHIN_S
        while not ready.exists():
            supervisor.check()
            if time.monotonic() > deadline:
                raise RuntimeError("the watch over charging did not start: its own messages say why")
            time.sleep(0.05)
        yield


def _prepare(settings: Settings, dangers: Sequence[Danger], *, stop_url: str) -> bytes:
    """Enrol every car and the partner; return the secret the partner signs with."""
    assert settings.database.dsn is not None
    now = datetime(2026, 1, 1, tzinfo=UTC)
    owners = [
        Enrolment(
            vin=danger.vin,
            model="Dawn",
            powertrain="bev",
            chemistry="NMC",
            cells=96,
            owner_name="Benchmark",
            phone=f"+8613{danger.number:09d}",
        )
        for danger in dangers
    ]
    bulk = [
        Enrolment(vin=vin, model="Dawn", powertrain="bev", owner_name="Benchmark", phone=f"+8614{number:09d}")
        for number, vin in enumerate(background_load(1000, 1).vins)
    ]
    contract = Contract(
        partner_id=OPERATOR,
        name="Benchmark",
        operators=(OPERATOR,),
        stop_by="webhook",
        stop_url=stop_url,
        created_at=now,
    )
    with connect(settings.database.dsn, role="admin") as conn:
        enrol(conn, [*owners, *bulk], chosen_at=now)
        sealer = load_or_make(master_key_file(settings))
        add(conn, contract, now=datetime.now(UTC))
        shown = add_key(conn, sealer, OPERATOR, "webhook", now=datetime.now(UTC)).shown
    return secret_of(next(iter(shown.values())))


def _settings(given: Settings, *, folder: Path, dsn: str, port: int, messages_url: str) -> Settings:
    return given.model_copy(
        update={
            "data_dir": folder,
            "database": DatabaseSettings(dsn=dsn),
            "mqtt": MqttSettings(host="127.0.0.1", port=port, client_id="forewarn-bench"),
            "ingest": given.ingest.model_copy(update={"workers": 1, "metrics_port": None}),
            "charging": ChargingSettings(gateway_url=messages_url),
            "partners": PartnerSettings(port=free_port()),
        }
    )


def _only_these_settings(settings: Settings) -> None:
    (settings.data_dir / "forewarn.toml").touch()
    for name in [name for name in os.environ if name.startswith("FOREWARN_")]:
        del os.environ[name]
    os.environ["FOREWARN_CONFIG"] = str(settings.data_dir / "forewarn.toml")
    os.environ["FOREWARN_MQTT__CLIENT_ID"] = settings.mqtt.client_id


def _environment(settings: Settings) -> dict[str, str]:
    return child_environment(settings) | {
        "FOREWARN_CHARGING__GATEWAY_URL": settings.charging.gateway_url or "",
        "FOREWARN_PARTNERS__PORT": str(settings.partners.port),
    }


def _note_pile(heard: Heard, stop: StopAsked) -> None:
    heard.note_stop(int(str(stop.data["station"])[2:]), "pile", stop.at_s)


def _number_of(phone: str) -> int:
    return int(phone.removeprefix("+8613"))


def _rate(seen: Outcomes, seconds: float) -> float:
    return seen.stored / seconds


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
