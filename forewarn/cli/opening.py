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
def opened(*, broker: bool = False, workers: int | None = None) -> "Iterator[Settings]":
    """Yield settings that reach every server needed; the embedded database is brought to this version.

    workers : takes the place of the setting ``ingest.workers``
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
            migrate(complete.database.dsn)
        yield complete


def dsn_of(settings: "Settings") -> str:
    """Return the DSN of opened settings."""
    assert settings.database.dsn is not None
    return settings.database.dsn


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
