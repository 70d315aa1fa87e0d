"""A decision about a model says which files it was about."""

from ingest.store.migrations import run_sql

revision = "0021_digests"
down_revision = "0020_settled_leads"


def upgrade() -> None:
    run_sql(revision)
