"""Schema prediction: what the models said, what came true."""

from ingest.store.migrations import run_sql

revision = "0003_prediction"
down_revision = "0002_people"


def upgrade() -> None:
    run_sql(revision)
