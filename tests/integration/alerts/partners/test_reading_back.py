"""What a partner may read of a car, and when it may not."""

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.partners import CLIENT, World, event

VIN = "LFWA0000000000001"
OTHER_VIN = "LFWA0000000000002"


@pytest.fixture
def car(enrolled) -> int:
    return enrolled(VIN)[VIN]


@pytest.fixture(autouse=True)
def _star(world):
    world.add("star", "star", kinds=("webhook", "read"))


def reads(world: World, session_id: str = "T1", *, partner: str = "star", token: str | None = None):
    token = token or world.keys[partner, "read"].shown["token"]
    headers = {"authorization": f"Bearer {token}"}
    return CLIENT.get(f"{world.url}/v1/partners/{partner}/sessions/{session_id}/car", headers=headers)


def session(world: World, *, partner: str = "star", at: datetime | None = None, **fields: object) -> None:
    started_at = at or datetime.now(UTC) - timedelta(seconds=40)
    data = {
        "session_id": "T1",
        "station": "S1",
        "connector": "1",
        "state": "charging",
        "started_at": started_at.isoformat(),
        "vin": VIN,
        **fields,
    }
    answer = world.push(partner, event("forewarn.charging.session.v1", data))
    assert answer.status_code == 200, answer.text


def says(database: str, car: int, *, ago_s: float, charging: bool = True, received_ago_s: float | None = None) -> None:
    """The car says something, as ingest writes it down: a reading and its newest state."""
    now = datetime.now(UTC)
    ts, received = now - timedelta(seconds=ago_s), now - timedelta(seconds=received_ago_s or ago_s)
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("SELECT telemetry.ensure_partition('vehicle_reading', %s)", (ts.date(),))
        conn.execute(
            "INSERT INTO telemetry.vehicle_reading (ts, vehicle_id, seq, received_at, is_charging)"
            " VALUES (%s, %s, 0, %s, %s)",
            (ts, car, received, charging),
        )
        conn.execute(
            "INSERT INTO telemetry.vehicle_state (vehicle_id, ts, received_at, readings, is_charging, is_charging_at,"
            " soc_pct, soc_pct_at, battery_max_c, battery_max_c_at, pack_v, pack_v_at)"
            " VALUES (%(car)s, %(ts)s, %(received)s, 1, %(charging)s, %(ts)s, 55, %(ts)s, 31, %(ts)s, 380,"
            " %(ts)s::timestamptz - interval '5 minutes')"
            " ON CONFLICT (vehicle_id) DO UPDATE SET ts = excluded.ts, received_at = excluded.received_at,"
            " is_charging = excluded.is_charging, is_charging_at = excluded.is_charging_at,"
            " soc_pct_at = excluded.soc_pct_at, battery_max_c_at = excluded.battery_max_c_at",
            {"car": car, "ts": ts, "received": received, "charging": charging},
        )


def test_the_car_on_its_pile_is_read_while_it_charges(world, database, car):
    session(world)
    says(database, car, ago_s=60, charging=False)
    says(database, car, ago_s=30)
    says(database, car, ago_s=2)
    answer = reads(world)
    assert answer.status_code == 200, answer.text
    state = answer.json()
    assert (state["soc_pct"], state["battery_max_c"], state["station"], state["connector"]) == (55, 31, "S1", "1")
    # Five minutes old: nobody is told how it was then.
    assert state["pack_v"] is None
    text = json.dumps(state)
    assert VIN not in text
    assert not {"vin", "vehicle_id", "model", "owner", "latitude"} & set(state)


def test_a_session_that_is_over_is_read_by_nobody(world, database, car):
    session(world)
    says(database, car, ago_s=30)
    says(database, car, ago_s=1)
    assert reads(world).status_code == 200
    session(world, state="ended")
    assert reads(world).status_code == 404
    session(world, state="charging")
    assert reads(world).status_code == 404


