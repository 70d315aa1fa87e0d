"""What the desk has decided, on the local disk before anywhere else: one line an entry, appended.

A line is written before its stop leaves, so ``kill -9`` loses nothing; it is on the disk (``sync``) before its source
is told that we have it, so a power cut loses nothing that the source will not send again. The database is written from
here, at once or whenever it is back, which is why it may be away. docs/decisions/0013-journal-before-database.md.
"""

import fcntl
import os
import re
import threading
import uuid
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec
import structlog

from alerts.charging.anomaly import Sighting
from alerts.charging.book import Action, ActionState
from config.errors import UserMistake

_log = structlog.get_logger(__name__)
_FILE = re.compile(r"(\d{10})\.journal")
# A file that large is left for a new one; it goes once all of it is recorded.
_FILE_BYTES = 16 * 2**20


class JournalInUse(UserMistake):
    """Another process writes this journal."""


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag="seen"):
    """A sighting and the case it belongs to; ``opens`` and ``worsens`` as in ``alerts.charging.book.Decision``."""

    at: datetime
    danger_id: uuid.UUID
    report_id: uuid.UUID
    case_id: uuid.UUID | None
    opens: bool
    worsens: bool
    sighting: Sighting


class Decided(msgspec.Struct, frozen=True, kw_only=True, tag="decided"):
    """A stop that somebody or a policy decided on, or that waits for a person."""

    at: datetime
    action: Action


class Moved(msgspec.Struct, frozen=True, kw_only=True, tag="moved"):
    """A stop request went a step further."""

    at: datetime
    action_id: uuid.UUID
    case_id: uuid.UUID
    state: ActionState
    attempt: int
    detail: str = ""
    by: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, tag="wanted"):
    """A task for a person."""

    at: datetime
    task_id: uuid.UUID
    case_id: uuid.UUID
    kind: str
    due_at: datetime
    detail: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True, tag="told"):
    """A message to a person was handed over, or could not be. No address: ``contact_id`` leads to it."""

    at: datetime
    delivery_id: uuid.UUID
    case_id: uuid.UUID
    recipient: str
    channel: str
    contact_id: int | None
    round: int
    accepted: bool
    detail: str = ""


Entry = Seen | Decided | Moved | Wanted | Told


class Place(msgspec.Struct, frozen=True, order=True):
    """A position between two entries: number of the file, bytes from its beginning."""

    file: int
    offset: int


class Journal:
    """Appends entries, reads them again, and remembers up to where they are recorded. For several threads.

    folder : of this journal alone; made when it is not there
    Raises : JournalInUse
    """

    def __init__(self, folder: Path, *, file_bytes: int = _FILE_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._file_bytes = file_bytes
        self._lock_file = _locked(folder)
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._recorded = self._read_mark()
        numbers = self._numbers()
        self._number = numbers[-1] if numbers else max(1, self._recorded.file)
        self._out = self._open(self._number)
        self._size = _mend(self._out)
        self._unsynced = False

    @property
    def end(self) -> Place:
        """The position after the last entry."""
        with self._lock:
            return Place(self._number, self._size)

    @property
    def recorded(self) -> Place:
        """Up to where entries are in the database."""
        return self._recorded

    def append(self, entry: Entry) -> Place:
        """Write an entry and return the position after it. It outlives this process from now on, not yet a power cut.

        Raises : OSError, when the disk does not take it
        """
        body = self._encoder.encode(entry)
        line = b"%08x %b\n" % (zlib.crc32(body), body)
        with self._lock:
            if self._size >= self._file_bytes:
                self._next_file()
            written = 0
            try:
                while written < len(line):
                    written += os.write(self._out, line[written:])
            except OSError:
                # Half a line would hide the next one.
                os.ftruncate(self._out, self._size)
                raise
            self._size += len(line)
            self._unsynced = True
            return Place(self._number, self._size)

    def sync(self) -> None:
        """Wait until everything appended so far would outlive a power cut."""
        with self._sync_lock:
            with self._lock:
                if not self._unsynced:
                    return
                out = os.dup(self._out)
                self._unsynced = False
            try:
                os.fdatasync(out)
            except OSError:
                self._unsynced = True
                raise
            finally:
                os.close(out)

    def read(self, since: Place) -> Iterator[tuple[Entry, Place]]:
        """Yield every entry after ``since`` with the position after it; a line that is damaged is said and left out."""
        for number in self._numbers():
            if number < since.file:
                continue
            offset = since.offset if number == since.file else 0
            with (self._folder / f"{number:010}.journal").open("rb") as lines:
                lines.seek(offset)
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    offset += len(line)
                    entry = self._decode(line)
                    if entry is not None:
                        yield entry, Place(number, offset)

    def mark_recorded(self, place: Place) -> None:
        """Say that everything up to ``place`` is in the database; files that are wholly so are removed."""
        # Not synced: what is recorded twice is recognised.
        waiting = self._folder / "recorded.new"
        waiting.write_bytes(self._encoder.encode(place))
        waiting.replace(self._folder / "recorded")
        self._recorded = place
        for number in self._numbers():
            if number < place.file:
                (self._folder / f"{number:010}.journal").unlink(missing_ok=True)

    def close(self) -> None:
        self.sync()
        os.close(self._out)
        self._lock_file.close()

    def _next_file(self) -> None:
        os.fdatasync(self._out)
        os.close(self._out)
        self._number += 1
        self._out = self._open(self._number)
        self._size = 0

    def _open(self, number: int) -> int:
        out = os.open(self._folder / f"{number:010}.journal", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        # The name is on the disk, too.
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return out

    def _numbers(self) -> list[int]:
        names = (_FILE.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def _read_mark(self) -> Place:
        try:
            return msgspec.json.decode((self._folder / "recorded").read_bytes(), type=Place)
        except (FileNotFoundError, msgspec.DecodeError):
            # All of it is recorded again, which changes nothing.
            return Place(0, 0)

    def _decode(self, line: bytes) -> Entry | None:
        try:
            sum_hex, body = line.rstrip(b"\n").split(b" ", 1)
            if int(sum_hex, 16) == zlib.crc32(body):
                return self._decoder.decode(body)
            reason = "its sum does not fit"
        except (ValueError, msgspec.DecodeError) as error:
            reason = str(error)
        _log.error("a line of the journal is damaged and left out", folder=str(self._folder), reason=reason)
        return None


def _mend(out: int) -> int:
    """Cut off half a line at the end, which its writer did not live to finish; return the length."""
    size = os.fstat(out).st_size
    end = size
    while end > 0:
        start = max(0, end - 65_536)
        block = os.pread(out, end - start, start)
        found = block.rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(out, end)
    return end


def _locked(folder: Path) -> IO[bytes]:
    lock = (folder / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalInUse(f"another process writes the journal in {folder}: end that first") from error
    return lock
