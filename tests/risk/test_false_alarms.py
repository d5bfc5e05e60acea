"""What must not end in a kill, and what a standing flag does; with real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.risk.stage import ROOT, Stage
from tests.waiting import wait_for


def run_command(stage: Stage, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "risk_monitor.py", "--config", str(stage.config), *options],
        cwd=ROOT,
        env=stage.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def outlast(stage: Stage, seconds: float) -> None:
    """See for longer than a time-out that no kill begins."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert stage.status().get("kill") is None, stage.output("watchdog")
        time.sleep(0.05)


def test_a_main_that_stops_as_asked_sets_off_nothing(stage: Stage) -> None:
    watchdog = stage.start_watchdog()
    stage.await_state("watching")
    peer = stage.start_peer("--positions", "1", "--orders", "2")
    stage.await_check("heartbeat", "ok")
    peer.send_signal(signal.SIGTERM)
    assert peer.wait(10) == 0
    stage.await_check("heartbeat", "waiting")
    outlast(stage, 4.0)
    watchdog.send_signal(signal.SIGTERM)
    assert watchdog.wait(10) == 0
    assert stage.ask_account()[1] == 2, "the watchdog touches nothing without a breach"


def test_a_watchdog_without_main_watches_and_kills_nothing(stage: Stage) -> None:
    stage.start_watchdog()
    body = stage.await_state("watching")
    outlast(stage, 3.5)
    assert body["checks"]["heartbeat"] == "waiting"
    assert wait_for(lambda: stage.status().get("lease"), "the lease")


def test_a_heartbeat_that_comes_only_by_file_is_heard(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--file-only")
    stage.await_check("heartbeat", "ok")
    outlast(stage, 4.0)


def test_a_broker_that_goes_and_comes_back_is_neither_flat_nor_a_kill(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--positions", "2")
    stage.await_check("heartbeat", "ok")
    gateway = stage.processes[0]
    gateway.kill()
    gateway.wait()
    assert stage.await_state("blind")["lease"] is False
    outlast(stage, 1.0)
    stage.start_gateway()
    stage.await_state("watching")
    outlast(stage, 1.0)


def test_a_flag_at_the_start_halts_without_a_liquidation_until_a_human_rearms(stage: Stage) -> None:
    stage.kill_now.touch()
    watchdog = stage.start_watchdog()
    body = stage.await_state("halted")
    assert body["lease"] is False
    assert body["kill"] is None
    assert "--rearm" in body["halted"]
    assert run_command(stage, "--status").returncode == 3
    refused = run_command(stage, "--rearm", "while it runs")
    assert refused.returncode == 5
    watchdog.send_signal(signal.SIGTERM)
    assert watchdog.wait(10) == 3
    assert run_command(stage, "--refuse-if-killed").returncode == 4
    assert run_command(stage, "--rearm", " ").returncode == 2
    rearmed = run_command(stage, "--rearm", "looked at the account")
    assert rearmed.returncode == 0, rearmed.stderr
    assert not stage.kill_now.exists()
    assert stage.records("rearmed")[-1].payload["reason"] == "looked at the account"
    stage.start_watchdog()
    stage.await_state("watching")


def test_a_flag_of_a_strange_kind_kills_and_hangs_nobody(stage: Stage) -> None:
    import os

    stage.start_watchdog()
    stage.await_state("watching")
    os.mkfifo(stage.kill_now)
    assert stage.await_kill()["flat"]


def test_a_second_watchdog_ends_at_once(stage: Stage) -> None:
    stage.start_watchdog()
    stage.await_state("watching")
    second = run_command(stage)
    assert second.returncode == 5
    assert "holds" in second.stderr


@pytest.mark.parametrize(("queue_depth", "verdict"), [("0", "ok"), ("5", "breach")])
def test_a_loop_that_beats_but_handles_nothing_counts_as_dead_only_if_events_wait(
    stage: Stage, queue_depth: str, verdict: str
) -> None:
    stage.extra = "risk: {heartbeat: {progress_timeout_s: 0.5}}\n"
    stage.config.write_text(stage.config.read_text() + stage.extra)
    stage.start_watchdog()
    stage.await_state("watching")
    stage.start_peer("--queue-depth", queue_depth)
    stage.await_check("progress", verdict)
