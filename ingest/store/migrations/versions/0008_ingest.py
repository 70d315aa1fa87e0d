"""What a worker's last batch was and what it had in flight; lamps that can be derived again."""

from ingest.store.migrations import run_sql

revision = "0008_ingest"
down_revision = "0007_reports"


def upgrade() -> None:
    run_sql(revision)
