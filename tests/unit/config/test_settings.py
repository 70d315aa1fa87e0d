import re
from pathlib import Path

import pytest

from config.settings import SettingsInvalid, describe, load_settings

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _, variable, _, _ in describe():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("FOREWARN_CONFIG", raising=False)


def test_without_anything_the_servers_are_embedded():
    settings = load_settings()
    assert settings.database.dsn is None
    assert settings.mqtt.host is None


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "forewarn.toml").write_text('language = "zh_CN"\n[ingest]\nworkers = 3\nbatch_rows = 7\n')
    monkeypatch.setenv("FOREWARN_INGEST__WORKERS", "4")
    settings = load_settings()
    assert (settings.language, settings.ingest.workers, settings.ingest.batch_rows) == ("zh_CN", 4, 7)


def test_every_problem_is_reported_at_once_with_its_name(tmp_path, monkeypatch):
    (tmp_path / "forewarn.toml").write_text("[ingest]\nbatch_rows = 0\nshiny = 1\n")
    monkeypatch.setenv("FOREWARN_WEB__PORT", "eighty")
    monkeypatch.setenv("FOREWARN_INGST__WORKERS", "4")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    message = str(caught.value)
    for name in ("ingest.batch_rows", "ingest.shiny", "web.port", "FOREWARN_INGST__WORKERS"):
        assert name in message
    assert "\n" not in message


def test_a_file_that_is_not_toml_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "other.toml").write_text("x = = 1")
    monkeypatch.setenv("FOREWARN_CONFIG", str(tmp_path / "other.toml"))
    with pytest.raises(SettingsInvalid, match=r"other\.toml is not valid TOML"):
        load_settings()


def test_a_named_file_must_exist(monkeypatch):
    monkeypatch.setenv("FOREWARN_CONFIG", "/nowhere.toml")
    with pytest.raises(SettingsInvalid, match=r"there is no settings file /nowhere\.toml"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "days", "setting"),
    [
        ("FOREWARN_STORE__HOUR_DAYS", 399, "store.hour_days"),
        ("FOREWARN_STORE__READING_DAYS", 1101, "store.hour_days"),
        ("FOREWARN_STORE__DAY_DAYS", 1099, "store.day_days"),
    ],
)
def test_rollups_outlive_what_they_are_made_of(monkeypatch, variable, days, setting):
    monkeypatch.setenv(variable, str(days))
    with pytest.raises(SettingsInvalid, match=rf"^{setting}: it should be at least store\.\w+_days, \d+: .*\(it is"):
        load_settings()


def test_a_secret_is_never_shown(tmp_path, monkeypatch):
    (tmp_path / "forewarn.toml").write_text("[mqtt]\npassword = 12345\n")
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", "hunter2secret")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    message = str(caught.value)
    assert "database.dsn" in message
    assert "mqtt.password" in message
    assert "hunter2" not in message
    assert "12345" not in message


def test_a_file_that_is_not_utf8_is_one_line(tmp_path):
    (tmp_path / "forewarn.toml").write_bytes(b'language = "\xff"')
    with pytest.raises(SettingsInvalid, match="UTF-8"):
        load_settings()


def test_every_setting_is_documented():
    documented = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for name, variable, default, description in describe():
        assert f"| `{name}` | `{variable}` | {f'`{default}`' if default else ''} | {description} |" in documented
    assert len(re.findall(r"^\| `", documented, flags=re.MULTILINE)) == len(describe())
