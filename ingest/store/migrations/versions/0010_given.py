"""Rollups that were given."""

from ingest.store.migrations import run_sql

revision = "0010_given"
down_revision = "0009_expiry"


def upgrade() -> None:
    run_sql(revision)
