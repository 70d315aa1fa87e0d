"""Days to the lamp beside the probability."""

from ingest.store.migrations import run_sql

revision = "0017_lamp_time"
down_revision = "0016_day_sums"


def upgrade() -> None:
    run_sql(revision)
