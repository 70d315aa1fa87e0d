import http.client
import json
import time

import pytest

from config.errors import UserMistake
from forewarn.simulator.charging.operator import SimulatedOperator, simulated_operator


def ask(operator: SimulatedOperator, action: str = "a-1", station: str = "st1") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", operator.server_address[1], timeout=10)
    connection.request("POST", "/stop", json.dumps({"data": {"action_id": action, "station": station}}))
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())["result"]
    connection.close()
    return answer


def test_it_obeys_and_refuses_as_its_stations_do() -> None:
    with simulated_operator(lambda station: "refuse" if station == "st2" else "obey") as operator:
        assert ask(operator) == (200, "confirmed")
        assert ask(operator, "a-2", "st2") == (409, "refused")
        assert [request.data["action_id"] for request in operator.requests] == ["a-1", "a-2"]
        assert set(operator.stopped) == {"a-1"}


def test_a_late_pile_takes_its_time_from_the_first_request_on() -> None:
    with simulated_operator(lambda station: "late", late_s=0.4) as operator:
        began = time.monotonic()
        assert ask(operator) == (200, "confirmed")
        assert time.monotonic() - began >= 0.4
        again = time.monotonic()
        assert ask(operator) == (200, "confirmed")
        assert time.monotonic() - again < 0.35


def test_a_silent_one_says_nothing() -> None:
    with simulated_operator(lambda station: "silent") as operator:
        connection = http.client.HTTPConnection("127.0.0.1", operator.server_address[1], timeout=0.3)
        connection.request("POST", "/stop", json.dumps({"data": {"action_id": "a"}}))
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        assert operator.wait_for(1)
        assert operator.stopped == {}


def test_what_is_no_stop_is_refused() -> None:
    with simulated_operator() as operator:
        connection = http.client.HTTPConnection("127.0.0.1", operator.server_address[1], timeout=10)
        connection.request("POST", "/stop", b"[1")
        assert connection.getresponse().status == 400
        connection.close()
        assert operator.requests == []


def test_a_port_that_is_taken_is_one_line() -> None:
    with (
        simulated_operator() as operator,
        pytest.raises(UserMistake, match="choose another"),
        simulated_operator(port=operator.server_address[1]),
    ):
        pass
