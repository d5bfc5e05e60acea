"""A journal in memory that survives its process: what was committed stays, a batch under way does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from core.canonical import dump, fields_of
from core.journal import Record
from core.records import RecordKind
from tests.simulation.clock import Stepper, Time

Entry = tuple[str, Mapping[str, object]]


class Disk:
    """What a journal's file holds."""

    def __init__(self, time: Time) -> None:
        self.entries: list[Entry] = []
        self.times: list[int] = []
        self._time = time

    def commit(self, entries: list[Entry]) -> None:
        """Make entries durable, all at once."""
        self.entries += entries
        self.times += [self._time.now] * len(entries)

    def read_back(self) -> list[Entry]:
        """Entries as a restarted process reads them: through JSON."""
        return [(kind, json.loads(dump(payload))) for kind, payload in self.entries]

    def records(self) -> list[Record]:
        """Entries as the journal's records, without their hashes."""
        return [
            Record(
                seq=number,
                time_ns=self.times[number - 1],
                process="simulated",
                run_id="simulated",
                boot_id="",
                kind=kind,
                payload=dict(payload),
                hash="",
            )
            for number, (kind, payload) in enumerate(self.read_back(), start=1)
        ]


class MemoryJournal:
    """`core.journal.Journal` for one incarnation of a process, which may die before or after each commit."""

    def __init__(self, disk: Disk, stepper: Stepper) -> None:
        self._disk, self._stepper = disk, stepper
        self._batch: list[Entry] | None = None

    def append(self, kind: RecordKind, payload: Mapping[str, object] | object) -> int:
        """Write one record."""
        fields = dict(payload) if isinstance(payload, Mapping) else fields_of(payload)
        if self._batch is not None:
            self._batch.append((str(kind), fields))
        else:
            self._commit([(str(kind), fields)])
        return len(self._disk.entries)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Write several records, all or none."""
        assert self._batch is None, "a batch can't stand inside another"
        self._batch = []
        try:
            yield
            entries, self._batch = self._batch, None
        finally:
            self._batch = None
        if entries:
            self._commit(entries)

    def close(self) -> None:
        """Nothing is open."""

    def _commit(self, entries: list[Entry]) -> None:
        self._stepper.step(f"before the commit of {entries[0][0]}")
        self._disk.commit(entries)
        self._stepper.step(f"after the commit of {entries[0][0]}")
