"""The mosquitto configuration of deploy/, as it is, with certificates made here: who may do what."""

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from config.settings import MqttSettings
from forewarn.embedded.ports import free_ports
from ingest.broker_check import broker_warnings
from ingest.consumer import Consumer
from ingest.inbox import Inbox, Message
from ingest.queue_probe import probe_queue
from ingest.tls import CertificateUnusable, tls_context
from tests.certificates import Authority
from tests.conftest import ROOT
from tests.mosquitto import Mosquitto, mosquitto

# paho leaves the socket of a handshake that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

DEPLOYED = ROOT / "deploy" / "mosquitto"
VIN, OTHER_VIN = "LFWA0000000000001", "LFWA0000000000002"
OPERATOR, OTHER_OPERATOR = "MA1234567", "MA7654321"
# A message that is refused leaves no trace, so one that is allowed is sent behind it on the same connection.
WAIT_S = 10.0


class Site:
    """The deployed configuration at work in a folder of this test, and certificates for whoever connects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authorities = {name: Authority(folder, name) for name in ("broker", "vehicles", "partners", "services")}
        self.authorities["broker"].issue("broker", file="broker", server=True)
        for name in ("vehicles", "partners", "services"):
            self.authorities[name].revoke(file=f"{name}.crl")
            (folder / f"acl-{name}").write_bytes((DEPLOYED / f"acl-{name}").read_bytes())
        self.ports = dict(zip(("vehicles", "partners", "services"), free_ports(3), strict=True))
        self._files: dict[tuple[str, str], tuple[Path, Path]] = {}

    def configuration(self) -> str:
        text = (DEPLOYED / "mosquitto.conf").read_text(encoding="utf-8")
        text = re.sub(r"(?m)^user mosquitto\n", "", text)
        text = text.replace("/etc/mosquitto/forewarn/", f"{self.folder}/").replace(
            "/var/lib/mosquitto/forewarn/", f"{self.folder}/"
        )
        for port, door in ((8883, "vehicles"), (8884, "partners"), (8885, "services")):
            assert f"listener {port}\n" in text
            text = text.replace(f"listener {port}\n", f"listener {self.ports[door]} 127.0.0.1\n")
        assert "/etc/" not in text
        return text

    def certificate(self, name: str, *, signed_by: str) -> tuple[Path, Path]:
        key = (name, signed_by)
        if key not in self._files:
            self._files[key] = self.authorities[signed_by].issue(name, file=f"{signed_by}-{len(self._files)}")
        return self._files[key]

    def settings(self, name: str, **changes: Any) -> MqttSettings:
        cert_file, key_file = self.certificate(name, signed_by="services")
        values = {
            "host": "127.0.0.1",
            "port": self.ports["services"],
            "ca_file": self.authorities["broker"].file,
            "cert_file": cert_file,
            "key_file": key_file,
            **changes,
        }
        return MqttSettings(**values)


class Party:
    """An MQTT client that remembers what happened to it."""

    def __init__(
        self, site: Site, name: str | None, *, door: str, signed_by: str | None = None, **options: Any
    ) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.ends: list[str] = []
        self.connected = threading.Event()
        self.over = threading.Event()
        self._subscribed = threading.Event()
        will = options.pop("will", None)
        self.client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False, **options)
        files = (None, None) if name is None else site.certificate(name, signed_by=signed_by or door)
        self.client.tls_set(str(site.authorities["broker"].file), *(str(file) if file else None for file in files))
        if will is not None:
            self.client.will_set(will, b"will", qos=1)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = lambda _client, _data, message: self.got.append((message.topic, message.payload))
        self.client.connect("127.0.0.1", site.ports[door])
        self.client.loop_start()

    def _on_connect(self, client: Client, data: object, flags: object, reason: Any, properties: object) -> None:
        if reason.is_failure:
            self.ends.append(str(reason))
        else:
            self.connected.set()

    def _on_disconnect(self, client: Client, data: object, flags: object, reason: Any, properties: object) -> None:
        self.ends.append(str(reason))
        self.over.set()

    def subscribe(self, topic_filter: str) -> None:
        self._subscribed.clear()
        self.client.subscribe(topic_filter, qos=1)
        assert self._subscribed.wait(WAIT_S)

    def publish(self, topic: str, payload: bytes = b"x") -> None:
        self.client.publish(topic, payload, qos=1).wait_for_publish(WAIT_S)

    def forge(self, topic: str, payload: bytes = b"x") -> None:
        """Publish what should be refused, and be connected afterwards: some versions hang up on it, some do not."""
        self.client.publish(topic, payload, qos=1)
        if self.over.wait(0.5):
            self.client.loop_stop()
            self.over.clear()
            self.connected.clear()
            self.client.reconnect()
            self.client.loop_start()
            assert self.connected.wait(WAIT_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def cut(self) -> None:
        """End without a goodbye, so that the will is sent."""
        sock = self.client.socket()
        assert sock is not None
        self.client.loop_stop()
        sock.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def broker(site: Site) -> Iterator[Mosquitto]:
    with mosquitto(site.folder, site.configuration(), ports=list(site.ports.values())) as running:
        yield running


@pytest.fixture
def party(site: Site, broker: Mosquitto) -> Iterator[Callable[..., Party]]:
    parties: list[Party] = []

    def connect(name: str | None, *, door: str, **options: Any) -> Party:
        one = Party(site, name, door=door, **options)
        parties.append(one)
        assert one.connected.wait(WAIT_S), one.ends
        return one

    yield connect
    for one in parties:
        one.close()


def until(condition: Callable[[], bool], *, seconds: float = WAIT_S) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def arrived(reader: Party, marker: str) -> list[str]:
    """Return the topics that came before ``marker``, which was sent last and is allowed."""
    assert until(lambda: any(topic == marker for topic, _ in reader.got)), f"{marker} did not arrive"
    return [topic for topic, _ in reader.got if topic != marker]


OWN = ("telemetry", "gbt32960", "charging", "events", "consent", "commands/ack")


def test_a_car_publishes_under_its_own_vin_and_under_no_other(party):
    reader = party("forewarn-ingest", door="services")
    for kind in OWN:
        reader.subscribe(f"v1/vehicles/+/{kind}")
    car = party(VIN, door="vehicles")
    for kind in OWN:
        car.forge(f"v1/vehicles/{OTHER_VIN}/{kind}")
        car.publish(f"v1/vehicles/{VIN}/{kind}")
    car.forge(f"v1/vehicles/{VIN}/commands")
    car.forge(f"v1/vehicles/{VIN}/telemetry/more")
    car.forge(f"v1/chargers/{VIN}/station/1/telemetry")
    car.forge(f"v1/replay/1/vehicles/{VIN}/telemetry")
    car.forge("v1/probe/x")
    car.publish(f"v1/vehicles/{VIN}/events", b"last")
    assert until(lambda: (f"v1/vehicles/{VIN}/events", b"last") in reader.got)
    topics = [topic for topic, payload in reader.got if payload != b"last"]
    assert sorted(topics) == sorted(f"v1/vehicles/{VIN}/{kind}" for kind in OWN)


def test_a_car_reads_its_own_commands_and_nothing_else(party):
    car = party(VIN, door="vehicles")
    for topic_filter in ("#", "v1/vehicles/+/commands", "$SYS/#", f"v1/vehicles/{OTHER_VIN}/#"):
        car.subscribe(topic_filter)
    safety = party("forewarn-safety", door="services")
    other = party(OTHER_VIN, door="vehicles")
    other.publish(f"v1/vehicles/{OTHER_VIN}/telemetry")
    other.publish(f"v1/vehicles/{OTHER_VIN}/events")
    safety.publish(f"v1/vehicles/{OTHER_VIN}/commands")
    safety.publish(f"v1/vehicles/{VIN}/commands", b"stop")
    assert until(lambda: bool(car.got))
    safety.publish(f"v1/vehicles/{VIN}/commands", b"last")
    assert until(lambda: (f"v1/vehicles/{VIN}/commands", b"last") in car.got)
    assert {topic for topic, _ in car.got} == {f"v1/vehicles/{VIN}/commands"}


def test_the_will_of_a_car_speaks_for_no_other(party):
    reader = party("forewarn-ingest", door="services")
    reader.subscribe("v1/vehicles/+/events")
    party(VIN, door="vehicles", will=f"v1/vehicles/{OTHER_VIN}/events").cut()
    car = party("LFWA0000000000003", door="vehicles", will="v1/vehicles/LFWA0000000000003/events")
    car.cut()
    assert arrived(reader, "v1/vehicles/LFWA0000000000003/events") == []


def test_a_partner_publishes_under_its_operator_id_only_and_reads_nothing(party):
    reader = party("forewarn-safety", door="services")
    reader.subscribe("v1/chargers/+/+/+/telemetry")
    reader.subscribe("v1/chargers/+/+/+/alarm")
    partner = party(OPERATOR, door="partners")
    partner.subscribe("#")
    party(OTHER_OPERATOR, door="partners").publish(f"v1/chargers/{OTHER_OPERATOR}/s1/1/alarm")
    for topic in (f"v1/chargers/{OTHER_OPERATOR}/s1/1/alarm", f"v1/vehicles/{VIN}/charging", "v1/replay/1/vehicles/x"):
        partner.forge(topic, b"forged")
    partner.forge(f"v1/vehicles/{OPERATOR}/telemetry", b"forged")
    partner.publish(f"v1/chargers/{OPERATOR}/s1/1/telemetry")
    partner.publish(f"v1/chargers/{OPERATOR}/s1/1/alarm")
    before = arrived(reader, f"v1/chargers/{OPERATOR}/s1/1/alarm")
    assert sorted(before) == [f"v1/chargers/{OPERATOR}/s1/1/telemetry", f"v1/chargers/{OTHER_OPERATOR}/s1/1/alarm"]
    assert all(payload != b"forged" for _, payload in reader.got)
    assert partner.got == []


def test_our_own_processes_may_do_what_they_need_and_no_more(party):
    ingest = party("forewarn-ingest", door="services")
    for topic_filter in ("v1/vehicles/+/telemetry", "v1/replay/#", "v1/vehicles/+/commands/ack"):
        ingest.subscribe(topic_filter)
    car = party(VIN, door="vehicles")
    car.subscribe(f"v1/vehicles/{VIN}/commands")
    replay, safety = party("forewarn-replay", door="services"), party("forewarn-safety", door="services")
    everything = (
        f"v1/vehicles/{VIN}/telemetry",
        f"v1/vehicles/{VIN}/commands",
        f"v1/replay/1/vehicles/{VIN}/telemetry",
    )
    consumer = party("forewarn-ingest", door="services")
    for process, name in ((consumer, b"ingest"), (replay, b"replay"), (safety, b"safety")):
        for topic in everything:
            process.forge(topic, name)
    nameless = party("forewarn-unheard-of", door="services")
    nameless.subscribe("#")
    for topic in everything:
        nameless.forge(topic, b"nameless")
    replay.publish("v1/replay/2/last")
    assert until(lambda: any(topic == "v1/replay/2/last" for topic, _ in ingest.got))
    assert until(lambda: bool(car.got))
    assert [got for got in ingest.got if got[0] != "v1/replay/2/last"] == [(everything[2], b"replay")]
    assert car.got == [(everything[1], b"safety")]
    assert nameless.got == []


@pytest.mark.parametrize("name", ["+", "#", "+/+", f"{VIN}/#"])
def test_a_name_with_a_wildcard_in_it_may_do_nothing(party, name):
    reader = party("forewarn-ingest", door="services")
    reader.subscribe("v1/vehicles/+/telemetry")
    forger, honest = party(name, door="vehicles"), party(VIN, door="vehicles")
    for topic in (f"v1/vehicles/{OTHER_VIN}/telemetry", f"v1/vehicles/{VIN}/telemetry"):
        forger.forge(topic, b"forged")
    honest.publish(f"v1/vehicles/{VIN}/telemetry", b"last")
    assert until(lambda: bool(reader.got))
    assert reader.got == [(f"v1/vehicles/{VIN}/telemetry", b"last")]


@pytest.mark.parametrize("signed_by", ["vehicles", "partners"])
def test_a_name_of_ours_means_nothing_at_the_doors_of_others(party, signed_by):
    reader = party("forewarn-ingest", door="services")
    for topic_filter in ("v1/replay/#", "v1/vehicles/+/telemetry"):
        reader.subscribe(topic_filter)
    forger, honest = party("forewarn-replay", door=signed_by), party(VIN, door="vehicles")
    forger.forge("v1/replay/1/vehicles/x/telemetry")
    honest.publish(f"v1/vehicles/{VIN}/telemetry")
    assert arrived(reader, f"v1/vehicles/{VIN}/telemetry") == []


def test_a_car_cannot_take_over_a_session_of_ours(party):
    ours = party("forewarn-ingest", door="services", client_id="forewarn-ingest-0", clean_session=False)
    ours.subscribe("v1/vehicles/+/telemetry")
    car = party(VIN, door="vehicles", client_id="forewarn-ingest-0", clean_session=True)
    car.publish(f"v1/vehicles/{VIN}/telemetry")
    assert until(lambda: bool(ours.got))
    assert not ours.over.is_set()


@pytest.mark.parametrize(
    ("name", "door", "signed_by"),
    [
        (None, "vehicles", None),
        (None, "services", None),
        (VIN, "vehicles", "foreign"),
        (VIN, "services", "vehicles"),
        (OPERATOR, "vehicles", "partners"),
        ("forewarn-safety", "services", "partners"),
    ],
)
def test_who_has_no_certificate_for_a_door_does_not_pass_it(site, broker, name, door, signed_by):
    site.authorities.setdefault("foreign", Authority(site.folder, "foreign"))
    try:
        stranger = Party(site, name, door=door, signed_by=signed_by)
    except OSError:
        # Before TLS 1.3 the refusal is part of the handshake.
        return
    assert stranger.over.wait(WAIT_S)
    assert not stranger.connected.is_set()
    stranger.close()


def test_a_revoked_certificate_is_refused_after_a_restart(tmp_path):
    site = Site(tmp_path)
    with mosquitto(tmp_path, site.configuration(), ports=list(site.ports.values())) as broker:
        car = Party(site, VIN, door="vehicles")
        assert car.connected.wait(WAIT_S)
        car.close()
        site.authorities["vehicles"].revoke(site.certificate(VIN, signed_by="vehicles")[0], file="vehicles.crl")
        broker.stop()
        broker.start()
        stolen = Party(site, VIN, door="vehicles")
        assert stolen.over.wait(WAIT_S)
        assert not stolen.connected.is_set()
        stolen.close()
        other = Party(site, OTHER_VIN, door="vehicles")
        assert other.connected.wait(WAIT_S)
        other.close()


def consume(settings: MqttSettings, *filters: str, client_id: str) -> tuple[Consumer, Inbox, threading.Thread]:
    inbox = Inbox(max_messages=1000, max_bytes=2**20)
    consumer = Consumer(settings, client_id=client_id, filters=filters, inbox=inbox)
    thread = threading.Thread(target=consumer.run, daemon=True)
    thread.start()
    return consumer, inbox, thread


def take(inbox: Inbox, wanted: int) -> list[Message]:
    taken: list[Message] = []
    deadline = time.monotonic() + WAIT_S
    while len(taken) < wanted and time.monotonic() < deadline:
        taken += inbox.take(at_most=1000, at_most_bytes=2**20, oldest_s=0.05, stop=lambda: False)
    return taken


@pytest.mark.parametrize("protocol", ["5", "3.1.1", "auto"])
@pytest.mark.parametrize("share", ["", "$share/forewarn/"])
def test_the_products_consumer_receives_and_misses_nothing_while_away(site, party, protocol, share):
    settings = site.settings("forewarn-ingest", protocol=protocol)
    name = f"tls-{protocol}-{bool(share)}"
    topic_filter = f"{share}v1/vehicles/+/charging"
    # 20 KB and more, so that one TLS record does not hold a message.
    payloads = [bytes([n]) * 20_000 for n in range(40)]
    car = party(VIN, door="vehicles")
    received: list[bytes] = []
    for part in (payloads[:20], payloads[20:]):
        consumer, inbox, thread = consume(settings, topic_filter, client_id=name)
        assert consumer.subscribed.wait(WAIT_S)
        if part is payloads[:20] or not received:
            for payload in part:
                car.publish(f"v1/vehicles/{VIN}/charging", payload)
        messages = take(inbox, 20)
        received += [message.payload for message in messages]
        consumer.acknowledge(messages)
        consumer.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive()
        if len(received) == 20:
            for payload in payloads[20:]:
                car.publish(f"v1/vehicles/{VIN}/charging", payload)
    assert received == payloads
    ending = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=True)
    ending.tls_set(str(settings.ca_file), str(settings.cert_file), str(settings.key_file))
    ending.connect("127.0.0.1", settings.port)
    ending.disconnect()


def test_certificate_files_that_are_of_no_use_are_told_in_one_line(site, tmp_path):
    noise = tmp_path / "noise.pem"
    noise.write_text("not a certificate")
    ours = site.settings("forewarn-ingest")
    _, other_key = site.certificate("forewarn-safety", signed_by="services")
    wrong = [
        site.settings("forewarn-ingest", ca_file=tmp_path / "missing.crt"),
        site.settings("forewarn-ingest", ca_file=noise),
        site.settings("forewarn-ingest", cert_file=noise),
        site.settings("forewarn-ingest", key_file=other_key),
        site.settings("forewarn-ingest", cert_file=tmp_path / "missing.crt"),
    ]
    for settings in wrong:
        with pytest.raises(CertificateUnusable) as caught:
            tls_context(settings)
        assert "\n" not in str(caught.value)
        assert "check" in str(caught.value)
        assert str(settings.ca_file) in str(caught.value)
        with pytest.raises(CertificateUnusable):
            broker_warnings(settings)
    assert ours.cert_file is not None


def test_of_the_deployed_broker_only_the_queue_is_not_known_to_a_consumer(site, broker):
    (line,) = broker_warnings(site.settings("forewarn-ingest"))
    assert "is not known (we may not use v1/probe/ there)" in line
    assert "certificate of forewarn-probe" in line
    assert broker_warnings(site.settings("forewarn-probe")) == []
    assert any(
        "forgets shared subscriptions" in line
        for line in broker_warnings(site.settings("forewarn-ingest"), shared=True)
    )


def test_a_name_that_the_acl_does_not_know_shows_in_the_warnings(site, broker):
    assert any("does not tell what it is" in line for line in broker_warnings(site.settings("forewarn-ingset")))


def test_start_up_check_says_whose_certificate_is_not_accepted(site, broker):
    cert_file, key_file = site.certificate(VIN, signed_by="vehicles")
    (line,) = broker_warnings(site.settings("forewarn-ingest", cert_file=cert_file, key_file=key_file))
    assert "mqtt.cert_file" in line
    (line,) = broker_warnings(site.settings("forewarn-ingest", ca_file=site.authorities["vehicles"].file))
    assert "certificate verify failed" in line


def test_the_check_leaves_a_session_alone_that_it_was_given_instead_of_its_own(site, party):
    """At the cars' door every connection is the session of the name; the check must not end it."""
    car = party(VIN, door="vehicles", client_id=VIN, clean_session=False)
    car.subscribe(f"v1/vehicles/{VIN}/commands")
    car.close()
    party("forewarn-safety", door="services").publish(f"v1/vehicles/{VIN}/commands", b"stop")
    cert_file, key_file = site.certificate(VIN, signed_by="vehicles")
    for protocol in ("5", "3.1.1"):
        changes = {"port": site.ports["vehicles"], "cert_file": cert_file, "key_file": key_file, "protocol": protocol}
        settings = site.settings("forewarn-ingest", **changes)
        assert "another id" in broker_warnings(settings)[0]
        assert "another id" in (probe_queue(settings, messages=10).refused or "")
    again = party(VIN, door="vehicles", client_id=VIN, clean_session=False)
    assert until(lambda: again.got == [(f"v1/vehicles/{VIN}/commands", b"stop")])


