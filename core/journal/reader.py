"""Reading and verifying a journal, also while its process goes on writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from core.errors import JournalCorrupt
from core.journal.chain import GENESIS, Head, Record, Row, chain_hash, read_head, record_of

_COLUMNS = "seq, time_ns, process, run_id, boot_id, kind, payload, hash"
_PAGE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """Outcome of a verification: how many records hold, and the first problem in words."""

    records: int
    ok: bool
    problem: str | None = None
    head: Head


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Read-only connection to the journal at ``path``.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no journal {path}")
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0, isolation_level=None)


def read(path: Path, after: int = 0, kinds: Collection[str] | None = None) -> Generator[Record, None, None]:
    """Iterate over the records with a sequence number above ``after``, oldest first.

    Parameters
    ----------
    path
        Journal file; it may be in use by its writer.
    after
        Sequence number of the last record already known.
    kinds
        Only these kinds (``core.records.RecordKind``); None for all.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    JournalCorrupt
        When it can't be read, whether it is damaged or may not be opened. The hash chain is not checked here: see
        ``verify``.
    """
    try:
        with closing(connect_read_only(path)) as connection:
            for row in _rows(connection, after, kinds):
                yield record_of(row)
    except FileNotFoundError:
        raise
    except (sqlite3.Error, OSError, ValueError, TypeError, RecursionError) as error:
        raise JournalCorrupt(f"the journal {path} can't be read: {error}") from error


def _rows(connection: sqlite3.Connection, after: int, kinds: Collection[str] | None) -> Iterator[Row]:
    """Rows page by page: one long read would keep the writer from shortening its write-ahead log."""
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return  # its process has just made the file and nothing in it yet
    wanted = [] if kinds is None else [str(kind) for kind in kinds]
    condition = "" if kinds is None else f" AND kind IN ({', '.join('?' * len(wanted))})"
    query = f"SELECT {_COLUMNS} FROM records WHERE seq > ?{condition} ORDER BY seq LIMIT {_PAGE}"  # noqa: S608 - constants and placeholders only
    while True:
        page: list[Row] = connection.execute(query, (after, *wanted)).fetchall()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def verify(path: Path) -> VerifyResult:
    """Check every record's hash, the order of the numbers, and that no tail is missing."""
    mirrored = read_head(path)  # before the rows: the writer may append meanwhile
    head = Head(seq=0, hash=GENESIS)
    mirrored_seen = mirrored is None or mirrored == head
    problem = None
    try:
        with closing(connect_read_only(path)) as connection:
            for row in _rows(connection, 0, None):
                problem = check_row(head, row)
                if problem is not None:
                    break
                head = Head(seq=row[0], hash=row[7])
                mirrored_seen = mirrored_seen or head == mirrored
    except (sqlite3.Error, OSError, ValueError, TypeError, IndexError) as error:
        problem = f"after record {head.seq}: {error}"
    if problem is None and mirrored is not None and not mirrored_seen:
        problem = describe_head_difference(head, mirrored)
    return VerifyResult(records=head.seq, ok=problem is None, problem=problem, head=head)


def check_row(head: Head, row: Row) -> str | None:
    """Why ``row`` can't follow ``head``, or None when it does."""
    if row[0] != head.seq + 1:
        return f"record {head.seq + 1} is missing; {row[0]} follows {head.seq}"
    if chain_hash(head.hash, row[:7]) != row[7]:
        return f"record {row[0]}: the hash does not match its content"
    record_of(row)
    return None


def describe_head_difference(head: Head, mirrored: Head) -> str:
    """Sentence about a journal that does not contain its mirrored head."""
    if mirrored.seq > head.seq:
        return f"the end is missing: {head.seq} records, but {mirrored.seq} had been written"
    return f"record {mirrored.seq} is not the one that was written"
