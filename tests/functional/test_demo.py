"""A fleet becomes a call list, a danger while charging a safety case: the demo to its end, on servers of its own."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from forewarn.embedded.ports import free_port

DEMO = ["demo", "--vehicles", "60", "--days", "45", "--seed", "1", "--no-serve"]


def _forewarn(*arguments: str, data_dir, timeout_s: float = 280) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    return subprocess.run(
        [sys.executable, "-m", "forewarn", *arguments],
        env=environment | {"FOREWARN_DATA_DIR": str(data_dir)},
        cwd=data_dir,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


@pytest.fixture(scope="module")
def demo(data_folder):
    return _forewarn(*DEMO, data_dir=data_folder)


def test_it_ends_well_and_says_how_to_serve_the_list(demo):
    assert demo.returncode == 0, demo.stderr
    assert re.search(
        r"^Sign in as agent or supervisor or safety or dealer, with the password \S{19}$", demo.stdout, re.M
    )
    assert "The work list is not served now. Serve it at http://127.0.0.1:8080/: FOREWARN_DATA_DIR=" in demo.stdout


def test_its_accounts_are_there_and_nowhere_else(demo, data_folder):
    done = _forewarn("accounts", "list", "--json", data_dir=data_folder / "demo")
    assert [account["role"] for account in json.loads(done.stdout)] == ["agent", "dealer", "safety", "supervisor"]
    done = _forewarn("accounts", "list", "--json", data_dir=data_folder)
    assert json.loads(done.stdout) == []


def test_every_sample_is_stored(demo):
    line = next(line for line in demo.stdout.splitlines() if "samples received" in line)
    received, stored, duplicate = (
        int(n.replace(",", "")) for n in re.findall(r"([\d,]+) (?:samples|stored|dupl)", line)
    )
    # Some messages are sent twice, as by cars whose acknowledgement got lost.
    assert received == stored + duplicate
    assert stored > 10_000
    assert 0 < duplicate < 0.01 * received
    assert "0 dead letters, 0 refused" in line


def test_the_list_is_there_for_a_program(demo, data_folder):
    done = _forewarn("alerts", "list", "--format", "json", data_dir=data_folder / "demo")
    assert done.returncode == 0, done.stderr
    calls = json.loads(done.stdout)
    assert calls
    for call in calls:
        assert call["dealer"]
        assert call["distance_km"] >= 0
        assert call["why"]
        assert "*" in call["owner_masked"]
    assert any(call["coupon"] for call in calls)
    priorities = [call["priority"] for call in calls]
    assert priorities == sorted(priorities, reverse=True)


def test_a_car_in_danger_was_stopped_and_its_owner_was_written_to(demo, data_folder):
    shown = demo.stdout.partition("Danger while charging: ")[2]
    assert re.match(r"battery thermal runaway, severity 1, at \w+ / \w+ / \d+\n", shown), demo.stdout
    assert "  Car: has stopped\n" in shown
    assert "  Station: has stopped\n" in shown
    assert "Safety desk: http://127.0.0.1:8080/safety\n" in shown
    messages = [json.loads(line) for line in (data_folder / "demo" / "messages.jsonl").read_text().splitlines()]
    assert {message["recipient"] for message in messages} == {"owner"}
    assert f"The owner was sent: {messages[0]['title']}" in shown
    assert messages[0]["receipt_url"].startswith("http://127.0.0.1:8080/safety/receipts/")


def test_the_safety_desk_shows_it_and_the_owner_confirms_it(demo, data_folder):
    password = re.search(r"with the password (\S+)", demo.stdout).group(1)
    place = re.search(r"severity 1, at (.+)", demo.stdout).group(1)
    (message, *_) = (json.loads(line) for line in (data_folder / "demo" / "messages.jsonl").read_text().splitlines())
    with _served(data_folder / "demo") as client:
        form = {"name": "safety", "password": password, "back": "/safety"}
        answer = client.post("/sign-in", data={**form, "csrf": _csrf(client.get("/sign-in").text)})
        assert answer.headers["location"] == "/safety"
        page = client.get("/safety").text
        assert place in page
        assert page.count("has stopped") >= 2
        assert "The owner has confirmed nothing." in page
        receipt = httpx.URL(message["receipt_url"]).path
        client.post(receipt, data={"csrf": _csrf(client.get(receipt).text)})
        assert "The owner has confirmed nothing." not in client.get("/safety").text


@contextmanager
def _served(data_dir):
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    server = subprocess.Popen(
        [sys.executable, "-m", "forewarn", "serve"],
        env=environment | {"FOREWARN_DATA_DIR": str(data_dir), "FOREWARN_WEB__PORT": str(port)},
        cwd=data_dir,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            deadline = time.monotonic() + 60
            while True:
                try:
                    client.get("/sign-in")
                    break
                except httpx.TransportError:
                    assert server.poll() is None, "the server has ended"
                    assert time.monotonic() < deadline, "the server does not answer"
                    time.sleep(0.1)
            client.headers["origin"] = str(client.base_url).rstrip("/")
            yield client
    finally:
        server.terminate()
        server.wait(30)


def _csrf(page):
    return page.partition('name="csrf" value="')[2].partition('"')[0]


def test_servers_have_ended(demo, data_folder):
    done = _forewarn("status", "--json", data_dir=data_folder / "demo")
    parts = {part["name"]: part["ok"] for part in json.loads(done.stdout)["parts"]}
    assert done.returncode == 1
    assert not parts["database"]
    assert not parts["broker"]


def test_a_second_demo_at_the_same_time_is_told_so(demo, data_folder):
    from forewarn.embedded.locks import try_lock

    with try_lock(data_folder / "demo" / "demo.lock", exclusive=True):
        done = _forewarn(*DEMO, data_dir=data_folder)
    assert done.returncode == 2
    assert "another demo runs" in done.stderr
