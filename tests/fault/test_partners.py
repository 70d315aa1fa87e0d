"""Ten thousand alarms from one broken pile, over HTTP, with a danger elsewhere in the middle of them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.settings import ChargingSettings, DatabaseSettings, MqttSettings, PartnerSettings, Settings
from forewarn.embedded.ports import free_port
from tests.integration.alerts.partners.test_stops import OperatorServer, rows, running, until
from tests.partners import anomaly

ALARMS = 10_000
SENDERS = 8


def test_a_broken_pile_hides_no_danger(
    database: str, broker_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        database=DatabaseSettings(dsn=database),
        mqtt=MqttSettings(host="127.0.0.1", port=broker_port),
        charging=ChargingSettings(confirm_within_s=30),
        partners=PartnerSettings(port=free_port()),
    )
    with OperatorServer() as operator, running(settings) as world:
        thread = threading.Thread(target=operator.serve_forever, args=(0.05,))
        thread.start()
        try:
            operator.answers["/stop"] = lambda headers, body: (200, {"result": "confirmed"})
            world.add("star", "star", stop_by="webhook", stop_url=f"{operator.url}/stop")

            def send(number: int) -> int:
                return world.push("star", anomaly(id=f"A{number}", code=f"made up {number}", severity=2)).status_code

            began = time.monotonic()
            with ThreadPoolExecutor(SENDERS) as pool:
                asked = [pool.submit(send, number) for number in range(ALARMS)]
                until(lambda: sum(one.done() for one in asked) > ALARMS // 3, within_s=300)
                sent = time.monotonic()
                danger = world.push("star", anomaly(id="danger", station="S2", code="9", severity=1))
                codes = [one.result() for one in asked]
            took_s = time.monotonic() - began
            assert danger.status_code == 200, danger.text
            until(lambda: "S2" in {body["data"]["station"] for body in operator.bodies("/stop")})
            left_s = next(at for at, _, _, body in operator.asked if b'"S2"' in body) - sent
            assert set(codes) <= {200, 429}
            stops = [body["data"]["action_id"] for body in operator.bodies("/stop")]
            # One for each car's charge that is in danger, however often it was reported.
            assert len(set(stops)) == len(stops)
            recorded = rows(settings, "SELECT count(*) FROM safety.sighting WHERE station = 'S1'")[0][0]
            assert recorded == codes.count(200)
            line = (
                f"broken pile: {ALARMS} alarms in {took_s:.0f} s, {codes.count(200)} recorded,"
                f" {codes.count(429)} refused, {len(stops)} stops; the danger's left after {left_s * 1000:.0f} ms"
            )
            with capsys.disabled():
                print(f"\n{line}", flush=True)  # noqa: T201
        finally:
            operator.shutdown()
            thread.join()
