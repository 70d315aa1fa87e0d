"""Mistakes at the command line of simulate: one line, exit code 2, and nothing is started for them."""

import pytest

from forewarn.cli import run


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "STORE"], "mqtt, store"),
        (["--to", ""], "mqtt, store"),
        (["--faults", "rust"], "hv_self_discharge"),
        (["--faults", ","], "hv_self_discharge"),
        (["--end", "yesterday"], "--end"),
        (["--end", "2026-03-01T00:00:00"], "time zone"),
        (["--speed", "fast"], "--speed"),
        (["--speed", "2", "--to", "somewhere"], "--to mqtt"),
        (["--live", "--to", "store"], "--to mqtt"),
        (["--live", "--speed", "2"], "--speed"),
        (["--live", "--end", "2026-03-01T00:00:00Z"], "--end"),
        (["--to", "store", "--stations", "4"], "--stations"),
        (["--vehicles", "0"], "vehicles"),
        (["--faulty", "1.5"], "faulty"),
        (["--step", "0.1"], "step"),
        (["--step", "inf"], "once a second"),
        (["--end", "1969-06-01T00:00:00Z"], "1990"),
        (["--end", "0001-06-01T00:00:00Z"], "no such fleet"),
        (["--truth", "/dev/null", "--to", "somewhere"], "truth"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(arguments, says, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert run(["simulate", "fleet", "--vehicles", "2", "--days", "1", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert says in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_fleet_goes_to_files(capsys, tmp_path):
    arguments = ["simulate", "fleet", "--vehicles", "3", "--days", "2", "--seed", "4", "--end", "2026-03-01T00:00:00Z"]
    assert run([*arguments, "--to", str(tmp_path / "a"), "--stations", "3"]) == 0
    assert run([*arguments, "--to", str(tmp_path / "b")]) == 0
    first, second = capsys.readouterr().out.strip().splitlines()
    assert first.split("checksum")[1] == second.split("checksum")[1]
    assert (tmp_path / "a" / "stations.parquet").is_file()
    assert not (tmp_path / "b" / "stations.parquet").exists()
    assert run([*arguments, "--to", str(tmp_path / "a")]) == 2
