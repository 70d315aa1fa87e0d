"""Which of an owner's choices is in force; further reports of an alarm; quality flags of charging readings."""

from ingest.store.migrations import run_sql

revision = "0007_reports"
down_revision = "0006_timeseries"


def upgrade() -> None:
    run_sql(revision)
