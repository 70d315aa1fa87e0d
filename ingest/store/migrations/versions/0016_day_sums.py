"""Daily sums in a compact copy."""

from ingest.store.migrations import run_sql

revision = "0016_day_sums"
down_revision = "0015_access_and_dealers"


def upgrade() -> None:
    run_sql(revision)
