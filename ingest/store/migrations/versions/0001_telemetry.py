"""Schema telemetry: what was measured. Signal columns are added from config/signals.toml after the migrations ran."""

from ingest.store.migrations import run_sql

revision = "0001_telemetry"
down_revision = None


def upgrade() -> None:
    run_sql(revision)
