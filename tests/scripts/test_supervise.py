"""What ``run_system.sh`` runs, where something is amiss: a full disk, files that are gone, a kill that was cut short."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.journal import Journal
from core.records import RecordKind
from scripts.supervise import _Announcer
from tests.faults.hand import hand
from tests.faults.small_disk import SmallDisk
from tests.scripts.supervised import SupervisedStage
from tests.waiting import wait_for


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "project")
    yield disk
    disk.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SupervisedStage]:
    folder = tmp_path / "project"
    folder.mkdir()
    with SupervisedStage(folder) as stage:
        yield stage


def test_what_a_full_disk_does_not_take_is_told_on_the_terminal(
    disk: SmallDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    say = _Announcer(disk.folder / "system.console.log")
    say.to_terminal = False
    say("a panel shows this")
    disk.fill()
    for number in range(1000):  # what is left of the file's last page takes some
        say(f"line {number}")
    assert "a panel shows this" not in capsys.readouterr().out
    say("nobody else shows this")
    assert "nobody else shows this" in capsys.readouterr().out
    (disk.folder / "system.console.log").unlink()
    assert say.size == 0


def test_main_is_avenged_on_a_full_disk(disk: SmallDisk) -> None:
    with SupervisedStage(disk.folder) as stage:
        stage.hold("IBM", 10)
        stage.start_system()
        main = stage.pid_of("main")
        disk.fill()
        os.kill(main, signal.SIGKILL)
        wait_for(lambda: stage.ask_account() == ({}, 0), "a flat account", every_s=0.5)
        stage.supervisor.send_signal(signal.SIGTERM)
        assert stage.supervisor.wait(60) == 3, stage.output("system")


def test_a_stop_right_after_the_death_of_main_does_not_take_the_watchdog_away(stage: SupervisedStage) -> None:
    stage.hold("IBM", 10)
    stage.start_system()
    os.kill(stage.pid_of("main"), signal.SIGKILL)
    stage.supervisor.send_signal(signal.SIGTERM)
    assert stage.supervisor.wait(60) == 3
    assert stage.await_kill()["flat"]
    assert stage.ask_account() == ({}, 0)


def test_removed_console_files_end_no_run(stage: SupervisedStage) -> None:
    stage.start_system()
    for file in stage.logs.glob("*.console.log"):
        file.unlink()
    before = stage.pid_of("risk_monitor")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: stage.is_watching() and stage.pid_of("risk_monitor") != before, "another watchdog")
    assert stage.supervisor.poll() is None
    stage.supervisor.send_signal(signal.SIGTERM)
    assert stage.supervisor.wait(60) == 0


def _cut_a_kill_short(stage: SupervisedStage) -> None:
    """Do what a power cut in the middle of a kill does."""
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "2", "--orders", "4", "--deaf")
    stage.await_check("heartbeat", "ok")
    stage.kill_now.touch()
    wait_for(lambda: stage.records("kill_started"), "the kill's record")
    for process in (watchdog, peer):
        process.kill()
        process.wait()
    assert not stage.records("kill_ended")


def test_a_kill_that_was_cut_short_is_completed_before_anything_else(stage: SupervisedStage) -> None:
    _cut_a_kill_short(stage)
    refused = stage.call("--rearm", "looked at it")
    assert refused.returncode == 4, refused.stdout
    assert "has not ended" in refused.stderr
    paper = stage.call("--paper", "--sessions", "1")
    assert paper.returncode == 4
    assert "without --paper" in paper.stderr
    assert not stage.records("kill_ended", "rearmed")

    completed = stage.call("--plain")
    assert completed.returncode == 3, completed.stdout + completed.stderr
    assert f"completes it in account DU1234567 at 127.0.0.1:{stage.port}, mode paper;" in completed.stdout
    assert "the account is flat" in completed.stdout
    assert stage.records("kill_ended")[-1].payload["flat"]
    assert stage.ask_account() == ({}, 0)
    assert not (stage.logs / "main.console.log").exists()

    again = stage.call()
    assert again.returncode == 4
    assert "--rearm" in again.stderr
    assert stage.call("--rearm", "looked at it").returncode == 0


def test_a_kill_is_not_completed_where_the_configuration_points_by_now(stage: SupervisedStage) -> None:
    _cut_a_kill_short(stage)
    before = stage.config.read_text()
    here = f"account DU1234567 at 127.0.0.1:{stage.port}, mode paper"
    others = {
        "the login's account at 127.0.0.1:1, mode paper": before.replace(f"port: {stage.port}", "port: 1"),
        f"account DU7 at 127.0.0.1:{stage.port}, mode paper": f"{before}\naccount_id: DU777\n",
        f"account U7 at 127.0.0.1:{stage.port}, mode live": f"{before}\nmode: live\naccount_id: U777\n",
    }
    for there, config in others.items():
        stage.config.write_text(config)
        refused = stage.call("--plain")
        assert refused.returncode == 4, refused.stdout + refused.stderr
        assert here in refused.stderr
        assert there.replace("U7 ", "U777 ") in refused.stderr
        assert "--abandon-kill" in refused.stderr
    assert len(stage.records("run_started")) == 1, "no watchdog was started"


def test_another_account_behind_the_same_port_is_named_and_left_alone(stage: SupervisedStage) -> None:
    _cut_a_kill_short(stage)
    gateway = stage.processes[0]
    gateway.kill()
    gateway.wait()
    stage.start_gateway("--account", "DU7777777")
    stage.hold("IBM", 10)
    spared = stage.call("--plain")
    assert spared.returncode == 3, spared.stdout + spared.stderr
    assert "was not completed: this login has DU7777777" in spared.stdout
    assert "--rearm" not in spared.stdout
    assert stage.ask_account()[0] == {"IBM": "10"}


def test_what_comes_late_of_the_time_before_is_undone_before_the_run_ends(stage: SupervisedStage) -> None:
    _cut_a_kill_short(stage)
    completing = stage.spawn("-m", "scripts", "--plain", "--config", str(stage.config), name="system")
    stage.await_kill()
    with hand(stage.port) as stray:
        stray.buy("IBM", 30, order_ref="BS-00000000-000901-E")
    assert completing.wait(60) == 3, stage.output("system")
    assert len(stage.records("kill_ended")) == 2
    assert stage.ask_account() == ({}, 0)


def test_a_kill_without_its_flag_is_completed_too(stage: SupervisedStage) -> None:
    _cut_a_kill_short(stage)
    for flag in (stage.folder / "flags").iterdir():
        flag.unlink()
    assert stage.call("--plain").returncode == 3
    assert stage.ask_account() == ({}, 0)


def test_a_human_who_has_flattened_the_account_may_abandon_a_kill(stage: SupervisedStage) -> None:
    _cut_a_kill_short(stage)
    assert stage.call("--rearm", "closed in TWS", "--abandon-kill").returncode == 0
    assert stage.records("rearmed")[-1].payload["abandoned"] is True


def test_the_kill_of_a_paper_run_has_nothing_left_to_flatten(stage: SupervisedStage) -> None:
    run_id = "6740d2a8-abcdef"
    (stage.folder / "state" / "paper" / run_id).mkdir(parents=True)
    journal = Journal(
        stage.folder / "state" / "watchdog.db",
        process="risk_monitor",
        run_id=run_id,
        boot_id="b",
        clock=SystemClock(),
    )
    started = {"kill_id": "abc123", "reason": "drawdown", "detected_monotonic_ns": 1}
    journal.append(RecordKind.KILL_STARTED, started)
    journal.close()
    stage.hold("IBM", 10)
    refused = stage.call()
    assert refused.returncode == 4
    assert "--rearm" in refused.stderr
    assert stage.ask_account()[0] == {"IBM": "10"}
    assert stage.call("--rearm", "a paper run").returncode == 0
