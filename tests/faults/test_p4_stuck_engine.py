"""P4: the engine's loop is stuck while main's other threads live on: no heartbeat, so the watchdog ends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.real_main import MainStage
from tests.risk.stage import Stage


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[MainStage]:
    """A project folder with a paper gateway that runs."""
    with MainStage(tmp_path) as stage:
        yield stage


def test_a_main_whose_loop_hangs_in_its_journal_is_taken_for_dead(trading: MainStage) -> None:
    trading.start_main()
    trading.await_phase("trading")
    trading.start_watchdog()
    trading.await_check("heartbeat", "ok")
    foreign = sqlite3.connect(trading.main_journal, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")  # the next record that main writes waits for this
    gateway = trading.processes[0]
    gateway.kill()  # a lost connection is a record
    gateway.wait()
    trading.start_gateway()
    ended = trading.await_kill()
    foreign.execute("ROLLBACK")
    foreign.close()
    assert ended["flat"], ended
    assert ended["reason"] in {"heartbeat", "progress"}
    trading.await_phase("halted")  # its threads have closed the order lane, and its loop has come to know


def test_a_main_that_beats_and_handles_nothing_is_dead_too(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "2", "--orders", "4", "--queue-depth", "5", "--mute-events")
    ended = stage.await_kill()
    assert ended["reason"] == "progress"
    assert ended["flat"], ended
