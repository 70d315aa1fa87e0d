"""The command's words: what it writes, and one line for a person's mistake."""

import json

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from config.errors import UserMistake
from forewarn.cli.simulate_charging import charging

runner = CliRunner()


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(charging)
    return app


def test_a_folder_gets_readings_alarms_and_the_truth(app, tmp_path):
    folder = tmp_path / "charging"
    wanted = ["--stations", "2", "--days", "1", "--dangers", "1", "--danger", "contact_heat", "--to", str(folder)]
    result = runner.invoke(app, [*wanted, "--json"])
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout.splitlines()[-1])
    assert done["rows"] > 100
    truth = pd.read_parquet(folder / "truth" / "charging.parquet")
    assert truth.loc[truth["what"] == "danger", "kind"].tolist() == ["contact_heat"]
    again = runner.invoke(app, wanted)
    assert isinstance(again.exception, UserMistake)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--danger", "meteor"], "meteor is not a danger: use one of thermal_runaway, "),
        (["--speed", "fast"], "--speed fast is not a speed"),
        (["--to", "somewhere", "--speed", "60"], "--speed is for publishing"),
        (["--live", "--to", "somewhere"], "--live happens now"),
    ],
)
def test_mistakes_are_said_in_one_line(app, arguments, says):
    result = runner.invoke(app, arguments)
    assert isinstance(result.exception, UserMistake)
    assert says in str(result.exception)
    assert "\n" not in str(result.exception)


def test_help_has_an_example():
    assert "Example: forewarn simulate charging" in (charging.__doc__ or "")
