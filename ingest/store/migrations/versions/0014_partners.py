"""Charging operators, their keys and their sessions."""

from ingest.store.migrations import run_sql

revision = "0014_partners"
down_revision = "0013_safety"


def upgrade() -> None:
    run_sql(revision)
