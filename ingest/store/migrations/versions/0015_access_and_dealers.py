"""Accounts, sessions, keys and the audit trail; opening hours and appointment slots of dealers."""

from ingest.store.migrations import run_sql

revision = "0015_access_and_dealers"
down_revision = "0014_partners"


def upgrade() -> None:
    run_sql(revision)
