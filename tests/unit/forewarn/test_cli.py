"""The command line: quick, with an example in every help, and one line for every mistake."""

import errno
import subprocess
import sys
import time

import psycopg
import pytest
import typer

from config.errors import UserMistake
from config.settings import Settings
from forewarn import cli
from forewarn.cli import system
from forewarn.cli.failures import explain
from forewarn.delivery import Outcomes
from forewarn.demo import DemoResult
from forewarn.supervisor import SUPERVISED
from ingest.store.connection import DatabaseAway, DatabaseUnreachable


def _commands(group, path=()):
    command = typer.main.get_command(group) if isinstance(group, typer.Typer) else group
    for name, inner in command.commands.items():
        if hasattr(inner, "commands"):
            yield from _commands(inner, (*path, name))
        elif not inner.hidden:
            yield (*path, name), inner


COMMANDS = dict(_commands(cli.app))


def test_help_is_quick():
    best = min(_timed_help() for _ in range(3))
    assert best <= 0.5


def _timed_help() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "forewarn", "--help"], check=True, capture_output=True)
    return time.perf_counter() - started


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from forewarn.cli import run; run(['--help']);"
        "heavy = ('mlflow', 'pandas', 'numpy', 'sklearn', 'psycopg', 'rich', 'pydantic', 'fastapi');"
        "print([module for module in heavy if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_of_the_product_is_there():
    wanted = "demo up status migrate schedule serve replay train score drift report"
    assert {(name,) for name in wanted.split()} <= COMMANDS.keys()
    assert {("simulate", name) for name in ("fleet", "charging", "realism")} <= COMMANDS.keys()
    assert {
        ("ingest", "run"),
        ("ingest", "dead-letters", "list"),
        *(("models", name) for name in ("list", "show", "promote", "rollback", "compare")),
        ("alerts", "list"),
    } <= COMMANDS.keys()


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_an_example(path):
    assert f"forewarn {' '.join(path)}" in COMMANDS[path].help.partition("Example:")[2]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["replai"], "replay"),
        (["replay"], "forewarn replay --help"),
        (["demo", "--vehicles", "0"], "--vehicles"),
        (["alerts", "list", "--format", "xml"], "--format"),
        (["replay", "missing.csv", "--as", "ev-bms"], "missing.csv"),
        (["replay", "missing.csv", "--as", "ev-bms", "--speed", "-1"], "--speed"),
        (["replay", "missing.csv", "--as", "carobd", "--start", "2018-06-01T08:00:00"], "time zone"),
        (["train", "--as-of", "yesterday"], "--as-of"),
        (["models", "promote", "lv_battery", "20260301-0a"], "--by"),
        (["models", "rollback", "lv_battery", "--by", "Li Na"], "--reason"),
        (["models", "compare", "lv_battery", "20260301-0a"], "forewarn models compare --help"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(arguments, hint, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    # Nothing is to be started for a mistake; a server that does not answer would show that it was.
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("FOREWARN_MQTT__HOST", "127.0.0.1")
    assert cli.run(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert hint in said
    assert "\n" not in said
    assert "Traceback" not in said


def test_wrong_settings_are_one_line(capsys, monkeypatch):
    monkeypatch.setenv("FOREWARN_WEB__PORT", "many")
    monkeypatch.setenv("FOREWARN_LANGUAGE", "fr")
    assert cli.run(["status"]) == 2
    said = capsys.readouterr().err.strip()
    assert "web.port" in said
    assert "language" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("failure", "hint"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/var/x"), "full at /var/x"),
        (psycopg.errors.DiskFull("could not extend file"), "disk is full"),
        (OSError(errno.EADDRINUSE, "Address already in use"), "port is in use"),
        (ModuleNotFoundError("No module named 'paho'", name="paho.mqtt"), "package paho is missing"),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), "/etc/x"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/etc/passwd/x"), "no /etc/passwd/x"),
        (UserMistake("two\nlines"), "two lines"),
    ],
)
def test_what_a_person_can_mend_is_explained(failure, hint):
    explained = explain(failure)
    assert explained.code == 2
    assert hint in explained.text
    assert "\n" not in explained.text


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (DatabaseAway("it cannot be reached"), 75),
        (psycopg.OperationalError("the connection is closed"), 75),
        (psycopg.errors.DiskFull("could not extend file"), 2),
        (DatabaseUnreachable("it refuses the password"), 2),
        (UserMistake("the port is in use"), 2),
    ],
)
def test_a_supervised_child_says_that_a_database_may_be_back(failure, code, monkeypatch):
    assert explain(failure).code == 2
    monkeypatch.setenv(SUPERVISED, "1")
    assert explain(failure).code == code


@pytest.mark.parametrize("place", ["/dev/null", "/proc/there-is-none"])
@pytest.mark.parametrize("command", [["up"], ["demo", "--no-serve"], ["migrate"], ["alerts", "list"]])
def test_a_data_folder_that_cannot_be_is_one_line(command, place, capsys, monkeypatch):
    monkeypatch.setenv("FOREWARN_DATA_DIR", place)
    assert cli.run(command) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert place in said[-1]
    assert "FOREWARN_DATA_DIR" in said[-1]
    assert not [line for line in said if "Traceback" in line]


@pytest.mark.parametrize("served", [True, False])
def test_a_demo_says_whether_its_list_is_served(served, capsys, tmp_path):
    result = DemoResult(Settings(), Outcomes(), [], tmp_path, ("agent", "dealer"), "abcd-efgh")
    system._show(result, served=served)
    said = capsys.readouterr().out
    assert ("Work list: http://127.0.0.1:8080/" in said) is served
    assert ("not served now" in said) is not served
    assert f"FOREWARN_DATA_DIR={tmp_path}" in said
    assert "Sign in as agent or dealer, with the password abcd-efgh" in said


def test_the_cause_of_a_failure_counts():
    try:
        raise RuntimeError("batch failed") from OSError(errno.ENOSPC, "No space left on device")
    except RuntimeError as failure:
        assert explain(failure).code == 2


def test_the_unexpected_is_logged_with_its_trace(capsys):
    explained = explain(ZeroDivisionError("division by zero"))
    assert explained.code == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_interruption_has_its_own_code():
    assert explain(KeyboardInterrupt()).code == 130
    assert explain(SystemExit(3)) is None
