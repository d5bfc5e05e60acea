"""Which starts of main have the parameters of a change.

Main reads ``config.yaml`` and only later journals its start. A change that is finished in between, or a clock that was stepped
back, would make a start with the old parameters look like one with the new by its time alone. So a start doesn't count either
when the hash of its settings is one that they had before the change.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.journal import Record, read
from core.records import RecordKind
from governance.parameters import Change


def is_start_with(record: Record, change: Change, since_ns: int) -> bool:
    """Whether a record of main's journal is a start with a change's parameters.

    Parameters
    ----------
    record
        Of any kind.
    change
        The newest one of its strategy.
    since_ns
        When it was done, wall clock.
    """
    return (
        record.kind == RecordKind.RUN_STARTED
        and record.time_ns > since_ns
        and record.payload.get("config_sha256") not in change.effective_before
    )


def starts_of(journal: Path, change: Change, since_ns: int) -> Iterator[Record]:
    """Find the starts with a change's parameters in main's journal, oldest first; none without a journal."""
    if journal.exists():
        for record in read(journal, kinds=[RecordKind.RUN_STARTED]):
            if is_start_with(record, change, since_ns):
                yield record
