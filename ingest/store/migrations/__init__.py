"""Numbered, forward-only migrations; each runs the SQL file of its own number."""

from importlib.resources import files

from alembic import op


def run_sql(revision: str) -> None:
    """Run ``sql/<revision>.sql`` as it stands, without alembic or SQLAlchemy reading anything into it."""
    script = files(__package__).joinpath("sql", f"{revision}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))
