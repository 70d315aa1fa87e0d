"""Charging operators, their keys and their sessions."""

from ingest.store.migrations import run_sql

revision = "0014_partners"
down_revision = "0010_given"


def upgrade() -> None:
    run_sql(revision)
