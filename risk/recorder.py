"""The watchdog's journal, in a form that can't stand in the way of a kill.

Main must not act when its journal fails; the watchdog must act all the same, and say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog

from core.errors import StopTrading
from core.journal import Journal
from core.records import RecordKind

Entry = tuple[RecordKind, Mapping[str, object]]


class Recorder:
    """Appends to the journal; a failure is logged and remembered, never raised.

    Parameters
    ----------
    journal
        The journal, or None when it could not be opened at all.
    """

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._log = structlog.get_logger("recorder")
        self.problem: str | None = None if journal is not None else "the journal can't be opened"

    @property
    def works(self) -> bool:
        """Whether the newest write succeeded."""
        return self.problem is None

    def write(self, kind: RecordKind, payload: Mapping[str, object]) -> bool:
        """Append one record; whether it is durable."""
        return self.write_all([(kind, payload)])

    def write_all(self, entries: Iterable[Entry]) -> bool:
        """Append records in one durable batch; whether they are stored."""
        if self._journal is None:
            return False
        try:
            with self._journal.batch():
                for kind, payload in entries:
                    self._journal.append(kind, payload)
        except (StopTrading, ValueError) as error:  # ValueError: a record too large for the journal
            if self.problem is None:
                self._log.error("journal_failed", detail=str(error))
            self.problem = str(error)
            return False
        self.problem = None
        return True

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
