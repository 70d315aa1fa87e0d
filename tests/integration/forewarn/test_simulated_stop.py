"""A simulated car hears over MQTT that it is to stop, stops, and says so."""

import time

import msgspec

from config.settings import MqttSettings
from forewarn.message import Message
from forewarn.publish import publish
from forewarn.simulator.charging.live import draw_live_danger
from forewarn.simulator.charging.stops import listening
from forewarn.simulator.charging.traffic import stations_of


def test_a_command_over_mqtt_stops_the_simulated_car(broker_port):
    now_ms = time.time_ns() // 1_000_000
    danger = draw_live_danger("contact_heat", stations_of(8, seed=1), seed=1, now_ms=now_ms)
    vin = danger.enrolment.vin
    payload = msgspec.json.encode(
        {"id": "c-1", "issued_at": now_ms, "expires_at": now_ms + 60_000, "command": "stop_charging", "reason": "hot"}
    )
    with listening(vin, MqttSettings(host="127.0.0.1", port=broker_port)) as stops:
        assert stops() is None
        publish([Message(now_ms, f"v1/vehicles/{vin}/commands", payload, 1)], host="127.0.0.1", port=broker_port)
        deadline = time.monotonic() + 10
        while stops() is None:
            assert time.monotonic() < deadline, "the car did not hear the command"
            time.sleep(0.05)
        stopped_at_ms = stops()
    assert stopped_at_ms is not None
    assert now_ms <= stopped_at_ms <= time.time_ns() // 1_000_000
    after = danger.run(stopped_at_ms).pile
    assert not after.columns["Current.Import"][after.ts_ms > stopped_at_ms + 2000].any()
