"""A fleet becomes a call list: the demo from beginning to end, on servers of its own."""

import json
import os
import re
import subprocess
import sys

import pytest

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
