"""``forewarn accounts``, ``keys`` and ``dealers`` against a real database."""

import io
import json
import os
import pty
import subprocess
import sys
import threading
from typing import Any

import psycopg
import pytest

from alerts.dealers import load_sample_dealers
from forewarn import cli
from ingest.store.connection import connect

PASSWORD = "nine brown foxes"


class Piped(io.StringIO):
    """Standard input from a pipe."""

    def isatty(self) -> bool:
        return False


@pytest.fixture
def run(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command; return its exit code, what it printed and what it said."""
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))

    def run_command(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", Piped(stdin))
        code = cli.run(list(arguments))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run_command


def test_an_account_from_its_beginning_to_its_lock(run: Any, database: str) -> None:
    assert run("accounts", "list")[1] == "nobody can sign in: forewarn accounts add NAME --role supervisor\n"
    code, out, _ = run("accounts", "add", "li.na", "--role", "agent", stdin=f"{PASSWORD}\n")
    assert (code, out) == (0, "li.na may sign in as agent\n")
    assert run("accounts", "set-role", "li.na", "supervisor")[0] == 0
    assert run("accounts", "set-password", "li.na", stdin="ten brown foxes\n")[0] == 0
    assert run("accounts", "revoke-sessions", "li.na")[1] == "li.na: 0 sessions ended\n"
    assert run("accounts", "lock", "li.na")[0] == 0
    (account,) = json.loads(run("accounts", "list", "--json")[1])
    assert (account["name"], account["role"]) == ("li.na", "supervisor")
    assert account["locked_at"] is not None
    assert "locked since" in run("accounts", "list")[1]
    assert run("accounts", "unlock", "li.na")[0] == 0
    assert "never signed in" in run("accounts", "list")[1]
    with psycopg.connect(database) as conn:
        actions = [row[0] for row in conn.execute("SELECT action FROM audit.event ORDER BY event_id")]
        assert conn.execute("SELECT count(*) FROM audit.event WHERE actor_kind <> 'command'").fetchone() == (0,)
    assert actions == [
        "account added",
        "role set",
        "password set",
        "sessions ended",
        "account locked",
        "account unlocked",
    ]


@pytest.mark.parametrize(
    ("arguments", "stdin", "hint"),
    [
        (["accounts", "add", "li.na", "--role", "agent"], "", "no password came"),
        (["accounts", "add", "li.na", "--role", "agent"], "short\n", "at least 12"),
        (["accounts", "add", "Li Na", "--role", "agent"], f"{PASSWORD}\n", "is no name"),
        (["accounts", "add", "li.na", "--role", "boss"], f"{PASSWORD}\n", "--role"),
        (["accounts", "add", "li.na", "--role", "dealer"], f"{PASSWORD}\n", "needs --dealer"),
        (["accounts", "add", "li.na", "--role", "agent", "--dealer", "x"], f"{PASSWORD}\n", "no other has one"),
        (["accounts", "add", "li.na", "--role", "dealer", "--dealer", "x"], f"{PASSWORD}\n", "there is no dealer x"),
        (["accounts", "add", "li.na", PASSWORD, "--role", "agent"], "", "unexpected extra argument"),
        (["accounts", "lock", "nobody"], "", "there is no account nobody"),
        (["keys", "add", "x"], "", "--scope"),
        (["keys", "add", "x", "--scope", "all"], "", "--scope"),
        (["keys", "add", " ", "--scope", "alerts:read"], "", "needs a name"),
        (["keys", "add", "x", "--scope", "coupons:redeem"], "", "speaks for one dealer"),
        (["keys", "revoke", "7"], "", "there is no key 7"),
        (["dealers", "import", "missing.csv"], "", "there is no file missing.csv"),
    ],
)
def test_a_mistake_is_one_line(run: Any, arguments: list[str], stdin: str, hint: str) -> None:
    code, _, said = run(*arguments, stdin=stdin)
    assert code == 2
    assert hint in said
    assert said.count("\n") == 1


def test_an_account_exists_once(run: Any) -> None:
    assert run("accounts", "add", "li.na", "--role", "agent", stdin=f"{PASSWORD}\n")[0] == 0
    code, _, said = run("accounts", "add", "li.na", "--role", "agent", stdin=f"{PASSWORD}\n")
    assert code == 2
    assert "there is an account li.na already" in said


def test_a_password_is_typed_unseen(database: str, tmp_path: Any) -> None:
    """In a terminal: asked for twice, and never echoed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    environment |= {"FOREWARN_DATABASE__DSN": database, "FOREWARN_DATA_DIR": str(tmp_path)}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "forewarn", "accounts", "add", "li.na", "--role", "agent"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        # A terminal of its own, which getpass opens by the name of the process's own.
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    seen = b""
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        for prompt in (b"Password for li.na: ", b"The same again: "):
            while not seen.endswith(prompt):
                seen += os.read(ours, 1024)
            os.write(ours, PASSWORD.encode() + b"\n")
        while True:
            try:
                more = os.read(ours, 1024)
            except OSError:
                break
            if not more:
                break
            seen += more
        assert process.wait(60) == 0
    finally:
        timer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
    assert b"li.na may sign in as agent" in seen
    assert PASSWORD.encode() not in seen


def _take_terminal() -> None:
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_key_is_shown_once(run: Any, database: str) -> None:
    with connect(database, role="alerts") as conn:
        load_sample_dealers(conn)
    code, secret, said = run(
        "keys", "add", "dialler in Wuxi", "--scope", "alerts:read", "--scope", "alerts:phones", "--days", "365"
    )
    assert code == 0
    assert secret.startswith("forewarn_")
    assert "not shown again" in said
    redeem = ("keys", "add", "till", "--scope", "coupons:redeem", "--dealer", "sh-changfeng")
    assert run(*redeem)[0] == 0
    newest, oldest = json.loads(run("keys", "list", "--json")[1])
    assert (oldest["name"], oldest["scopes"]) == ("dialler in Wuxi", ["alerts:phones", "alerts:read"])
    assert newest["dealer_id"] == "sh-changfeng"
    assert secret.strip() not in json.dumps([newest, oldest])
    assert run("keys", "revoke", str(oldest["key_id"]))[0] == 0
    assert run("keys", "revoke", str(oldest["key_id"]))[0] == 2
    lines = run("keys", "list")[1].splitlines()
    assert "until revoked, never used" in lines[0]
    assert "revoked 20" in lines[1]


def test_dealers_out_and_in_again(run: Any, database: str, tmp_path: Any) -> None:
    with connect(database, role="alerts") as conn:
        load_sample_dealers(conn)
    file = tmp_path / "dealers.csv"
    assert run("dealers", "export", str(file))[0] == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    assert file.read_bytes().decode("utf-8-sig") == run("dealers", "export")[1]
    assert run("dealers", "import", str(file), "--check")[1] == "32 dealers are fine; nothing was written\n"
    assert run("dealers", "import", str(file))[1] == "32 dealers written\n"
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    fields = lines[1].split(",")
    fields[5], fields[6] = fields[6], fields[5]
    file.write_text("\n".join([lines[0], ",".join(fields), lines[2], lines[2], *lines[3:]]))
    code, _, said = run("dealers", "import", str(file))
    assert code == 2
    assert "2 problems, nothing was imported; line 2: latitude 116.231 and longitude 40.218 look swapped" in said
    assert "line 4: dealer_id" in said


def test_slots_are_made(run: Any, database: str) -> None:
    with connect(database, role="alerts") as conn:
        load_sample_dealers(conn)
    made = run("dealers", "slots", "--days", "8")[1]
    assert int(made.split()[0]) > 1000
    assert run("dealers", "slots", "--days", "8")[1] == "0 appointment slots made\n"
