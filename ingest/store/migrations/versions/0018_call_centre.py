"""What people do about cases: claims, contacts, clocks, appointments, findings, tasks, surveys and messages."""

from ingest.store.migrations import run_sql

revision = "0018_call_centre"
down_revision = "0017_lamp_time"


def upgrade() -> None:
    run_sql(revision)
