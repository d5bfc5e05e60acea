"""P3: a main that is stopped and goes on after the halt sends nothing more, whatever became of its lock file."""

from __future__ import annotations

import signal
import sqlite3
import time

import pytest

from tests.risk.stage import Stage
from tests.waiting import wait_for


@pytest.mark.parametrize("lock", ["whole", "removed", "unreadable"])
def test_a_stopped_main_sends_nothing_when_it_goes_on_after_the_kill(stage: Stage, lock: str) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "2", "--orders", "3", "--rate", "20")
    stage.await_check("heartbeat", "ok")
    peer.send_signal(signal.SIGSTOP)
    path = stage.folder / "state" / "main.lock"
    if lock == "removed":
        path.unlink()
    elif lock == "unreadable":
        path.write_text("{")
    stage.kill_now.touch()
    assert stage.await_kill()["flat"]
    peer.send_signal(signal.SIGCONT)
    assert peer.wait(10) == -signal.SIGKILL, "the fence ended it: nothing of it can leave any more"
    assert stage.ask_account() == ({}, 0)
    assert any("SIGKILL ended" in str(one.payload["detail"]) for one in stage.records("kill_step"))


def test_a_foreign_program_that_locks_the_journal_holds_up_no_kill(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "3", "--orders", "5")
    stage.await_check("heartbeat", "ok")
    foreign = sqlite3.connect(stage.folder / "state" / "watchdog.db", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    stage.kill_now.touch()
    body = wait_for(lambda: stage.status() if stage.status().get("state") == "halted" else None, "the end")
    took_s = time.monotonic() - began
    foreign.execute("ROLLBACK")
    foreign.close()
    assert body["kill"]["flat"], body
    assert took_s < 4.0, f"{took_s:.1f} s: each record waited for the lock"
