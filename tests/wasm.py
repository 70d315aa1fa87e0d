"""PostgreSQL with TimescaleDB in WebAssembly: one session in one database, no COPY; see tests/timescale."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_FOLDER = Path(__file__).resolve().parent / "timescale"


def why_not() -> str | None:
    """Say why it cannot run here, None when it can."""
    if shutil.which("node") is None:
        return "TimescaleDB in WebAssembly needs Node.js 18 or newer: install it and run 'make test'"
    if not (_FOLDER / "node_modules").is_dir():
        return "TimescaleDB in WebAssembly is not installed: run 'make test', or 'npm ci' in tests/timescale"
    return None


@contextmanager
def served() -> Iterator[str]:
    """Run it on a free port of 127.0.0.1 and yield its DSN; it ends when we do, however we end."""
    process = subprocess.Popen(
        ["node", "server.mjs"], cwd=_FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError("TimescaleDB in WebAssembly did not start; its words are above")
        yield f"host=127.0.0.1 port={port} user=postgres password=any dbname=postgres sslmode=disable"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)


def empty(dsn: str) -> None:
    """Take away everything of Forewarn's. The extension stays: its one session cannot load it twice."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA IF EXISTS telemetry, prediction, care, safety, pii, audit, access CASCADE")
        conn.execute("DROP TABLE IF EXISTS public.schema_version")
