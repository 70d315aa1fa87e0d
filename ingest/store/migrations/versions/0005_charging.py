"""What charging stations and charging cars report."""

from ingest.store.migrations import run_sql

revision = "0005_charging"
down_revision = "0004_care"


def upgrade() -> None:
    run_sql(revision)
