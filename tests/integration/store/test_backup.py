"""docs/backup.md as it stands there: pg_dump, pg_restore, and everything is there and goes on."""

import shlex
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from forewarn.embedded.binaries import programs
from tests.conftest import missing
from tests.integration.store.readings import COLUMNS, START, fleet
from tests.integration.store.test_columnstore import compress
from tests.integration.store.test_owner import ROLES, login, owned_by, roles_there, server_dsn_of  # noqa: F401
from tests.integration.store.test_rollups import check_against_readings

_SCHEMAS = ["telemetry", "pii", "care", "prediction", "safety", "audit", "access"]
# What readings, enrolment and refresh leave empty.
_MORE = r"""
INSERT INTO telemetry.expired_before (relation, day) VALUES ('vehicle_reading', '2026-02-01');
INSERT INTO telemetry.vehicle_event (vehicle_id, ts, received_at, kind, code, state)
VALUES (1, now(), now(), 'lamp', 'lv_battery', 'on');
INSERT INTO telemetry.connector (operator, station, connector) VALUES ('op', 'st', '1');
INSERT INTO telemetry.safety_reading (ts, vehicle_id, seq, received_at, signals) VALUES (now(), 1, 1, now(), '{}');
INSERT INTO telemetry.outcome (epoch, lane, worker, started_at, updated_at, received, stored)
VALUES (gen_random_uuid(), 'bulk', 'w', now(), now(), 9, 9);
INSERT INTO telemetry.vehicle_state (vehicle_id, ts, received_at, readings) VALUES (1, now(), now(), 9);
INSERT INTO telemetry.vehicle_quality_day (vehicle_id, day, readings, flagged, by_flag)
VALUES (1, '2026-03-01', 9, 1, '{"1": 1}');
INSERT INTO telemetry.changed_day (vehicle_id, day) VALUES (1, '2026-03-01');
INSERT INTO telemetry.stale_day (vehicle_id, day) VALUES (1, '2026-03-01');
INSERT INTO telemetry.rollup_hour_given (vehicle_id, bucket, received_on, regime, n)
VALUES (9, '2026-03-01 05:00+00', '2026-03-01', 'rest', 6);
INSERT INTO telemetry.rollup_day_given (vehicle_id, bucket, received_on, regime, n)
VALUES (9, '2026-03-01 00:00+00', '2026-03-01', 'rest', 6);
INSERT INTO telemetry.day_sums (vehicle_id, day, received_on, regime, sums)
VALUES (1, '2026-03-01', '2026-03-01', 0, '\x3f800000');
INSERT INTO telemetry.day_sums_layout (columns, since) VALUES ('{soc_pct}', '2026-03-01');
INSERT INTO telemetry.day_sums_stale (vehicle_id, day) VALUES (1, '2026-03-01');
INSERT INTO pii.position (vehicle_id, parked_at, latitude, longitude) VALUES (1, now(), 31.25, 121.5);
INSERT INTO pii.dead_letter (received_at, topic, reason, detail, payload, epoch)
VALUES (now(), 'v1/x', 'bad_seq', 'seq', '\xff7b00', gen_random_uuid());
INSERT INTO prediction.run (job, started_at) VALUES ('score', now());
INSERT INTO prediction.prediction
    (run_id, vehicle_id, fault_mode, scored_at, as_of, probability, threshold, model_version)
VALUES (1, 1, 'lv_battery', now(), now(), 0.75, 0.5, '1');
INSERT INTO prediction.label (vehicle_id, fault_mode, occurred_at, known_at, source)
VALUES (1, 'lv_battery', now(), now(), 'lamp');
INSERT INTO prediction.model_promotion (fault_mode, version, kind, decided_by, reason, decided_at)
VALUES ('lv_battery', '20260301-0a', 'first', 'forewarn', 'first model', now());
INSERT INTO prediction.shadow
    (run_id, vehicle_id, fault_mode, scored_at, as_of, probability, threshold, model_version)
VALUES (1, 1, 'lv_battery', now(), now(), 0.25, 0.5, '2');
INSERT INTO prediction.holdout (prediction_id) VALUES (1);
INSERT INTO prediction.drift (run_id, as_of, fault_mode, model_version, kind, subject, value, worst, n)
VALUES (1, now(), 'lv_battery', '1', 'score', '', 0.125, 0.25, 9);
INSERT INTO care.dealer (dealer_id, name_zh, name_en, city, brand, latitude, longitude, phone)
VALUES ('d1', '店', 'Shop', 'Shanghai', 'Forewarn Motors', 31, 121, '1');
INSERT INTO care.case (vehicle_id, opened_at) VALUES (1, now());
INSERT INTO care.lead (case_id, source, first_seen_at, last_seen_at, severity) VALUES (1, 'lamp', now(), now(), 2);
INSERT INTO care.case_priority (case_id, priority, updated_at) VALUES (1, 5, now());
INSERT INTO care.offer (case_id, campaign, dealer_id, distance_km, offered_at) VALUES (1, 'c', 'd1', 1.5, now());
INSERT INTO care.coupon (offer_id, code, valid_from, valid_until) VALUES (1, 'A', now(), now() + interval '1 day');
INSERT INTO safety.anomaly (connector_id, alarm_id, ts, received_at, code, severity, state)
VALUES (1, 'a', now(), now(), 'heat', 2, 'on');
INSERT INTO safety.safety_case (case_id, opened_at, last_seen_at, kind, severity)
VALUES (md5('case')::uuid, now(), now(), 'insulation', 2);
INSERT INTO safety.case_handling (case_id) VALUES (md5('case')::uuid);
INSERT INTO safety.sighting (report_id, danger_id, source, channel, ts, received_at, code, kind, severity, state)
VALUES (md5('seen')::uuid, md5('danger')::uuid, 'pile', 'mqtt_alarm', now(), now(), '121', 'insulation', 2, 'on');
INSERT INTO safety.action
    (action_id, case_id, danger_id, target, policy, decided_at, decided_by, state, state_at, request)
VALUES (md5('stop')::uuid, md5('case')::uuid, md5('seen')::uuid, 'pile', 'stop', now(), 'policy', 'sent', now(), '{}');
INSERT INTO safety.action_step (action_id, at, state, attempt) VALUES (md5('stop')::uuid, now(), 'sent', 1);
INSERT INTO safety.delivery (delivery_id, case_id, recipient, channel, round, sent_at, accepted)
VALUES (md5('message')::uuid, md5('case')::uuid, 'owner', 'gateway', 0, now(), true);
INSERT INTO safety.task (task_id, case_id, kind, created_at, due_at)
VALUES (md5('task')::uuid, md5('case')::uuid, 'call_owner', now(), now());
INSERT INTO safety.rung (case_id, step, round, due_at) VALUES (md5('case')::uuid, 'call_owner', 0, now());
INSERT INTO safety.partner (partner_id, name, created_at) VALUES ('linhe', 'Linhe', now());
INSERT INTO safety.partner_operator (operator, partner_id) VALUES ('linhe', 'linhe');
INSERT INTO safety.partner_key (partner_id, kind, sealed, created_at) VALUES ('linhe', 'webhook', '\x00', now());
INSERT INTO safety.partner_message (partner_id, channel, message_id, digest, sent_at, received_at)
VALUES ('linhe', 'webhook', 'm', '\x00', now(), now());
INSERT INTO telemetry.charging_session
    (operator, session_id, state, started_at, said_at, received_at, channel)
VALUES ('linhe', 's', 'charging', now(), now(), now(), 'webhook');
INSERT INTO care.slot (dealer_id, day, starts_at, ends_at, capacity)
VALUES ('d1', '2026-03-01', '2026-03-01 01:00+00', '2026-03-01 02:00+00', 2);
INSERT INTO care.slot_place (slot_id, place, capacity, case_id, taken_at) VALUES (1, 1, 2, 1, now());
INSERT INTO access.account (name, role, password_hash, created_at) VALUES ('li.na', 'agent', '$argon2id$x', now());
INSERT INTO access.session (token_hash, account_id, opened_at, seen_at, expires_at)
VALUES (sha256('token'), 1, now(), now(), now() + interval '12 hours');
INSERT INTO access.key (name, secret_hash, scopes, created_at) VALUES ('crm', sha256('key'), '{alerts:read}', now());
INSERT INTO audit.event (at, actor_kind, actor, action) VALUES (now(), 'account', 'li.na', 'signed in');
INSERT INTO care.case_work (case_id) VALUES (1);
INSERT INTO care.clock (case_id, kind, began_at, due_at) VALUES (1, 'answer', now(), now() + interval '4 hours');
INSERT INTO care.contact (case_id, account_id, began_at) VALUES (1, 1, now());
INSERT INTO care.entry (case_id, at, actor, kind) VALUES (1, now(), 'li.na', 'note');
INSERT INTO care.silence (vehicle_id, begins_at, ends_at, reason, made_by)
VALUES (1, now(), now() + interval '1 day', 'sold', 'li.na');
INSERT INTO care.appointment (case_id, dealer_id, starts_at, booked_at, booked_by)
VALUES (1, 'd1', now(), now(), 'li.na');
INSERT INTO care.finding (case_id, dealer_id, result, found_at, reported_at, reported_by)
VALUES (1, 'd1', 'nothing', now(), now(), 'd1');
INSERT INTO care.task (kind, made_at, due_at) VALUES ('help', now(), now());
INSERT INTO care.survey (case_id, dealer_id, token_hash, asked_at) VALUES (1, 'd1', sha256('survey'), now());
INSERT INTO care.message (message_id, case_id, kind, language, title, body, made_at)
VALUES (md5('m')::uuid, 1, 'offer', 'en', 't', 'b', now());
INSERT INTO care.message_try (message_id, nth, channel, at, taken) VALUES (md5('m')::uuid, 1, 'phone', now(), true);
INSERT INTO care.redemption (coupon_id, dealer_id, request_id, action, at, by_whom)
VALUES (1, 'd1', 'r', 'redeem', now(), 'till');
INSERT INTO care.visit (vehicle_id, visited_at) VALUES (1, now());
"""