def test_the_probe_runs_as_its_own_principal_only(site, broker):
    refused = probe_queue(site.settings("forewarn-ingest"), messages=10)
    assert refused.refused is not None
    assert "forewarn-probe" in refused.refused
    result = probe_queue(site.settings("forewarn-probe"), messages=3000)
    assert (result.refused, result.acknowledged, result.lost, result.session_kept) == (None, 3000, 0, True)


def test_a_car_that_knows_the_name_of_the_group_takes_messages_from_a_shared_subscription(party):
    """What docs/broker.md warns of. Mosquitto asks the ACL per message, after it has chosen the member."""
    worker = party("forewarn-ingest", door="services")
    worker.subscribe("$share/group-known/v1/vehicles/+/events")
    plain = party("forewarn-ingest", door="services")
    plain.subscribe("v1/vehicles/+/events")
    thief, car = party(OTHER_VIN, door="vehicles"), party(VIN, door="vehicles")
    thief.subscribe("$share/group-known/v1/vehicles/+/events")
    for n in range(20):
        car.publish(f"v1/vehicles/{VIN}/events", b"%d" % n)
    assert until(lambda: len(plain.got) == 20)
    assert until(lambda: len(worker.got) == 10)
    assert thief.got == []


def test_certificates_are_renewed_without_a_restart(site, broker, party):
    car = party(VIN, door="vehicles")
    site.authorities["broker"].issue("broker", file="broker", server=True)
    broker.send(signal.SIGHUP)
    again = party(OTHER_VIN, door="vehicles")
    again.publish(f"v1/vehicles/{OTHER_VIN}/telemetry")
    assert not car.over.is_set()
