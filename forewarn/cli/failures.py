"""What a failure means to the person at the terminal: one line and an exit code, in this one place."""

import errno
import os
import sys
from dataclasses import dataclass

import typer

from config.errors import UserMistake

MISTAKE = 2
# EX_TEMPFAIL: the supervisor starts the child again after a pause.
MAY_PASS = 75
UNEXPECTED = 1
INTERRUPTED = 130

# Typer keeps its usage errors private; this one is public and of the same kind.
_UsageError = typer.BadParameter.__mro__[1]


@dataclass(frozen=True, slots=True)
class Explained:
    """``text`` goes to standard error, nothing when it is empty."""

    code: int
    text: str


def explain(failure: BaseException) -> Explained | None:
    """Return what to tell about a failure; None for what is to be raised further (``SystemExit``)."""
    if isinstance(failure, KeyboardInterrupt | typer.Abort):
        return Explained(INTERRUPTED, "interrupted")
    if isinstance(failure, BrokenPipeError):
        # Whoever read our output has enough; Python would complain again when it flushes.
        sys.stdout = None
        return Explained(0, "")
    if isinstance(failure, _UsageError):
        return Explained(MISTAKE, _usage(failure))
    if not isinstance(failure, Exception):
        return None
    mistake = _mistake(failure)
    if mistake is not None:
        code = MAY_PASS if _is_supervised() and _may_pass(failure) else MISTAKE
        return Explained(code, f"forewarn: {' '.join(mistake.split())}")
    _log(failure)
    return Explained(UNEXPECTED, f"forewarn: unexpected {type(failure).__name__}: {failure}; its trace is above")


def _usage(failure: BaseException) -> str:
    context = getattr(failure, "ctx", None)
    message = str(getattr(failure, "format_message", lambda: "")())
    if type(failure).__name__ == "NoArgsIsHelpError":
        return message
    command = context.command_path if context else "forewarn"
    return f"forewarn: {' '.join(message.split()).rstrip('.')}: see '{command} --help'"


def _is_supervised() -> bool:
    from forewarn.supervisor import SUPERVISED

    return SUPERVISED in os.environ


def _may_pass(failure: Exception) -> bool:
    """Say whether a database was away that may be back in a moment."""
    # Loaded wherever a database was used.
    store, psycopg = sys.modules.get("ingest.store.connection"), sys.modules.get("psycopg")
    cause: BaseException | None = failure
    while cause is not None:
        if store is not None and isinstance(cause, store.DatabaseAway):
            return True
        if isinstance(cause, UserMistake) or psycopg is None or isinstance(cause, psycopg.errors.DiskFull):
            return False
        if isinstance(cause, psycopg.OperationalError):
            return True
        cause = cause.__cause__
    return False


def _mistake(failure: Exception) -> str | None:
    cause: BaseException | None = failure
    while cause is not None:
        line = _line(cause)
        if line is not None:
            return line
        cause = cause.__cause__
    return None


def _line(failure: BaseException) -> str | None:
    if isinstance(failure, UserMistake):
        return str(failure)
    if isinstance(failure, ModuleNotFoundError):
        package = (failure.name or "").partition(".")[0]
        if package in {"config", "ingest", "models", "alerts", "forewarn"}:
            return None
        return f"the package {package} is missing: run 'make venv'"
    if isinstance(failure, OSError):
        return _of_system(failure)
    # Only where a database was used is psycopg loaded; importing it here would slow every command down.
    psycopg = sys.modules.get("psycopg")
    if psycopg is not None and isinstance(failure, psycopg.errors.DiskFull):
        return "the database's disk is full: free some space there and try again"
    if psycopg is not None and isinstance(failure, psycopg.errors.InsufficientPrivilege):
        return _of_rights(str(failure.diag.message_primary or failure))
    if psycopg is not None and isinstance(failure, psycopg.OperationalError):
        return f"the database went away ({failure}): see that it runs and try again"
    return None


def _of_rights(denied: str) -> str:
    advice = "use the login that owns the database, or see docs/store.md for the role that the command needs"
    if "create database" in denied:
        advice = "have an administrator run ALTER ROLE … CREATEDB for it, or use another login"
    return f"the database user lacks a right ({denied}): {advice}"


def _of_system(failure: OSError) -> str | None:
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{_at(failure)}: free some space and try again"
    if failure.errno == errno.EADDRINUSE:
        return "the port is in use: stop what listens there or choose another one"
    if failure.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and failure.filename:
        return f"no right to use {failure.filename}: run as its owner or choose another place"
    if isinstance(failure, NotADirectoryError) and failure.filename:
        return f"there can be no {failure.filename}, a part of it is a file: set FOREWARN_DATA_DIR to a folder"
    return None


def _at(failure: OSError) -> str:
    return f" at {failure.filename}" if failure.filename else ""


def _log(failure: Exception) -> None:
    import traceback

    traceback.print_exception(failure)
