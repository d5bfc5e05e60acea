"""Keeps the TCA database: follows journals and writes every parent order's life, off the trading process.

The database is always a projection of journals (``docs/adr``, "The TCA database is a projection"). Following and
rebuilding are the same fold, so they give the same rows, and what the journal holds can't be lost here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import JournalCorrupt
from core.journal import Head, Record, read, verify
from portfolio.ledger import Ledger
from tca.fold import JournalFold
from tca.rows import Row, fill_rows, parent_row
from tca.store import TcaStore

_ID_DIGITS = 16


@dataclass(slots=True)
class JournalFollower:
    """One journal on its way into the database.

    Parameters
    ----------
    path
        Journal of a trading process, which may be writing it.
    store
        The database.
    """

    path: Path
    store: TcaStore
    _fold: JournalFold = field(default_factory=JournalFold)
    _ledger: Ledger = field(default_factory=Ledger)
    _head: Head | None = None
    _journal_id: str = ""
    _unfinished: dict[str, Row] = field(default_factory=dict)

    def catch_up(self) -> int:
        """Fold what has been appended since the last call; return the number of parent orders whose row changed.

        Raises
        ------
        FileNotFoundError
            When there is no such journal.
        JournalCorrupt
            When it can't be read.
        """
        after = 0 if self._head is None else self._head.seq
        records = 0
        for record in read(self.path, after):
            if self._head is None:
                self._begin(record)
            self._fold.apply(record)
            self._ledger.fold(record.kind, record.payload)
            self._head = Head(seq=record.seq, hash=record.hash)
            records += 1
        return self._write() if records else 0

    def _begin(self, first: Record) -> None:
        # A journal is named by its first record's hash: it may be moved, and holds the runs of many days.
        self._journal_id = first.hash[:_ID_DIGITS]
        self.store.forget(self._journal_id)

    def _write(self) -> int:
        parents: list[Row] = []
        fills: list[Row] = []
        for story in self._fold.take_changed():
            row = parent_row(self._journal_id, story, self._fold)
            if self._unfinished.get(story.order_ref) == row:
                continue
            parents.append(row)
            fills += fill_rows(self._journal_id, story, self._fold)
            self._unfinished[story.order_ref] = row
            if row["is_final"]:  # it is looked at again only when a correction comes
                del self._unfinished[story.order_ref]
        if self._head is None:
            raise RuntimeError("nothing was read")
        journal: Row = {
            "journal_id": self._journal_id,
            "path": str(self.path),
            "head_seq": self._head.seq,
            "head_hash": self._head.hash,
            "cash_change": self._ledger.cash - self._ledger.adjustments,
        }
        self.store.write(journal, parents, fills)
        return len(parents)


def follow(
    store: TcaStore,
    journals: Iterable[Path],
    is_stopped: Callable[[], bool],
    *,
    poll_s: float = 0.5,
    rest: float = 20.0,
) -> None:
    """Follow journals until ``is_stopped``; then catch up once more and publish.

    Parameters
    ----------
    store
        The database.
    journals
        Journals of running or ended processes; one that doesn't exist yet is waited for.
    is_stopped
        Asked before each look.
    poll_s
        Pause between looks at the journals.
    rest
        A publication that took ``t`` is followed by the next one not before ``rest * t`` has passed, so that a large
        database costs no more than a small share of one processor.
    """
    followers = [JournalFollower(path, store) for path in journals]
    changed, not_before = 0, 0.0
    while True:
        ends = is_stopped()  # asked before the last look, so that nothing is missed
        for follower in followers:
            if follower.path.is_file():
                changed += follower.catch_up()
        now = time.monotonic()
        # At the end in any case: the last records may have moved the place in the journal and no order.
        if ends or (changed and now >= not_before):
            store.publish()
            done = time.monotonic()
            changed, not_before = 0, done + max(1.0, rest * (done - now))
        if ends:
            return
        time.sleep(poll_s)


def rebuild(store: TcaStore, journals: Iterable[Path]) -> dict[Path, int]:
    """Fold journals from their first record to their last and publish; return the parent orders of each.

    Raises
    ------
    JournalCorrupt
        When the chain of a journal does not hold: costs that can't be trusted are worse than none.
    """
    counts = {}
    for path in journals:
        result = verify(path)
        if not result.ok:
            raise JournalCorrupt(f"the journal {path} does not hold: {result.problem}")
        counts[path] = JournalFollower(path, store).catch_up()
    store.publish()
    return counts
