"""Schema pii: everything that says who. Ingest reads identity and consent, alerts all, models nothing."""

from ingest.store.migrations import run_sql

revision = "0002_people"
down_revision = "0001_telemetry"


def upgrade() -> None:
    run_sql(revision)
