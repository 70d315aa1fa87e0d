"""A fleet as files: the documented layout, the truth apart, the same messages read back."""

import json
from datetime import UTC, datetime

import pandas as pd
import pyarrow.parquet as pq
import pytest

from config.errors import UserMistake
from config.signals import catalogue
from forewarn.simulator import FleetPlan, Sampling, messages, simulate_fleet
from forewarn.simulator.filed import days_of, published
from forewarn.simulator.files import CELLS, write_fleet

END = datetime(2026, 3, 10, 16, tzinfo=UTC)
PLAN = FleetPlan(8, 9, 5, END, 0.5, Sampling(120, 600, 240))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fleet") / "a"
    return directory, write_fleet(PLAN, directory, processes=1)


def test_the_same_seed_gives_the_same_checksum_whatever_the_number_of_processes(written, tmp_path):
    again = write_fleet(PLAN, tmp_path / "b", processes=2)
    assert again == written[1]
    other = write_fleet(FleetPlan(8, 9, 6, END, 0.5, PLAN.sampling), tmp_path / "c", processes=1)
    assert other.checksum != again.checksum


def test_the_layout_is_the_documented_one(written):
    directory, summary = written
    vehicles = pd.read_parquet(directory / "vehicles.parquet")
    assert list(vehicles) == ["vin", "model", "powertrain", "chemistry", "cells", "city"]
    assert len(vehicles) == 8
    files = sorted(directory.glob("telemetry/day=*/*.parquet"))
    assert files
    table = pq.read_table(files[3])
    paths = [signal.path for signal in catalogue().signals if not signal.derived]
    assert table.column_names[:5] == ["vin", "ts", "seq", "received_ts", paths[0]]
    # The day of the folder is that of a partition to whoever reads the whole.
    assert set(paths) <= set(table.column_names)
    cells = [row for row in table[CELLS].to_pylist() if row]
    assert 3 < cells[0][0] < 4.3
    assert sum(pq.read_metadata(file).num_rows for file in files) == summary.readings
    truth = pd.read_parquet(directory / "truth" / "truth.parquet")
    assert list(truth) == ["vin", "fault_mode", "onset_at", "lamp_on_at", "has_precursor", "gradual"]
    assert len(truth) == 4
    assert (directory / "truth").stat().st_mode & 0o077 == 0
    for name in ("severity", "lamps", "findings", "oddities"):
        assert (directory / "truth" / f"{name}.parquet").is_file()
    assert json.loads((directory / "fleet.json").read_text())["checksum"] == summary.checksum


def test_what_is_read_back_is_what_would_have_been_published(written):
    directory, _ = written
    read = list(published(directory))
    fleet = simulate_fleet(vehicles=8, days=9, seed=5, end=END, faulty_share=0.5, sampling=PLAN.sampling)
    assert read == list(messages(fleet))


def test_nothing_outside_the_truth_says_what_is_wrong(written):
    directory, _ = written
    for file in directory.rglob("*.parquet"):
        if file.parent.name != "truth":
            assert not {"fault_mode", "severity", "onset_at", "oddity"} & set(pq.read_schema(file).names)


def test_a_folder_with_something_in_it_and_one_that_is_no_fleet_are_refused(written, tmp_path):
    with pytest.raises(UserMistake, match="not empty"):
        write_fleet(PLAN, written[0])
    with pytest.raises(UserMistake, match="no fleet"):
        days_of(tmp_path)
