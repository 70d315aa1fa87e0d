"""Dangers while charging: sightings, cases, stops, messages, tasks."""

from ingest.store.migrations import run_sql

revision = "0013_safety"
down_revision = "0011_registry"


def upgrade() -> None:
    run_sql(revision)
