"""F2, F3: with a full or a read-only disk nothing new is risked, and the kill path works all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.real_main import TradingStage
from tests.faults.small_disk import SmallDisk
from tests.risk.stage import Stage
from tests.waiting import wait_for


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Everything of the project on one small disk."""
    disk = SmallDisk(tmp_path / "project")
    yield disk
    disk.close()


@pytest.fixture
def stage(disk: SmallDisk) -> Iterator[Stage]:
    """A project folder on the small disk."""
    with Stage(disk.folder) as stage:
        yield stage


def test_a_kill_on_a_full_disk_flattens_the_account(disk: SmallDisk, stage: Stage) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "2", "--orders", "4", "--deaf")
    stage.await_check("heartbeat", "ok")
    disk.fill()
    stage.kill_now.touch()
    wait_for(lambda: stage.ask_account() == ({}, 0), "a flat account")
    watchdog.send_signal(signal.SIGTERM)
    assert watchdog.wait(20) == 3


def test_a_watchdog_that_starts_on_a_full_disk_finishes_the_kill(disk: SmallDisk, stage: Stage) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "2", "--orders", "4", "--deaf")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    wait_for(lambda: stage.records("kill_started"), "the kill's record")
    watchdog.kill()
    watchdog.wait()
    disk.fill()
    again = stage.start_watchdog()
    wait_for(lambda: again.poll() is not None or stage.ask_account() == ({}, 0), "a flat account")
    assert again.poll() is None, stage.output("watchdog")
    again.send_signal(signal.SIGTERM)
    assert again.wait(20) == 3


def test_a_watchdog_without_any_journal_gives_no_lease_and_kills_all_the_same(stage: Stage) -> None:
    (stage.folder / "state" / "watchdog.db").mkdir(parents=True)  # it can't be opened, whoever tries
    stage.start_watchdog()
    body = stage.await_state("watching")
    stage.start_peer("--positions", "2", "--orders", "4")
    stage.await_check("heartbeat", "ok")
    assert body["lease"] is False
    stage.kill_now.touch()
    assert stage.await_state("halted")["kill"]["flat"]
    assert stage.ask_account() == ({}, 0)


@pytest.mark.parametrize("name", ["logs", "flags"])
def test_a_watchdog_that_starts_beside_a_read_only_folder_kills_all_the_same(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "project").mkdir()
    part = SmallDisk(tmp_path / "project" / name)
    try:
        with Stage(tmp_path / "project") as stage:
            peer = stage.start_peer("--positions", "2", "--orders", "4")
            peer.send_signal(signal.SIGSTOP)  # it writes nothing while the disk changes under it
            part.make_read_only()
            peer.send_signal(signal.SIGCONT)
            watchdog = stage.spawn("risk_monitor.py", "--config", str(stage.config), name="watchdog")
            wait_for(lambda: "ready" in stage.output("watchdog") or watchdog.poll() is not None, "a session")
            assert watchdog.poll() is None, stage.output("watchdog")
            peer.kill()
            wait_for(lambda: stage.records("kill_ended"), "the end of the kill")
            assert stage.ask_account() == ({}, 0)
            if name == "flags":
                assert "the flag can't be written" in stage.output("watchdog")
    finally:
        part.close()


def test_a_main_whose_disk_is_full_halts_says_so_and_trades_no_more(disk: SmallDisk) -> None:
    with TradingStage(disk.folder) as stage:
        stage.start_trading()
        disk.fill()
        wait_for(lambda: "main has halted: journal" in stage.output("watchdog"), "the alert")
        sent = stage.output("main").count("order sent")
        stage.main.send_signal(signal.SIGTERM)
        assert stage.main.wait(30) == 3, stage.output("main")[-600:] + stage.output("watchdog")[-2500:]
        assert stage.output("main").count("order sent") == sent
