"""What a repair settled no longer speaks for its car."""

from ingest.store.migrations import run_sql

revision = "0020_settled_leads"
down_revision = "0019_ocpi_credentials"


def upgrade() -> None:
    run_sql(revision)
