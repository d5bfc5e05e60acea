"""Re-arming happens as a whole or not at all: neither on a guess nor half."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.errors import JournalCorrupt, StopTrading
from core.flags import FlagFolder
from core.journal import Journal, read
from core.records import RecordKind
from risk.rearm import rearm


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with a kill that has not ended, and so much behind it that its opening doesn't look at that record."""
    path = tmp_path / "watchdog.db"
    journal = Journal(path, process="risk_monitor", run_id="r", boot_id="b", clock=SystemClock())
    with journal.batch():
        started = {"kill_id": "abc123", "reason": "drawdown", "detected_monotonic_ns": 1}
        journal.append(RecordKind.KILL_STARTED, started)
        for _ in range(1_100):
            journal.append(RecordKind.CHECK, {"name": "drawdown"})
    journal.close()
    return path


def _rearm(path: Path, flags: Path, *, abandon_kill: bool = False) -> str:
    return rearm(
        "looked at it",
        flags=FlagFolder(flags),
        journal_path=path,
        locks=(path.parent / "risk_monitor.lock", path.parent / "main.lock"),
        clock=SystemClock(),
        abandon_kill=abandon_kill,
    )


def test_without_a_flags_folder_no_rearming_is_recorded(journal: Path, tmp_path: Path) -> None:
    with pytest.raises(StopTrading, match="mkdir flags"):
        _rearm(journal, tmp_path / "flags", abandon_kill=True)
    assert not list(read(journal, 0, {RecordKind.REARMED}))
    (tmp_path / "flags").mkdir()
    assert "re-armed" in _rearm(journal, tmp_path / "flags", abandon_kill=True)
    assert len(list(read(journal, 0, {RecordKind.REARMED}))) == 1


def test_what_can_not_be_read_is_no_journal_without_a_kill(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "flags").mkdir()
    with sqlite3.connect(journal) as connection:
        connection.execute("DROP TRIGGER records_are_never_changed")
        connection.execute("UPDATE records SET payload = '{' WHERE seq = 1")
    connection.close()
    with pytest.raises(JournalCorrupt, match="can't be read"):
        _rearm(journal, tmp_path / "flags")
    with sqlite3.connect(journal) as connection:
        kinds = {row[0] for row in connection.execute("SELECT kind FROM records")}
    connection.close()
    assert RecordKind.REARMED not in kinds
