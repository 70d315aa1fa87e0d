"""Readings of connectors by day; the list of days whose rollups are out of date."""

from ingest.store.migrations import run_sql

revision = "0006_timeseries"
down_revision = "0005_charging"


def upgrade() -> None:
    run_sql(revision)
