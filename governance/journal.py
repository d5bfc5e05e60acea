"""The journal of governance, ``governance.db``: decisions, changes of parameters, probations; in the folder that outlives all runs."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from backtester.trials.ledger import TrialLedger, Tried
from core.clock import Clock
from core.errors import JournalCorrupt
from core.journal import Head, Journal, Record, read, verify
from core.records import RecordKind

FILE_NAME: Final = "governance.db"
LOCK_NAME: Final = "governance.lock"
PROCESS: Final = "governance"


@contextmanager
def open_journal(control: Path, clock: Clock, run_id: str) -> Iterator[Journal]:
    """Open the journal for writing; the caller holds ``governance.lock``."""
    journal = Journal(
        control / FILE_NAME, process=PROCESS, run_id=run_id, boot_id=str(os.getpid()), clock=clock
    )
    try:
        yield journal
    finally:
        journal.close()


def records(control: Path, *kinds: RecordKind) -> list[Record]:
    """Read records of some kinds, oldest first; none without a journal."""
    path = control / FILE_NAME
    return list(read(path, kinds=kinds or None)) if path.exists() else []


def check(control: Path) -> None:
    """Verify the whole journal, if there is one.

    Raises
    ------
    JournalCorrupt
        When it doesn't hold.
    """
    path = control / FILE_NAME
    if path.exists() and not (found := verify(path)).ok:
        raise JournalCorrupt(f"{path} does not hold: {found.problem}")


def user() -> str:
    """Who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an id without a name, as in some containers
        return f"uid {os.getuid()}"


def ledger_problem(control: Path, ledger: TrialLedger, study: str) -> str:
    """Say what is wrong with the trial ledger; empty when it holds, knows this study, and holds all it ever held.

    Each decision remembers the ledger's head of its time, so that a ledger that was cut, replaced or removed since is noticed.
    """
    try:
        check(control)
        head = ledger.head()
        if head is None or head.seq == 0:
            return f"there is none ({ledger.path})"
        for record in records(control, RecordKind.RECALIBRATED):
            seen = Head(
                seq=int(record.payload["ledger_seq"] or 0), hash=str(record.payload["ledger_hash"] or "")
            )
            if not ledger.holds(seen):
                return f"record {seen.seq}, which a decision has seen, is missing: it was cut or replaced"
        studies = {str(one.payload["study"]) for one in read(ledger.path, kinds=[RecordKind.TRIALS])}
    except (JournalCorrupt, OSError) as error:
        return str(error)
    return "" if study in studies else "it doesn't hold the trials of this very study"


def other_data(ledger: TrialLedger, tried: Tried) -> int:
    """Count the other data that a strategy was tried on: distinct sets of symbols and first sessions in the trial ledger.

    The last session doesn't tell data apart: it moves as time passes, and the mandate says how old it may be.

    Raises
    ------
    JournalCorrupt
        When the ledger can't be read.
    """
    found = {
        (frozenset(one.payload["symbols"]), str(one.payload["first"]))
        for one in read(ledger.path, kinds=[RecordKind.TRIALS])
        if one.payload["study"] != tried.study and set(one.payload["strategies"]) & set(tried.strategies)
    }
    return len(found - {(frozenset(tried.symbols), tried.first.isoformat())})
