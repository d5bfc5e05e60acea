"""The watchdog's recorder never stands in the way of a kill."""

from __future__ import annotations

from core.clock import SystemClock
from core.journal import Journal, read
from core.records import RecordKind
from risk.recorder import Recorder


def _journal(path):
    return Journal(path, process="watchdog", run_id="r", boot_id="b", clock=SystemClock())


def test_a_record_too_large_for_the_journal_is_reported_and_the_next_one_is_stored(tmp_path):
    recorder = Recorder(_journal(tmp_path / "watchdog.db"))
    assert not recorder.write(RecordKind.KILL_STARTED, {"evidence": "x" * 2_000_000})
    assert recorder.problem
    assert recorder.write(RecordKind.KILL_STARTED, {"kill_id": "abc"})
    assert not recorder.problem
    recorder.close()
    assert [record.payload for record in read(tmp_path / "watchdog.db")] == [{"kill_id": "abc"}]