def client_programs(dsn: str) -> Path:
    """Return the folder of the server's own pg_dump and pg_restore: newer ones write what it cannot read."""
    with psycopg.connect(dsn) as conn:
        major = conn.info.server_version // 10_000
    on_path = shutil.which("pg_dump")
    places = [Path(f"/usr/lib/postgresql/{major}/bin"), programs(None), *([Path(on_path).parent] if on_path else [])]
    for place in places:
        if (place / "pg_dump").exists():
            said = subprocess.run([place / "pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
            if f" {major}." in said:
                return place
    missing(f"there is no pg_dump of PostgreSQL {major}")
    raise AssertionError


def steps(heading: str) -> list[str]:
    """Return the SQL that docs/backup.md has the operator run in the database."""
    return [line.split('"')[-2] for line in section(heading).splitlines() if "psql -d forewarn -c " in line]


def section(heading: str) -> str:
    text = (Path(__file__).resolve().parents[3] / "docs" / "backup.md").read_text(encoding="utf-8")
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def restore_arguments(heading: str, dsn: str, dump: Path) -> list[str]:
    """Return the arguments of pg_restore as docs/backup.md has them, for this database and dump."""
    line = next(line for line in section(heading).splitlines() if line.strip().startswith("pg_restore"))
    return [*shlex.split(line.replace("--dbname=forewarn forewarn.dump", ""))[1:], f"--dbname={dsn}", str(dump)]


def test_a_dump_restores_everything_and_its_owner_goes_on(shared_store, server_dsn, roles_there, tmp_path):  # noqa: F811
    heading = "Restore with TimescaleDB" if shared_store.is_timescale else "Restore on PostgreSQL alone"
    with (
        login(server_dsn, *ROLES) as owner,
        owned_by(server_dsn, owner) as dsn,
        owned_by(server_dsn, owner) as restored_dsn,
    ):
        store = replace(shared_store, dsn=dsn)
        readings = filled(store)
        before = contents(store)
        assert [table for table, rows in before.items() if not rows] == []
        tools, dump = client_programs(store.dsn), tmp_path / "forewarn.dump"
        subprocess.run([tools / "pg_dump", "--format=custom", f"--file={dump}", store.dsn], check=True)

        as_superuser = server_dsn_of(server_dsn, restored_dsn)
        statements = steps(heading)
        run_sql(as_superuser, statements[:-1])
        subprocess.run([tools / "pg_restore", *restore_arguments(heading, as_superuser, dump)], check=True)
        run_sql(as_superuser, statements[-1:])

        restored = replace(shared_store, dsn=restored_dsn)
        assert contents(restored) == before
        restored.migrate()
        assert contents(restored) == before
        goes_on(restored, readings)
        if store.is_timescale:
            jobs = "SELECT proc_name, owner::text, config::text FROM timescaledb_information.jobs WHERE job_id >= 1000"
            assert sorted(restored.ask(jobs)) == sorted(store.ask(jobs))
            for (job,) in restored.ask("SELECT job_id FROM timescaledb_information.jobs WHERE job_id >= 1000"):
                restored.ask("CALL run_job(%s)", job)


def filled(store) -> list[tuple[Any, ...]]:
    """Migrate and put something into every table; return the readings."""
    store.migrate()
    store.enrol("LFWA0000000000001")
    readings = fleet(seed=51)
    store.insert("vehicle_reading", COLUMNS, readings)
    store.insert("cell_reading", [*COLUMNS[:4], "cell_v"], [(*row[:4], [3.5, 3.6]) for row in readings[:50]])
    store.insert(
        "charging_reading",
        ["ts", "connector_id", "seq", "received_at"],
        [(row[0], 1, 1, row[0]) for row in readings[:9]],
    )
    store.note_changed(readings)
    store.refresh()
    store.ask(_MORE)
    if store.is_timescale:
        assert compress(store, "vehicle_reading") == 3
    return readings


def goes_on(store, readings: list[tuple[Any, ...]]) -> None:
    with store.opened() as (conn, engine):
        # What it was given is none of its readings.
        engine.erase(conn, [9])
    late = [(START + timedelta(hours=4, seconds=1), 1, 77, START + timedelta(days=5), *readings[0][4:])]
    assert store.insert("vehicle_reading", COLUMNS, late) == 1
    assert store.insert("vehicle_reading", COLUMNS, readings[:5]) == 0
    store.note_changed(late)
    store.refresh()
    check_against_readings(store, [*readings, *late])


def contents(store) -> dict[str, list[str]]:
    """Return the rows of every table and view of ours, as text."""
    names = store.ask(
        "SELECT format('%%I.%%I', nspname, relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE nspname = ANY (%s) AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition ORDER BY 1",
        _SCHEMAS,
    )
    return {
        name: sorted(text for (text,) in store.ask(f"SELECT r::text FROM {name} AS r"))
        for name in ["public.schema_version", *(name for (name,) in names)]
    }


def run_sql(dsn: str, statements: list[str]) -> None:
    for statement in statements:
        # A session each, as psql -c has.
        with psycopg.connect(conninfo.make_conninfo(dsn), autocommit=True) as conn:
            conn.execute(statement)  # type: ignore[call-overload]
