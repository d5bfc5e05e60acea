"""F10: the configuration is edited while the system runs: nothing of it counts before the restart."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import QuietStage
from tests.scripts.supervised import SupervisedStage
from tests.waiting import wait_for


def test_an_edit_changes_nothing_in_a_running_watchdog(quiet: QuietStage) -> None:
    before = quiet.config.read_text()
    quiet.config.write_text(before + "risk: {gross_exposure: {max_gross_exposure: 0.00001}}\n")
    try:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            quiet.assert_quiet()
            time.sleep(0.05)
        quiet.config.write_text("::: no yaml at all")
        time.sleep(0.3)
        quiet.assert_quiet()
    finally:
        quiet.config.write_text(before)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[SupervisedStage]:
    folder = tmp_path / "project"
    folder.mkdir()
    with SupervisedStage(folder) as stage:
        stage.hold("IBM", 10)
        stage.start_system()
        yield stage


def test_a_watchdog_that_is_restarted_keeps_the_limits_of_the_run(supervised: SupervisedStage) -> None:
    stage, before = supervised, supervised.config.read_text()
    tighter = before.replace("risk: {", "risk: {gross_exposure: {max_gross_exposure: 0.00001}, ")
    assert tighter != before
    for edited in (tighter, "::: no yaml at all"):
        stage.config.write_text(edited)
        pid = stage.pid_of("risk_monitor")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda old=pid: stage.is_watching() and stage.pid_of("risk_monitor") != old, "another")  # type: ignore[misc]
        assert stage.supervisor.poll() is None, stage.output("system")
    started = stage.records("run_started")
    assert len(started) == 3
    assert len({one.payload["config_sha256"] for one in started}) == 1
    assert stage.ask_account()[0] == {"IBM": "10"}
    # Half saved, and now the watchdog dies in the middle of a kill.
    stage.kill_now.touch()
    wait_for(lambda: stage.records("kill_started"), "the kill's record")
    os.kill(stage.pid_of("risk_monitor"), signal.SIGKILL)
    assert stage.await_kill()["flat"]
    assert stage.ask_account() == ({}, 0)
    wait_for(lambda: len(stage.records("run_started")) == 4, "the fourth watchdog")
    stage.supervisor.send_signal(signal.SIGTERM)
    assert stage.supervisor.wait(60) == 3, stage.output("system")
