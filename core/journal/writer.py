"""Writing a journal: one process, one thread, durable when ``append`` returns."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.atomic_file import sync_folder
from core.canonical import dump, fields_of
from core.clock import Clock
from core.errors import JournalCorrupt, StopTrading
from core.journal.chain import GENESIS, Head, Record, chain_hash, encode_head, head_path, read_head
from core.journal.reader import VerifyResult, check_row, describe_head_difference, read, verify
from core.records import RecordKind

_APPLICATION_ID = 0x42_53_4A_31  # "BSJ1"
_MAX_PAYLOAD_BYTES = 1_000_000
_CHECKED_AT_OPEN = 1_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    process TEXT NOT NULL,
    run_id TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS records_are_never_changed BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS records_are_never_removed BEFORE DELETE ON records
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
_INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class Journal:
    """Writer of one journal file.

    Parameters
    ----------
    path
        The file; it is made when missing, its folder too.
    process
        Name of the writing process (``main``, ``risk_monitor``).
    run_id, boot_id
        Written with every record: which run, and which incarnation of the process.
    clock
        Stamps the records.
    busy_timeout_s
        How long a write waits for a foreign program that keeps the file locked.

    Raises
    ------
    JournalCorrupt
        When the file is no journal, its newest records don't hold, or its end is missing.
    StopTrading
        When it can't be opened for writing.

    Notes
    -----
    The first thread that appends owns the journal; ``claim`` moves it to another. After a failed append
    nothing of it is stored, and the next append tries again.
    """

    def __init__(
        self,
        path: Path,
        *,
        process: str,
        run_id: str,
        boot_id: str,
        clock: Clock,
        busy_timeout_s: float = 5.0,
    ) -> None:
        self.path = path
        self._origin = (process, run_id, boot_id)
        self._clock = clock
        self._owner: int | None = None
        self._in_batch = False
        self._head_file: int | None = None
        try:
            self._connection = _open(path, busy_timeout_s)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise StopTrading(f"the journal {path} can't be opened: {error}") from error
            raise JournalCorrupt(f"{path} is no journal: {error}") from error
        except OSError as error:
            raise StopTrading(f"the journal {path} can't be opened: {error}") from error
        try:
            self._head = self._check_end()
            self._mirror_head()
        except BaseException:
            self._connection.close()
            raise

    # --- writing -----------------------------------------------------------------------------------------

    def append(self, kind: RecordKind, payload: Mapping[str, object] | object) -> int:
        """Append one record; on return it survives a power cut (inside ``batch``: when the batch ends).

        Parameters
        ----------
        kind
            Kind of the record.
        payload
            Mapping of the keys that ``core.records`` names, or a frozen message, whose fields are taken.

        Returns
        -------
        int
            The record's sequence number.

        Raises
        ------
        StopTrading
            When it can't be stored (disk full, I/O error). Nothing of it is stored then.
        """
        self._check_owner()
        process, run_id, boot_id = self._origin
        fields = payload if isinstance(payload, Mapping) else fields_of(payload)
        text = dump(fields)
        if len(text) > _MAX_PAYLOAD_BYTES:
            raise ValueError(f"a {kind} record of {len(text)} bytes is too large for the journal")
        row = (self._head.seq + 1, self._clock.now_ns(), process, run_id, boot_id, str(kind), text)
        new = Head(seq=row[0], hash=chain_hash(self._head.hash, row))
        try:
            self._connection.execute(_INSERT, (*row, new.hash))
        except sqlite3.Error as error:
            raise StopTrading(f"the journal {self.path} can't be written: {error}") from error
        self._head = new
        if not self._in_batch:
            self._mirror_head()
        return new.seq

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Append several records in one durable transaction: all of them or, after an error, none."""
        self._check_owner()
        if self._in_batch:
            raise RuntimeError("a batch can't stand inside another")
        before = self._head
        self._begin()
        self._in_batch = True
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._head = before
            self._roll_back()
            if isinstance(error, sqlite3.Error):
                raise StopTrading(f"the journal {self.path} can't be written: {error}") from error
            raise
        finally:
            self._in_batch = False
        self._mirror_head()

    def claim(self) -> None:
        """Make the calling thread the owner. The previous owner must not append any more."""
        self._owner = threading.get_ident()

    def close(self) -> None:
        """Close the file. What was appended is stored already."""
        self._connection.close()
        if self._head_file is not None:
            os.close(self._head_file)
            self._head_file = None

    @property
    def head(self) -> Head:
        """Newest record."""
        return self._head

    # --- reading, for convenience ------------------------------------------------------------------------

    @staticmethod
    def read(path: Path, after: int = 0, kinds: Collection[str] | None = None) -> Iterator[Record]:
        """See ``core.journal.read``."""
        return read(path, after, kinds)

    @staticmethod
    def verify(path: Path) -> VerifyResult:
        """See ``core.journal.verify``."""
        return verify(path)

    # --- inside ------------------------------------------------------------------------------------------

    def _check_owner(self) -> None:
        thread = threading.get_ident()
        if self._owner != thread:
            if self._owner is not None:
                raise RuntimeError("only the thread that owns the journal may append to it")
            self._owner = thread

    def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StopTrading(f"the journal {self.path} can't be written: {error}") from error

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # some errors have ended the transaction already
            self._connection.execute("ROLLBACK")

    def _check_end(self) -> Head:
        """Head of the file, after a check of its newest records; ``verify`` checks all of them."""
        try:
            newest = self._connection.execute("SELECT max(seq) FROM records").fetchone()[0] or 0
            start = max(0, newest - _CHECKED_AT_OPEN)
            anchor = self._connection.execute("SELECT hash FROM records WHERE seq = ?", (start,)).fetchone()
            head = Head(seq=start, hash=anchor[0] if anchor else GENESIS)
            mirrored = read_head(self.path)
            expected = mirrored.hash if mirrored is not None and mirrored.seq > start else None
            for row in self._connection.execute("SELECT * FROM records WHERE seq > ? ORDER BY seq", (start,)):
                problem = check_row(head, row)
                if problem is not None:
                    raise JournalCorrupt(f"the journal {self.path} does not hold: {problem}")
                head = Head(seq=row[0], hash=row[7])
                if head == mirrored:
                    expected = None
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise JournalCorrupt(f"the journal {self.path} can't be read: {error}") from error
        if expected is not None and mirrored is not None:
            difference = describe_head_difference(head, mirrored)
            raise JournalCorrupt(f"the journal {self.path} does not hold: {difference}")
        return head

    def _mirror_head(self) -> None:
        """Write the head file. Best effort: the journal itself is durable already."""
        try:
            if self._head_file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                self._head_file = os.open(head_path(self.path), flags, 0o600)
            os.pwrite(self._head_file, encode_head(self._head), 0)
        except OSError:
            return


def _open(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    if is_new:  # SQLite itself would make it readable for everybody
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    # The journal checks its owner by itself: the thread may be handed over, which SQLite's own check forbids.
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        is_ours = _is_ours(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if not is_ours:
            mark = f"PRAGMA application_id = {_APPLICATION_ID};"
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {mark} COMMIT;")
        if is_new:
            sync_folder(path.parent)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Whether the file is a journal already; False when it is empty, an error when it is somebody else's."""
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if found != _APPLICATION_ID and (found or tables):
        raise sqlite3.DatabaseError("it belongs to another program")
    return bool(found)


def set_aside(path: Path, stamp: str) -> Path:
    """Rename a journal that does not hold, with its side files, so that a new one can begin.

    For the watchdog only: its kill path must work even when its own journal is damaged.

    Returns
    -------
    Path
        Where the journal now stands; nothing is deleted.
    """
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("", "-wal", "-shm", ".head"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(target.with_name(target.name + suffix))
    return target
