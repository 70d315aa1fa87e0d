"""The commands that keep partners and their keys, and the report by operator."""

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from forewarn.cli import run
from tests.partners import anomaly


@pytest.fixture
def command(database, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["partner", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_a_partner_is_added_listed_rotated_and_ended(world, command):
    code, out, err = command("add", "star", "--operator", "star", "--operator", "nova", "--json")
    assert code == 0, err
    made = json.loads(out)
    assert (made["operators"], set(made["keys"])) == (["star", "nova"], {"webhook", "read"})
    secret = made["keys"]["webhook"]["secret"]
    world.side.refresh()
    assert world.push("star", anomaly(operator="nova"), secret=secret).status_code == 200

    code, out, _ = command("list", "--json")
    (listed,) = json.loads(out)["partners"]
    assert (listed["partner"], listed["operators"], listed["policy"]) == ("star", ["nova", "star"], "stop")
    assert [key["kind"] for key in listed["keys"]] == ["webhook", "read"]
    assert secret not in out
    code, out, _ = command("list")
    assert (code, secret in out, "no interface" in out) == (0, False, True)

    code, out, _ = command("rotate", "star", "webhook", "--overlap-h", "1", "--json")
    newer = json.loads(out)["keys"]["webhook"]["secret"]
    world.side.refresh()
    assert {world.push("star", anomaly(), secret=one).status_code for one in (secret, newer)} == {200}

    old = str(listed["keys"][0]["key"])
    assert command("revoke", "star", "--key", old)[0] == 0
    world.side.refresh()
    assert [world.push("star", anomaly(), secret=one).status_code for one in (secret, newer)] == [401, 200]
    code, _, err = command("revoke", "star", "--key", old)
    assert (code, "no valid key" in err) == (2, True)

    assert command("revoke", "star")[0] == 0
    world.side.refresh()
    assert world.push("star", anomaly(), secret=newer).status_code == 401
    assert "there are no partners" in command("list")[1]
    # Its operators may be another's now.
    assert command("add", "moon", "--operator", "star")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("add", "Star", "--operator", "star"), "no name for addresses"),
        (("add", "star", "--operator", "a/b"), "no operator"),
        (("add", "star", "--operator", "star", "--stop-by", "webhook"), "belong together"),
        (
            ("add", "star", "--operator", "star", "--stop-by", "webhook", "--stop-url", "http://star.example"),
            "not https",
        ),
        (("add", "star", "--operator", "star", "--stop-by", "webhook", "--stop-url", "https://u:p@x/"), "no address"),
        (("add", "star", "--operator", "star", "--key", "ocpi_out"), "the partner's"),
        (("rotate", "star", "webhook"), "there is no partner star"),
        (("rotate", "star", "ocpi_out"), "--file"),
        (("revoke", "star"), "there is no partner star"),
        (("check", "--url", "ftp://x", "--partner", "star", "--keys", "/nowhere"), "keys"),
    ],
)
def test_a_mistake_is_one_line(command, arguments, named):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert named in err
    assert err.count("\n") == 1


def test_an_operator_has_one_partner(command):
    assert command("add", "star", "--operator", "star")[0] == 0
    code, _, err = command("add", "moon", "--operator", "star")
    assert (code, "star speaks for operator star" in err) == (2, True)
    code, _, err = command("add", "star", "--operator", "other")
    assert (code, "there is a partner star already" in err) == (2, True)
    assert json.loads(command("list", "--json")[1])["partners"][0]["operators"] == ["star"]


def test_a_partners_own_keys_are_taken_from_a_file(command, tmp_path):
    command("add", "star", "--operator", "star")
    file = tmp_path / "theirs.json"
    file.write_text("{}")
    code, _, err = command("rotate", "star", "tcec102_out", "--file", str(file))
    assert (code, "DataSecret" in err) == (2, True)
    keys = dict.fromkeys(("OperatorSecret", "DataSecret", "DataSecretIV", "SigSecret"), "0123456789abcdef")
    file.write_text(json.dumps(keys))
    assert command("rotate", "star", "tcec102_out", "--file", str(file))[0] == 0
    file.write_text(json.dumps({**keys, "DataSecret": "short"}))
    assert command("rotate", "star", "tcec102_out", "--file", str(file))[0] == 2


def test_secrets_are_not_in_the_database_in_plain(command, database):
    kinds = [f"--key={kind}" for kind in ("webhook", "tcec102", "ocpi", "read")]
    made = json.loads(command("add", "star", "--operator", "star", *kinds, "--json")[1])
    secrets = [value for values in made["keys"].values() for value in values.values()]
    assert len(secrets) == 7
    with psycopg.connect(database) as conn:
        stored = conn.execute("SELECT coalesce(sealed, digest), partner_key::text FROM safety.partner_key").fetchall()
    for secret in secrets:
        plain = secret.removeprefix("whsec_")
        assert all(plain.encode() not in bytes(raw) and plain not in text for raw, text in stored)


def test_another_master_key_is_one_line(command, tmp_path, database):
    from alerts.charging.partners.records import all_partners
    from alerts.charging.partners.sealing import MasterKeyUnfit, load_or_make
    from ingest.store.connection import connect

    command("add", "star", "--operator", "star")
    (tmp_path / "partners.key").unlink()
    with connect(database, role="admin") as conn, pytest.raises(MasterKeyUnfit, match="another master key"):
        all_partners(conn, load_or_make(tmp_path / "partners.key"), now=datetime.now(UTC))


def test_the_report_counts_failed_starts_and_anomalies_by_operator(world, command, database):
    world.add("star", "star", "nova")
    now = datetime.now(UTC)
    with psycopg.connect(database, autocommit=True) as conn:
        for number, state in enumerate(["ended"] * 17 + ["failed"] * 3):
            conn.execute(
                "INSERT INTO telemetry.charging_session (operator, session_id, state, started_at, said_at, received_at,"
                " channel) VALUES ('star', %s, %s, %s, %s, %s, 'ocpi')",
                (f"T{number}", state, now - timedelta(hours=1), now, now),
            )
        conn.execute(
            "INSERT INTO safety.sighting (report_id, danger_id, source, channel, operator, ts, received_at, code, kind,"
            " severity, state)"
            " SELECT gen_random_uuid(), d.id, 'partner', 'webhook', 'star', now(), now(), 'x', 'other', severity, 'on'"
            " FROM (VALUES (gen_random_uuid())) AS d (id), unnest(ARRAY[2, 1]) AS severity"
        )
    code, out, _ = command("report", "--json")
    (star,) = json.loads(out)["operators"]
    assert (code, star["operator"], star["sessions"]) == (0, "star", 20)
    assert (star["failed_starts"], star["failed_share"]) == (3, 0.15)
    # Wilson's interval of 3 in 20, from the published formula.
    assert star["failed_share_95"] == [pytest.approx(0.0524, abs=1e-3), pytest.approx(0.3604, abs=1e-3)]
    assert star["anomalies"] == {"personal": 1, "equipment": 0, "notice": 0}
    assert star["anomalies_per_100_sessions"] == 5
    code, out, _ = command("report")
    assert (code, "15.0%" in out) == (0, True)
