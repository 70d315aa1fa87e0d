"""What has been expired."""

from ingest.store.migrations import run_sql

revision = "0009_expiry"
down_revision = "0008_ingest"


def upgrade() -> None:
    run_sql(revision)
