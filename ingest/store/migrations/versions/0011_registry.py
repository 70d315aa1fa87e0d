"""Promotions, shadow, hold-out and drift."""

from ingest.store.migrations import run_sql

revision = "0011_registry"
down_revision = "0010_given"


def upgrade() -> None:
    run_sql(revision)
