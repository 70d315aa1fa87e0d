"""Operators register themselves by OCPI's credentials."""

from ingest.store.migrations import run_sql

revision = "0019_ocpi_credentials"
down_revision = "0018_call_centre"


def upgrade() -> None:
    run_sql(revision)
