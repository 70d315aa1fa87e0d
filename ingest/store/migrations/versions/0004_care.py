"""Schema care: people who call people. One car has at most one open case."""

from ingest.store.migrations import run_sql

revision = "0004_care"
down_revision = "0003_prediction"


def upgrade() -> None:
    run_sql(revision)