def test_a_car_that_does_not_say_that_it_charges_is_not_read(world, database, car):
    session(world)
    says(database, car, ago_s=30)
    says(database, car, ago_s=1)
    assert reads(world).status_code == 200
    says(database, car, ago_s=0.5, charging=False)
    assert reads(world).status_code == 404


def test_a_car_silent_for_a_minute_is_not_read(world, database, car):
    session(world, at=datetime.now(UTC) - timedelta(seconds=100))
    says(database, car, ago_s=95)
    says(database, car, ago_s=62)
    assert reads(world).status_code == 404
    says(database, car, ago_s=58)
    assert reads(world).status_code == 200


@pytest.mark.parametrize("began_ago_s", [130, 101])
def test_a_car_that_charged_before_or_after_the_pile_began_proves_nothing(world, database, car, began_ago_s):
    # The pile says that it began 40 s ago; the car charged already at 101 s or more.
    session(world)
    says(database, car, ago_s=began_ago_s)
    says(database, car, ago_s=1)
    assert reads(world).status_code == 404


def test_a_start_that_is_told_long_after_it_proves_nothing(world, database, car):
    session(world, at=datetime.now(UTC) - timedelta(minutes=6))
    says(database, car, ago_s=355)
    says(database, car, ago_s=1)
    assert reads(world).status_code == 404


def test_a_car_that_two_operators_claim_is_read_by_neither(world, database, car):
    world.add("moon", "moon", kinds=("webhook", "read"))
    session(world)
    session(world, partner="moon", session_id="M1")
    says(database, car, ago_s=30)
    says(database, car, ago_s=1)
    assert reads(world).status_code == 404
    assert reads(world, "M1", partner="moon").status_code == 404
    session(world, partner="moon", session_id="M1", state="ended")
    assert reads(world).status_code == 200


def test_nobody_reads_anothers_session_and_nobody_without_a_read_key(world, database, car):
    world.add("moon", "moon", kinds=("webhook", "read", "ocpi"))
    session(world)
    says(database, car, ago_s=30)
    says(database, car, ago_s=1)
    assert reads(world).status_code == 200
    assert reads(world, partner="moon").status_code == 404
    moon = world.keys["moon", "read"].shown["token"]
    assert reads(world, token=moon).status_code == 401
    assert reads(world, token=world.secret("star")).status_code == 401
    assert reads(world, partner="moon", token=world.keys["moon", "ocpi"].shown["token"]).status_code == 401
    assert reads(world, "nothing").status_code == 404


def test_a_session_without_a_car_cannot_be_read(world, database, car):
    session(world, vin=None)
    says(database, car, ago_s=1)
    assert reads(world).status_code == 404
    session(world, session_id="T2", vin=OTHER_VIN)
    assert reads(world, "T2").status_code == 404


def test_another_car_in_the_session_takes_the_proof_away(world, database, car, enrolled):
    enrolled(OTHER_VIN)
    session(world)
    says(database, car, ago_s=30)
    says(database, car, ago_s=1)
    assert reads(world).status_code == 200
    session(world, vin=OTHER_VIN)
    assert reads(world).status_code == 404


def test_a_car_with_consent_to_safety_alone_is_read_from_its_safety_readings(world, database, car):
    session(world)
    now = datetime.now(UTC)
    with psycopg.connect(database, autocommit=True) as conn:
        for ago_s in (30, 1):
            conn.execute(
                "INSERT INTO telemetry.safety_reading (ts, vehicle_id, seq, received_at, signals)"
                " VALUES (%s, %s, 0, %s, %s)",
                (
                    now - timedelta(seconds=ago_s),
                    car,
                    now - timedelta(seconds=ago_s),
                    json.dumps({"is_charging": True, "soc_pct": 61.5, "extra.thing": "x"}),
                ),
            )
    answer = reads(world)
    assert (answer.status_code, answer.json()["soc_pct"]) == (200, 61.5)
