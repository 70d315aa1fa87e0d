"""What most commands begin with: settings, logging, servers, and a schema of this version."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings


def settings_of_process() -> "Settings":
    """Return the settings, with logging set up by them."""
    from config.settings import load_settings

    settings = load_settings()
    _log_to_stderr(settings.log_level)
    return settings


@contextmanager
def opened(*, broker: bool = False, workers: int | None = None, patient: bool = False) -> "Iterator[Settings]":
    """Yield settings that reach every server needed; the embedded database is brought to this version.

    workers : takes the place of the setting ``ingest.workers``
    patient : a database that is away is no reason to end, since whoever needs it waits for it
    Raises  : DatabaseUnreachable; SchemaOutdated or SchemaTooNew, for a database of another version; StoreUnfit, when
              it is without TimescaleDB and that is required
    """
    from forewarn.embedded import services

    settings = settings_of_process()
    if workers is not None:
        ingest = settings.ingest.model_copy(update={"workers": workers})
        settings = settings.model_copy(update={"ingest": ingest})
    with services(settings, broker=broker) as complete:
        if settings.database.dsn is None:
            from ingest.store.migrate import migrate

            assert complete.database.dsn is not None
            migrate(complete.database.dsn, settings.store)
        else:
            _check_version(complete, patient=patient)
        yield complete


def _check_version(settings: "Settings", *, patient: bool) -> None:
    from ingest.store.connection import DatabaseAway, connect
    from ingest.store.timeseries.detect import check_required
    from ingest.store.version import check_version

    try:
        with connect(dsn_of(settings), role="admin", autocommit=True) as conn:
            check_version(conn)
            check_required(conn, settings.store)
    except DatabaseAway:
        if not patient:
            raise


def dsn_of(settings: "Settings") -> str:
    """Return the DSN of opened settings."""
    assert settings.database.dsn is not None
    return settings.database.dsn


def say_what_store_costs(settings: "Settings") -> None:
    """Say that there is no TimescaleDB, when there is none, and what that costs; nothing while the database is away."""
    from ingest.store.connection import DatabaseAway, connect
    from ingest.store.timeseries.detect import engine_of

    try:
        with connect(dsn_of(settings), role="admin", autocommit=True) as conn:
            engine = engine_of(conn)
    except DatabaseAway:
        return
    if engine.advice is not None:
        say(f"{engine.name}: {engine.advice}")


def say(text: str) -> None:
    """Tell a person what happens, on standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def _log_to_stderr(level: str) -> None:
    import logging

    import structlog

    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        # Looked up at each message: standard error may have been replaced.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
    )
